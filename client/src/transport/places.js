/**
 * How far the channels of one stream were read. Each has a place of its own, and the stream one cursor
 * for all: in each log it begins at the lowest of the places there. Pure.
 *
 * @import { Frame } from '../wire/frames.js'
 */
import { formatCursor, parseCursor, parseStreamCursor } from '../cursor.js';

/**
 * @typedef {object} Place how far a channel was read
 * @property {string} channel
 * @property {number} req of its `subscribe`
 * @property {string} [after] none: its "now" is not known yet
 * @property {string} [epoch] that the client was told of
 */

/** @typedef {Record<string, string>} Epochs of channels that are in several logs */

/** @param {Place[]} of */
function lowest(of) {
	/** @type {Map<string, number>} */
	const low = new Map();
	for (const { after = '' } of of) {
		const { epoch, seq } = parseCursor(after);
		low.set(epoch, Math.min(seq, low.get(epoch) ?? seq));
	}
	return low;
}

/**
 * The cursor to read from.
 * @param {Place[]} of
 */
export const start = (of) => [...lowest(of)].map(([epoch, seq]) => formatCursor({ epoch, seq })).join('.');

/**
 * What a stream's cursor says of one channel.
 * @param {string} cursor
 * @param {string} channel
 * @param {Epochs} [epochs]
 */
export function part(cursor, channel, epochs) {
	const parts = parseStreamCursor(cursor);
	const epoch = epochs?.[channel] ?? [...parts.keys()].join();
	return { epoch, seq: parts.get(epoch) ?? 0 };
}

/**
 * The stream begins at `cursor`.
 * @param {Place[]} of
 * @param {string} cursor
 * @param {number | string} [newest] seq of the log, or a cursor of several; an older server does not say it
 * @param {Epochs} [epochs]
 * @returns {Frame[]} what is new for the client
 */
export function begin(of, cursor, newest, epochs) {
	const asked = lowest(of);
	/** @type {Frame[]} */
	const frames = [];
	for (const place of of) {
		const now = part(cursor, place.channel, epochs);
		const { epoch, seq } = now;
		const after = parseCursor(place.after ?? '');
		// A log that has lost its end in a crash begins before what it was asked for, or ends before another place.
		const isCut = seq < (asked.get(epoch) ?? 0);
		const end = isCut ? seq : (typeof newest === 'string' ? parseStreamCursor(newest).get(epoch) : newest) ?? Infinity;
		const truncated = after.epoch === epoch && after.seq > end;
		// Its cursor was one of another log.
		const isNow = after.epoch !== epoch;
		if (truncated) place.after = formatCursor({ epoch, seq: end });
		else if (isNow) place.after = formatCursor(now);
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
	const parts = parseStreamCursor(cursor);
	for (const place of of) {
		const { epoch, seq } = parseCursor(place.after ?? '');
		place.after = formatCursor({ epoch, seq: Math.max(seq, parts.get(epoch) ?? 0) });
	}
	return { type: 'cursor', channels: of.map(({ channel }) => channel), cursor };
}
