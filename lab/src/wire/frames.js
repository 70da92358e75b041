/**
 * Reads frames of WebSocket (RFC 6455, section 5.2) out of a stream, as far as it was seen.
 */

import { joined } from './bytes.js';

/**
 * @typedef {object} WebSocketFrame
 * @property {boolean} fin the last of its message
 * @property {[boolean, boolean, boolean]} rsv the first says that the message is compressed (RFC 7692)
 * @property {number} opcode
 * @property {boolean} isMasked
 * @property {Uint8Array} mask four bytes, or none
 * @property {number} headerSize bytes before the payload
 * @property {number} size bytes of payload
 * @property {Uint8Array} wire the first bytes of the payload as they travelled
 * @property {Uint8Array} payload the same, unmasked
 */

/** What opcodes are called (section 11.8). */
export const OPCODES = /** @type {Record<number, string>} */ ({
	0: 'continuation',
	1: 'text',
	2: 'binary',
	8: 'close',
	9: 'ping',
	10: 'pong',
});

/** How much of a payload is kept to be looked at, in bytes. */
const KEPT_MAX = 2048;

/** @typedef {Omit<WebSocketFrame, 'payload' | 'wire'>} Header */

export class FrameReader {
	/** Bytes of a header that has not come whole. @type {Uint8Array} */
	#begun = new Uint8Array(0);
	/** @type {{ header: Header, left: number, wire: Uint8Array } | undefined} */
	#frame;
	#isLost = false;

	/**
	 * Takes what passed, and gives the frames that ended in it.
	 * @param {Uint8Array} bytes
	 * @param {number} unseen so many bytes followed that were not told
	 * @returns {WebSocketFrame[]}
	 */
	read(bytes, unseen = 0) {
		const frames = [];
		let rest = joined(this.#begun, bytes);
		this.#begun = rest.subarray(0, 0);
		while (!this.#isLost) {
			if (!this.#frame) {
				const header = headerOf(rest);
				if (!header) {
					this.#begun = rest.slice();
					// Where the next header is, nobody knows.
					this.#isLost = unseen > 0;
					break;
				}
				rest = rest.subarray(header.headerSize);
				this.#frame = { header, left: header.size, wire: new Uint8Array(0) };
			}
			const frame = this.#frame;
			const taken = rest.subarray(0, Math.min(rest.length, frame.left));
			frame.wire = joined(frame.wire, taken.slice(0, KEPT_MAX - frame.wire.length));
			frame.left -= taken.length;
			rest = rest.subarray(taken.length);
			if (frame.left > 0 && unseen > 0) {
				const skipped = Math.min(unseen, frame.left);
				frame.left -= skipped;
				unseen -= skipped;
			}
			if (frame.left > 0) break;
			frames.push({ ...frame.header, wire: frame.wire, payload: unmasked(frame.wire, frame.header.mask) });
			this.#frame = undefined;
			if (rest.length === 0 && unseen === 0) break;
		}
		return frames;
	}
}

/**
 * @param {Uint8Array} bytes
 * @returns {Header | undefined} if it is there whole
 */
function headerOf(bytes) {
	const [first, second] = bytes;
	if (first === undefined || second === undefined) return undefined;
	const isMasked = (second & 0x80) > 0;
	const short = second & 0x7f;
	const lengthBytes = short === 127 ? 8 : short === 126 ? 2 : 0;
	const headerSize = 2 + lengthBytes + (isMasked ? 4 : 0);
	if (bytes.length < headerSize) return undefined;
	const digits = bytes.subarray(2, 2 + lengthBytes);
	return {
		fin: (first & 0x80) > 0,
		rsv: [(first & 0x40) > 0, (first & 0x20) > 0, (first & 0x10) > 0],
		opcode: first & 0x0f,
		isMasked,
		mask: bytes.slice(2 + lengthBytes, headerSize),
		headerSize,
		size: lengthBytes === 0 ? short : digits.reduce((number, digit) => number * 256 + digit, 0),
	};
}

/**
 * @param {Uint8Array} wire
 * @param {Uint8Array} mask
 */
function unmasked(wire, mask) {
	return mask.length === 0 ? wire : wire.map((byte, at) => byte ^ (mask[at % 4] ?? 0));
}
