/**
 * What a name may be, and the initials and colour that stand for it.
 *
 * A colour follows from the name alone, so that everybody sees the same person in
 * the same colour without anything being stored.
 */

/** Bytes of UTF-8 in a user's name; the server's own bound. */
export const NAME_BYTES_MAX = 64;

/** @typedef {"empty" | "long" | "control"} NameFault */

/**
 * Says what is wrong with a name, or null where nothing is.
 * @param {string} name trimmed by the caller
 * @returns {NameFault | null}
 */
export function nameFault(name) {
	if (name === '') return 'empty';
	if (/\p{Cc}/u.test(name)) return 'control';
	if (bytesOf(name) > NAME_BYTES_MAX) return 'long';
	return null;
}

/** @param {string} text */
export function bytesOf(text) {
	return new TextEncoder().encode(text).length;
}

/**
 * One or two characters that stand for a name: "Ada Lovelace" gives "AL", "bob" gives
 * "B", "李雷" gives "雷": Chinese names are told apart by their last character.
 * @param {string} name
 */
export function initials(name) {
	const words = name.split(/[\s._@-]+/u).filter((word) => word !== '');
	const first = words[0] ?? name;
	const head = [...first];
	if (/\p{Script=Han}/u.test(first)) return head[head.length - 1] ?? '?';
	const last = words.length > 1 ? [...(words[words.length - 1] ?? '')][0] : '';
	return `${head[0] ?? '?'}${last ?? ''}`.toUpperCase();
}

/** Hues in degrees that are told apart easily and stay clear in both themes: no olive, no mustard. */
const HUES = [18, 48, 148, 182, 212, 240, 266, 292, 318, 348];

/**
 * Hue in degrees for a name, always the same one.
 * @param {string} name
 * @returns {number}
 */
export function hueOf(name) {
	// FNV-1a, finished with a mix: short names differ in few bits otherwise.
	let hash = 0x811c9dc5;
	for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
	hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
	hash ^= hash >>> 12;
	return HUES[(hash >>> 0) % HUES.length] ?? 0;
}
