/**
 * Tidings in the browser, and in Node: one connection, many channels, nothing lost or doubled.
 *
 *     import { Tidings } from '/client/client.js';
 *     const tidings = new Tidings(location.origin, { token: 'guest:alice' });
 *     const room = tidings.channel('chat:lobby');
 *     room.addEventListener('message', (event) => console.log(event.data));
 *     await room.publish({ text: 'hi' });
 *
 * This file is what the application sees. Behind it the pure `Session` says what is wanted of the
 * server, and the `Connection` carries it, over whatever works.
 *
 * @import { From } from './channel.js'
 * @import { Clock } from './alarm.js'
 * @import { Tabs } from './share/relay.js'
 * @import { Environment, Transport } from './transport/link.js'
 * @import { Frame } from './wire/frames.js'
 */
import { Alarm } from './alarm.js';
import { Backoff } from './backoff.js';
import { Channel } from './channel.js';
import { Connection } from './connection.js';
import { QUEUE_BYTES_MAX, Session } from './session.js';
import { Share } from './share/relay.js';
import { longPoll, poll } from './transport/poll.js';
import { sse } from './transport/sse.js';
import { websocket } from './transport/websocket.js';
import { webtransport } from './transport/webtransport.js';
import { encodeData } from './wire/data.js';
import { TidingsError } from './wire/error.js';

export { Channel, TidingsError };

/** @typedef {'poll' | 'long-poll' | 'sse' | 'websocket' | 'webtransport'} TransportName */

/** @typedef {TransportName | 'shared'} Carrier what carries: a transport, or the connection of all tabs */

/** @type {Record<TransportName, Transport>} */
const TRANSPORTS = { webtransport, websocket, sse, 'long-poll': longPoll, poll };
/** @type {TransportName[]} What `auto` may use, the best first. */
const AUTO = ['webtransport', 'websocket', 'sse', 'long-poll'];
/** @type {TransportName[]} Many networks let no UDP through. */
const CAREFUL = ['webtransport'];
/** What some need of the environment. @type {Partial<Record<string, 'WebSocket' | 'WebTransport'>>} */
const NEEDS = { websocket: 'WebSocket', webtransport: 'WebTransport' };

/** How much later than the one before a link may bring the same signal, in ms. */
const ECHO_MS = 1000;

/**
 * @typedef {object} Settings
 * @property {TransportName | 'auto'} transport default `auto`
 * @property {string | (() => string | Promise<string>)} token sent as `Authorization: Bearer` or in
 *   `hello`; a function is asked at every connection. Default: none
 * @property {boolean} share whether tabs of this origin with the same token share one connection, while the
 *   transport is `auto`; default true
 * @property {number} queueBytesMax bound of what is published and not yet answered; default 1 MiB
 * @property {() => number} now monotonic, in ms
 * @property {() => number} random uniform in [0, 1)
 * @property {Pick<Crypto, 'getRandomValues' | 'subtle'>} crypto makes message ids, and the name by which tabs find each other
 * @property {Pick<EventTarget, 'addEventListener'>} page where `online`, `pageshow`, `resume` and
 *   `visibilitychange` are heard; default: the global scope, if it has such events
 * @property {Pick<Storage, 'getItem' | 'setItem'>} [storage] where the transport that worked is remembered; default:
 *   `localStorage`, in a page
 * @property {Tabs['locks']} [locks] by which tabs find each other; default: `navigator.locks`, in a page
 * @property {Tabs['BroadcastChannel']} [BroadcastChannel] over which they talk
 */

/**
 * Everything is optional. Whatever would be a global can be given: `fetch`, `WebSocket`, `crypto`, …
 * @typedef {Partial<Settings & Omit<Environment, 'url' | 'token' | 'session' | 'told'>>} Options
 */

