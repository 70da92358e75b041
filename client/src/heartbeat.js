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
 */

export class Heartbeat {
	#rhythm;
	#pings = 0;
	#excused = false;
	/** When to tick. */
	due;

	/**
	 * @param {Rhythm} rhythm
	 * @param {number} now ms
	 */
	constructor(rhythm, now) {
		this.#rhythm = rhythm;
		this.due = now + rhythm.interval;
	}

	/**
	 * Something came, whatever it was.
	 * @param {number} now
	 */
	handleHeard(now) {
		this.#pings = 0;
		this.#excused = false;
		this.due = now + this.#rhythm.interval;
	}

	/**
	 * There is reason for doubt (the page was shown, the network came back): ask at the next tick.
	 * @param {number} now
	 */
	handleDoubt(now) {
		this.due = Math.min(this.due, now);
	}

	/**
	 * @param {number} now
	 * @returns {'wait' | 'ping' | 'dead'}
	 */
	handleTick(now) {
		const { timeout, tries } = this.#rhythm;
		if (now < this.due) return 'wait';
		if (now > this.due + timeout && !this.#excused) this.#excused = true;
		else if (this.#pings++ >= tries) return 'dead';
		this.due = now + timeout;
		return 'ping';
	}
}
