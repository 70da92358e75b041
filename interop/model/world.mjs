/** One seed: some clients, the hub, and weather between them. */

import assert from 'node:assert/strict';
import { Dice } from './dice.mjs';
import { FAIR, ROUGH } from './line.mjs';
import { Player } from './player.mjs';
import { Truth } from './truth.mjs';

/** @import { Answer, HubOnAPipe, Op, Settings } from './hub.mjs' */

/** Moments of bad weather in a world. */
const ROUGH_TICKS = 60;
/** Moments of good weather after which everybody must be current: pauses of the hub's own reads are up to 1 s. */
const FAIR_TICKS_MAX = 2000;
/** How much passes between two moments when the weather is good, in ms. */
const FAIR_TICK_MS = 10;

export class World {
	#hub;
	/** @type {{ op: Op, then?: (answer: Answer | null) => void }[]} */
	#ops = [];
	/** @type {{ at: number, run: () => void }[]} */
	#plans = [];
	#numbers = 0;
	/** In which life of the log everybody has to be before it takes something again. @type {number | undefined} */
	#settles;
	/** Whether what is recorded next is what a life of the log begins with. */
	#isFresh = false;
	now = 0;
	isRough = true;
	truth = new Truth();

	/**
	 * @param {number} seed
	 * @param {HubOnAPipe} hub
	 */
	constructor(seed, hub) {
		this.#hub = hub;
		const dice = (this.dice = new Dice(seed));
		this.restarts = dice.pick(/** @type {const} */ (['no', 'no', 'no', 'kill', 'kill', 'power', 'backup', 'other']));
		// Whether clients try other links beside the one in use. Not where the log loses its end: a link that was told
		// a place from which another one has moved us on since says nothing of what is lost between the two.
		this.overlaps = this.restarts !== 'backup' && dice.chance(0.5);
		this.keeps = dice.chance(0.5);
		/** Whether the log is too busy at times. */
		this.isBusy = dice.chance(0.7);
		this.channels = this.keeps ? ['keep:a', 'keep:b'] : ['keep:a', 'few:b', 'few:c'];
		/** @type {Settings} */
		this.settings = {
			epoch: 'e1',
			logs: dice.pick([1, 3]),
			few: dice.between(2, 8),
			tail: dice.pick([0, 1, 3, 8, 512]),
			page: dice.between(4, 16),
			commands: dice.pick([3, 8, 256]),
			histories: dice.pick([1, 2, 8]),
		};
		this.players = Array.from({ length: dice.between(2, 5) }, (_, number) => new Player(this, `p${number}`));
	}

	get weather() {
		return this.isRough ? ROUGH : FAIR;
	}

	/** The number of the log's present life. */
	get life() {
		return this.truth.lives.length - 1;
	}

	/** Whether `seq`s may begin anew. */
	get rewinds() {
		return this.restarts === 'backup' || this.restarts === 'other';
	}

	/**
	 * Whether nothing but the log's end is ever gone.
	 * @param {string} channel
	 */
	loses(channel) {
		return this.restarts === 'backup' && channel.startsWith('keep:');
	}

	/** Whether nobody is refused for now, so that what is published keeps its order. */
	get isSmooth() {
		return !this.isBusy && this.settings.commands === 256 && !this.rewinds && this.restarts !== 'power';
	}

	/** Whether anything may ever be gone. */
	get tears() {
		return !this.keeps || this.rewinds;
	}

	/** A number that nobody has. */
	number() {
		return ++this.#numbers;
	}

	/** How much a transport can write now: slow ones little. */
	room() {
		const { dice } = this;
		const bytes = this.isRough ? dice.pick([0, 200, 600, 65_536]) : 65_536;
		return { bytes, events: this.isRough ? dice.between(1, 10) : 100 };
	}

	/**
	 * Has something done in this moment.
	 * @param {Op} op
	 * @param {(answer: Answer | null) => void} [then]
	 */
	do(op, then) {
		this.#ops.push({ op, then });
	}

