/**
 * A NATS cluster of real servers with JetStream, to be killed, stopped, cut apart and started again.
 *
 * `TIDINGS_NATS_SERVER` names the binary, which `cargo xtask test` installs.
 */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from './child.mjs';
import { Relay } from './relay.mjs';
import { freePort } from './server.mjs';
import { until } from './until.mjs';

/** @import { Scope } from './child.mjs' */

const NATS_SERVER = process.env.TIDINGS_NATS_SERVER ?? 'nats-server';

/** How long an election may take after a crash, and then the start of what was stopped. */
const ELECTION_MS = 60_000;

/**
 * @typedef {object} Member
 * @property {string} name
 * @property {number} port of clients
 * @property {number} monitor port of its monitoring
 * @property {string} config
 * @property {Child} [child]
 */

export class NatsCluster {
	/** @type {Member[]} */
	#members;
	/** By whoever connects, and to whom. @type {Map<string, Relay>} */
	#relays;

	/**
	 * @param {Member[]} members
	 * @param {Map<string, Relay>} relays
	 */
	constructor(members, relays) {
		this.#members = members;
		this.#relays = relays;
	}

	/**
	 * Starts so many; they are gone when the scope ends.
	 * @param {Scope} scope
	 * @param {number} [size]
	 */
	static async start(scope, size = 3) {
		const folder = await mkdtemp(join(tmpdir(), 'tidings-nats-'));
		scope.after(() => rm(folder, { recursive: true, force: true }));
		const numbers = Array.from({ length: size }, (_, number) => number);
		const routes = await Promise.all(numbers.map(freePort));
		/** @type {Map<string, Relay>} */
		const relays = new Map();
		for (const from of numbers) {
			for (const to of numbers) {
				if (from !== to) relays.set(`${from} ${to}`, await Relay.open(scope, [/** @type {number} */ (routes[to])]));
			}
		}
		const members = await Promise.all(
			numbers.map(async (number) => {
				const [port, monitor] = [await freePort(), await freePort()];
				const others = numbers.filter((other) => other !== number);
				const urls = others.map((other) => `nats://127.0.0.1:${relays.get(`${number} ${other}`)?.port}`);
				// What servers tell each other of their own addresses leads nowhere: all their ways go over the relays.
				const cluster =
					size > 1 ? `cluster { name: tidings, listen: "127.0.0.1:${routes[number]}", advertise: "127.0.0.1:1", no_advertise: true, routes: ${JSON.stringify(urls)} }` : '';
				const config = join(folder, `${number}.conf`);
				await writeFile(
					config,
					`server_name: n${number}
listen: "127.0.0.1:${port}"
http: "127.0.0.1:${monitor}"
jetstream { store_dir: ${JSON.stringify(join(folder, `${number}`))} }
lame_duck_duration: "30s"
lame_duck_grace_period: "1s"
${cluster}
`,
				);
				return { name: `n${number}`, port, monitor, config };
			}),
		);
		const nats = new NatsCluster(members, relays);
		scope.after(() => nats.killAll());
		await nats.startAll();
		return nats;
	}

	/** What clients connect to. */
	get url() {
		return `nats://${this.#members.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;
	}

	/** The numbers of their processes. */
	get pids() {
		return this.#members.map(({ child }) => child?.pid);
	}

	/** How many subscriptions the servers keep, all together. */
	async subscriptions() {
		const answers = await Promise.all(this.#members.map(({ monitor }) => fetch(`http://127.0.0.1:${monitor}/varz`)));
		const said = await Promise.all(answers.map((answer) => answer.json()));
		return said.reduce((sum, { subscriptions }) => sum + subscriptions, 0);
	}

	/** How many servers there are. */
	get size() {
		return this.#members.length;
	}

	/** Starts those that do not run, and waits until all of them are well. */
	async startAll() {
		for (const member of this.#members) this.#start(member);
		for (const member of this.#members) await this.#isWell(member);
	}

	/** @param {number} number */
	async start(number) {
		const member = this.#member(number);
		this.#start(member);
		await this.#isWell(member);
	}

	/** @param {Member} member */
	#start(member) {
		if (!member.child?.isRunning) member.child = new Child(NATS_SERVER, ['-c', member.config]);
	}

	/** @param {Member} member */
	async #isWell({ name, monitor, child }) {
		await until(
			`${name} of NATS to be well`,
			async () => {
				if (!child?.isRunning) return true;
				return (await fetch(`http://127.0.0.1:${monitor}/healthz`)).ok;
			},
			{ seen: () => child?.stderr, within: ELECTION_MS },
		);
		if (!child?.isRunning) throw new Error(`${NATS_SERVER} ended at once: ${child?.stderr}`);
	}

	/** As a power cut would. @param {number} number */
	async kill(number) {
		await this.#member(number).child?.end('SIGKILL');
	}

	async killAll() {
		await Promise.all(this.#members.map(({ child }) => child?.end('SIGKILL')));
	}

	/** It stands still: its connections stay, and nothing moves. @param {number} number */
	freeze(number) {
		this.#signal(number, 'SIGSTOP');
	}

	/** @param {number} number */
	thaw(number) {
		this.#signal(number, 'SIGCONT');
	}

	/**
	 * As an operator would for an upgrade: it sends its clients away, one after the other, and ends.
	 * @param {number} number
	 */
	async retire(number) {
		this.#signal(number, 'SIGUSR2');
		await until('the server to end', () => !this.#member(number).child?.isRunning, { within: ELECTION_MS });
	}

	/** No server reaches this one any longer, and it reaches none; clients reach all. @param {number} number */
	cut(number) {
		for (const relay of this.#relaysOf(number)) relay.cut();
	}

	/** @param {number} number */
	mend(number) {
		for (const relay of this.#relaysOf(number)) relay.mend();
	}

	/**
	 * Who leads a stream, as most of the servers say.
	 * @param {string} stream
	 * @returns {Promise<number>}
	 */
	async leader(stream) {
		let leader = -1;
		await until(
			`${stream} to have a leader`,
			async () => {
				const said = await Promise.all(this.#members.map(({ monitor }) => leaderAt(monitor, stream)));
				leader = this.#members.findIndex(({ name }) => said.filter((it) => it === name).length > this.size / 2);
				return leader >= 0;
			},
			{ within: ELECTION_MS },
		);
		return leader;
	}

	/** @param {number} number */
	#relaysOf(number) {
		const isOf = (/** @type {string} */ ends) => ends.split(' ').includes(String(number));
		return [...this.#relays].filter(([ends]) => isOf(ends)).map(([, relay]) => relay);
	}

	/**
	 * @param {number} number
	 * @param {NodeJS.Signals} signal
	 */
	#signal(number, signal) {
		const { child } = this.#member(number);
		if (child?.isRunning && child.pid) process.kill(child.pid, signal);
	}

	/** @param {number} number */
	#member(number) {
		return /** @type {Member} */ (this.#members[number]);
	}
}

/**
 * @param {number} monitor
 * @param {string} stream
 * @returns {Promise<string | undefined>}
 */
async function leaderAt(monitor, stream) {
	try {
		const answer = await fetch(`http://127.0.0.1:${monitor}/jsz?streams=true`, { signal: AbortSignal.timeout(1000) });
		const { account_details: accounts } = await answer.json();
		const streams = (accounts ?? []).flatMap((/** @type {any} */ it) => it.stream_detail ?? []);
		return streams.find((/** @type {any} */ it) => it.name === stream)?.cluster?.leader;
	} catch {
		return undefined;
	}
}
