/**
 * When to ask whether the link is still alive, and when to give it up.
 *
 * Times are compared, ticks are not counted: a hidden tab's timers come late, and a tick that
 * comes after a sleep finds what arrived meanwhile still waiting behind it. So one late tick in a
 * row is excused: it asks again instead of counting a miss.
 *
 * @typedef {object} Rhythm
 * @property {number} interval ms of silence after which to ping
 * @property {number} timeout ms of silence after a ping that are a miss
 * @property {number} tries misses after which the link is dead
 * @property {number} [within] ms within which the first sign of life comes, if the other side promises one:
 *   without it the link is dead at once. Something on the way holds back what is small
 */

export class Heartbeat {
	#rhythm;
	#pings = 0;
	#excused = false;
	#isPromised;
	/** When to tick. */
	due;
	/** When something was heard last. */
	heardAt;

	/**
	 * @param {Rhythm} rhythm
	 * @param {number} now ms
	 */
	constructor(rhythm, now) {
		const { interval, within = Infinity } = rhythm;
		this.#rhythm = rhythm;
		this.#isPromised = within < interval;
		this.heardAt = now;
		this.due = now + Math.min(interval, within);
	}

	/**
	 * Something came, whatever it was.
	 * @param {number} now
	 */
	handleHeard(now) {
		this.#pings = 0;
		this.#excused = this.#isPromised = false;
		this.heardAt = now;
		this.due = now + this.#rhythm.interval;
	}

	/**
	 * There is reason for doubt (the page was shown): ask at the next tick.
	 * @param {number} now
	 */
	handleDoubt(now) {
		if (!this.#isPromised) this.due = Math.min(this.due, now);
	}

	/**
	 * @param {number} now
	 * @returns {'wait' | 'ping' | 'dead' | 'buffered'}
	 */
	handleTick(now) {
		const { timeout, tries } = this.#rhythm;
		if (now < this.due) return 'wait';
		if (now > this.due + timeout && !this.#excused) this.#excused = true;
		else if (this.#isPromised) return 'buffered';
		else if (this.#pings++ >= tries) return 'dead';
		this.due = now + timeout;
		return 'ping';
	}
}
