/**
 * When to ask whether the link is still alive, and when to give it up.
 *
 * Times are compared, ticks are not counted: a hidden tab's timers come late, and a tick that
 * comes after a sleep finds what arrived meanwhile still waiting behind it. So one late tick in a
 * row is excused: it asks again instead of counting a miss.
 *
 * While the application has asked something, what comes by itself says nothing: the way there may be the
 * one that is dead.
 *
 * @typedef {object} Rhythm
 * @property {number} interval ms of silence after which to ping
 * @property {number} timeout ms of silence after a ping that are a miss
 * @property {number} tries misses after which the link is dead
 * @property {number} [within] ms within which the first sign of life comes, if the other side promises one:
 *   without it the link is dead at once. Something on the way holds back what is small
 */

/** Bytes that a slow path takes in a ms: what the server's patience of 30 s with the largest body comes to. */
const SLOW_BYTES = 4;

/**
 * How long something may take to be sent, in ms.
 * @param {number | void} length in characters: nearly bytes
 */
export const sendingTime = (length) => (length ?? 0) / SLOW_BYTES;

export class Heartbeat {
	#rhythm;
	#pings = 0;
	#excused = false;
	#isPromised;
	/** What is asked and not answered, by its number: ms that it may take to be sent. @type {Map<number, number>} */
	#asked = new Map();
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
	 * Something was asked: its answer comes within the timeout, or there is reason to ping.
	 * @param {number} req
	 * @param {number} sending ms that it may take until it is sent
	 * @param {number} now
	 */
	handleAsked(req, sending, now) {
		this.#asked.set(req, sending);
		if (this.#asked.size === 1) this.due = Math.min(this.due, now + sending + this.#rhythm.timeout);
	}

	/**
	 * Something came.
	 * @param {number} now
	 * @param {number} [req] what it answers; 0: a ping. Absent: it came by itself
	 */
	handleHeard(now, req) {
		this.#isPromised = false;
		this.heardAt = now;
		if (req === undefined && this.#asked.size) return;
		if (req) this.#asked.delete(req);
		this.#pings = 0;
		this.#excused = false;
		const [sending] = this.#asked.values();
		this.due = now + (sending === undefined ? this.#rhythm.interval : sending + this.#rhythm.timeout);
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
