/**
 * Who is typing, told by signals that may be lost: a sign of typing is good for a few
 * seconds, and is repeated while keys are pressed.
 */

/** A sign is repeated no more often than this: one signal every few words. */
export const REPEAT_MS = 2500;

/** A sign lasts this long: two repeats, so that one lost signal is not seen. */
export const LASTS_MS = 6000;

/** People remembered as typing in one room; more are only "several people" anyway. */
export const TYPISTS_MAX = 20;

/** @typedef {ReadonlyMap<string, number>} Typists user → when the sign expires, in ms */

/**
 * @param {Typists} typists
 * @param {string} user
 * @param {boolean} typing false: sent, or gave up
 * @param {number} now
 * @returns {Typists}
 */
export function withSign(typists, user, typing, now) {
	if (!typing && !typists.has(user)) return typists;
	if (typing && !typists.has(user) && typists.size >= TYPISTS_MAX) return typists;
	const next = new Map(typists);
	if (typing) next.set(user, now + LASTS_MS);
	else next.delete(user);
	return next;
}

/**
 * @param {Typists} typists
 * @param {number} now
 * @returns {Typists}
 */
export function withoutExpired(typists, now) {
	const next = new Map([...typists].filter(([, until]) => until > now));
	return next.size === typists.size ? typists : next;
}

/**
 * Whether to tell the others again.
 * @param {number} toldAt when they were told last; 0: never
 * @param {number} now
 */
export function isDue(toldAt, now) {
	return toldAt === 0 || now - toldAt >= REPEAT_MS;
}
