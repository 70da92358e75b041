/**
 * The truth of a soak, and what everybody was given: nothing lost, doubled or out of order; what was
 * acknowledged is in the log, once. Pure.
 */

/** From behind this `seq` on. @typedef {['follow', client: number, channel: number, seq: number]} Follow */
/** A delivery. @typedef {['got', client: number, channel: number, seq: number, id: string]} Got */
/** A publisher was told so; when, in ms since the Unix epoch. @typedef {['ack', channel: number, seq: number, id: string, at: number]} Acknowledged */
/**
 * What a client, or a publisher, tells the checker; a line of JSON each. Numbers name clients and channels.
 * `back` says when a client was current again after a kill of the server, in ms since the Unix epoch.
 * @typedef {Follow | Got | Acknowledged | ['fault', words: string] | ['back', kill: number, client: number, at: number]} Line
 */

/** @typedef {{ seq: number, id: string }} Stored */
/** @typedef {{ lost: number, doubled: number, disordered: number, foreign: number, unstored: number, restored: number, other: number }} Counts */

/** Faults that are named; more are only counted. */
const NAMED_MAX = 50;

class Follower {
	/** @type {number[]} */
	seqs = [];
	/** @param {number} start */
	constructor(start) {
		this.start = start;
	}
}

export class Ledger {
	/** By client and channel. @type {Map<string, Follower>} */
	#followers = new Map();
	/** By channel and `seq`: what was acknowledged or given there. @type {Map<string, string>} */
	#ids = new Map();
	/** By channel. @type {Map<number, Stored[]>} */
	#acknowledged = new Map();
	/** @type {Counts} */
	counts = { lost: 0, doubled: 0, disordered: 0, foreign: 0, unstored: 0, restored: 0, other: 0 };
	/** The first faults, in words. @type {string[]} */
	faults = [];
	delivered = 0;
	acknowledged = 0;
	/** When it was. @type {number[]} */
	#times = [];

	/** Of each kill of the server: when who was current again. @type {Map<number, Map<number, number>>} */
	returns = new Map();

	/** @param {Line} line */
	take(line) {
		switch (line[0]) {
			case 'follow': {
				const [, client, channel, start] = line;
				this.#followers.set(`${client} ${channel}`, new Follower(start));
				return;
			}
			case 'got': {
				const [, client, channel, seq, id] = line;
				this.delivered++;
				this.#name(channel, seq, id);
				const follower = this.#followers.get(`${client} ${channel}`);
				if (!follower) return this.#fault('other', `client ${client} was given ${seq} of channel ${channel}, which it does not follow`);
				const last = follower.seqs.at(-1) ?? follower.start;
				if (seq > last) return void follower.seqs.push(seq);
				const is = follower.seqs.includes(seq) ? 'doubled' : 'disordered';
				return this.#fault(is, `client ${client}, channel ${channel}: ${seq} (${id}) after ${last}`);
			}
			case 'ack': {
				const [, channel, seq, id, at] = line;
				this.acknowledged++;
				this.#times.push(at);
				this.#name(channel, seq, id);
				const messages = this.#acknowledged.get(channel) ?? [];
				this.#acknowledged.set(channel, messages);
				messages.push({ seq, id });
				return;
			}
			case 'back': {
				const [, kill, client, at] = line;
				const returns = this.returns.get(kill) ?? new Map();
				this.returns.set(kill, returns.set(client, returns.get(client) ?? at));
				return;
			}
			case 'fault':
				return this.#fault('other', line[1]);
		}
	}

	/**
	 * How many followers of a channel do not have its newest message.
	 * @param {number} channel
	 * @param {number} newest
	 */
	lacking(channel, newest) {
		let count = 0;
		for (const [, { seqs, start }] of this.#of(channel)) if ((seqs.at(-1) ?? start) < newest) count++;
		return count;
	}

	/**
	 * Compares everything with what the log has in the end.
	 * @param {number} channel
	 * @param {Stored[]} stored in the order of `seq`
	 */
	check(channel, stored) {
		const ids = new Map();
		for (const { seq, id } of stored) {
			const before = ids.get(id);
			if (before !== undefined) this.#fault('restored', `channel ${channel}: ${id} is stored at ${before} and at ${seq}`);
			ids.set(id, seq);
			const known = this.#ids.get(`${channel} ${seq}`) ?? id;
			if (known !== id) this.#fault('foreign', `channel ${channel}: ${seq} is ${id} in the log, and was told as ${known}`);
		}
		const acknowledged = this.#acknowledged.get(channel) ?? [];
		for (const { seq, id } of acknowledged) {
			if (ids.get(id) !== seq) this.#fault('unstored', `channel ${channel}: ${id} was acknowledged at ${seq}; the log has it at ${ids.get(id) ?? 'no place'}`);
		}
		const told = new Set(acknowledged.map(({ id }) => id));
		for (const { seq, id } of stored) {
			if (!told.has(id)) this.#fault('other', `channel ${channel}: ${id} is stored at ${seq}, and its publisher was never told`);
		}
		const places = new Set(stored.map(({ seq }) => seq));
		for (const [name, { start, seqs }] of this.#of(channel)) {
			const got = new Set(seqs);
			for (const { seq, id } of stored) {
				if (seq > start && !got.has(seq)) this.#fault('lost', `client and channel ${name}: ${seq} (${id}) never came`);
			}
			for (const seq of seqs) if (!places.has(seq)) this.#fault('foreign', `client and channel ${name}: ${seq} is not in the log`);
		}
	}

	/** How many deliveries were looked at: one by one, by the client that they were for. */
	get checked() {
		let count = 0;
		for (const { seqs } of this.#followers.values()) count += seqs.length;
		return count;
	}

	/** The longest time in which nothing was acknowledged, in ms. */
	get gapMs() {
		const times = this.#times.toSorted((a, b) => a - b);
		return times.reduce((gap, at, place) => Math.max(gap, at - (times[place - 1] ?? at)), 0);
	}

	get followers() {
		return this.#followers.size;
	}

	get isGood() {
		return Object.values(this.counts).every((count) => count === 0);
	}

	/** @param {number} channel */
	*#of(channel) {
		for (const entry of this.#followers) if (entry[0].endsWith(` ${channel}`)) yield entry;
	}

	/**
	 * @param {number} channel
	 * @param {number} seq
	 * @param {string} id
	 */
	#name(channel, seq, id) {
		const place = `${channel} ${seq}`;
		const known = this.#ids.get(place);
		if (known === undefined) this.#ids.set(place, id);
		else if (known !== id) this.#fault('foreign', `channel ${channel}: ${seq} is told as ${known} and as ${id}`);
	}

	/**
	 * @param {keyof Counts} kind
	 * @param {string} words
	 */
	#fault(kind, words) {
		this.counts[kind]++;
		if (this.faults.length < NAMED_MAX) this.faults.push(`${kind}: ${words}`);
	}
}
