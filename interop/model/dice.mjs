/** Chance that can be had again: all that happens in a world comes from its seed (mulberry32). */

export class Dice {
	#state;

	/** @param {number} seed */
	constructor(seed) {
		this.#state = seed;
	}

	/** Uniform in [0, 1). */
	throw = () => {
		this.#state = (this.#state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};

	/** @param {number} probability */
	chance(probability) {
		return this.throw() < probability;
	}

	/**
	 * A whole number.
	 * @param {number} low
	 * @param {number} high not included
	 */
	between(low, high) {
		return low + Math.floor(this.throw() * (high - low));
	}

	/**
	 * @template T
	 * @param {readonly T[]} items at least one
	 * @returns {T}
	 */
	pick(items) {
		return /** @type {T} */ (items[this.between(0, items.length)]);
	}
}
