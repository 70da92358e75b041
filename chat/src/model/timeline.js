/**
 * A room's messages as one reader has them: stored ones in the order of the log, and
 * behind them an outbox of what was written here and has no `seq` yet.
 *
 * Every function takes a timeline and returns one; an unchanged timeline is returned as
 * the same object, so that the page need not be drawn again. A message keeps its `key`
 * from the outbox on, so its element on the page stays the same one.
 */

import { textOf } from './text.js';

/** @typedef {"sending" | "sent" | "failed"} Delivery */

/**
 * @typedef {object} Entry
 * @property {string} key stable identity on the page
 * @property {number} seq place in the log; 0 until stored
 * @property {string} id idempotency key
 * @property {string} from
 * @property {number} at milliseconds since the epoch
 * @property {string} text
 * @property {Delivery} delivery
 */

/**
 * @typedef {object} Message what the client delivers
 * @property {number} seq
 * @property {number} prev seq of the message before it in the channel; 0: none
 * @property {string} id
 * @property {number} at
 * @property {string} from
 * @property {unknown} data
 */

/**
 * @typedef {object} Timeline
 * @property {readonly Entry[]} stored ascending by seq
 * @property {readonly Entry[]} outbox in the order of writing
 * @property {boolean} complete the room's first message is here: there is no earlier history
 * @property {boolean} truncated what came earlier is no longer kept by the server
 */

/** @type {Timeline} */
export const EMPTY = Object.freeze({ stored: [], outbox: [], complete: false, truncated: false });

/**
 * Takes in messages, live or from history, in any order, any number of times.
 * @param {Timeline} timeline
 * @param {readonly Message[]} messages
 * @returns {Timeline}
 */
export function withMessages(timeline, messages) {
	const known = new Set(timeline.stored.map((entry) => entry.seq));
	const written = new Map(timeline.outbox.map((entry) => [entry.id, entry]));
	const fresh = messages.filter((message) => !known.has(message.seq) && known.add(message.seq));
	if (fresh.length === 0) return timeline;

	const arrived = new Set();
	const entries = fresh.map((message) => {
		const own = written.get(message.id);
		const mine = own !== undefined && own.from === message.from;
		if (mine) arrived.add(message.id);
		return entryOf(message, mine ? own.key : `s${message.seq}`);
	});
	return {
		...timeline,
		stored: merged(timeline.stored, entries),
		outbox: arrived.size === 0 ? timeline.outbox : timeline.outbox.filter((entry) => !arrived.has(entry.id)),
		complete: timeline.complete || fresh.some((message) => message.prev === 0),
	};
}

/**
 * @param {Message} message
 * @param {string} key
 * @returns {Entry}
 */
function entryOf(message, key) {
	const { seq, id, from, at, data } = message;
	return { key, seq, id, from, at, text: textOf(data), delivery: 'sent' };
}

/**
 * @param {readonly Entry[]} stored
 * @param {Entry[]} entries
 */
function merged(stored, entries) {
	entries.sort((a, b) => a.seq - b.seq);
	const newest = stored[stored.length - 1]?.seq ?? 0;
	// Live messages come at the end: no need to sort thousands for one.
	if ((entries[0]?.seq ?? 0) > newest) return [...stored, ...entries];
	return [...stored, ...entries].sort((a, b) => a.seq - b.seq);
}

/**
 * There is nothing before the oldest message here: the room begins with it, or the
 * server keeps no more.
 * @param {Timeline} timeline
 * @param {boolean} truncated
 * @returns {Timeline}
 */
export function withBeginning(timeline, truncated) {
	return { ...timeline, complete: true, truncated: timeline.truncated || truncated };
}

/**
 * Puts what was just written into the outbox.
 * @param {Timeline} timeline
 * @param {{ id: string, from: string, at: number, text: string }} written
 * @returns {Timeline}
 */
export function withWritten(timeline, { id, from, at, text }) {
	/** @type {Entry} */
	const entry = { key: id, seq: 0, id, from, at, text, delivery: 'sending' };
	return { ...timeline, outbox: [...timeline.outbox, entry] };
}

/**
 * The server has stored what was written: it takes its place in the log. Its own event
 * may have come first; then nothing is left to do.
 * @param {Timeline} timeline
 * @param {string} id
 * @param {{ seq: number, at: number }} receipt
 * @returns {Timeline}
 */
export function withReceipt(timeline, id, { seq, at }) {
	const own = timeline.outbox.find((entry) => entry.id === id);
	if (own === undefined) return timeline;
	const outbox = timeline.outbox.filter((entry) => entry !== own);
	if (timeline.stored.some((entry) => entry.seq === seq)) return { ...timeline, outbox };
	return { ...timeline, outbox, stored: merged(timeline.stored, [{ ...own, seq, at, delivery: 'sent' }]) };
}

/**
 * @param {Timeline} timeline
 * @param {string} id
 * @param {Delivery} delivery
 * @returns {Timeline}
 */
export function withDelivery(timeline, id, delivery) {
	if (!timeline.outbox.some((entry) => entry.id === id)) return timeline;
	return { ...timeline, outbox: timeline.outbox.map((entry) => (entry.id === id ? { ...entry, delivery } : entry)) };
}

/**
 * @param {Timeline} timeline
 * @param {string} id
 * @returns {Timeline}
 */
export function withoutWritten(timeline, id) {
	return { ...timeline, outbox: timeline.outbox.filter((entry) => entry.id !== id) };
}

/** @param {Timeline} timeline */
export function oldestSeq(timeline) {
	return timeline.stored[0]?.seq ?? 0;
}

/** @param {Timeline} timeline */
export function newestSeq(timeline) {
	return timeline.stored[timeline.stored.length - 1]?.seq ?? 0;
}

/**
 * How many messages of others came after what this reader has seen.
 * @param {Timeline} timeline
 * @param {number} readSeq
 * @param {string} me
 */
export function unreadCount(timeline, readSeq, me) {
	let unread = 0;
	for (let i = timeline.stored.length - 1; i >= 0; i--) {
		const entry = timeline.stored[i];
		if (entry === undefined || entry.seq <= readSeq) break;
		if (entry.from !== me) unread++;
	}
	return unread;
}
