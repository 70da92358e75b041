/** A link like a WebSocket: frames both ways, as they are. */

import { Line } from './line.mjs';

/** @import { Frame, Command } from '../../client/src/wire/frames.js' */
/** @import { Op } from './hub.mjs' */
/** @import { World } from './world.mjs' */

/** What is under way to a client, at most: the server's socket takes no more then. */
const UNDER_WAY_MAX = 6;

export class FramedLink {
	#world;
	#number;
	/** @type {Line<Op>} */
	#up = new Line();
	/** @type {Line<{ frame: Frame, life: number }>} */
	#down = new Line();
	#isOpen = false;
	/** Whether the server knows nothing of it any more. */
	isOver = false;
	/** When the client finds out that it is lost. */
	lostAt = Infinity;
	/** When the server does. */
	#goneAt = Infinity;
	window;

	/**
	 * @param {World} world
	 * @param {string} user
	 */
	constructor(world, user) {
		this.#world = world;
		this.#number = world.number();
		this.window = world.dice.pick([1, 3, 64]);
		this.#send({ connect: { link: this.#number, user } });
	}

	/** @param {Command} frame */
	send(frame) {
		this.#send({ say: { link: this.#number, frame } });
	}

	/** @param {Op} op */
	#send(op) {
		const { now, weather, dice } = this.#world;
		this.#up.send(op, now, weather, dice);
	}

	/** The server's end of it. */
	serve() {
		const world = this.#world;
		const { now, dice } = world;
		for (const op of this.#up.arrived(now)) {
			this.#isOpen = true;
			world.do(op);
		}
		if (now >= this.#goneAt) {
			this.isOver = true;
			world.do({ cut: { link: this.#number } });
		}
		if (!this.#isOpen || this.isOver || this.#down.length > UNDER_WAY_MAX) return;
		world.do({ offer: { link: this.#number, ...world.room() } }, (answer) => {
			const { life } = world;
			for (const frame of answer?.frames ?? []) this.#down.send({ frame, life }, now, world.weather, dice);
			if (answer?.closed) this.cut();
		});
	}

	/** What arrives at the client's end. */
	heard() {
		return this.#down.arrived(this.#world.now);
	}

	/** Breaks it, wherever it is; each end finds out in its time. */
	cut() {
		const { now, dice } = this.#world;
		this.#up.cut(dice);
		this.#down.cut(dice);
		this.lostAt = Math.min(this.lostAt, now + dice.between(0, 300));
		this.#goneAt = Math.min(this.#goneAt, now + dice.between(0, 300));
	}

	/** The server is gone. Who has only set out to it finds the next one. */
	handleRestart() {
		if (!this.#isOpen) return;
		this.cut();
		this.isOver = true;
	}

	/** The client leaves it. */
	close() {
		this.#goneAt = Math.min(this.#goneAt, this.#world.now + this.#world.dice.between(0, 100));
	}
}
