/** The weather of a middlebox: spells of one fault at a time, by seeded dice, with quiet between them. */

import { Dice } from '../model/dice.mjs';

/** @import { Faults, Middlebox } from '../lib/middlebox.mjs' */

/** Every fault that a client survives, with what it may be. @type {[string, (dice: Dice) => Faults][]} */
const SPELLS = [
	['latency', (dice) => ({ latency_ms: dice.between(20, 800), jitter_ms: dice.between(0, 300) })],
	['bandwidth', (dice) => ({ bandwidth: dice.between(2_000, 50_000) })],
	['black hole up', () => ({ black_hole: 'up' })],
	['black hole down', () => ({ black_hole: 'down' })],
	['black hole', () => ({ black_hole: 'both' })],
	['refuse', () => ({ refuse: true })],
	['idle cut', (dice) => ({ idle_cut_ms: dice.between(300, 3_000) })],
	['buffer bytes', (dice) => ({ buffer_bytes: dice.between(500, 20_000) })],
	['buffer ms', (dice) => ({ buffer_ms: dice.between(50, 2_000) })],
	['hold chunked', () => ({ hold_chunked: true })],
	['upgrade stripped', () => ({ upgrade: 'strip' })],
	['upgrade muted', () => ({ upgrade: 'mute' })],
	['upgrade refused', (dice) => ({ upgrade: dice.pick(/** @type {const} */ ([400, 403, 502])) })],
	['captive', () => ({ captive: true })],
	['few connections', (dice) => ({ connections_max: dice.between(2, 30) })],
];

/** What is done at once, and to every connection. */
const CUTS = /** @type {const} */ (['reset', 'close', 'half']);

/** One spell in so many is a cut instead. */
const CUT_PROBABILITY = 0.25;

/** How long spells last, and the quiet between them, in ms: short enough that most of the time is good. */
const SPELL_MS = { least: 1_000, most: 12_000 };
const QUIET_MS = { least: 2_000, most: 20_000 };

export class Weather {
	#middlebox;
	#dice;
	#isOver = false;
	/** @type {() => void} */
	#wake = () => {};
	/** @type {Promise<void>} */
	#course = Promise.resolve();
	/** How often each fault was there, and for how long in all, in ms. @type {Record<string, { count: number, ms: number }>} */
	faults = {};

	/**
	 * @param {Middlebox} middlebox
	 * @param {number} seed
	 */
	constructor(middlebox, seed) {
		this.#middlebox = middlebox;
		this.#dice = new Dice(seed);
	}

	begin() {
		this.#course = this.#run();
	}

	/** From now on it is good. */
	async clear() {
		this.#isOver = true;
		this.#wake();
		await this.#course;
		await this.#middlebox.set({});
	}

	async #run() {
		const dice = this.#dice;
		while (!this.#isOver) {
			await this.#pass(dice.between(QUIET_MS.least, QUIET_MS.most));
			if (this.#isOver) return;
			if (dice.chance(CUT_PROBABILITY)) {
				const how = dice.pick(CUTS);
				await this.#middlebox.cut(how);
				this.#count(`cut: ${how}`, 0);
				continue;
			}
			const [name, faults] = dice.pick(SPELLS);
			const begun = performance.now();
			await this.#middlebox.set(faults(dice));
			await this.#pass(dice.between(SPELL_MS.least, SPELL_MS.most));
			await this.#middlebox.set({});
			this.#count(name, performance.now() - begun);
		}
	}

	/** @param {number} ms */
	#pass(ms) {
		return new Promise((resolve) => {
			const timer = setTimeout(() => resolve(undefined), ms);
			this.#wake = () => {
				clearTimeout(timer);
				resolve(undefined);
			};
		});
	}

	/**
	 * @param {string} name
	 * @param {number} ms
	 */
	#count(name, ms) {
		const fault = (this.faults[name] ??= { count: 0, ms: 0 });
		fault.count++;
		fault.ms += ms;
	}
}
