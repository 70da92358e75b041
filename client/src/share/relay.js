/**
 * The tab's end of a shared connection: a link to whichever tab has the connection, perhaps this one.
 *
 * Tabs that are the same to the server (its address, their token) queue for one lock. Who has it opens a
 * `Switchboard`; when that tab goes, the next in the queue does, and the others link to it. What was not
 * answered is said again, as after any cut.
 *
 * @import { Environment, Transport } from '../transport/link.js'
 * @import { Command, Frame } from '../wire/frames.js'
 * @import { Tidings } from '../client.js'
 */
import { Switchboard } from './switchboard.js';

/** Publishes of one tab under way: they cost no round trip until the switchboard. */
const WINDOW = 16;

/**
 * What a tab says, and what it is told: by which switchboard, and if not all of them, which tab.
 * @typedef {{ tab: string, frame: Command | { type: 'hello' } | { type: 'bye' } }} Said
 * @typedef {{ board: string, to?: string, frame: Frame | { type: 'open' } | { type: 'lost', reason: string, code?: number } }} Told
 */

/**
 * The browser's means.
 * @typedef {object} Tabs
 * @property {Pick<LockManager, 'request'>} locks
 * @property {typeof BroadcastChannel} BroadcastChannel
 */

/**
 * Holds a lock, once it is ours, until `signal`.
 * @param {Tabs['locks']} locks
 * @param {string} name
 * @param {AbortSignal} signal
 * @param {() => void} [begin]
 */
function hold(locks, name, signal, begin = () => {}) {
	const held = () => {
		if (signal.aborted) return;
		begin();
		return new Promise((resolve) => signal.addEventListener('abort', () => resolve(0)));
	};
	// Rejected when the signal comes while it still waits.
	locks.request(name, { signal }, held).catch(() => {});
}

export class Share {
	#tabs;
	#crypto;
	#open;
	#life = new AbortController();
	/** What it queues for. */
	#name = '';

	/**
	 * @param {Tabs} tabs
	 * @param {Pick<Crypto, 'subtle'>} crypto
	 * @param {() => Tidings} open the connection that is shared
	 */
	constructor(tabs, crypto, open) {
		this.#tabs = tabs;
		this.#crypto = crypto;
		this.#open = open;
	}

	/** @type {Transport} */
	transport = (environment, ear) => {
		const { BroadcastChannel, locks } = this.#tabs;
		const life = new AbortController();
		const tab = `${environment.session}-${environment.now()}`;
		/** @type {BroadcastChannel | undefined} */
		let wire;
		/** Whom it is linked to. */
		let board = '';
		/** What waits for a switchboard, which may not be there yet. @type {Command[]} */
		const early = [];
		/** @param {Said['frame']} frame */
		const say = (frame) => wire?.postMessage({ tab, frame });

		/** @param {Told} told */
		const hear = (told) => {
			if (!told.board || (told.to && told.to !== tab)) return;
			const { frame } = told;
			if (frame.type === 'open' && !board) return say({ type: 'hello' });
			if (frame.type === 'hello') {
				board ||= told.board;
				early.splice(0).forEach(say);
			}
			if (frame.type === 'open' || frame.type === 'lost') {
				// There is one at a time: another one's word is the end of ours.
				if (board && (frame.type === 'lost' || board !== told.board)) ear.lost({ reason: 'another tab', ...frame });
			} else if (board === told.board) ear.frame(frame);
		};

		(async () => {
			const name = await nameOf(environment, this.#crypto);
			if (life.signal.aborted) return;
			this.#queue(name);
			// By this the switchboard sees that the tab is gone, however it went.
			hold(locks, `${name} ${tab}`, life.signal);
			wire = new BroadcastChannel(name);
			wire.onmessage = ({ data }) => hear(data);
			say({ type: 'hello' });
		})().catch((error) => ear.lost({ reason: String(error) }));

		return {
			isOnePath: true,
			window: WINDOW,
			send: (command) => void (board ? say(command) : early.push(command)),
			close() {
				say({ type: 'bye' });
				life.abort();
				wire?.close();
			},
		};
	};

	/** Leaves the queue, until a link is made anew. The connection, if it is here, is the next tab's. */
	close() {
		this.#name = '';
		this.#life.abort();
	}

	/**
	 * Queues for the connection; not for an earlier one any longer, if the token is another.
	 * @param {string} name
	 */
	#queue(name) {
		if (name === this.#name) return;
		this.close();
		this.#name = name;
		const { signal } = (this.#life = new AbortController());
		hold(this.#tabs.locks, name, signal, () => {
			const switchboard = new Switchboard(this.#tabs, name, this.#open());
			signal.addEventListener('abort', () => switchboard.close());
		});
	}
}

/**
 * Tabs with the same address and the same rights have the same name. The token itself is nobody's business.
 * @param {Environment} environment
 * @param {Pick<Crypto, 'subtle'>} crypto
 */
async function nameOf({ url, token = '' }, crypto) {
	const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(`${url} ${token}`));
	return `tidings ${btoa(String.fromCharCode(...new Uint8Array(digest)))}`;
}
