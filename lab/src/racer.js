/**
 * One racer: a client of its own on a lane of its own, what came to it, and what was on its wire.
 *
 * @import { Line, Counts } from './visit.js'
 * @import { Seen, Direction } from './wire/connection.js'
 * @import { QuicPacket } from './wire/quic.js'
 */

import { Tidings } from '/client/client.js';
import { Ledger } from './model/ledger.js';
import { Ring } from './model/ring.js';
import { isHeartbeat, Tally } from './model/tally.js';
import { ofBase64, textOf } from './wire/bytes.js';
import { Connection } from './wire/connection.js';
import { inflated } from './wire/inflate.js';
import { packetOf } from './wire/quic.js';

/** @typedef {'auto' | 'poll' | 'long-poll' | 'sse' | 'websocket' | 'webtransport'} Choice */

/**
 * @typedef {object} Entry what was on the wire
 * @property {number} id
 * @property {number} at by the page's clock
 * @property {number} connection
 * @property {'tcp' | 'udp'} wire
 * @property {'open' | 'close' | 'refused' | 'lost' | 'datagram' | Seen['kind']} kind
 * @property {Direction} [direction]
 * @property {number} size
 * @property {Seen} [seen]
 * @property {QuicPacket} [packet]
 * @property {Uint8Array} [bytes] the first of a datagram
 * @property {string} [text] of a frame, or what a compressed one says, once that is known
 *
 * @typedef {object} Mark what the time line shows
 * @property {number} at
 * @property {'open' | 'close' | 'message' | 'heartbeat' | 'lost' | 'moved' | 'gone' | 'back'} kind
 * @property {string} [name] of the transport
 * @property {string} [reason] in the client's words
 * @property {number} [count] of messages that were made up for
 */

/** What can be looked at of a lane: some minutes of a slow one, half a minute of a fast one. */
const ENTRIES_MAX = 500;
/** What the time line can show of a lane in a minute at the highest rate. */
const MARKS_MAX = 2000;
/** How often a short poll asks, in ms. */
const POLL_EVERY_MS = 1000;

export class Racer {
	choice;
	lane;
	url;
	ledger = new Ledger();
	tally = new Tally();
	/** @type {Ring<Entry>} */
	entries = new Ring(ENTRIES_MAX);
	/** @type {Ring<Mark>} */
	marks = new Ring(MARKS_MAX);
	/** @type {{ tcp: Counts, udp: Counts } | undefined} */
	total;
	isOpen = false;
	/** The transport in use. @type {string | undefined} */
	using;
	reason = '';
	/** When something last came from the server. */
	heardAt = performance.now();

	#tidings;
	#entryId = 0;
	/** Messages when the connection was lost: what comes afterwards was made up for. */
	#atLoss = -1;
	/** @type {Map<number, Connection>} */
	#connections = new Map();

	/**
	 * @param {Choice} choice
	 * @param {{ lane: number, url: string }} lane
	 * @param {string} channel
	 * @param {string} token
	 */
	constructor(choice, { lane, url }, channel, token) {
		this.choice = choice;
		this.lane = lane;
		this.url = url;
		const memory = new Map();
		this.#tidings = new Tidings(url, {
			transport: choice,
			token,
			share: false,
			pollEvery: POLL_EVERY_MS,
			// What one racer has learnt is not for the next one.
			storage: { getItem: (key) => memory.get(key) ?? null, setItem: (key, value) => void memory.set(key, value) },
		});
		this.#tidings.addEventListener('transport', ({ name, reason }) => {
			this.using = name;
			this.reason = reason;
			this.#mark({ kind: 'moved', name, reason });
		});
		this.#tidings.addEventListener('state', ({ readyState, reason }) => this.#handleState(readyState === Tidings.OPEN, reason));
		this.#tidings.channel(channel).addEventListener('message', ({ data }) => {
			const { n, sentAt } = /** @type {{ n: number, sentAt: number }} */ (data);
			const at = performance.now();
			this.ledger.deliver(n, at - sentAt, at);
			this.#mark({ kind: 'message' });
		});
	}

	close() {
		this.#tidings.close();
	}

	/**
	 * Takes a line of the visit.
	 * @param {Line} line
	 * @param {number} at by the page's clock
	 */
	hear(line, at) {
		if (line.total) this.total = line.total;
		const { event, wire = 'tcp', connection = 0, size = 0 } = line;
		if (!event) return;
		if (event === 'down') this.heardAt = Math.max(this.heardAt, at);
		if (event === 'up' || event === 'down') {
			const bytes = ofBase64(line.bytes ?? '');
			if (wire === 'udp') {
				this.#enter({ at, connection, wire, kind: 'datagram', direction: event, size, bytes, packet: packetOf(bytes) });
				return;
			}
			for (const seen of this.#connection(connection).read(event, bytes, size)) {
				this.tally.count(seen);
				const entry = this.#enter({ at, connection, wire, kind: seen.kind, direction: event, size: seen.size, seen });
				this.#read(entry, seen);
			}
			return;
		}
		this.#enter({ at, connection, wire, kind: event, size });
		if (event === 'close') this.#connections.delete(connection);
		if (event === 'open' || event === 'close' || event === 'lost') this.#mark({ kind: event, at });
	}

	/**
	 * @param {boolean} isOpen
	 * @param {string} reason
	 */
	#handleState(isOpen, reason) {
		if (isOpen === this.isOpen) return;
		this.isOpen = isOpen;
		this.reason = reason;
		if (!isOpen) {
			this.#atLoss = this.ledger.received;
			this.#mark({ kind: 'gone', reason });
		} else if (this.#atLoss >= 0) {
			this.#mark({ kind: 'back', name: this.using, reason });
		}
	}

	/** @param {number} number */
	#connection(number) {
		let connection = this.#connections.get(number);
		if (!connection) this.#connections.set(number, (connection = new Connection()));
		return connection;
	}

	/** @param {Omit<Entry, 'id'>} entry */
	#enter(entry) {
		const entered = { id: this.#entryId++, ...entry };
		this.entries.push(entered);
		return entered;
	}

	/**
	 * Finds out what a frame says, and whether it is a heartbeat.
	 * @param {Entry} entry
	 * @param {Seen} seen
	 */
	#read(entry, seen) {
		const { frame } = seen;
		const tell = (/** @type {string} */ text) => {
			if (frame) entry.text = text;
			if (isHeartbeat(seen, text)) this.#mark({ kind: 'heartbeat', at: entry.at });
		};
		if (!frame?.rsv[0]) return tell(frame ? textOf(frame.payload) : '');
		// What refers to messages before it is shown as it travelled.
		inflated(frame.payload).then(tell, () => {});
	}

	/** @param {Omit<Mark, 'at'> & { at?: number }} mark */
	#mark(mark) {
		this.marks.push({ at: performance.now(), ...mark });
	}
}
