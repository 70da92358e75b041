/**
 * Cursors: "I have everything up to SEQ in my channels", bound to the log they were read from.
 *
 * @typedef {object} Cursor
 * @property {string} epoch identity of the log; seqs of another epoch say nothing here
 * @property {number} seq
 */

/**
 * Reads `EPOCH-SEQ`.
 * @param {string} text
 * @returns {Cursor}
 * @throws {TypeError} for anything else
 */
export function parseCursor(text) {
	const [, epoch, seq] = /^(\w+)-(\d+)$/.exec(text) ?? [];
	if (!epoch) throw new TypeError(`not a cursor: ${text}`);
	return { epoch, seq: Number(seq) };
}

/**
 * @param {Cursor} cursor
 * @returns {string}
 */
export const formatCursor = ({ epoch, seq }) => `${epoch}-${seq}`;
