/**
 * What one racer has of the messages that were published: how late they came, and whether each came once and in order.
 */

/** Deliveries that quantiles are of, and that the chart shows: half a minute at the highest rate. */
const RECENT_MAX = 600;

export class Ledger {
	/** The first that came; all from it up to `#next` did. */
	#first = 0;
	#next = 0;
	/** What came beyond that. @type {Set<number>} */
	#beyond = new Set();
	#last = -1;
	received = 0;
	doubled = 0;
	disordered = 0;
	/** The latest, oldest first. @type {{ at: number, took: number }[]} */
	recent = [];

	/**
	 * Message `n` came, `took` ms after it was sent.
	 * @param {number} n
	 * @param {number} took
	 * @param {number} at
	 */
	deliver(n, took, at) {
		if (this.received === 0) this.#first = this.#next = n;
		if (n < this.#next || this.#beyond.has(n)) {
			this.doubled += 1;
			return;
		}
		if (n < this.#last) this.disordered += 1;
		this.#beyond.add(n);
		while (this.#beyond.delete(this.#next)) this.#next += 1;
		this.#last = Math.max(this.#last, n);
		this.received += 1;
		this.recent.push({ at, took });
		if (this.recent.length > RECENT_MAX) this.recent.shift();
	}

	/**
	 * How many messages up to `stored`, the newest that the server has, are still to come. Those before the first that came
	 * were published before this racer began.
	 * @param {number} stored
	 */
	behind(stored) {
		return this.received === 0 ? 0 : stored - this.#first + 1 - this.received;
	}

	/**
	 * The latency that so many of the latest messages did not exceed, in ms.
	 * @param {number} share 0 to 1
	 */
	quantile(share) {
		const took = this.recent.map((it) => it.took).sort((a, b) => a - b);
		return took[Math.min(took.length - 1, Math.floor(share * took.length))];
	}
}