/**
 * @typedef {object} TidingsEvents
 * @property {Event} open a link stands; again after each reconnection
 * @property {Event & { readyState: number, reason: string }} state `readyState` has changed, and why
 * @property {Event & { name: TransportName, reason: string }} transport another transport is in use, and why:
 *   `start`, `chosen`, `better`, or what became of the one before
 * @property {Event & { roundTripTime: number }} measured how long the server took to answer, in ms, is known anew
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
	/** What is used, or was. @type {TransportName | undefined} */
	#transport;
	/** Whether the choice is ours. */
	#isAuto = true;
	#readyState = Tidings.CONNECTING;

	#session;
	/** @type {Share | undefined} */
	#share;
	/** What carries the connection that is shared, and why. @type {{ name: TransportName, reason: string } | undefined} */
	#shared;
	#connection;
	#alarm;
	/** @type {Map<string, Channel>} */
	#channels = new Map();
	/** @type {Map<number, { resolve: (answer: unknown) => void, reject: (error: unknown) => void }>} */
	#waiting = new Map();
	#flushing = false;
	/** Number of the link in use. */
	#use = 0;
	/** Signals, joins and leaves of this moment, as text, in their order: by which link they came, and when.
	 * @type {Map<string, { use: number, at: number }>} */
	#passed = new Map();
	#life = new AbortController();

	/** Who the server takes us for; unknown over polls. @type {string | undefined} */
	user;
	/** How long the server took to answer, the last time that it was measured, in ms. @type {number | undefined} */
	roundTripTime;

	/**
	 * Connects at once.
	 * @param {string} url of the server: http, https, ws or wss, or relative to the page
	 * @param {Options} [options]
	 */
	constructor(url, options = {}) {
		super();
		const crypto = options.crypto ?? globalThis.crypto;
		/** @type {Settings & Omit<Environment, 'token'> & Clock} */
		this.#options = {
			transport: 'auto',
			token: '',
			queueBytesMax: QUEUE_BYTES_MAX,
			wait: 25,
			pollEvery: 2000,
			timeout: 5000,
			fetch: (input, init) => fetch(input, init),
			WebSocket: globalThis.WebSocket,
			WebTransport: globalThis.WebTransport,
			setTimeout: (run, ms) => setTimeout(run, ms),
			clearTimeout: (timer) => clearTimeout(/** @type {number} */ (timer)),
			now: () => performance.now(),
			random: Math.random,
			page: globalThis,
			share: true,
			BroadcastChannel: globalThis.BroadcastChannel,
			locks: globalThis.document && globalThis.navigator?.locks,
			storage: ownStorage(),
			...options,
			crypto,
			url: new URL(url, globalThis.location?.href).href.replace(/^ws/, 'http').replace(/\/+$/, ''),
			session: randomId(crypto),
			told: {},
		};
		const { random, queueBytesMax, page, transport, token } = this.#options;
		const { share, locks, BroadcastChannel } = this.#options;
		if (share && locks && BroadcastChannel && transport === 'auto') {
			this.#share = new Share({ locks, BroadcastChannel }, crypto, () => new Tidings(url, { ...options, share: false }));
		}
		const transports = { ...TRANSPORTS, shared: this.#share?.transport ?? websocket };
		const order = this.#order(transport);
		this.#session = new Session(new Backoff(random), queueBytesMax);
		this.#alarm = new Alarm(this.#options, () => this.#flush());
		const remembered = /** @type {TransportName} */ (this.#storage(({ storage }, key) => storage?.getItem(key)));
		const first = this.#share ? 'shared' : remembered;
		this.#connection = new Connection(
			{ transports, order, first, careful: CAREFUL },
			{ environment: this.#options, token, random, backoff: new Backoff(random) },
			{
				greet: () => this.#session.greet(),
				frame: (frame, isInUse) => this.#handleFrame(frame, isInUse),
				use: (use) => this.#handleUse(use),
				lost: (reason) => this.#setState(Tidings.CONNECTING, reason),
				refused: ({ code, reason }) => this.#finish(code, reason, false),
			},
		);
		for (const type of ['online', 'pageshow', 'resume', 'visibilitychange']) {
			// `resume` does not bubble.
			const how = { signal: this.#life.signal, capture: true };
			page.addEventListener?.(type, () => this.#handleReturn(type), how);
		}
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
	 * The transport in use, or used last. Set it at any moment to change it, also to `auto`: the one in use goes on
	 * until the new one carries everything, so nothing is missed, and nothing comes late.
	 * @returns {TransportName | 'auto'} `auto` until there is one
	 * @throws {TypeError} when there is no such transport here
	 */
	get transport() {
		return this.#transport ?? 'auto';
	}

	set transport(name) {
		const order = this.#order(name);
		if (this.#readyState < Tidings.CLOSING) this.#connection.choose(order);
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
					signal: (data) => this.#connection.send({ type: 'signal', channel: name, ...encodeData(data) }),
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
	 * @param {Frame} frame
	 * @param {boolean} isInUse whether it is of the link in use, and not of one that is tried beside it
	 */
	#handleFrame(frame, isInUse) {
		switch (frame.type) {
			case 'hello':
				this.user = frame.user ?? this.user;
				if (frame.transport) this.#shared = { name: frame.transport, reason: frame.reason ?? '' };
				break;
			case 'transport':
				this.#shared = frame;
				if (isInUse) this.#setTransport(frame.name, frame.reason);
				break;
			case 'measured':
				this.roundTripTime = frame.roundTripTime;
				this.#emit('measured', { roundTripTime: frame.roundTripTime });
				break;
			case 'signal':
			case 'join':
			case 'leave':
				if (!isInUse || this.#isEcho(frame)) break;
			// fall through
			default:
				this.#session.handleFrame(frame, this.#options.now());
		}
		this.#flush();
	}

	/**
	 * Whether the link before has brought it a moment ago: it has no number by which that would be known.
	 * @param {Frame} frame
	 */
	#isEcho(frame) {
		const now = this.#options.now();
		for (const [text, { at }] of this.#passed) {
			if (now - at < ECHO_MS) break;
			this.#passed.delete(text);
		}
		const text = JSON.stringify(frame);
		const before = this.#passed.get(text);
		this.#passed.delete(text);
		if (before && before.use !== this.#use) return true;
		this.#passed.set(text, { use: this.#use, at: now });
		return false;
	}

	/** @param {{ name: Carrier, window: number, told: Map<number, string>, reason: string }} use */
	#handleUse({ name, window, told, reason }) {
		this.#use++;
		this.#session.handleLink(window, told);
		if (name !== 'shared') {
			if (this.#isAuto) this.#storage(({ storage }, key) => storage?.setItem(key, name));
			else this.#share?.close();
			this.#setTransport(name, reason);
		} else if (this.#shared) {
			// Where the shared one just started, this tab's own reason says more.
			const { name, reason: why } = this.#shared;
			this.#setTransport(name, why === 'start' ? reason : why);
		}
		if (this.#readyState === Tidings.CONNECTING) {
			this.#setState(Tidings.OPEN, reason);
			this.#emit('open', {});
		}
		this.#flush();
	}

	/** @param {string} type of the event that says that the network, or the user, is back */
	#handleReturn(type) {
		if (globalThis.document?.visibilityState !== 'hidden') this.#connection.handleReturn(type === 'online');
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
		if (this.#readyState !== Tidings.OPEN) return;
		const now = this.#options.now();
		for (let command; (command = this.#session.pollCommand(now)); ) this.#connection.send(command);
		const resume = this.#session.pollTimeout();
		if (resume > now) this.#alarm.set(resume);
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
		this.#connection.close(code, reason);
		this.#share?.close();
		this.#life.abort();
		this.#alarm.clear();
		this.#setState(Tidings.CLOSING, reason);
		for (const { reject } of this.#waiting.values()) reject(closed(reason));
		this.#waiting.clear();
		queueMicrotask(() => {
			this.#setState(Tidings.CLOSED, reason);
			this.#emit('close', { code, reason, wasClean });
		});
	}

	/**
	 * What to try for a wish.
	 * @param {TransportName | 'auto'} name
	 * @returns {Carrier[]}
	 * @throws {TypeError} when there is no such transport here
	 */
	#order(name) {
		const lacks = (/** @type {string} */ name) => NEEDS[name] && !this.#options[NEEDS[name]];
		this.#isAuto = name === 'auto';
		if (name === 'auto') {
			/** @type {Carrier[]} */
			const shared = this.#share ? ['shared'] : [];
			return [...shared, ...AUTO.filter((name) => !lacks(name))];
		}
		if (!Object.hasOwn(TRANSPORTS, name)) throw new TypeError(`there is no transport "${name}"`);
		if (lacks(name)) throw new TypeError(`no ${NEEDS[name]} here: give one in the options`);
		return [name];
	}

	/**
	 * Where what worked is remembered, if the page may remember anything.
	 * @template Value
	 * @param {(options: Settings, key: string) => Value} use
	 */
	#storage(use) {
		try {
			return use(this.#options, `tidings:${this.#options.url}`);
		} catch {
			// Full, or forbidden: then every page begins anew.
		}
	}

	/**
	 * @param {TransportName} name
	 * @param {string} reason
	 */
	#setTransport(name, reason) {
		if (name === this.#transport) return;
		this.#transport = name;
		this.#emit('transport', { name, reason });
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

/** A page's, if it has one that may be looked at. @returns {Storage | undefined} */
function ownStorage() {
	try {
		return globalThis.document && globalThis.localStorage;
	} catch {
		// Blocked for this page.
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
