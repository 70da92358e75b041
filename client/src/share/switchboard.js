/**
 * The end of a shared connection that has it: follows what any tab follows, and passes everything on.
 *
 * What happens in a channel is told once, to all tabs; their sessions drop what they do not follow, or
 * have. A tab that comes with an older cursor is given what it misses.
 *
 * @import { Channel } from '../channel.js'
 * @import { Tidings } from '../client.js'
 * @import { Command, Frame, History, Message, MessageFrame, Subscribe } from '../wire/frames.js'
 * @import { Said, Tabs, Told } from './relay.js'
 */
import { parseCursor } from '../cursor.js';
import { decodeData, encodeData } from '../wire/data.js';
import { TidingsError } from '../wire/error.js';

/** Between tabs nothing is lost; only a tab that hangs is silent. */
const HEARTBEAT = { interval: 20_000, timeout: 5_000, tries: 1 };
/** Messages read at once for a tab that was away. */
const PAGE_MESSAGES = 100;

export class Switchboard {
	#id = `${Math.random()}`;
	#life = new AbortController();
	#tabs;
	#name;
	#trunk;
	/** Why the connection is carried as it is. */
	#reason = '';
	#wire;
	/** By channel, who follows it. @type {Map<string, Set<string>>} */
	#followers = new Map();
	/** Channels whose events are passed on. @type {Set<string>} */
	#watched = new Set();
	/** @type {Set<string>} */
	#known = new Set();

	/**
	 * @param {Tabs} tabs
	 * @param {string} name
	 * @param {Tidings} trunk the connection that is shared
	 */
	constructor(tabs, name, trunk) {
		this.#tabs = tabs;
		this.#name = name;
		this.#trunk = trunk;
		this.#wire = new tabs.BroadcastChannel(name);
		this.#wire.onmessage = ({ data }) => data.tab && this.#handle(data);
		this.#tell({ type: 'lost', reason: 'another tab' });
		trunk.addEventListener('open', () => this.#tell({ type: 'open' }));
		trunk.addEventListener('transport', ({ name, reason }) => {
			this.#reason = reason;
			this.#tell({ type: 'transport', name, reason });
		});
		trunk.addEventListener('measured', ({ roundTripTime }) => this.#tell({ type: 'measured', roundTripTime }));
		trunk.addEventListener('state', ({ readyState, reason }) => readyState || this.#tell({ type: 'lost', reason }));
		trunk.addEventListener('close', ({ code, reason }) => this.#tell({ type: 'lost', code, reason }));
	}

	close() {
		this.#life.abort();
		this.#wire.close();
		this.#trunk.close();
	}

	/**
	 * @param {Told['frame']} frame
	 * @param {string} [to] absent: all tabs
	 */
	#tell(frame, to) {
		if (!this.#life.signal.aborted) this.#wire.postMessage({ board: this.#id, to, frame });
	}

	/** @param {Said} said */
	#handle({ tab, frame }) {
		if (frame.type === 'hello') this.#greet(tab);
		else if (frame.type === 'bye') this.#forget(tab);
		else this.#answer(tab, /** @type {Command} */ (frame));
	}

	/** @param {string} tab */
	#greet(tab) {
		const { readyState, transport, user, roundTripTime } = this.#trunk;
		if (readyState !== 1 || transport === 'auto') return;
		if (!this.#known.has(tab)) {
			this.#known.add(tab);
			const { signal } = this.#life;
			// Its lock is free when it is gone. Rejected when we are gone before.
			this.#tabs.locks.request(`${this.#name} ${tab}`, { signal }, () => this.#forget(tab)).catch(() => {});
		}
		this.#tell({ type: 'hello', user, heartbeat: HEARTBEAT, transport, reason: this.#reason }, tab);
		if (roundTripTime !== undefined) this.#tell({ type: 'measured', roundTripTime }, tab);
	}

	/** @param {string} tab */
	#forget(tab) {
		this.#known.delete(tab);
		for (const channel of this.#followers.keys()) this.#unfollow(channel, tab);
	}

	/**
	 * @param {string} tab
	 * @param {Command} command
	 */
	async #answer(tab, command) {
		const { req = 0 } = /** @type {{ req?: number }} */ (command);
		try {
			const frame = await this.#carryOut(tab, command);
			if (frame) this.#tell(/** @type {Frame} */ ({ ...frame, req }), tab);
		} catch (error) {
			// What the connection did not come to, the tab asks of the next one.
			if (!(error instanceof TidingsError) || error.code === 'closed') return;
			const code = error.code === 'queue_full' ? 'busy' : error.code;
			this.#tell({ type: 'error', req, code, message: error.message }, tab);
		}
	}

	/**
	 * @param {string} tab
	 * @param {Command} command
	 */
	async #carryOut(tab, command) {
		if (command.type === 'ping') return { type: 'pong' };
		if (command.type === 'subscribe') return this.#follow(tab, command);
		if (command.type === 'unsubscribe') return this.#unfollow(command.channel, tab);
		const channel = this.#trunk.channel(command.channel);
		if (command.type === 'publish') {
			return { type: 'published', ...(await channel.publish(decodeData(command), { id: command.id })) };
		}
		if (command.type === 'presence') return { type: 'presence', ...(await channel.presence()) };
		if (command.type === 'signal') return void channel.signal(decodeData(command));
		const { before, after, limit } = /** @type {History} */ (command);
		const { messages, truncated } = await channel.history({ before, after, limit });
		return { type: 'history', messages: messages.map(encodeMessage), truncated };
	}

