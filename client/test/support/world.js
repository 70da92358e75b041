/**
 * Where a scenario happens: a server, the network before it, and clients. The server is the one in
 * memory, or a real one where `TIDINGS_URL` says where.
 */
import { Tidings } from '../../src/client.js';
import { FakeServer } from './fake-server.js';
import { Network, seeded } from './network.js';

export const REAL = process.env.TIDINGS_URL;
/** What is not there after so many ms will not come. */
const DEADLINE_MS = REAL ? 90_000 : 20_000; // a real server keeps a poller's place for a while

export class World {
	server = new FakeServer();
	network = new Network(REAL ? globalThis : this.server, seeded(7));
	#clients = [];
	#run = Math.random().toString(36).slice(2);

	/** A client with short times, closed at the end. */
	client(options = {}) {
		const random = seeded(this.#clients.length);
		const client = new Tidings(REAL ?? 'http://fake', {
			token: 'guest:alice',
			wait: 1,
			pollEvery: 10,
			// Backs off as it does, but a hundred times faster.
			random: () => random() / 100,
			fetch: this.network.fetch,
			WebSocket: this.network.WebSocket,
			WebTransport: this.network.WebTransport,
			...options,
		});
		this.#clients.push(client);
		return client;
	}

	/** Time that passes as fast as one likes. Give its `options` to a client. */
	clock() {
		let told = 0;
		let from = performance.now();
		let speed = 1;
		const now = () => told + (performance.now() - from) * speed;
		return {
			set speed(times) {
				[told, from] = [now(), performance.now()];
				speed = times;
			},
			options: {
				now,
				/** Looks again and again, since the speed may change. */
				setTimeout: (run, ms) => {
					const at = now() + ms;
					const timer = setInterval(() => now() >= at && (clearInterval(timer), run()), 1);
					return timer;
				},
				clearTimeout: (timer) => clearInterval(timer),
			},
		};
	}

	/** A channel's name that no other run has used. */
	name(name) {
		return `chat:${name}-${this.#run}`;
	}

	close() {
		for (const client of this.#clients) client.close();
		this.network.close();
		this.server.cut();
	}
}

/** Waits until `condition()` is truthy, and gives what it gave. */
export async function until(condition, what = condition.toString()) {
	const deadline = performance.now() + DEADLINE_MS;
	for (;;) {
		const value = await condition();
		if (value) return value;
		if (performance.now() > deadline) throw new Error(`did not happen: ${what}`);
		await new Promise((resolve) => setTimeout(resolve, 1));
	}
}

/** The next event of a type. */
export const once = (target, type) =>
	Promise.race([
		new Promise((resolve) => target.addEventListener(type, resolve, { once: true })),
		new Promise((_, reject) =>
			setTimeout(() => reject(new Error(`no ${type} event came`)), DEADLINE_MS).unref(),
		),
	]);

/** Keeps what a channel delivers; `types` are kept in one list, in their order. */
export function record(room, types = ['message']) {
	const events = [];
	for (const type of types) room.addEventListener(type, (event) => events.push(event));
	return {
		events,
		get data() {
			return events.filter(({ type }) => type === 'message').map(({ data }) => data);
		},
		/** Waits until so many came. */
		count: (count) => until(() => events.length >= count, `${count} events, ${events.length} came`),
	};
}

/** `[from, …, to)` */
export const range = (from, to) => Array.from({ length: to - from }, (_, index) => from + index);
