/**
 * How far the reader has read in each room, as it is remembered between visits.
 *
 * It is bound to the log's epoch: a seq of another log says nothing about this one.
 */

/** @typedef {Readonly<Record<string, number>>} Read room → seq of the newest message that was seen */

/**
 * @param {string} epoch
 * @param {Read} read
 */
export function formatRead(epoch, read) {
	return JSON.stringify({ epoch, rooms: read });
}

/**
 * What was remembered of this log; nothing where it was another one, or can't be read.
 * @param {string | null} text
 * @param {string} epoch
 * @returns {Read}
 */
export function parseRead(text, epoch) {
	try {
		const read = JSON.parse(text ?? '');
		return read.epoch === epoch ? Object.fromEntries(Object.entries(read.rooms).filter(([, seq]) => Number.isInteger(seq))) : {};
	} catch {
		return {};
	}
}

/**
 * The epoch of a cursor `EPOCH-SEQ`.
 * @param {string} cursor
 */
export function epochOf(cursor) {
	return cursor.slice(0, cursor.lastIndexOf('-'));
}
