/** Messages whose sizes lie on both sides of every limit that a WebSocket frame knows. */

/** 7, 16 and 64 bits of length; a window of compression (32 KiB); the read buffers of all sides. */
const SIZES = [0, 1, 125, 126, 127, 4095, 32_768, 65_535, 65_536, 100_001, 1 << 20];

/** Characters of one to four bytes, so that any cut falls into one now and then. */
const ALPHABET = [...'tidings é中文🎈 '];

/**
 * A text of that many bytes that compresses fairly well.
 * @param {number} bytes
 */
export function text(bytes) {
	let seed = bytes + 1;
	let result = '';
	let length = 0;
	while (length < bytes) {
		seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
		let character = String(ALPHABET[seed % ALPHABET.length]);
		if (length + Buffer.byteLength(character) > bytes) character = '.';
		result += character;
		length += Buffer.byteLength(character);
	}
	return result;
}

/**
 * That many bytes that do not compress.
 * @param {number} bytes
 */
export function noise(bytes) {
	const result = Buffer.alloc(bytes);
	let seed = bytes + 1;
	for (let at = 0; at < bytes; at++) {
		seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
		result[at] = seed >> 16;
	}
	return result;
}

/** Texts and bytes of all sizes. @returns {(string | Buffer)[]} */
export const payloads = () => SIZES.flatMap((size) => [text(size), noise(size)]);
