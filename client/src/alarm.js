/**
 * One timer for many times: it rings at the nearest of them, or a little before, and whoever is rung
 * compares the times.
 */
export class Alarm {
	#clock;
	#ring;
	/** @type {unknown} */
	#timer;
	#at = Infinity;

	/**
	 * @param {Clock} clock
	 * @param {() => void} ring
	 *
	 * @typedef {object} Clock
	 * @property {() => number} now monotonic, in ms
	 * @property {(run: () => void, ms: number) => unknown} setTimeout
	 * @property {(timer: unknown) => void} clearTimeout
	 */
	constructor(clock, ring) {
		this.#clock = clock;
		this.#ring = ring;
	}

	/** @param {...number} times to ring at, if none before them is set already */
	set(...times) {
		const at = Math.min(...times);
		if (at >= this.#at) return;
		this.clear();
		this.#at = at;
		this.#timer = this.#clock.setTimeout(() => {
			this.#at = Infinity;
			this.#ring();
		}, at - this.#clock.now());
	}

	clear() {
		this.#clock.clearTimeout(this.#timer);
		this.#at = Infinity;
	}
}
