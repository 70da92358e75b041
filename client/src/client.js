/**
 * Tidings in the browser, and in Node: one connection, many channels, nothing lost or doubled.
 *
 *     import { Tidings } from '/client/client.js';
 *     const tidings = new Tidings(location.origin, { token: 'guest:alice' });
 *     const room = tidings.channel('chat:lobby');
 *     room.addEventListener('message', (event) => console.log(event.data));
 *     await room.publish({ text: 'hi' });
 *
 * This file is the shell around the pure `Session`: it makes links and times them out, feeds the
 * session what they bring, does what it says. A link that is lost is replaced, and the session tells
 * the new one everything that still matters; so a change of transport is nothing special either.
 *
 * @import { From } from './channel.js'
 * @import { Environment, Link, Loss, Transport } from './transport/link.js'
 * @import { Frame } from './wire/frames.js'
 */
import { Backoff } from './backoff.js';
import { Channel } from './channel.js';
import { Heartbeat } from './heartbeat.js';
import { QUEUE_BYTES_MAX, Session } from './session.js';
import { longPoll, poll } from './transport/poll.js';
import { sse } from './transport/sse.js';
import { websocket } from './transport/websocket.js';
import { encodeData } from './wire/data.js';
import { TidingsError } from './wire/error.js';

export { Channel, TidingsError };

/** @typedef {'poll' | 'long-poll' | 'sse' | 'websocket'} TransportName */

/** @type {Record<TransportName, Transport>} */
const TRANSPORTS = { websocket, sse, 'long-poll': longPoll, poll };
/** @type {TransportName[]} What `auto` tries, until one works. */
const AUTO = ['websocket', 'sse', 'long-poll'];

/**
 * @typedef {object} Settings
 * @property {TransportName | 'auto'} transport default `auto`
 * @property {string | (() => string | Promise<string>)} token sent as `Authorization: Bearer` or in
 *   `hello`; a function is asked at every connection. Default: none
 * @property {number} queueBytesMax bound of what is published and not yet answered; default 1 MiB
 * @property {() => number} now monotonic, in ms
 * @property {() => number} random uniform in [0, 1)
 * @property {Pick<Crypto, 'getRandomValues'>} crypto makes message ids
 * @property {Pick<EventTarget, 'addEventListener'>} page where `online`, `pageshow` and
 *   `visibilitychange` are heard; default: the global scope, if it has such events
 */

/**
 * Everything is optional. Whatever would be a global can be given: `fetch`, `WebSocket`, `crypto`, …
 * @typedef {Partial<Settings & Omit<Environment, 'url' | 'token' | 'session'>>} Options
 */

/**
 * @typedef {object} TidingsEvents
 * @property {Event} open a link stands; again after each reconnection
 * @property {Event & { readyState: number, reason: string }} state `readyState` has changed, and why
 * @property {Event & { name: TransportName, reason: string }} transport another transport is in use, and why
 * @property {Event & { error: TidingsError }} error something was refused that nobody waits for
 * @property {Event & { code: number, reason: string, wasClean: boolean }} close it is over: by `close()`, or
 *   because the server refuses us for good. There is no reconnection after it
 */

export class Tidings extends EventTarget {
	static CONNECTING = 0;
	static OPEN = 1;
	static CLOSING = 2;
	static CLOSED = 3;

	#options;
	/** @type {TransportName[]} What to try. */
	#order = AUTO;
	/** Which of them is tried. */
	#choice = 0;
	/** Whether it has worked. */
	#proven = false;
	/** @type {TransportName | undefined} */
	#transport;
	#readyState = Tidings.CONNECTING;

	#session;
	#backoff;
	/** @type {Map<string, Channel>} */
	#channels = new Map();
	/** @type {Map<number, { resolve: (answer: unknown) => void, reject: (error: unknown) => void }>} */
	#waiting = new Map();
	#flushing = false;

	/** Number of the present link: what an older one says is not heard. */
	#number = 0;
	/** @type {Link | undefined} */
	#link;
	/** @type {Heartbeat | undefined} */
	#heartbeat;
	/** When to connect, or to give up a link that does not open, or that is to be left. */
	#deadline = Infinity;
	/** Why the last link was lost; empty once another is being made. */
	#reason = '';
	/** @type {unknown} */
	#timer;
	#timerAt = Infinity;
	#life = new AbortController();

