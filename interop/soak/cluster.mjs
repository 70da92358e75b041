/**
 * Three servers on three of NATS, to any of which a connection leads: clients are on another one with each of theirs.
 * Every half minute something else fails.
 */

import { setTimeout as pause } from 'node:timers/promises';
import { Middlebox } from '../lib/middlebox.mjs';
import { NatsCluster } from '../lib/nats.mjs';
import { Server } from '../lib/server.mjs';

/** @import { Scope } from '../lib/child.mjs' */
/** @import { Subject } from './main.mjs' */

const NODES = 3;

/** One of the streams that the soak's channels are in. */
const STREAM = 'TD_any_0';

/** How long what has failed stays so, in ms: longer than an election takes. */
const DOWN_MS = 12_000;

/** @implements {Subject} */
export class Cluster {
	everyMs = 30_000;
	/** What goes wrong, in turn. @type {[what: string, how: () => Promise<void>][]} */
	#faults = [
		['a node is killed', () => this.#killNode()],
		["the stream's leader is killed", () => this.#killLeader()],
		['a node is told to end', () => this.#stopNode()],
		['all of NATS is killed', () => this.#killAll()],
		["the stream's leader stands still", () => this.#freezeLeader()],
		['a server of NATS is retired', () => this.#retire()],
		["the stream's leader is cut off", () => this.#cutLeader()],
	];
	#next = 0;
	#nats;
	#nodes;
	#door;

	/**
	 * @param {NatsCluster} nats
	 * @param {Server[]} nodes
	 * @param {Middlebox} door that leads to any of the nodes, without a fault
	 */
	constructor(nats, nodes, door) {
		this.#nats = nats;
		this.#nodes = nodes;
		this.#door = door;
	}

	/**
	 * @param {Scope} scope
	 * @param {string} config
	 */
	static async start(scope, config) {
		const nats = await NatsCluster.start(scope);
		const nodes = [];
		for (let node = 0; node < NODES; node++) nodes.push(await Server.start(scope, { args: ['--config', config, '--engine', nats.url] }));
		const door = await Middlebox.open(
			scope,
			nodes.map(({ port }) => port),
		);
		return new Cluster(nats, nodes, door);
	}

	get url() {
		return this.#door.url;
	}

	get ports() {
		return this.#nodes.map(({ port }) => port);
	}

	get pids() {
		return this.#nodes.map(({ pid }) => pid);
	}

	async disturb() {
		const [what, how] = /** @type {[string, () => Promise<void>]} */ (this.#faults[this.#next++ % this.#faults.length]);
		await how();
		return what;
	}

	get #anyNode() {
		return /** @type {Server} */ (this.#nodes[Math.floor(Math.random() * NODES)]);
	}

	async #killNode() {
		const node = this.#anyNode;
		await node.kill();
		await node.start();
	}

	async #stopNode() {
		const node = this.#anyNode;
		await node.stop();
		await node.start();
	}

	async #killLeader() {
		const leader = await this.#nats.leader(STREAM);
		await this.#nats.kill(leader);
		await pause(DOWN_MS);
		await this.#nats.start(leader);
	}

	async #killAll() {
		await this.#nats.killAll();
		await this.#nats.startAll();
	}

	async #freezeLeader() {
		const leader = await this.#nats.leader(STREAM);
		this.#nats.freeze(leader);
		await pause(DOWN_MS);
		this.#nats.thaw(leader);
	}

	async #retire() {
		const server = Math.floor(Math.random() * this.#nats.size);
		await this.#nats.retire(server);
		await this.#nats.start(server);
	}

	async #cutLeader() {
		const leader = await this.#nats.leader(STREAM);
		this.#nats.cut(leader);
		await pause(DOWN_MS);
		this.#nats.mend(leader);
	}
}
