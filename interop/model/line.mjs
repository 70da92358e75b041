/** One direction of a link: what is sent arrives late, in order, or not at all. */

/** @import { Dice } from './dice.mjs' */

/**
 * How lines are: in ms.
 * @typedef {object} Weather
 * @property {number} delay at most
 * @property {number} stalls probability of a long one
 * @property {number} stall
 */

/** @type {Weather} */
export const ROUGH = { delay: 40, stalls: 0.15, stall: 300 };
/** @type {Weather} */
export const FAIR = { delay: 4, stalls: 0, stall: 0 };

/** @template T */
export class Line {
	/** @type {{ at: number, item: T }[]} */
	#way = [];
	#busyUntil = 0;
	#isCut = false;

	/**
	 * @param {T} item
	 * @param {number} now
	 * @param {Weather} weather
	 * @param {Dice} dice
	 */
	send(item, now, { delay, stalls, stall }, dice) {
		if (this.#isCut) return;
		const late = dice.throw() * delay + (dice.chance(stalls) ? dice.throw() * stall : 0);
		this.#busyUntil = Math.max(this.#busyUntil, now + late);
		this.#way.push({ at: this.#busyUntil, item });
	}

	/** How much is under way. */
	get length() {
		return this.#way.length;
	}

	/**
	 * What arrives, in order.
	 * @param {number} now
	 */
	*arrived(now) {
		for (let next = this.#way[0]; next && next.at <= now; next = this.#way[0]) {
			this.#way.shift();
			yield next.item;
		}
	}

	/**
	 * Takes nothing more; of what is under way the last pieces are lost.
	 * @param {Dice} dice
	 */
	cut(dice) {
		this.#isCut = true;
		this.#way.length = dice.between(0, this.#way.length + 1);
	}
}
