/**
 * Frames on a stream of bytes: each stands behind its length, a QUIC varint (RFC 9000, section 16).
 */

/** How many bytes a length takes here: so many that all lengths fit in. */
const HEADER_BYTES = 4;

/**
 * @param {Uint8Array} object less than 1 GiB
 * @returns {Uint8Array} its frame
 */
export function frame(object) {
	const bytes = new Uint8Array(HEADER_BYTES + object.length);
	// The two highest bits say how many bytes the length has.
	new DataView(bytes.buffer).setUint32(0, 0x8000_0000 + object.length);
	bytes.set(object, HEADER_BYTES);
	return bytes;
}

/** Cuts a stream into the objects of its frames. */
export class Deframer {
	/** What came since the last whole frame. @type {Uint8Array[]} */
	#pieces = [];
	#bytes = 0;
	/** With how many of them it is worth a look. */
	#needed = 1;

	/**
	 * @param {Uint8Array} piece of the stream
	 * @returns {Generator<Uint8Array>} the objects that have come whole; take them all
	 */
	*handle(piece) {
		this.#pieces.push(piece);
		this.#bytes += piece.length;
		if (this.#bytes < this.#needed) return;
		const bytes = new Uint8Array(this.#bytes);
		let at = 0;
		for (const piece of this.#pieces) {
			bytes.set(piece, at);
			at += piece.length;
		}
		for (at = 0; ; at += this.#needed) {
			const first = bytes[at] ?? 0;
			const header = 1 << (first >> 6);
			this.#needed = header;
			if (bytes.length < at + header) break;
			const digits = bytes.subarray(at + 1, at + header);
			this.#needed += digits.reduce((number, digit) => number * 256 + digit, first & 0x3f);
			if (bytes.length < at + this.#needed) break;
			yield bytes.subarray(at + header, at + this.#needed);
		}
		this.#pieces = [bytes.slice(at)];
		this.#bytes -= at;
	}
}
