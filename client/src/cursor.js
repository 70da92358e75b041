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
 * Reads the cursor of a stream, whose channels may be in several logs: the `EPOCH-SEQ` of each, joined by `.`.
 * @param {string} text
 * @returns {Map<string, number>} seqs by epoch
 * @throws {TypeError} for anything else
 */
export const parseStreamCursor = (text) =>
	new Map(
		text.split('.').map((part) => {
			const { epoch, seq } = parseCursor(part);
			return [epoch, seq];
		}),
	);

/**
 * @param {Cursor} cursor
 * @returns {string}
 */
export const formatCursor = ({ epoch, seq }) => `${epoch}-${seq}`;
