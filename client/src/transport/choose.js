/**
 * Which transport to try, and when. Pure: names and times in, names and times out.
 *
 * While nothing carries, a round tries them all: what worked last begins, and each other one begins as
 * soon as one has failed, or beside those that are slow. What proves itself is used at once. While it
 * is not the best, better ones are tried in the background, ever more rarely. What was used and died
 * soon, or in silence, is avoided for a while: there are networks that let a WebSocket open and then
 * bring nothing.
 *
 * There are careful ones, which many networks swallow without a word. They begin nothing that they have not carried
 * before, and then another begins beside them soon.
 */

/** How long one may take before the next begins beside it, in ms: several round trips of a slow network. */
const STAGGER_MS = 2000;
/** The same of a careful one: about what nobody notices, and what most need (RFC 8305, section 8). */
const CAREFUL_STAGGER_MS = 250;
/** About when a better one is tried for the first time, in ms, and at the longest: each failure doubles it. */
const UPWARD_MS = 5000;
const UPWARD_MAX_MS = 5 * 60_000;
/** What carried for so long is no failure when it ends, in ms. */
const LASTING_MS = 60_000;
/** How often it may end sooner, with a word, before it is avoided. */
const SHORT_MAX = 3;
/** How long it is avoided then, in ms; each time doubles it, up to the second. */
const AVOID_MS = 2 * 60_000;
const AVOID_MAX_MS = 60 * 60_000;

/** @template {string} Name */
export class Choice {
	#order;
	#random;
	#careful;
	/** What worked last. @type {Name | undefined} */
	#first;
	/** What is used, and since when. @type {Name | undefined} */
	#used;
	#since = 0;
	/** What this round has not tried yet. @type {Name[]} */
	#queue = [];
	/** What is being tried. @type {Set<Name>} */
	#trying = new Set();
	/** When the next is tried. */
	#due = Infinity;
	/** Rounds upward since something was used, none of which came to anything. */
	#fruitless = 0;
	/** @type {Map<Name, { count: number, until: number }>} */
	#faults = new Map();

	/**
	 * @param {readonly Name[]} order the best first
	 * @param {() => number} random uniform in [0, 1)
	 * @param {Name} [first] what worked the last time
	 * @param {readonly Name[]} [careful]
	 */
	constructor(order, random, first, careful = []) {
		this.#order = order;
		this.#random = random;
		this.#first = first;
		this.#careful = careful;
	}

	/** Whether nothing is used and all have failed: it is time for a pause, and for `handleStart`. */
	get isExhausted() {
		return !this.#used && !this.#queue.length && !this.#trying.size;
	}

	/**
	 * Whether it would be taken if it proved itself.
	 * @param {Name} name
	 */
	wants(name) {
		return !this.#used || this.#rank(name) <= this.#rank(this.#used);
	}

	/**
	 * Nothing carries: a round over all of them begins.
	 * @param {number} now ms
	 */
	handleStart(now) {
		const avoided = (/** @type {Name} */ name) => Number((this.#faults.get(name)?.until ?? 0) > now);
		const behind = (/** @type {Name} */ name) => Number(name !== this.#first);
		const careful = (/** @type {Name} */ name) => Number(this.#careful.includes(name));
		this.#queue = this.#order
			.filter((name) => !this.#trying.has(name))
			.sort((a, b) => avoided(a) - avoided(b) || behind(a) - behind(b) || careful(a) - careful(b));
		this.#due = now;
	}

	/** The round is broken off, by nobody's fault. */
	handlePause() {
		this.#trying.clear();
		this.#queue = [];
		this.#due = Infinity;
	}

	/**
	 * Others are wanted. What was being tried is tried no longer.
	 * @param {readonly Name[]} order
	 * @param {number} now
	 */
	handleWish(order, now) {
		this.#order = order;
		this.#faults.clear();
		this.handlePause();
		if (!this.#used) this.handleStart(now);
		else if (this.#better(this.#used).length) this.#due = now;
	}

	/**
	 * @param {Name} name has brought something useful
	 * @param {number} now
	 * @returns {boolean} whether to use it, in place of what was used
	 */
	handleProven(name, now) {
		this.#trying.delete(name);
		if (!this.wants(name)) return false;
		this.#used = this.#first = name;
		this.#since = now;
		this.#queue = [];
		this.#fruitless = 0;
		for (const other of this.#trying) if (!this.wants(other)) this.#trying.delete(other);
		this.#planUpward(now);
		return true;
	}

	/**
	 * @param {Name} name that was tried
	 * @param {number} now
	 * @param {boolean} [isForGood] it is not tried again, as long as there is anything else
	 */
	handleFailed(name, now, isForGood) {
		this.#trying.delete(name);
		if (isForGood && this.#order.length > 1) this.#order = this.#order.filter((other) => other !== name);
		if (this.#queue.length) this.#due = now;
		else if (!this.#used) {
			// Where nothing works, it was not the fault of any.
			if (this.isExhausted) this.#faults.clear();
		} else if (!this.#trying.size) {
			this.#fruitless++;
			this.#planUpward(now);
		}
	}

	/**
	 * What was used carries no longer.
	 * @param {number} now
	 * @param {'silent' | 'ended' | 'asked'} how nothing came any more; it was ended; the server wished it
	 */
	handleLost(now, how) {
		const name = this.#used;
		this.#used = undefined;
		this.#due = Infinity;
		if (!name || how === 'asked') return;
		if (now - this.#since >= LASTING_MS) return void this.#faults.delete(name);
		const count = (this.#faults.get(name)?.count ?? 0) + 1;
		const avoid = how === 'silent' || count >= SHORT_MAX;
		const until = avoid ? now + Math.min(AVOID_MAX_MS, AVOID_MS * 2 ** (count - 1)) : 0;
		this.#faults.set(name, { count, until });
	}

	/**
	 * @param {number} now
	 * @returns {Name | undefined} the next to try; ask until there is none
	 */
	poll(now) {
		if (now < this.#due) return;
		if (this.#used && !this.#queue.length && !this.#trying.size) this.#queue = this.#better(this.#used);
		const name = this.#queue.shift();
		this.#due = Infinity;
		if (name) {
			this.#trying.add(name);
			if (this.#queue.length) this.#due = now + (this.#careful.includes(name) ? CAREFUL_STAGGER_MS : STAGGER_MS);
		}
		return name;
	}

	/** When to poll again. */
	pollTimeout() {
		return this.#due;
	}

	/** @param {Name} name */
	#rank(name) {
		const rank = this.#order.indexOf(name);
		return rank < 0 ? Infinity : rank;
	}

	/** @param {Name} used */
	#better(used) {
		return this.#order.filter((name) => this.#rank(name) < this.#rank(used));
	}

	/** @param {number} now */
	#planUpward(now) {
		const better = this.#used ? this.#better(this.#used) : [];
		const avoided = Math.min(...better.map((name) => this.#faults.get(name)?.until ?? 0));
		// Not all clients of a server that was away at the same time.
		const pause = Math.min(UPWARD_MAX_MS, UPWARD_MS * 2 ** this.#fruitless) * (0.5 + this.#random());
		this.#due = better.length ? Math.max(now + pause, avoided) : Infinity;
	}
}