	/**
	 * @param {number} delay ms
	 * @param {() => void} run
	 */
	later(delay, run) {
		this.#plans.push({ at: this.now + delay, run });
	}

	/** Plays it to its end, and says what went wrong. */
	async play() {
		await this.#hub.begin(this.settings);
		this.truth.begin(this.settings.epoch);
		for (let tick = 0; tick < ROUGH_TICKS; tick++) {
			this.#disturb();
			await this.#tick(this.dice.between(1, 40));
		}
		this.isRough = false;
		this.do({ hold: false });
		if (this.#settles === undefined) this.do({ busy: { publishes: false, reads: false } });
		await this.#until('everything to be answered', () => this.players.every((player) => player.isAnswered && player.isSettled(this.life)));
		for (const channel of this.channels) {
			this.do({ ask: { desk: 0, user: 'last', frame: { type: 'publish', req: 1, channel, id: `${channel}/last`, data: 0 } } });
		}
		await this.#until('everybody to be current', () => this.players.every((player) => player.isCurrent));
		this.#check();
	}

	#check() {
		const faults = [...this.truth.faults, ...this.players.flatMap((player) => player.faults)];
		assert.deepEqual(faults, [], JSON.stringify({ ...this.settings, restarts: this.restarts, overlaps: this.overlaps, keeps: this.keeps }));
	}

	/**
	 * @param {string} what
	 * @param {() => boolean} holds
	 */
	async #until(what, holds) {
		for (let tick = 0; tick < FAIR_TICKS_MAX; tick++) {
			await this.#tick(FAIR_TICK_MS);
			if (holds()) return;
		}
		this.#check();
		assert.fail(`waited in vain for ${what}: ${this.players.map((player) => player.waits).join(' ')}`);
	}

	/** @param {number} milliseconds */
	async #tick(milliseconds) {
		this.now += milliseconds;
		this.do({ pass: milliseconds });
		const due = this.#plans.filter(({ at }) => at <= this.now);
		this.#plans = this.#plans.filter(({ at }) => at > this.now);
		for (const { run } of due) run();
		for (const player of this.players) player.tick();
		if (this.#settles !== undefined && this.players.every((player) => player.isSettled(this.life))) {
			this.#settles = undefined;
			this.do({ busy: { publishes: false, reads: false } });
		}
		const ops = this.#ops.splice(0);
		const { answers, committed } = await this.#hub.play(ops.map(({ op }) => op));
		this.truth.record(committed);
		if (this.#isFresh) this.truth.settle();
		this.#isFresh = false;
		answers.forEach((answer, at) => ops[at]?.then?.(answer));
	}

	/** What goes wrong at the server. */
	#disturb() {
		const { dice } = this;
		if (this.isBusy && dice.chance(0.05) && this.#settles === undefined) {
			this.do({ busy: { publishes: dice.chance(0.5), reads: dice.chance(0.5) } });
		}
		if (dice.chance(0.1)) this.do({ hold: dice.chance(0.5) });
		if (this.restarts !== 'no' && dice.chance(0.03)) this.#restart();
	}

	#restart() {
		const { dice, restarts } = this;
		const length = this.truth.now.messages.size;
		const epoch = restarts === 'other' ? `e${this.life + 2}` : this.truth.now.epoch;
		const keep = { no: length, kill: length, other: 0, power: length - dice.between(0, 3), backup: length - dice.between(0, 6) }[restarts];
		const gap = restarts === 'power' ? dice.between(6, 12) : 0;
		this.do({ restart: { keep: Math.max(0, keep), gap, epoch } });
		for (const player of this.players) player.handleRestart();
		this.truth.begin(epoch);
		this.#isFresh = true;
		if (restarts !== 'backup') return;
		this.#settles = this.life;
		this.do({ busy: { publishes: true, reads: false } });
	}
}
