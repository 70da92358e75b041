/** A client: the real session of the browser client, and links that come and go under it. */

import { Backoff } from '../../client/src/backoff.js';
import { Session } from '../../client/src/session.js';
import { FramedLink } from './framed.mjs';
import { StreamLink } from './stream.mjs';
import { View } from './view.mjs';

/** @import { Frame, Publish } from '../../client/src/wire/frames.js' */
/** @import { Output } from '../../client/src/session.js' */
/** @import { Given } from './truth.mjs' */
/** @import { World } from './world.mjs' */

/** @typedef {FramedLink | StreamLink} AnyLink */
/** @typedef {{ link: AnyLink, told: Map<number, string>, awaited: Set<string>, isGreeted: boolean }} Trial */

/** Pauses after a refusal are so much shorter than in a browser, so that a world is soon over. */
const HASTE = 0.02;
/** Links that are tried at a time. */
const TRIED_MAX = 2;

export class Player {
	#world;
	#session;
	/** What commands go to. @type {AnyLink | undefined} */
	#used;
	/** What is told what is followed, and may be used when it has answered. @type {Set<Trial>} */
	#tried = new Set();
	/** All that the server may know of. @type {Set<AnyLink>} */
	#links = new Set();
	#connectAt = 0;
	/** Numbers of publishes, and their ids. @type {Map<number, string>} */
	#publishes = new Map();
	/** Numbers of publishes that the link in use was told, and has not refused. @type {Set<number>} */
	#said = new Set();
	/** Numbers of publishes and questions that are not answered. @type {Set<number>} */
	#waiting = new Set();
	/** @type {Map<string, View>} */
	#views = new Map();
	/** @type {View[]} */
	#past = [];
	/** Where channels were left. @type {Map<string, string>} */
	#cursors = new Map();
	#published = 0;
	/** @type {string[]} */
	#faults = [];

	/**
	 * @param {World} world
	 * @param {string} name
	 */
	constructor(world, name) {
		this.#world = world;
		this.name = name;
		this.#session = new Session(new Backoff(() => world.dice.throw() * HASTE));
	}

