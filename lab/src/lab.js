/**
 * The lab behind the page: the visit, the racers on its lanes, the one who publishes, and what is broken.
 *
 * @import { Break } from './model/breaks.js'
 * @import { Line } from './visit.js'
 * @import { Choice } from './racer.js'
 */

import { Tidings } from '/client/client.js';
import { BREAKS, CUTTING, networkOf } from './model/breaks.js';
import { Clock } from './model/clock.js';
import { Ring } from './model/ring.js';
import { Racer } from './racer.js';
import { Visit } from './visit.js';

/** In the order of the page. @type {Choice[]} */
export const CHOICES = ['auto', 'webtransport', 'websocket', 'sse', 'long-poll', 'poll'];

/** Messages a second: from a quiet room to a busy one. */
export const RATE = { least: 0.2, most: 20, first: 2 };

/** How often the page is drawn, in ms. */
const DRAW_EVERY_MS = 200;
/** Breaks that are remembered for the time line. */
const STRETCHES_MAX = 100;

/**
 * @typedef {object} Stretch of time in which something was broken
 * @property {Break | 'cut'} what
 * @property {number} from
 * @property {number} [to] absent: it lasts
 */

export class Lab {
	#token;
	/** @type {Visit | undefined} */
	#visit;
	#clock = new Clock();
	#publisher;
	#channel = `lab:${crypto.randomUUID()}`;
	/** @type {() => void} */
	#draw;
	#n = 0;
	/** @type {ReturnType<typeof setTimeout> | undefined} */
	#next;

	/** @type {Map<Choice, Racer>} */
	racers = new Map();
	/** Which race or are about to. @type {Set<Choice>} */
	wanted = new Set();
	/** @type {Set<Break>} */
	breaks = new Set();
	/** @type {Ring<Stretch>} */
	stretches = new Ring(STRETCHES_MAX);
	rate = RATE.first;
	/** The newest message that the server has. */
	stored = -1;
	/** What went wrong with the lab itself. */
	trouble = '';
	isOver = false;
	heartbeat = { interval: 20_000, timeout: 5000, tries: 2 };

	/**
	 * @param {string} token empty for a guest
	 * @param {() => void} draw
	 */
	constructor(token, draw) {
		this.#token = token;
		this.#draw = draw;
		this.#publisher = new Tidings(location.origin, { transport: 'websocket', token, share: false });
		setInterval(draw, DRAW_EVERY_MS);
	}

	/** @param {Choice[]} choices who race at first */
	async begin(choices) {
		const info = await (await fetch('/v1/info')).json();
		this.heartbeat = info.heartbeat;
		const over = () => {
			this.isOver = true;
			this.#draw();
		};
		this.#visit = await Visit.begin(this.#token, (line) => this.#hear(line), over);
		for (const choice of choices) await this.race(choice, true);
		this.#publish();
	}

	/**
	 * @param {Choice} choice
	 * @param {boolean} races
	 */
	async race(choice, races) {
		const visit = this.#visit;
		if (!visit || races === this.wanted.has(choice)) return;
		if (races) {
			this.wanted.add(choice);
			const lane = await visit.open();
			await visit.set(lane.lane, networkOf(this.breaks));
			this.racers.set(choice, new Racer(choice, lane, this.#channel, this.#token));
		} else {
			this.wanted.delete(choice);
			const racer = this.racers.get(choice);
			this.racers.delete(choice);
			racer?.close();
			if (racer) await visit.close(racer.lane);
		}
		this.#draw();
	}

	/** @param {number} rate messages a second */
	setRate(rate) {
		this.rate = Math.min(RATE.most, Math.max(RATE.least, rate));
		clearTimeout(this.#next);
		this.#publish();
	}

	/**
	 * @param {Break} what
	 * @param {boolean} isBroken
	 */
	async break(what, isBroken) {
		if (isBroken === this.breaks.has(what)) return;
		const now = performance.now();
		if (isBroken) {
			this.breaks.add(what);
			this.stretches.push({ what, from: now });
		} else {
			this.breaks.delete(what);
			for (const stretch of this.stretches.items) if (stretch.what === what) stretch.to ??= now;
		}
		this.#draw();
		await this.#each((visit, lane) => visit.set(lane, networkOf(this.breaks)));
		if (isBroken && CUTTING.includes(what)) await this.#each((visit, lane) => visit.cut(lane));
	}

	async mend() {
		for (const what of BREAKS) await this.break(what, false);
	}

	async cut() {
		const now = performance.now();
		this.stretches.push({ what: 'cut', from: now, to: now });
		await this.#each((visit, lane) => visit.cut(lane));
	}

	/** @param {(visit: Visit, lane: number) => Promise<unknown>} ask */
	async #each(ask) {
		const visit = this.#visit;
		if (!visit) return;
		try {
			await Promise.all([...this.racers.values()].map((racer) => ask(visit, racer.lane)));
		} catch (error) {
			this.trouble = String(error);
		}
		this.#draw();
	}

	/** @param {Line} line */
	#hear(line) {
		const now = performance.now();
		if (line.now !== undefined) this.#clock.hear(line.now, now);
		if (line.at !== undefined) this.#clock.hear(line.at, now);
		if (line.lane === undefined) return;
		for (const racer of this.racers.values()) {
			if (racer.lane === line.lane) racer.hear(line, this.#clock.ours(line.at ?? 0));
		}
	}

	/** Publishes one, and the next when it is its time, whatever became of this one. */
	#publish() {
		this.#next = setTimeout(() => this.#publish(), 1000 / this.rate);
		const n = this.#n++;
		this.#publisher
			.channel(this.#channel)
			.publish({ n, sentAt: performance.now() })
			.then(
				() => (this.stored = Math.max(this.stored, n)),
				(error) => (this.trouble = String(error)),
			);
	}
}