	/** Who the server takes us for; unknown over polls. @type {string | undefined} */
	user;

	/**
	 * Connects at once.
	 * @param {string} url of the server: http, https, ws or wss, or relative to the page
	 * @param {Options} [options]
	 */
	constructor(url, options = {}) {
		super();
		const crypto = options.crypto ?? globalThis.crypto;
		/** @type {Settings & Omit<Environment, 'token'>} */
		this.#options = {
			transport: 'auto',
			token: '',
			queueBytesMax: QUEUE_BYTES_MAX,
			wait: 25,
			pollEvery: 2000,
			timeout: 5000,
			fetch: (input, init) => fetch(input, init),
			WebSocket: globalThis.WebSocket,
			setTimeout: (run, ms) => setTimeout(run, ms),
			clearTimeout: (timer) => clearTimeout(/** @type {number} */ (timer)),
			now: () => performance.now(),
			random: Math.random,
			page: globalThis,
			...options,
			crypto,
			url: new URL(url, globalThis.location?.href).href.replace(/^ws/, 'http').replace(/\/+$/, ''),
			session: randomId(crypto),
		};
		const { random, queueBytesMax, page, transport } = this.#options;
		this.#choose(transport);
		this.#backoff = new Backoff(random);
		this.#session = new Session(new Backoff(random), queueBytesMax);
		for (const type of ['online', 'pageshow', 'visibilitychange']) {
			page.addEventListener?.(type, () => this.#handleReturn(), { signal: this.#life.signal });
		}
		this.#connect('start');
	}

	/** `CONNECTING`, `OPEN`, `CLOSING` or `CLOSED`, as of a `WebSocket`. */
	get readyState() {
		return this.#readyState;
	}

	/** Bytes published and not yet answered. */
	get bufferedAmount() {
		return this.#session.bufferedAmount;
	}

	/**
	 * The transport in use; set it at any moment to change it, also to `auto`.
	 * @returns {TransportName | 'auto'} `auto` until there is one
	 */
	get transport() {
		return this.#transport ?? 'auto';
	}

