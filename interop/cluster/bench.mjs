/**
 * What a cluster costs: the same loads on one server with its own log, and on one, two and three servers on NATS, a server
 * of it or three.
 *
 *     node interop/cluster/bench.mjs [--seconds 10] [--out target/cluster-bench]
 *
 * All of it shares this machine, so that what counts is what a figure is beside the others', and by the CPU second.
 */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { WebSocket } from 'ws';
import { Api } from '../lib/api.mjs';
import { run } from '../lib/child.mjs';
import { NatsCluster } from '../lib/nats.mjs';
import { Relay } from '../lib/relay.mjs';
import { Server, TIDINGS } from '../lib/server.mjs';
import { sample } from '../soak/meter.mjs';

/** @import { Scope } from '../lib/child.mjs' */

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '10' }, out: { type: 'string', default: 'target/cluster-bench' } } });

/** Whatever the load, nobody is present: that has a measurement of its own. */
const CONFIG = `
[limits]
subscriptions = 1000
[namespaces.bench]
presence = false
[namespaces.many]
presence = false
`;

/** Channels that one node follows for the sum of what that takes, over so many connections. */
const FOLLOWED = { connections: 200, each: 500 };

/** Pages of history that are asked for, and how many at a time. */
const PAGES = { count: 2000, atOnce: 16, messages: 50 };

/** Everything of one setting. */
class Setting {
	/** @type {(() => void | Promise<void>)[]} */
	#ends = [];
	/** @type {Server[]} */
	nodes = [];
	/** @type {NatsCluster | undefined} */
	nats;

	/** @param {() => void | Promise<void>} end */
	after(end) {
		this.#ends.push(end);
	}

