/**
 * One followed channel: which message is the next, whatever the links bring. Pure.
 *
 * A link may repeat messages, or skip some; what is delivered is each once and in order. Repeats are
 * known by `seq`. A gap is known by `prev`: then, and for the messages that a new follower wants
 * first, a page of history is asked for, and what comes meanwhile is held until it is there.
 *
 * @import { Cursor } from './cursor.js'
 * @import { Message, Page, Range } from './wire/frames.js'
 */
import { formatCursor, parseCursor, parseStreamCursor } from './cursor.js';

/** Most messages held during a gap; those beyond it are read from history in their turn. */
export const HELD_MAX = 256;
/** Messages asked for at once to fill a gap. */
const PAGE_MESSAGES = 100;

/**
 * What a subscription has to say.
 * @typedef {object} Outlet
 * @property {(type: string, fields: object) => void} emit an event for the application
 * @property {(range: Range) => number} read asks for history; `handlePage` gets it with this number
 */

export class Subscription {
	#outlet;
	#history;
	/** @type {Cursor | undefined} */
	#cursor;
	/** Messages, and where some are gone. @type {(Message | { seq: number, oldest: number })[]} */
	#held = [];
	/** The page that is waited for; 0: none. */
	#page = 0;
	/** Up to here messages may be missing that no link will bring: one began there. 0: nowhere. */
	#beyond = 0;
	/** Whether messages before the next one are gone, which the application was told. */
	#torn = false;
	/** Whether links may bring what is of another place, log or lost end than ours: until one begins where we are. */
	#isAstray = true;
	/** Number of its `subscribe`, the same on each link until the log is another one. */
	req = 0;

	/**
	 * @param {Outlet} outlet
	 * @param {string} [after] cursor to go on from; without it: from now
	 * @param {number} [history] so many messages first; only without `after`
	 */
	constructor(outlet, after, history = 0) {
		this.#outlet = outlet;
		this.#cursor = after ? parseCursor(after) : undefined;
		this.#history = after ? 0 : history;
	}

	/** Everything up to here was delivered. */
	get cursor() {
		return this.#cursor && formatCursor(this.#cursor);
	}

	/** The place that counts for what links bring. None: it is not for this follower. */
	get #place() {
		return this.#isAstray ? undefined : this.#cursor;
	}

	/**
	 * A link begins to bring the channel's messages: from `cursor` on if there was no place to go on
	 * from, or if it means nothing to the server's log.
	 * @param {string} text
	 * @param {boolean} truncated
	 * @param {boolean} [isStale] whether it answers what was said before there was another log, or a follower anew
	 * @returns {boolean} whether the log is another one, so that all links are to be told of the new place
	 */
	handleSubscribed(text, truncated, isStale) {
		const cursor = this.#cursor;
		const start = parseCursor(text);
		const isOther = cursor?.epoch !== start.epoch || (truncated && !isStale && start.seq < cursor.seq);
		if (!isOther) {
			// Two links that were told of it before it had a cursor do not mean the same by "now"; and what is held
			// may be of an end that the log has lost without our cursor.
			this.#beyond = Math.max(this.#beyond, start.seq, ...this.#held.splice(0).map(({ seq }) => seq));
			if (!this.#page && cursor.seq < this.#beyond) this.#read({ after: cursor.seq, limit: PAGE_MESSAGES });
		}
		if (isStale) return false;
		this.#isAstray = isOther && Boolean(cursor);
		if (isOther) {
			// Another log, or one that has lost its end and gives the same seqs again: what is held, and the page
			// that was asked for, are of before.
			this.#cursor = start;
			this.#held = [];
			this.#page = this.#beyond = 0;
			if (this.#history) this.#read({ before: start.seq + 1, limit: this.#history });
		}
		this.#outlet.emit('subscribed', { cursor: this.cursor });
		if (cursor && (truncated || isOther)) this.#tear();
		return this.#isAstray;
	}

	/** @param {Message} message */
	handleMessage(message) {
		const cursor = this.#place;
		if (!cursor || message.seq <= cursor.seq) return;
		if (this.#page) {
			this.#hold(message);
		} else if (message.prev > cursor.seq && !this.#torn) {
			this.#hold(message);
			this.#read({ after: cursor.seq, limit: PAGE_MESSAGES });
		} else {
			this.#deliver(message, cursor);
		}
	}

	/**
	 * @param {number} req
	 * @param {Page} [page] none: it was refused
	 */
	handlePage(req, page = { messages: [], truncated: true }) {
		const cursor = this.#cursor;
		if (!cursor || req !== this.#page) return;
		const { messages, truncated } = page;
		this.#page = 0;
		// The messages that a new follower wants first may well be all there are. In a gap, an empty page
		// says that what is missing is gone; asking again would not end.
		const isLast = !this.#history && !messages.length;
		const isBeyond = cursor.seq < this.#beyond;
		if (!this.#history && (truncated || (isLast && !isBeyond))) this.#tear(messages[0]?.seq);
		this.#history = 0;
		for (const message of messages) this.#deliver(message, cursor);
		if (isLast) this.#beyond = 0;
		if (cursor.seq < this.#beyond) return this.#read({ after: cursor.seq, limit: PAGE_MESSAGES });
		for (const held of this.#held.splice(0)) {
			if ('oldest' in held) this.handleTruncated(held.oldest);
			else this.handleMessage(held);
		}
	}

	/**
	 * Messages before the next one are gone.
	 * @param {number} oldest seq of the oldest one kept; 0: none
	 */
	handleTruncated(oldest) {
		const cursor = this.#place;
		if (!cursor) return;
		// What is told in its place among messages stays in it.
		if (this.#page) return this.#hold({ seq: oldest, oldest });
		cursor.seq = Math.max(cursor.seq, oldest - 1);
		this.#tear(oldest);
	}

	/**
	 * The stream has brought everything up to here.
	 * @param {string} text
	 */
	handleCursor(text) {
		const cursor = this.#place;
		if (cursor && !this.#page) cursor.seq = Math.max(cursor.seq, parseStreamCursor(text).get(cursor.epoch) ?? 0);
	}

	/** @param {Range} range */
	#read(range) {
		this.#page = this.#outlet.read(range);
	}

	/** @param {Message | { seq: number, oldest: number }} message */
	#hold(message) {
		// When it is full the newest takes the last place: the gap before it is seen in its turn.
		this.#held[Math.min(this.#held.length, HELD_MAX - 1)] = message;
	}

	/**
	 * @param {Message} message
	 * @param {Cursor} cursor
	 */
	#deliver(message, cursor) {
		cursor.seq = message.seq;
		this.#torn = false;
		this.#outlet.emit('message', { data: message.data, message, lastEventId: formatCursor(cursor) });
	}

	/** @param {number} [oldest] */
	#tear(oldest) {
		if (!this.#torn) this.#outlet.emit('truncated', { oldest });
		this.#torn = true;
	}
}