	/**
	 * @param {string} tab
	 * @param {Subscribe} subscribe
	 */
	async #follow(tab, { channel: name, after, req }) {
		const channel = this.#trunk.channel(name);
		const followers = this.#followers.get(name) ?? new Set();
		this.#followers.set(name, followers.add(tab));
		if (!channel.cursor) await this.#begin(channel, after);
		const cursor = channel.cursor;
		if (!cursor) throw new TidingsError('unavailable', 'the connection is another one by now');
		const now = parseCursor(cursor);
		const from = after ? parseCursor(after) : now;
		const goesOn = from.epoch === now.epoch;
		this.#tell({ type: 'subscribed', req, channel: name, cursor: after && goesOn ? after : cursor, truncated: false }, tab);
		for (let { seq } = from; goesOn && seq < now.seq; ) {
			const { messages, truncated } = await channel.history({ after: seq, limit: PAGE_MESSAGES });
			if (truncated) this.#tell({ type: 'truncated', channel: name, oldest: messages[0]?.seq ?? 0 }, tab);
			for (const message of messages) this.#tell(encodeMessage(message), tab);
			if (messages.length < PAGE_MESSAGES) break;
			seq = messages.at(-1)?.seq ?? now.seq;
		}
	}

	/**
	 * Follows a channel that no tab followed before.
	 * @param {Channel} channel
	 * @param {string} [after]
	 */
	async #begin(channel, after) {
		const { name } = channel;
		const begun = new Promise((resolve, reject) => {
			const once = { once: true, signal: this.#life.signal };
			channel.subscribe({ after });
			channel.addEventListener('subscribed', resolve, once);
			channel.addEventListener('error', ({ error }) => reject(error), once);
		});
		if (!this.#watched.has(name)) {
			this.#watched.add(name);
			this.#watch(channel);
		}
		await begun;
	}

	/** @param {Channel} channel */
	#watch(channel) {
		const { name } = channel;
		channel.addEventListener('message', ({ message }) => this.#tell(encodeMessage(message)));
		channel.addEventListener('signal', ({ from, data }) => {
			this.#tell({ type: 'signal', channel: name, from, ...encodeData(data) });
		});
		for (const type of /** @type {const} */ (['join', 'leave'])) {
			channel.addEventListener(type, ({ user, at }) => this.#tell({ type, channel: name, user, at }));
		}
		channel.addEventListener('truncated', ({ oldest }) => {
			const { cursor } = channel;
			if (oldest !== undefined) this.#tell({ type: 'truncated', channel: name, oldest });
			// The log is another one, or has lost its end.
			else if (cursor) this.#tell({ type: 'subscribed', channel: name, cursor, truncated: true });
		});
		channel.addEventListener('error', ({ error }) => {
			this.#followers.delete(name);
			this.#tell({ type: 'unsubscribed', channel: name, code: error.code });
		});
	}

	/**
	 * @param {string} channel
	 * @param {string} tab
	 */
	#unfollow(channel, tab) {
		const followers = this.#followers.get(channel);
		if (followers?.delete(tab) && !followers.size) {
			this.#followers.delete(channel);
			this.#trunk.channel(channel).unsubscribe();
		}
		return { type: 'unsubscribed', channel };
	}
}

/**
 * @param {Message} message
 * @returns {MessageFrame}
 */
const encodeMessage = (message) => ({ type: 'message', ...message, ...encodeData(message.data) });
