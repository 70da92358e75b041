/**
 * A link like those over HTTP: commands are requests of their own, which may overtake one another; the
 * channels are read together, in each log behind the lowest of their cursors there, by a stream that stays open or by polls.
 *
 * What it makes of the streams is what `client/src/transport/http.js` does, by the same `places.js`.
 */

import { formatCursor, parseStreamCursor } from '../../client/src/cursor.js';
import { advance, begin, part, start } from '../../client/src/transport/places.js';
import { Line } from './line.mjs';

/** @import { Frame, Command } from '../../client/src/wire/frames.js' */
/** @import { Place } from '../../client/src/transport/places.js' */
/** @import { Answer } from './hub.mjs' */
/** @import { World } from './world.mjs' */

/** @typedef {{ begin?: string, newest?: number | string, epochs?: Record<string, string>, frames: Frame[], cursor?: string, life: number }} Piece */
/** What has been brought stands in `had`, by epoch. @typedef {{ number: number, of: Place[], had: Map<string, number>, down: Line<Piece>, isOpen: boolean }} Stream */

/** Pieces under way to a client, at most. */
const UNDER_WAY_MAX = 3;

export class StreamLink {
	#world;
	#user;
	#desk;
	/** Whether each answer ends the request. */
	#polls;
	/** Whether each message moves the cursor, as on SSE, or only the end of what comes together. */
	#isEager;
	/** @type {Map<string, Place>} */
	#places = new Map();
	/** @type {Stream | undefined} */
	#stream;
	/** Raised with each stream: what an older one brings is not heard. */
	#serial = 0;
	#restarts = false;
	#isCut = false;
	#isClosed = false;
	/** @type {{ frame: Frame, life: number }[]} */
	#arrived = [];
	/** Requests that are not answered. */
	#asked = 0;
	lostAt = Infinity;
	window = 1;

	/**
	 * @param {World} world
	 * @param {string} user
	 */
	constructor(world, user) {
		this.#world = world;
		this.#user = user;
		this.#desk = world.number();
		this.#polls = world.dice.chance(0.5);
		this.#isEager = !this.#polls && world.dice.chance(0.7);
		this.#arrived.push({ frame: { type: 'hello', heartbeat: { interval: 0, timeout: 0, tries: 0 } }, life: world.life });
	}

	/** @param {Command} command */
	send(command) {
		const world = this.#world;
		if (command.type === 'subscribe') {
			const { channel, req, after } = command;
			this.#places.set(channel, { channel, req, after });
			this.#restarts = true;
		} else if (command.type === 'unsubscribe') {
			this.#places.delete(command.channel);
			this.#restarts = true;
			this.#arrived.push({ frame: { ...command, type: 'unsubscribed' }, life: this.#world.life });
		} else {
			this.#asked++;
			this.#later(() => world.do({ ask: { desk: this.#desk, user: this.#user, frame: command } }));
		}
	}

