/**
 * One suite, run over every transport: what an application may rely on, whichever carries it.
 *
 * Against a real server: TIDINGS_URL=http://127.0.0.1:7007 node --experimental-websocket --test test/scenarios.test.js
 */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';

import { Tidings } from '../src/client.js';
import { once, range, REAL, record, until, World } from './support/world.js';

/** Scenarios that need a server which misbehaves when told to. */
const fake = { skip: REAL ? 'needs the server in memory' : false };

/** Node has no WebTransport for a server that is real. */
const TRANSPORTS = ['poll', 'long-poll', 'sse', 'websocket', ...(REAL ? [] : ['webtransport'])];

for (const transport of TRANSPORTS) {
	describe(`over ${transport}`, { concurrency: false }, () => {
		/** @type {World} */
		let world;
		beforeEach(() => {
			world = new World();
			world.server.hasWebTransport = true;
		});
		afterEach(() => world.close());
		const client = (options) => world.client({ transport, ...options });

		/** A channel that is followed from now on. */
		async function follow(name, options, types) {
			const tidings = client(options);
			const room = tidings.channel(world.name(name), options?.from);
			const seen = record(room, types);
			await once(room, 'subscribed');
			return { tidings, room, seen };
		}

		test('a message that is published arrives, whole', async () => {
			const { tidings, room, seen } = await follow('whole');
			const receipt = await room.publish({ text: 'hi' }, { id: 'mine' });
			await seen.count(1);
			const [{ data, message, lastEventId }] = seen.events;
			assert.deepEqual(data, { text: 'hi' });
			assert.equal(message.seq, receipt.seq);
			assert.equal(message.id, 'mine');
			assert.equal(receipt.id, 'mine');
			assert.equal(message.from, 'alice');
			assert.equal(message.channel, room.name);
			assert.equal(message.at, receipt.at);
			assert.ok(lastEventId.endsWith(`-${receipt.seq}`));
			assert.equal(tidings.readyState, Tidings.OPEN);
			assert.equal(tidings.bufferedAmount, 0);
			assert.equal(tidings.transport, transport);
		});

		test('what is published while connecting waits, and keeps its order', async () => {
			const { seen } = await follow('waiting');
			const tidings = client();
			assert.equal(tidings.readyState, Tidings.CONNECTING);
			const room = tidings.channel(world.name('waiting'));
			const receipts = range(0, 30).map((number) => room.publish(number));
			assert.ok(tidings.bufferedAmount > 0);
			await Promise.all(receipts);
			await seen.count(30);
			assert.deepEqual(seen.data, range(0, 30));
		});

		test('bytes arrive as bytes', async () => {
			const { room, seen } = await follow('bytes');
			await room.publish(Uint8Array.of(0, 127, 255));
			await seen.count(1);
			assert.deepEqual(seen.data[0], Uint8Array.of(0, 127, 255));
		});

		test('names and channels are of any letters', async () => {
			const { room, seen } = await follow('大堂 / lobby?&#%🙂', { token: 'guest:小明' });
			await room.publish('你好');
			await seen.count(1);
			assert.equal(seen.events[0].message.from, '小明');
			assert.equal((await room.history()).messages[0].data, '你好');
		});

		test('signals, joins and leaves are told, and who is here', async () => {
			const types = ['signal', 'join', 'leave'];
			const { room, seen } = await follow('present', {}, types);
			const other = client({ token: 'guest:bob' });
			const there = other.channel(room.name);
			const heard = record(there, ['signal']);
			await once(there, 'subscribed');
			await until(() => seen.events.some(({ type, user }) => type === 'join' && user === 'bob'));
			assert.ok((await room.presence()).users.some(({ user }) => user === 'bob'));
			// A poller is away for a moment between two polls, and a signal does not wait for it.
			await until(() => (other.channel(room.name).signal({ typing: true }), seen.events.some(({ type }) => type === 'signal')));
			const signal = seen.events.find(({ type }) => type === 'signal');
			assert.deepEqual(signal.data, { typing: true });
			assert.equal(signal.from, 'bob');
			await until(() => (room.signal('back'), heard.events.some(({ data }) => data === 'back')));
			other.close();
			await until(() => seen.events.some(({ type, user }) => type === 'leave' && user === 'bob'));
		});

		test('a signal without a connection is dropped', () => {
			assert.equal(client().channel(world.name('dropped')).signal('lost'), false);
		});

		test('history is read in pages, oldest first', async () => {
			const room = client().channel(world.name('pages'));
			for (const number of range(0, 10)) await room.publish(number);
			const newest = await room.history({ limit: 4 });
			assert.deepEqual(newest.messages.map(({ data }) => data), [6, 7, 8, 9]);
			const older = await room.history({ before: newest.messages[0].seq, limit: 4 });
			assert.deepEqual(older.messages.map(({ data }) => data), [2, 3, 4, 5]);
			const next = await room.history({ after: older.messages[0].seq, limit: 2 });
			assert.deepEqual(next.messages.map(({ data }) => data), [3, 4]);
		});

		test('a new follower gets the last messages first, then the live ones', async () => {
			const room = client().channel(world.name('last'));
			for (const number of range(0, 10)) await room.publish(number);
			const seen = record(client().channel(room.name, { history: 3 }));
			await seen.count(3);
			await room.publish(10);
			await seen.count(4);
			assert.deepEqual(seen.data, [7, 8, 9, 10]);
		});

		test('a page that comes back goes on at its cursor', async () => {
			const { tidings, room, seen } = await follow('reload');
			const sender = client().channel(room.name);
			for (const number of range(0, 3)) await sender.publish(number);
			await seen.count(3);
			const after = room.cursor;
			tidings.close();
			for (const number of range(3, 6)) await sender.publish(number);
			const again = record(client().channel(room.name, { after }));
			await again.count(3);
			assert.deepEqual(again.data, [3, 4, 5]);
		});

		test('channels at different cursors each get what they miss, once', async () => {
			const { room, seen } = await follow('one');
			const sender = client();
			const other = sender.channel(world.name('two'));
			for (const number of range(0, 4)) {
				await sender.channel(room.name).publish(number);
				await other.publish(number);
			}
			await seen.count(4);
			const tidings = client();
			const first = record(tidings.channel(room.name, { after: seen.events[0].lastEventId }));
			const second = record(tidings.channel(other.name, { after: seen.events[2].lastEventId }));
			await first.count(3);
			await second.count(2);
			await other.publish(4);
			await sender.channel(room.name).publish(4);
			await second.count(3);
			await first.count(4);
			assert.deepEqual(first.data, [1, 2, 3, 4]);
			assert.deepEqual(second.data, [2, 3, 4]);
		});

		test('a channel that is left brings nothing more, and can be followed again', async () => {
			const { tidings, room, seen } = await follow('left');
			const control = record(tidings.channel(world.name('control')));
			await room.publish(0);
			await seen.count(1);
			room.unsubscribe();
			await room.publish(1);
			await tidings.channel(world.name('control')).publish('after it');
			await control.count(1);
			assert.deepEqual(seen.data, [0]);
			room.subscribe({ after: seen.events[0].lastEventId });
			await seen.count(2);
			assert.deepEqual(seen.data, [0, 1]);
		});

		test('cut again and again, each message arrives once and in order', { timeout: 60_000 }, async () => {
			world.network.latency = 4;
			const count = 200;
			const { seen } = await follow('cut');
			const sender = client({ token: 'guest:bob' }).channel(world.name('cut'));
			const cutting = setInterval(() => world.network.cut(), REAL ? 200 : 40);
			try {
				const receipts = await Promise.all(range(0, count).map((number) => sender.publish(number)));
				await seen.count(count);
				assert.deepEqual(seen.data, range(0, count));
				assert.deepEqual(
					receipts.map(({ seq }) => seq),
					seen.events.map(({ message }) => message.seq),
				);
			} finally {
				clearInterval(cutting);
			}
		});

		test('changing to every other transport loses, doubles and reorders nothing', { timeout: 60_000 }, async () => {
			world.network.latency = 4;
			const { tidings, room, seen } = await follow('change');
			const changes = record(tidings, ['transport']);
			let number = 0;
			let wanted = transport;
			for (const next of ['sse', 'websocket', 'poll', 'long-poll', ...TRANSPORTS.slice(3), 'sse', transport]) {
				const publishing = range(0, 20).map(() => room.publish(number++));
				if (next !== wanted) {
					const changed = once(tidings, 'transport');
					tidings.transport = wanted = next;
					assert.equal((await changed).name, next);
					if (tidings.readyState !== Tidings.OPEN) await once(tidings, 'open');
					assert.equal(tidings.transport, next);
				}
				await Promise.all(publishing);
			}
			await seen.count(number);
			assert.deepEqual(seen.data, range(0, number));
			assert.ok(changes.events.every(({ reason }) => reason === 'chosen'));
		});

		test('a dead path that says nothing is noticed, and nothing is lost', { ...fake, timeout: 60_000 }, async () => {
			const { tidings, room, seen } = await follow('dark', { wait: 0.1, timeout: 100 });
			const lost = once(tidings, 'state');
			world.network.dark = true;
			const publishing = room.publish('unheard');
			world.server.publish(room.name, { data: 'meanwhile' });
			const { readyState } = await lost;
			assert.equal(readyState, Tidings.CONNECTING);
			world.network.dark = false;
			await publishing;
			await seen.count(2);
			assert.deepEqual(seen.data, ['meanwhile', 'unheard']);
		});

		test('events that come twice are delivered once', fake, async () => {
			const { room, seen } = await follow('twice');
			world.server.duplicating = true;
			for (const number of range(0, 20)) await room.publish(number);
			await room.publish('end');
			await until(() => seen.data.includes('end'));
			assert.deepEqual(seen.data, [...range(0, 20), 'end']);
		});

		test('a gap is filled from history before what follows it', fake, async () => {
			const { room, seen } = await follow('gap');
			world.server.skipped = new Set(range(3, 153));
			const held = [];
			for (const number of range(1, 160)) held.push(world.server.publish(room.name, { data: number }));
			await seen.count(159);
			assert.deepEqual(seen.data, range(1, 160));
		});

		test('messages that are gone are told, not skipped', fake, async () => {
			const { server } = world;
			const name = world.name('gone');
			const [first] = range(1, 11).map((number) => server.publish(name, { data: number }));
			server.truncate(name, 3);
			const room = client().channel(name, { after: `${server.epoch}-${first.seq}` });
			const seen = record(room, ['message', 'truncated']);
			await seen.count(4);
			server.publish(name, { data: 11 });
			await seen.count(5);
			assert.deepEqual(seen.events.map(({ type }) => type), ['truncated', ...Array(4).fill('message')]);
			assert.deepEqual(seen.data, [8, 9, 10, 11]);
			assert.equal(seen.events[0].oldest, 8);
		});

		test('a log that lost its end in a crash is told, and its new messages are not taken for old ones', fake, async () => {
			const { server } = world;
			const { room, seen } = await follow('rewound', {}, ['message', 'truncated']);
			for (const number of range(0, 5)) server.publish(room.name, { data: number });
			await seen.count(5);
			server.lose(3);
			await seen.count(6);
			server.publish(room.name, { data: 'again' }, 'other');
			await seen.count(7);
			assert.equal(seen.events[5].type, 'truncated');
			assert.deepEqual(seen.data, [0, 1, 2, 3, 4, 'again']);
		});

		test('a channel that is followed while messages come is no gap, and no loss', fake, async () => {
			const { server } = world;
			const { tidings, room, seen } = await follow('busy', {}, ['message', 'truncated']);
			const other = tidings.channel(world.name('more'), { after: server.cursor });
			room.addEventListener('message', () => other.subscribe({ after: server.cursor }), { once: true });
			for (const number of range(0, 3)) server.publish(room.name, { data: number });
			await seen.count(3);
			server.publish(room.name, { data: 3 });
			await seen.count(4);
			assert.deepEqual(seen.data, [0, 1, 2, 3]);
		});

		test('a log that lost its end is told to the channel that had it, though another one is further behind', fake, async () => {
			const { server } = world;
			const [low, high] = [world.name('low'), world.name('high')];
			for (const name of [low, low, high, high]) server.publish(name, { data: 'old' });
			server.lose(1);
			const tidings = client();
			const types = ['message', 'truncated'];
			const behind = record(tidings.channel(low, { after: `${server.epoch}-1` }), types);
			const lost = record(tidings.channel(high, { after: `${server.epoch}-4` }), types);
			await behind.count(1);
			await lost.count(1);
			server.publish(high, { data: 'new' });
			await lost.count(2);
			assert.deepEqual(lost.events.map(({ type }) => type), ['truncated', 'message']);
			assert.deepEqual(lost.data, ['new']);
			assert.deepEqual(behind.events.map(({ type }) => type), ['message']);
		});

		test('a new log under the same address is told, and followed from its now', fake, async () => {
			const { server } = world;
			const { room, seen } = await follow('epoch', {}, ['message', 'truncated']);
			for (const number of range(0, 5)) server.publish(room.name, { data: number });
			await seen.count(5);
			server.restart('e2');
			await seen.count(6);
			await until(() => room.cursor === 'e2-0');
			server.publish(room.name, { data: 'new' });
			await seen.count(7);
			assert.equal(seen.events[5].type, 'truncated');
			assert.deepEqual(seen.data, [0, 1, 2, 3, 4, 'new']);
			assert.equal(room.cursor, 'e2-1');
		});

		test('a cursor of another log, kept by the page, does not spoil the other channels', fake, async () => {
			const { server } = world;
			const { tidings, room, seen } = await follow('good', {}, ['message', 'truncated']);
			const stale = record(tidings.channel(world.name('stale'), { after: 'e0-7' }), ['message', 'truncated']);
			await stale.count(1);
			server.publish(world.name('stale'), { data: 'a' });
			server.publish(room.name, { data: 'b' });
			await stale.count(2);
			await seen.count(1);
			assert.deepEqual(stale.events.map(({ type }) => type), ['truncated', 'message']);
			assert.deepEqual(seen.data, ['b']);
		});

		test('publishes refused for now are tried again, in their order', fake, async () => {
			const { room, seen } = await follow('busy');
			world.server.busy = 3;
			await Promise.all(range(0, 1).map((number) => room.publish(number)));
			world.server.busy = 2;
			await room.publish(1);
			await seen.count(2);
			assert.deepEqual(seen.data, [0, 1]);
			assert.equal(world.server.busy < 0, true);
		});

		test('what may not be published is rejected, and nothing waits behind it', fake, async () => {
			const { tidings, room, seen } = await follow('allowed');
			const secret = tidings.channel(world.name('secret'));
			world.server.forbidden.add(secret.name);
			const refused = secret.publish('no');
			const allowed = room.publish('yes');
			await assert.rejects(refused, { name: 'TidingsError', code: 'forbidden' });
			await allowed;
			await seen.count(1);
			assert.equal(tidings.bufferedAmount, 0);
		});

		test('a channel that may not be followed says so, and the others go on', fake, async () => {
			const { server } = world;
			const tidings = client();
			server.forbidden.add(world.name('secret'));
			const secret = tidings.channel(world.name('secret'), { after: `${server.epoch}-0` });
			const errors = record(secret, ['error']);
			const room = tidings.channel(world.name('open'), { after: `${server.epoch}-0` });
			const seen = record(room);
			await errors.count(1);
			assert.equal(errors.events[0].error.code, 'forbidden');
			server.publish(room.name, { data: 'yes' });
			await seen.count(1);
			assert.equal(tidings.readyState, Tidings.OPEN);
		});

		test('a permission that is withdrawn ends that channel alone', { skip: fake.skip || transport !== 'websocket' }, async () => {
			const { tidings, room } = await follow('withdrawn');
			const error = once(room, 'error');
			world.server.tell({ type: 'unsubscribed', channel: room.name, code: 'forbidden' });
			assert.equal((await error).error.code, 'forbidden');
			assert.equal(room.cursor, undefined);
			assert.equal(tidings.readyState, Tidings.OPEN);
		});

		test('a token that is not good ends it, with the reason', fake, async () => {
			world.server.tokens.add('good');
			const tidings = client({ token: 'bad' });
			const room = tidings.channel(world.name('private'));
			record(room);
			const refused = assert.rejects(room.publish('x'), { code: 'closed' });
			assert.equal((await once(tidings, 'close')).code, 4001);
			await refused;
			assert.equal(tidings.readyState, Tidings.CLOSED);
		});

		test('a token function is asked at every connection', fake, async () => {
			let asked = 0;
			const { tidings, room, seen } = await follow('token', {
				token: async () => `guest:${++asked}`,
			});
			// A poller may be between two polls, where there is nothing to cut.
			world.network.latency = 4;
			await until(() => (world.network.cut(), tidings.readyState !== Tidings.OPEN));
			await room.publish('again');
			await seen.count(1);
			assert.ok(asked >= 2);
		});

		test('a server that ends is left when it says, and nothing is lost', { skip: fake.skip || transport.endsWith('poll') }, async () => {
			const { tidings, room, seen } = await follow('drain');
			const opened = () => world.network.opened.fetch + world.network.opened.WebSocket;
			const before = opened();
			world.server.tell({ type: 'reconnect', after_ms: 20 });
			await until(() => opened() > before);
			await until(() => world.server.links === 1);
			await room.publish('after');
			await seen.count(1);
			assert.equal(tidings.readyState, Tidings.OPEN);
		});

		test('close() ends it: what waits is rejected and nothing comes after', async () => {
			const { tidings, room, seen } = await follow('end');
			world.network.dark = true;
			const refused = assert.rejects(room.publish('late'), { name: 'TidingsError', code: 'closed' });
			const closed = once(tidings, 'close');
			tidings.close(3000, 'enough');
			assert.equal(tidings.readyState, Tidings.CLOSING);
			const { code, reason, wasClean } = await closed;
			assert.deepEqual({ code, reason, wasClean }, { code: 3000, reason: 'enough', wasClean: true });
			assert.equal(tidings.readyState, Tidings.CLOSED);
			await refused;
			await assert.rejects(room.publish('later'), { code: 'closed' });
			assert.deepEqual(seen.data, []);
		});
	});
}
