/** What an application saw of a channel from its `subscribe` to its `unsubscribe`, and whether that was right. */

import { parseCursor } from '../../client/src/cursor.js';

/** @import { Cursor } from '../../client/src/cursor.js' */
/** @import { Given, Truth } from './truth.mjs' */

export class View {
	/** Behind which everything is to be seen. @type {Cursor | undefined} */
	#start;
	#history;
	/** @type {(Given | 'truncated')[]} */
	#seen = [];
	/** The newest life of the log in which it was subscribed. */
	life = -1;

	/**
	 * @param {string} channel
	 * @param {{ after?: string, history?: number }} from
	 */
	constructor(channel, { after, history = 0 }) {
		this.channel = channel;
		this.#start = after ? parseCursor(after) : undefined;
		this.#history = history;
	}

	/**
	 * @param {string} cursor
	 * @param {number} life of the log whose server said so
	 */
	subscribed(cursor, life) {
		this.#start ??= parseCursor(cursor);
		this.life = Math.max(this.life, life);
	}

	/** @param {Given} message */
	message(message) {
		this.#seen.push(message);
	}

	truncated() {
		this.#seen.push('truncated');
	}

	/** The newest message that was seen. */
	get newest() {
		const last = this.#seen.findLast((seen) => seen !== 'truncated');
		return last?.seq ?? 0;
	}

	/**
	 * Each message once, in order, and none missing where nothing was said.
	 * @param {Truth} truth
	 * @param {{ tears: boolean, rewinds: boolean, loses: (channel: string) => boolean }} may whether messages may be missing where that was
	 *   said; whether `seq`s may begin anew; whether only the log's end may be missing
	 * @returns {string[]} what is wrong
	 */
	faults(truth, may) {
		const { tears, rewinds } = may;
		const loses = may.loses(this.channel);
		const faults = [];
		const times = new Set();
		/** @type {Given | Cursor | undefined} */
		let before = this.#start;
		let torn = false;
		for (const seen of this.#seen) {
			if (seen === 'truncated') {
				if (!tears) faults.push('told truncated, and nothing was ever gone');
				torn = true;
				continue;
			}
			const name = `${seen.channel}: ${seen.seq} (${seen.id})`;
			const key = JSON.stringify([seen.seq, seen.id, seen.at]);
			if (!truth.knows(seen)) faults.push(`${name} was never in the log`);
			if (times.has(key)) faults.push(`${name} came twice`);
			times.add(key);
			// What was before the beginning is the history that was asked for.
			if (this.#history && before === this.#start && before && seen.seq <= before.seq) before = undefined;
			if (before && before.seq >= seen.seq && !(torn && rewinds)) faults.push(`${name} came after ${before.seq}`);
			else if (before && !torn && !truth.follows(before, seen)) faults.push(`${name} came next after ${before.seq}: something is missing`);
			else if (before && torn && loses && !truth.isFirst(seen)) faults.push(`${name} came next after a loss: something is missing`);
			before = seen;
			torn = false;
		}
		return faults;
	}
}