	serve() {
		const world = this.#world;
		if (this.#restarts) this.#begin();
		if (this.#asked) world.do({ fetch: { desk: this.#desk } }, (answer) => this.#answered(answer));
		const stream = this.#stream;
		if (!stream?.isOpen || stream.down.length > UNDER_WAY_MAX) return;
		world.do({ offer: { link: stream.number, ...world.room() } }, (answer) => this.#offered(stream, answer));
	}

	*heard() {
		yield* this.#arrived.splice(0);
		const stream = this.#stream;
		for (const piece of stream?.down.arrived(this.#world.now) ?? []) {
			if (stream && stream === this.#stream) yield* this.#read(stream, piece);
		}
	}

	cut() {
		const { now, dice } = this.#world;
		this.#isCut = true;
		this.#stream?.down.cut(dice);
		this.lostAt = Math.min(this.lostAt, now + dice.between(0, 300));
	}

	handleRestart() {
		this.cut();
		if (this.#stream) this.#stream.isOpen = false;
	}

	close() {
		this.#end();
		this.#isClosed = true;
	}

	/** Whether the server is to know nothing of it any more. */
	get isOver() {
		return this.#isClosed;
	}

	/** Ends the present stream, and begins the next if there is something to read. */
	#begin() {
		this.#restarts = false;
		this.#end();
		const serial = ++this.#serial;
		const of = [...this.#places.values()];
		if (!of.length) return;
		const world = this.#world;
		const fresh = of.filter(({ after }) => !after);
		if (fresh.length) {
			this.#later(() =>
				world.do({ now: { user: this.#user, channels: fresh.map(({ channel }) => channel) } }, (answer) =>
					this.#later(() => {
						for (const place of fresh) place.after ??= formatCursor(part(answer?.cursor ?? '', place.channel, answer?.epochs));
						if (serial === this.#serial) this.#begin();
					}),
				),
			);
			return;
		}
		/** @type {Stream} */
		const stream = { number: world.number(), of, had: new Map(), down: new Line(), isOpen: false };
		this.#stream = stream;
		const channels = of.map(({ channel }) => channel);
		this.#later(() => {
			if (serial !== this.#serial) return;
			const { life } = world;
			world.do({ stream: { link: stream.number, user: this.#user, channels, after: start(of) } }, (answer) => {
				stream.isOpen = true;
				if (!this.#polls) this.#down(stream, { begin: answer?.cursor, newest: answer?.newest, epochs: answer?.epochs, frames: [], life });
			});
		});
	}

	#end() {
		const stream = this.#stream;
		this.#stream = undefined;
		if (!stream) return;
		this.#world.later(this.#world.dice.between(0, 100), () => this.#world.do({ cut: { link: stream.number } }));
	}

	/**
	 * @param {Stream} stream
	 * @param {Answer | null} answer
	 */
	#offered(stream, answer) {
		const { dice, life } = this.#world;
		const { frames = [], cursor, newest, epochs, closed } = answer ?? {};
		if (closed) return this.cut();
		if (!frames.length && !dice.chance(0.1)) return;
		this.#down(stream, { begin: this.#polls ? cursor : undefined, newest, epochs, frames, cursor, life });
		if (this.#polls) stream.isOpen = false;
	}

	/** @param {Answer | null} answer */
	#answered(answer) {
		const { life } = this.#world;
		for (const frame of answer?.frames ?? []) {
			this.#asked--;
			this.#later(() => this.#arrived.push({ frame, life }));
		}
	}

	/**
	 * @param {Stream} stream
	 * @param {Piece} piece
	 */
	#down(stream, piece) {
		const { now, weather, dice } = this.#world;
		stream.down.send(piece, now, weather, dice);
	}

	/**
	 * Runs what takes its time on the way, if it gets through.
	 * @param {() => void} arrive
	 */
	#later(arrive) {
		const { weather, dice } = this.#world;
		this.#world.later(dice.throw() * weather.delay + (dice.chance(weather.stalls) ? dice.throw() * weather.stall : 0), () => {
			if (!this.#isCut || dice.chance(0.3)) arrive();
		});
	}

	/**
	 * @param {Stream} stream
	 * @param {Piece} piece
	 * @returns {Generator<{ frame: Frame, life: number }>}
	 */
	*#read(stream, { begin: first, newest, epochs, frames, cursor, life }) {
		const { of } = stream;
		if (first) {
			stream.had = parseStreamCursor(first);
			for (const frame of begin(of, first, newest, epochs)) yield { frame, life };
		}
		for (const frame of frames) {
			yield { frame, life };
			if (this.#isEager && frame.type === 'message' && cursor) {
				stream.had.set(of.find(({ channel }) => channel === frame.channel)?.epoch ?? '', frame.seq);
				const parts = [...stream.had].map(([epoch, seq]) => formatCursor({ epoch, seq }));
				yield { frame: advance(of, parts.join('.')), life };
			}
		}
		if (cursor) stream.had = parseStreamCursor(cursor);
		if (cursor) yield { frame: advance(of, cursor), life };
		if (this.#polls && cursor) this.#restarts = true;
	}
}
