/** Bytes and text. */

const decoder = new TextDecoder();
const latin1 = new TextDecoder('latin1');

/** @param {string} text in base64 */
export const ofBase64 = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

/** @param {Uint8Array} bytes of UTF-8; what is none shows as � */
export const textOf = (bytes) => decoder.decode(bytes);

/** @param {Uint8Array} bytes of an HTTP head, which may hold any byte */
export const headTextOf = (bytes) => latin1.decode(bytes);

/** @param {Uint8Array} bytes */
export const hexOf = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');

/**
 * @param {Uint8Array} first
 * @param {Uint8Array} second
 */
export function joined(first, second) {
	if (first.length === 0) return second;
	const both = new Uint8Array(first.length + second.length);
	both.set(first);
	both.set(second, first.length);
	return both;
}
