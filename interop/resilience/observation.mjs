/** What is known of a cell while it runs: both ends' notes, by one clock. */

import { setTimeout as pause } from 'node:timers/promises';
import { tally } from './tally.mjs';

/** @import { Home } from './homes.mjs' */
/** @import { Change, Report } from './subject.mjs' */
/** @import { Witness } from './witness.mjs' */

/** How often a page is asked: the times are its own, so asking more often finds nothing out. */
const LOOK_EVERY_MS = 100;

/**
 * A moment, and how far both publishers were: what they make afterwards is new.
 * @typedef {object} Mark
 * @property {number} at
 * @property {number} down
 * @property {number} up
 */

export class Observation {
	#home;
	#witness;
	/** What the client was given. @type {[n: number, at: number][]} */
	#down = [];
	/** @type {Change[]} */
	#changes = [];
	/** @type {Report | undefined} */
	#last;
	/** @type {Promise<Report> | undefined} */
	#looking;
	/** @type {string[]} */
	errors = [];

	/**
	 * @param {Home} home
	 * @param {Witness} witness
	 */
	constructor(home, witness) {
		this.#home = home;
		this.#witness = witness;
	}

	/** Asks the client what has happened. Who was not waited for any longer goes on, and is not asked beside itself. */
	look() {
		this.#looking ??= this.#look().finally(() => (this.#looking = undefined));
		return this.#looking;
	}

	async #look() {
		if (this.#last) await pause(LOOK_EVERY_MS);
		const known = { received: this.#down.length, changes: this.#changes.length, errors: this.errors.length };
		const report = await this.#home.report(known);
		this.#down.push(...report.received);
		this.#changes.push(...report.changes);
		this.errors.push(...report.errors);
		this.#last = report;
		return report;
	}

	/**
	 * This moment.
	 * @returns {Promise<Mark>}
	 */
	async mark() {
		const at = performance.timeOrigin + performance.now();
		const { made } = await this.look();
		return { at, down: this.#witness.made, up: made };
	}

	/**
	 * Whether so many messages have come each way since then.
	 * @param {number} count
	 * @param {number} [at]
	 */
	async flowed(count, at = 0) {
		await this.look();
		const isFlow = (/** @type {[number, number][]} */ list) => list.filter(([, then]) => then >= at).length >= count;
		return isFlow(this.#down) && isFlow(this.#witness.received);
	}

	/**
	 * When the first message came.
	 * @returns {number | undefined}
	 */
	get first() {
		return this.#down[0]?.[1];
	}

	/**
	 * When messages that are new since then, and no sooner, had come both ways.
	 * @param {Mark} mark
	 * @returns {number | undefined}
	 */
	useful({ at, down, up }) {
		const came = (/** @type {[number, number][]} */ list, /** @type {number} */ old) =>
			list.find(([n, then]) => n > old && then >= at)?.[1];
		const [received, sent] = [came(this.#down, down), came(this.#witness.received, up)];
		return received && sent && Math.max(received, sent);
	}

	/**
	 * When the client first said after a moment that something has changed.
	 * @param {number} from
	 * @returns {number | undefined}
	 */
	noticed(from) {
		return this.#changes.find(({ type, isOpen, at }) => at >= from && (type === 'transport' || !isOpen))?.at;
	}

	/** Whether everything that was published is stored, and has come. Asked once nobody publishes any more. */
	async isComplete() {
		const { made, acknowledged } = await this.look();
		const [down, up] = this.tallies();
		const { made: sent, stored } = this.#witness;
		return acknowledged === made && stored === sent && down.lost === 0 && up.lost === 0;
	}

	/** What came to the client, and what came from it. */
	tallies() {
		const numbers = (/** @type {[number, number][]} */ list) => list.map(([n]) => n);
		const down = tally(numbers(this.#down), this.#witness.made);
		const up = tally(numbers(this.#witness.received), this.#last?.made ?? 0);
		return /** @type {const} */ ([down, up]);
	}

	/** What it did, for whoever has to find out why. */
	get story() {
		const begun = this.#last?.begun ?? 0;
		const changes = this.#changes.map(
			({ type, isOpen, transport, reason, at }) =>
				`${((at - begun) / 1000).toFixed(2)} s: ${type === 'transport' ? transport : isOpen ? 'open' : 'not open'} ${reason}`.trim(),
		);
		const [down, up] = [this.#down.at(-1), this.#witness.received.at(-1)];
		const last = (/** @type {[number, number] | undefined} */ [n, at] = [0, begun]) => `${n} at ${((at - begun) / 1000).toFixed(2)} s`;
		const gaps = missing(this.#down.map(([n]) => n), this.#witness.made);
		return [...changes, ...this.errors, `missing at the client: ${gaps}; last to the client: ${last(down)}; last from it: ${last(up)}`];
	}

	get transport() {
		return this.#last?.transport ?? '';
	}

	/** When the client was made. */
	get begun() {
		return this.#last?.begun ?? 0;
	}
}

/**
 * @param {readonly number[]} numbers
 * @param {number} total
 * @returns {string} which of them are not there, as ranges
 */
function missing(numbers, total) {
	const ends = [0, ...new Set(numbers), total + 1].toSorted((one, other) => one - other);
	const gaps = ends.slice(1).map((end, index) => [Number(ends[index]) + 1, end - 1]);
	const ranges = gaps.filter(([first, last]) => Number(first) <= Number(last)).map((gap) => gap.join('–'));
	return ranges.join(', ') || 'nothing';
}