	/** What happens at its end of the links in this moment. */
	tick() {
		const { now } = this.#world;
		const used = this.#used;
		if (used) for (const { frame, life } of used.heard()) this.#take(frame, life);
		for (const trial of this.#tried) for (const { frame, life } of trial.link.heard()) this.#takeEarly(trial, frame, life);
		for (const trial of this.#tried) if (now >= trial.link.lostAt) this.#drop(trial);
		if (this.#used && now >= this.#used.lostAt) this.#lose(this.#used);
		if (!this.#used && !this.#tried.size && now >= this.#connectAt) this.#try();
		if (this.#world.isRough) this.#act();
		this.#flush();
		for (const link of this.#links) {
			link.serve();
			if (link.isOver) this.#links.delete(link);
		}
	}

	handleRestart() {
		for (const link of this.#links) link.handleRestart();
		// An end that the log has lost cannot be told from what comes to be in its place.
		if (this.#world.rewinds) this.#cursors.clear();
	}

	/** @param {number} life whether everything that it follows is followed in this life of the log */
	isSettled(life) {
		return this.#used !== undefined && [...this.#views.values()].every((view) => view.life >= life);
	}

	/** Whether nothing of its own is under way. */
	get isAnswered() {
		return !this.#waiting.size && !this.#session.bufferedAmount;
	}

	/** Whether it has seen the newest message of all that it follows. */
	get isCurrent() {
		return [...this.#views.values()].every((view) => view.newest === this.#world.truth.newest(view.channel));
	}

	/** What is wrong with what it was told. */
	get faults() {
		const { truth, channels, isSmooth } = this.#world;
		const views = [...this.#past, ...this.#views.values()];
		const faults = views.flatMap((view) => view.faults(truth, this.#world));
		const mixed = channels.filter((channel) => isSmooth && !truth.isInOrder(channel, this.name));
		return [...this.#faults, ...faults, ...mixed.map((channel) => `${channel}: published in another order`)].map((fault) => `${this.name}: ${fault}`);
	}

	/** What it waits for, for people. */
	get waits() {
		const views = [...this.#views.values()].map(({ channel, newest, life }) => ({ channel, newest, life }));
		return JSON.stringify({ name: this.name, waiting: [...this.#waiting].map((req) => this.#publishes.get(req) ?? req), views });
	}

	/** Begins another link, which is used once it has answered: make before break. */
	#try() {
		const { dice } = this.#world;
		const link = dice.chance(0.6) ? new FramedLink(this.#world, this.name) : new StreamLink(this.#world, this.name);
		this.#links.add(link);
		/** @type {Trial} */
		const trial = { link, told: new Map(), awaited: new Set(), isGreeted: false };
		this.#tried.add(trial);
		for (const command of this.#session.greet()) {
			trial.told.set(command.req, command.channel);
			trial.awaited.add(command.channel);
			link.send(command);
		}
	}

	/** @param {Trial} trial */
	#drop(trial) {
		this.#tried.delete(trial);
		trial.link.close();
		this.#connectAt = this.#world.now + this.#world.dice.between(0, 200);
	}

	/** @param {AnyLink} link */
	#lose(link) {
		link.close();
		this.#used = undefined;
		this.#connectAt = this.#world.now + this.#world.dice.between(0, 200);
	}

	/**
	 * What a link brings that is not in use yet: as `client/src/connection.js` has it.
	 * @param {Trial} trial
	 * @param {Frame} frame
	 * @param {number} life
	 */
	#takeEarly(trial, frame, life) {
		const { link, told, awaited } = trial;
		if (frame.type === 'hello') trial.isGreeted = true;
		if (frame.type === 'subscribed') awaited.delete(frame.channel);
		const isRefused = frame.type === 'error' && frame.req;
		if (isRefused) {
			awaited.delete(told.get(isRefused) ?? '');
			told.delete(isRefused);
		} else {
			this.#take(frame, life);
		}
		if (!trial.isGreeted || awaited.size || !this.#tried.delete(trial)) return;
		this.#used?.close();
		this.#used = link;
		this.#said.clear();
		this.#session.handleLink(link.window, told);
	}

	/**
	 * @param {Frame} frame
	 * @param {number} life
	 */
	#take(frame, life) {
		if (frame.type === 'error') this.#said.delete(frame.req ?? 0);
		this.#session.handleFrame(frame, this.#world.now);
		for (let output; (output = this.#session.pollOutput()); ) this.#tell(output, life);
	}

	/**
	 * @param {Output} output
	 * @param {number} life
	 */
	#tell(output, life) {
		if ('channel' in output) return this.#tellEvent(output.channel, output.type, output.fields, life);
		const { req } = output;
		if ('error' in output) return void this.#faults.push(`refused: ${output.error.code}: ${output.error.message}`);
		if (!this.#waiting.delete(req)) this.#faults.push(`${req} is answered twice`);
		const id = this.#publishes.get(req);
		if (id === undefined) return;
		const receipt = /** @type {{ seq: number, id: string, at: number }} */ (output.answer);
		const channel = id.split('/')[0] ?? '';
		if (receipt.id !== id || !this.#world.truth.knows({ ...receipt, channel })) {
			this.#faults.push(`${id} is acknowledged as ${JSON.stringify(receipt)}, which the log does not have`);
		}
	}

	/**
	 * @param {string} channel
	 * @param {string} type
	 * @param {object} fields
	 * @param {number} life
	 */
	#tellEvent(channel, type, fields, life) {
		const view = this.#views.get(channel);
		if (!view) return void this.#faults.push(`${type} of ${channel}, which it does not follow`);
		if (type === 'message') view.message(/** @type {{ message: Given }} */ (fields).message);
		else if (type === 'subscribed') view.subscribed(/** @type {{ cursor: string }} */ (fields).cursor, life);
		else if (type === 'truncated') view.truncated();
		else if (type === 'error') this.#faults.push(`${channel} may not be followed: ${JSON.stringify(fields)}`);
	}

	/** Something of what an application and a network do. */
	#act() {
		const { dice, channels, overlaps } = this.#world;
		const channel = dice.pick(channels);
		const view = this.#views.get(channel);
		if (dice.chance(0.25)) {
			const id = `${channel}/${this.name}/${++this.#published}`;
			const req = this.#session.publish(channel, { n: this.#published }, id);
			this.#publishes.set(req, id);
			this.#waiting.add(req);
		}
		if (!view && dice.chance(0.25)) this.#follow(channel);
		if (view && dice.chance(0.04)) this.#unfollow(channel, view);
		if (dice.chance(0.02)) this.#waiting.add(this.#session.ask({ type: 'history', channel, limit: 5 }));
		if (dice.chance(0.01)) this.#waiting.add(this.#session.ask({ type: 'presence', channel }));
		if (dice.chance(0.03)) this.#used?.cut();
		for (const { link } of this.#tried) if (dice.chance(0.02)) link.cut();
		if (overlaps && this.#tried.size < TRIED_MAX && dice.chance(0.06)) this.#try();
	}

	/** @param {string} channel */
	#follow(channel) {
		const { dice } = this.#world;
		const after = dice.chance(0.5) ? this.#cursors.get(channel) : undefined;
		const history = !after && dice.chance(0.5) ? dice.between(1, 6) : undefined;
		this.#views.set(channel, new View(channel, { after, history }));
		this.#session.subscribe(channel, { after, history });
	}

	/**
	 * @param {string} channel
	 * @param {View} view
	 */
	#unfollow(channel, view) {
		const cursor = this.#session.cursor(channel);
		if (cursor) this.#cursors.set(channel, cursor);
		this.#views.delete(channel);
		this.#past.push(view);
		this.#session.unsubscribe(channel);
	}

	#flush() {
		for (let command; this.#used && (command = this.#session.pollCommand(this.#world.now)); ) {
			if (command.type === 'publish') this.#say(command);
			this.#used.send(command);
		}
	}

	/** @param {Publish} publish */
	#say({ req, id }) {
		if (this.#said.has(req)) this.#faults.push(`${id} is said again, and nobody has refused it`);
		this.#said.add(req);
	}
}
