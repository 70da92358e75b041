/**
 * How long to wait before the next attempt: exponential, with full jitter, so that clients that
 * lost the same server do not come back together.
 */

/** Upper end of the first delay, in ms. */
const FIRST_MS = 500;
/** Upper end of every later delay, in ms. */
const MAX_MS = 30_000;

export class Backoff {
	#attempts = 0;
	#random;

	/** @param {() => number} random uniform in [0, 1) */
	constructor(random) {
		this.#random = random;
	}

	/** It works: the next failure is a first one. */
	reset() {
		this.#attempts = 0;
	}

	/** @returns {number} ms to wait before the next attempt */
	next() {
		return this.#random() * Math.min(MAX_MS, FIRST_MS * 2 ** this.#attempts++);
	}
}
