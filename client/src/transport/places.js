/**
 * How far the channels of one stream were read. Each has a place of its own, and the stream one cursor
 * for all: it begins at the lowest of their places. Pure.
 *
 * @import { Frame } from '../wire/frames.js'
 */
import { formatCursor, parseCursor } from '../cursor.js';

/**
 * @typedef {object} Place how far a channel was read
 * @property {string} channel
 * @property {number} req of its `subscribe`
 * @property {string} [after] none: its "now" is not known yet
 * @property {string} [epoch] that the client was told of
 */

/** @param {Place[]} of */
const lowest = (of) =>
	of.map(({ after = '' }) => parseCursor(after)).reduce((low, cursor) => (cursor.seq < low.seq ? cursor : low));

/**
 * The cursor to read from.
 * @param {Place[]} of
 */
export const start = (of) => formatCursor(lowest(of));

/**
 * The stream begins at `cursor`.
 * @param {Place[]} of
 * @param {string} cursor
 * @param {number} [newest] seq of the log; an older server does not say it
 * @returns {Frame[]} what is new for the client
 */
export function begin(of, cursor, newest = Infinity) {
	const { epoch, seq } = parseCursor(cursor);
	const asked = lowest(of);
	// A log that has lost its end in a crash begins before what it was asked for, or ends before another place.
	const end = seq < asked.seq ? seq : newest;
	// A channel's cursor was one of another log.
	const isNow = asked.epoch !== epoch;
	/** @type {Frame[]} */
	const frames = [];
	for (const place of of) {
		const after = parseCursor(place.after ?? '');
		const isSame = after.epoch === epoch;
		const truncated = isSame && after.seq > end;
		if (truncated) place.after = formatCursor({ epoch, seq: end });
		else if (isNow || !isSame) place.after = cursor;
		if (!truncated && !isNow && place.epoch === epoch) continue;
		// What is said once more is no answer: it is of this place, and not of what the client said.
		const req = place.epoch ? undefined : place.req;
		place.epoch = epoch;
		frames.push({ type: 'subscribed', req, channel: place.channel, cursor: place.after ?? '', truncated });
	}
	return frames;
}

/**
 * Everything up to `cursor` was given.
 * @param {Place[]} of
 * @param {string} cursor
 * @returns {Frame}
 */
export function advance(of, cursor) {
	const { seq } = parseCursor(cursor);
	for (const place of of) if (parseCursor(place.after ?? '').seq < seq) place.after = cursor;
	return { type: 'cursor', channels: of.map(({ channel }) => channel), cursor };
}
