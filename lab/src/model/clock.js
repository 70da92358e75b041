/**
 * The server's clock in terms of the page's: what it tells comes late by some time, and never early.
 */
export class Clock {
	#offset = Infinity;

	/**
	 * The server said `theirs` when we have `ours`, both in ms. The least difference is the nearest to the truth.
	 * @param {number} theirs
	 * @param {number} ours
	 */
	hear(theirs, ours) {
		this.#offset = Math.min(this.#offset, ours - theirs);
	}

	/** @param {number} theirs */
	ours(theirs) {
		return Number.isFinite(this.#offset) ? theirs + this.#offset : theirs;
	}
}