	set transport(name) {
		this.#choose(name);
		if (this.#readyState < Tidings.CLOSING) this.#connect('chosen');
	}

	/**
	 * @param {string} name 1 to 255 bytes
	 * @param {From} [from] where following begins; heeded the first time
	 * @returns {Channel} the same one for the same name
	 * @throws {TypeError} when `from.after` is not a cursor
	 */
	channel(name, from) {
		const session = this.#session;
		let channel = this.#channels.get(name);
		if (!channel) {
			channel = new Channel(
				name,
				{
					subscribe: (from) => {
						session.subscribe(name, from);
						this.#flush();
					},
					unsubscribe: () => {
						session.unsubscribe(name);
						this.#flush();
					},
					cursor: () => session.cursor(name),
					publish: (data, id = randomId(this.#options.crypto)) =>
						this.#ask(() => session.publish(name, data, id)),
					signal: (data) => {
						const open = this.#readyState === Tidings.OPEN;
						if (open) this.#link?.send({ type: 'signal', channel: name, ...encodeData(data) });
						return open;
					},
					history: (range) => this.#ask(() => session.ask({ type: 'history', channel: name, ...range })),
					presence: () => this.#ask(() => session.ask({ type: 'presence', channel: name })),
				},
				from,
			);
			this.#channels.set(name, channel);
		}
		return channel;
	}

	/**
	 * @template {keyof TidingsEvents} Type
	 * @override
	 * @param {Type} type
	 * @param {((event: TidingsEvents[Type]) => void) | null} listener
	 * @param {boolean | AddEventListenerOptions} [options]
	 */
	addEventListener(type, listener, options) {
		super.addEventListener(type, /** @type {EventListener | null} */ (listener), options);
	}

	/**
	 * Ends it. What is not answered yet is rejected with `closed`: await it first.
	 * @param {number} [code] 1000, or 3000 to 4999
	 * @param {string} [reason]
	 * @throws {RangeError} for another code
	 */
	close(code = 1000, reason = '') {
		if (code !== 1000 && !(code >= 3000 && code <= 4999)) throw new RangeError(`close code ${code}: 1000, or 3000 to 4999`);
		if (this.#readyState < Tidings.CLOSING) this.#finish(code, reason, true);
	}

	/**
	 * Makes a new link in place of the present one.
	 * @param {string} reason
	 */
	async #connect(reason) {
		const number = this.#leave();
		this.#reason = '';
		this.#setState(Tidings.CONNECTING, reason);
		this.#deadline = this.#options.now() + this.#options.timeout;
		this.#arm();
		const { token } = this.#options;
		let bearer;
		try {
			bearer = await (typeof token === 'function' ? token() : token);
		} catch (error) {
			if (number === this.#number) this.#retry(this.#backoff.next(), String(error));
			return;
		}
		if (number !== this.#number) return;
		try {
			const name = /** @type {TransportName} */ (this.#order[this.#choice]);
			if (name !== this.#transport) {
				this.#transport = name;
				this.#emit('transport', { name, reason });
			}
			this.#link = TRANSPORTS[name]({ ...this.#options, token: bearer }, {
				frame: (frame) => number === this.#number && this.#handleFrame(frame),
				lost: (loss) => number === this.#number && this.#handleLoss(loss),
			});
			this.#session.handleLink(this.#link.window);
			this.#flush();
		} catch (error) {
			if (number === this.#number) this.#handleLoss({ reason: String(error) });
		}
	}

	/**
	 * Gives the present link up.
	 * @param {number} [code]
	 * @param {string} [reason]
	 * @returns {number} of the next one
	 */
	#leave(code, reason) {
		this.#link?.close(code, reason);
		this.#link = this.#heartbeat = undefined;
		return ++this.#number;
	}

	/** @param {Frame} frame */
	#handleFrame(frame) {
		const now = this.#options.now();
		if (frame.type === 'hello') {
			this.#heartbeat = new Heartbeat(frame.heartbeat, now);
			this.user = frame.user ?? this.user;
			if (this.#readyState === Tidings.CONNECTING) {
				this.#proven = true;
				this.#deadline = Infinity;
				this.#setState(Tidings.OPEN, '');
				this.#emit('open', {});
			}
		} else if (frame.type === 'reconnect') {
			// The server ends: all its clients spread themselves over this time.
			this.#deadline = now + this.#options.random() * frame.after_ms;
		} else {
			// On HTTP an answer says nothing of the stream, and it is the stream that may be dead.
			if (frame.type === 'pong' || !('req' in frame)) this.#heartbeat?.handleHeard(now);
			if (frame.type !== 'error') this.#backoff.reset();
			this.#session.handleFrame(frame, now);
		}
		this.#flush();
	}

	/** @param {Loss} loss */
	#handleLoss({ reason, code = 1006, after = 0 }) {
		const expired = code === 4002 && typeof this.#options.token !== 'function';
		if (code === 1008 || code === 4001 || expired) return this.#finish(code, reason, false);
		this.#leave();
		let delay = 0;
		// What has worked is kept. What has not makes way for the next at once, until all have failed.
		if (!this.#proven) this.#choice = (this.#choice + 1) % this.#order.length;
		if (this.#proven || !this.#choice) delay = Math.max(this.#backoff.next(), after);
		// A server that ends has said when to come back.
		const asked = this.#readyState === Tidings.OPEN && this.#deadline < Infinity ? this.#deadline : 0;
		this.#retry(Math.max(delay, asked - this.#options.now()), reason);
	}

	/**
	 * @param {number} delay ms
	 * @param {string} reason
	 */
	#retry(delay, reason) {
		this.#reason = reason;
		this.#deadline = this.#options.now() + delay;
		this.#setState(Tidings.CONNECTING, reason);
		this.#arm();
	}

	/** When the network or the user is back: no waiting, no trusting. */
	#handleReturn() {
		if (globalThis.document?.visibilityState === 'hidden') return;
		this.#backoff.reset();
		if (this.#heartbeat) this.#heartbeat.handleDoubt(this.#options.now());
		else if (this.#reason) this.#deadline = 0;
		this.#arm();
	}

	#handleTimer() {
		const now = this.#options.now();
		this.#timerAt = Infinity;
		if (now >= this.#deadline) {
			// A link that has not opened in time; else it is time for a link, or for another.
			if (this.#link && this.#readyState !== Tidings.OPEN) this.#handleLoss({ reason: 'no answer in time' });
			else this.#connect(this.#link ? 'drain' : this.#reason);
			return;
		}
		switch (this.#heartbeat?.handleTick(now)) {
			case 'ping':
				this.#link?.send({ type: 'ping', req: 0 });
				break;
			case 'dead':
				return this.#handleLoss({ reason: 'silence' });
		}
		this.#flush();
	}

	/** Sets the one timer to the nearest of all times. */
	#arm() {
		const { now, setTimeout, clearTimeout } = this.#options;
		const resume = this.#session.pollTimeout();
		const at = Math.min(this.#deadline, this.#heartbeat?.due ?? Infinity, resume > now() ? resume : Infinity);
		if (at >= this.#timerAt) return;
		clearTimeout(this.#timer);
		this.#timerAt = at;
		this.#timer = setTimeout(() => this.#handleTimer(), at - now());
	}

	/** Does what the session says. */
	#flush() {
		// A listener that publishes comes here again: the loop below is still running and sees to it.
		if (this.#flushing) return;
		this.#flushing = true;
		for (let output; (output = this.#session.pollOutput()); ) {
			if ('channel' in output) {
				const { channel, type, fields } = output;
				this.#channels.get(channel)?.dispatchEvent(Object.assign(new Event(type), fields));
				continue;
			}
			const waiting = this.#waiting.get(output.req);
			this.#waiting.delete(output.req);
			if ('answer' in output) waiting?.resolve(output.answer);
			else if (waiting) waiting.reject(output.error);
			else this.#emit('error', { error: output.error });
		}
		this.#flushing = false;
		const now = this.#options.now();
		for (let command; this.#link && (command = this.#session.pollCommand(now)); ) this.#link.send(command);
		if (this.#readyState < Tidings.CLOSING) this.#arm();
	}

	/**
	 * @template Answer
	 * @param {() => number} begin
	 * @returns {Promise<Answer>}
	 */
	#ask(begin) {
		return new Promise((resolve, reject) => {
			if (this.#readyState >= Tidings.CLOSING) throw closed();
			this.#waiting.set(begin(), { resolve: /** @type {(answer: unknown) => void} */ (resolve), reject });
			this.#flush();
		});
	}

	/**
	 * @param {number} code
	 * @param {string} reason
	 * @param {boolean} wasClean
	 */
	#finish(code, reason, wasClean) {
		this.#leave(code, reason);
		this.#life.abort();
		this.#options.clearTimeout(this.#timer);
		this.#setState(Tidings.CLOSING, reason);
		for (const { reject } of this.#waiting.values()) reject(closed(reason));
		this.#waiting.clear();
		queueMicrotask(() => {
			this.#setState(Tidings.CLOSED, reason);
			this.#emit('close', { code, reason, wasClean });
		});
	}

	/**
	 * @param {TransportName | 'auto'} name
	 * @throws {TypeError} when there is no such transport here
	 */
	#choose(name) {
		const { WebSocket } = this.#options;
		const order = name === 'auto' ? AUTO.slice(WebSocket ? 0 : 1) : [name];
		if (!Object.hasOwn(TRANSPORTS, order[0] ?? '')) throw new TypeError(`there is no transport "${name}"`);
		if (name === 'websocket' && !WebSocket) throw new TypeError('no WebSocket here: give one in the options');
		this.#order = order;
		this.#choice = 0;
		this.#proven = false;
	}

	/**
	 * @param {number} readyState
	 * @param {string} reason
	 */
	#setState(readyState, reason) {
		if (readyState === this.#readyState) return;
		this.#readyState = readyState;
		this.#emit('state', { readyState, reason });
	}

	/**
	 * @param {keyof TidingsEvents} type
	 * @param {object} fields
	 */
	#emit(type, fields) {
		this.dispatchEvent(Object.assign(new Event(type), fields));
	}
}

/** @param {string} [reason] */
const closed = (reason) => new TidingsError('closed', `closed${reason ? `: ${reason}` : ''}`);

/**
 * @param {Pick<Crypto, 'getRandomValues'>} crypto
 * @returns {string} 128 random bits
 */
const randomId = (crypto) =>
	Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
