/**
 * Reads a message that was compressed by permessage-deflate (RFC 7692, section 7.2.2), where it refers to none before it.
 */

/** What the sender has left out, and an empty last block, so that the stream has an end. */
const TAIL = Uint8Array.of(0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff);

/**
 * @param {Uint8Array} payload
 * @returns {Promise<string>} rejected where it cannot be read alone
 */
export function inflated(payload) {
	const stream = new Blob([new Uint8Array(payload), TAIL]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
	return new Response(stream).text();
}