	async end() {
		for (let end; (end = this.#ends.pop()); ) await end();
	}

	/**
	 * @param {number} nodes
	 * @param {number} servers of NATS; none: a log of its own
	 */
	async open(nodes, servers) {
		const out = /** @type {string} */ (values.out);
		await mkdir(out, { recursive: true });
		const config = join(out, 'tidings.toml');
		await writeFile(config, CONFIG);
		this.nats = servers ? await NatsCluster.start(this, servers) : undefined;
		const engine = this.nats ? ['--engine', this.nats.url] : [];
		for (let node = 0; node < nodes; node++) this.nodes.push(await Server.start(this, { args: ['--config', config, ...engine] }));
	}

	/** CPU seconds of the nodes so far, and of NATS. */
	async cpu() {
		const of = async (/** @type {(number | undefined)[]} */ pids) => {
			const samples = await Promise.all(pids.map((pid) => sample(pid ?? 0, 0)));
			return samples.reduce((sum, it) => sum + (it?.cpuSeconds ?? 0), 0);
		};
		return { nodes: await of(this.nodes.map(({ pid }) => pid)), nats: await of(this.nats?.pids ?? []) };
	}

	/**
	 * `tidings bench` with its clients on the nodes `clients` in turn, and its publishers on those of `publishers`.
	 * @param {{ clients: number[], publishers: number[], load: Record<string, number | string> }} load
	 */
	async bench({ clients, publishers, load }) {
		const ports = (/** @type {number[]} */ nodes) => nodes.map((node) => /** @type {Server} */ (this.nodes[node]).port);
		const relay = await Relay.openInTurn(this, ports(clients), Number(load['clients']), ports(publishers));
		const before = await this.cpu();
		const words = Object.entries({ ...load, seconds: values.seconds }).flatMap(([name, value]) => [`--${name}`, String(value)]);
		const { stdout, stderr } = await run(TIDINGS, ['bench', '--json', '--url', relay.url, ...words], { within: 300_000 });
		const after = await this.cpu();
		if (!stdout) throw new Error(stderr);
		return { ...JSON.parse(stdout), cpu: { nodes: after.nodes - before.nodes, nats: after.nats - before.nats } };
	}
}

/** @param {number} value @param {number} [digits] */
const round = (value, digits = 0) => Number(value.toFixed(digits));

/** @type {[name: string, nodes: number, servers: number][]} */
const SETTINGS = [
	['embedded log, 1 node', 1, 0],
	['NATS R1, 1 node', 1, 1],
	['NATS R3, 1 node', 1, 3],
	['NATS R3, 2 nodes', 2, 3],
	['NATS R3, 3 nodes', 3, 3],
];

/** @type {Record<string, Record<string, unknown>>} */
const report = {};
for (const [name, nodes, servers] of SETTINGS) {
	const setting = new Setting();
	try {
		await setting.open(nodes, servers);
		const all = Array.from({ length: nodes }, (_, node) => node);
		const other = nodes > 1 ? all.slice(1) : all;
		/** @type {Record<string, unknown>} */
		const figures = (report[name] = {});
		// As much as is taken, into many channels, with a follower of each.
		const flood = await setting.bench({ clients: all, publishers: all, load: { clients: 64, channels: 64, rate: servers ? 30_000 : 100_000, size: 200, publishers: 32 } });
		figures.acknowledged = round(flood.throughput.published_per_s);
		figures.acknowledgedPerCpuSecond = round(flood.throughput.published / (flood.cpu.nodes + flood.cpu.nats));
		const hot = await setting.bench({ clients: all, publishers: all, load: { clients: 1, channels: 1, rate: servers ? 5_000 : 50_000, size: 200, publishers: 8 } });
		figures.acknowledgedInOneChannel = round(hot.throughput.published_per_s);
		// From a publisher on one node to followers on another.
		const calm = await setting.bench({ clients: other, publishers: [0], load: { clients: 100, channels: 10, rate: 200, size: 200, publishers: 4 } });
		figures.delivery_us = calm.delivery_us;
		figures.acknowledgement_us = calm.acknowledgement_us;
		const fan = await setting.bench({ clients: all, publishers: all, load: { clients: 1000, channels: 1, rate: 100, size: 200, publishers: 4 } });
		figures.delivered = round(fan.throughput.delivered_per_s);
		figures.deliveriesPerCpuSecond = round(fan.throughput.delivered / fan.cpu.nodes);
		figures.losses = [flood, hot, calm, fan].map(({ correctness: { lost, duplicated, out_of_order: disordered } }) => ({ lost, duplicated, disordered }));
		figures.history = await history(setting);
		if (nodes === 1) figures.followed = await followed(setting);
	} finally {
		await setting.end();
	}
	console.log(name, JSON.stringify(report[name]));
}
await writeFile(join(/** @type {string} */ (values.out), 'cluster-bench.json'), JSON.stringify(report, null, '\t'));

/**
 * Pages of the newest messages of channels.
 * @param {Setting} setting
 */
async function history({ nodes }) {
	const api = new Api(/** @type {Server} */ (nodes[0]).url, 'reader');
	const channels = Array.from({ length: 20 }, (_, channel) => `bench:history-${channel}`);
	for (const channel of channels) {
		const numbers = Array.from({ length: 2 * PAGES.messages }, (_, number) => number);
		for (const number of numbers) await api.publish(channel, { number, words: 'x'.repeat(180) });
	}
	/** @type {number[]} */
	const times = [];
	const begun = performance.now();
	let next = 0;
	await Promise.all(
		Array.from({ length: PAGES.atOnce }, async () => {
			for (let page; (page = next++) < PAGES.count; ) {
				const asked = performance.now();
				const { messages } = await api.history(/** @type {string} */ (channels[page % channels.length]), { limit: PAGES.messages });
				if (messages.length !== PAGES.messages) throw new Error(`a page of ${messages.length}`);
				times.push(performance.now() - asked);
			}
		}),
	);
	const seconds = (performance.now() - begun) / 1000;
	times.sort((a, b) => a - b);
	const at = (/** @type {number} */ share) => round(times[Math.floor(share * times.length)] ?? 0, 2);
	return { pagesPerSecond: round(PAGES.count / seconds), p50_ms: at(0.5), p99_ms: at(0.99) };
}

/**
 * The memory of a node that follows many channels, and what NATS keeps for that.
 * @param {Setting} setting
 */
async function followed({ nodes: [node], nats }) {
	const { pid, port } = /** @type {Server} */ (node);
	const before = { node: await sample(pid ?? 0, 0), subscriptions: await nats?.subscriptions() };
	const sockets = [];
	for (let at = 0; at < FOLLOWED.connections; at++) {
		const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/connect`, ['tidings.v1.json']);
		sockets.push(socket);
		await new Promise((resolve, reject) => {
			let subscribed = 0;
			// One after the other: so many at a time are more than a client may have under way.
			const subscribe = () => socket.send(JSON.stringify({ type: 'subscribe', req: subscribed + 1, channel: `many:${at}-${subscribed}` }));
			socket.on('error', reject);
			socket.on('message', (text) => {
				const { type } = JSON.parse(String(text));
				if (type === 'error') reject(new Error(String(text)));
				if (type !== 'subscribed') return;
				if (++subscribed === FOLLOWED.each) resolve(undefined);
				else subscribe();
			});
			socket.on('open', subscribe);
		});
	}
	const after = { node: await sample(pid ?? 0, 0), subscriptions: await nats?.subscriptions() };
	for (const socket of sockets) socket.terminate();
	const channels = FOLLOWED.connections * FOLLOWED.each;
	const bytes = (((after.node?.rssKiB ?? 0) - (before.node?.rssKiB ?? 0)) * 1024) / channels;
	return { channels, bytesEach: round(bytes), natsSubscriptions: [before.subscriptions, after.subscriptions] };
}
