/** A message published over any door is seen over all the others, by clients of many makers. */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { EventSource } from 'eventsource';
import { Api } from '../lib/api.mjs';
import { Child, run } from '../lib/child.mjs';
import { connect, follow, TRANSPORTS } from '../lib/client.mjs';
import { python, script } from '../lib/python.mjs';
import { ENV, Server, TIDINGS } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';
import { Frames } from '../lib/ws.mjs';

/** @import { TestContext } from 'node:test' */

/**
 * One way in or out. `open` follows the channel: it calls `take` with each message from then on and
 * gives what publishes over the same door, if that is possible.
 * @typedef {(message: any) => void} Take
 * @typedef {(data: unknown) => unknown} Publish
 * @typedef {{ name: string, skip?: string, open: (t: TestContext, channel: string, take: Take) => Promise<Publish | void> }} Door
 */

const server = await Server.start({ after });

const { python: interpreter, why } = await python();

/** @type {Door[]} */
const DOORS = [
	{
		name: 'fetch, polling',
		async open(t, channel, take) {
			const api = new Api(server.url, 'poller');
			let { cursor } = await api.poll(channel);
			poll(t, async () => {
				const batch = await api.poll(channel, { after: cursor, wait: 1 });
				cursor = batch.cursor;
				batch.events.filter(({ type }) => type === 'message').forEach(take);
			});
			return (data) => api.publish(channel, data);
		},
	},
	{
		name: 'curl, streaming',
		async open(t, channel, take) {
			const url = `${server.url}/v1/events?channel=${channel}`;
			const stream = new Child('curl', ['-sSN', '-H', 'Accept: text/event-stream', url]);
			t.after(() => stream.end());
			eachLine(stream, (line) => {
				if (line.startsWith('data: {"type":"message"')) take(JSON.parse(line.slice(6)));
			});
			await until('hello', () => stream.stdout.includes('event: hello'));
			return (data) =>
				run('curl', ['-sSf', '--json', JSON.stringify({ data }), `${server.url}/v1/channels/${channel}/messages`]);
		},
	},
	{
		name: 'EventSource',
		async open(t, channel, take) {
			const source = new EventSource(`${server.url}/v1/events?channel=${channel}`);
			t.after(() => source.close());
			source.addEventListener('message', ({ data }) => take(JSON.parse(data)));
			await new Promise((resolve) => source.addEventListener('hello', resolve, { once: true }));
		},
	},
	{
		name: 'ws',
		async open(t, channel, take) {
			const frames = await Frames.open(t, server.url, 'ws');
			frames.socket.on('message', (text) => {
				const frame = JSON.parse(String(text));
				if (frame.type === 'message') take(frame);
			});
			await frames.ask({ type: 'subscribe', channel });
			return (data) => frames.ask({ type: 'publish', channel, data });
		},
	},
	...['json', 'cbor'].map((codec) => ({
		name: `Python's websockets, ${codec}`,
		skip: why,
		/** @type {Door['open']} */
		async open(t, channel, take) {
			const door = new Child(String(interpreter), [script('clients/python/door.py'), server.url, channel, codec]);
			t.after(() => door.end());
			let ready = false;
			eachLine(door, (line) => {
				const word = JSON.parse(line);
				if (word.ready) ready = true;
				else take(word);
			});
			await until('Python to be ready', () => ready || !door.isRunning);
			assert.ok(ready, door.stderr);
			return (data) => door.stdin.write(`${JSON.stringify(data)}\n`);
		},
	})),
	...TRANSPORTS.map((transport) => ({
		name: `our client, ${transport}`,
		/** @type {Door['open']} */
		async open(t, channel, take) {
			const followed = await follow(connect(t, server.url, transport, transport), channel, take);
			return (data) => followed.publish(data);
		},
	})),
	...TRANSPORTS.map((transport) => ({
		name: `the terminal, ${transport}`,
		/** @type {Door['open']} */
		async open(t, channel, take) {
			const { cursor } = await new Api(server.url).poll(channel);
			const where = ['--url', server.url];
			const args = ['subscribe', ...where, '--transport', transport, '--json', '--after', cursor, channel];
			const terminal = new Child(TIDINGS, args, { env: ENV });
			t.after(() => terminal.end());
			eachLine(terminal, (line) => {
				const event = JSON.parse(line);
				if (event.type === 'message') take(event);
			});
			return async (data) => {
				const args = ['publish', ...where, '--json', channel, JSON.stringify(data)];
				const published = await run(TIDINGS, args, { env: ENV });
				assert.equal(published.code, 0, published.stderr);
			};
		},
	})),
];

test('a message published over any door is seen over all the others', async (t) => {
	const channel = 'doors:all';
	for (const { name, skip } of DOORS) if (skip) t.diagnostic(`skipped ${name}: ${skip}`);
	const doors = await Promise.all(
		DOORS.filter(({ skip }) => !skip).map(async ({ name, open }) => {
			/** @type {any[]} */
			const seen = [];
			return { name, seen, publish: await open(t, channel, (message) => seen.push(message)) };
		}),
	);

	/** @type {string[]} */
	const published = [];
	for (const { name, publish } of doors) {
		if (!publish) continue;
		await publish({ through: name });
		published.push(name);
		for (const door of doors) {
			await until(`${door.name} to see what was published over ${name}`, () => door.seen.length >= published.length, {
				seen: () => door.seen,
			});
		}
	}

	const [first, ...others] = doors.map(({ name, seen }) => ({ name, seen: seen.map(essence) }));
	assert.deepEqual(first?.seen.map(({ data }) => data.through), published);
	for (const { name, seen } of others) assert.deepEqual(seen, first?.seen, `${name} saw something else`);
});

for (const [codec] of [['json'], ['cbor']]) {
	test(`Python's websockets speaks ${codec}`, { skip: why }, async (t) => {
		const channel = `doors:python-${codec}`;
		const door = DOORS.find(({ name }) => name === `Python's websockets, ${codec}`);
		/** @type {any[]} */
		const seen = [];
		const publish = await door?.open(t, channel, (message) => seen.push(message));
		await publish?.({ text: '早安', list: [1, 2.5, null, true] });
		await until('its own message', () => seen.length === 1);
		const { messages } = await new Api(server.url).history(channel);
		assert.deepEqual(seen.map(essence), messages.map(essence));
		assert.deepEqual(messages[0]?.data, { text: '早安', list: [1, 2.5, null, true] });
		assert.equal(messages[0]?.from, `python-${codec}`);
	});
}

/** What every door has to tell of a message. @param {any} message */
function essence({ channel, seq, prev, id, at, from, data }) {
	return { channel, seq, prev, id, at, from, data };
}

/**
 * @param {Child} child
 * @param {(line: string) => void} take
 */
function eachLine(child, take) {
	let taken = 0;
	child.watch(() => {
		for (const line of child.lines.slice(taken)) {
			taken++;
			take(line);
		}
	});
}

/**
 * Does something over and over until the test ends.
 * @param {TestContext} t
 * @param {() => Promise<void>} once
 */
function poll(t, once) {
	let over = false;
	t.after(() => {
		over = true;
	});
	void (async () => {
		while (!over) await once().catch(() => {});
	})();
}
