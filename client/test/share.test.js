/** Tabs that share one connection: each is a client of its own here, over one set of locks. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { Tidings } from '../src/client.js';
import { once, range, record, until, World } from './support/world.js';

/** As `navigator.locks`, for exclusive locks: whoever asks waits for all who asked before. */
class Locks {
	#queues = new Map();

	request(name, { signal }, callback) {
		const queue = this.#queues.get(name) ?? [];
		this.#queues.set(name, queue);
		return new Promise((resolve, reject) => {
			const turn = { begin: async () => resolve(await callback()), reject, held: false };
			signal?.addEventListener('abort', () => {
				if (turn.held) return;
				queue.splice(queue.indexOf(turn), 1);
				reject(signal.reason);
			});
			queue.push(turn);
			// Not at once, as in a browser, where a tab has long spoken when it gets the lock.
			if (queue.length === 1) setTimeout(() => this.#next(queue), 5);
		});
	}

	#next(queue) {
		const [turn] = queue;
		if (!turn) return;
		turn.held = true;
		turn.begin().finally(() => {
			queue.shift();
			this.#next(queue);
		});
	}
}

/** @type {World} */
let world;
let locks;
/** Channels of closed tabs say and hear nothing any more. */
let wires;
beforeEach(() => {
	world = new World();
	locks = new Locks();
	wires = new Set();
});
afterEach(() => {
	world.close();
	for (const wire of wires) wire.close();
});

class Wire extends BroadcastChannel {
	constructor(name) {
		super(name);
		wires.add(this);
	}
}
const tab = (options) => world.client({ locks, BroadcastChannel: Wire, ...options });

async function follow(tidings, name, from) {
	const room = tidings.channel(name, from);
	const seen = record(room);
	await once(room, 'subscribed');
	return { room, seen };
}

test('six tabs share one connection, and each hears everything', async () => {
	const tabs = range(0, 6).map(() => tab());
	const rooms = await Promise.all(tabs.map((tidings) => follow(tidings, 'chat:tabs')));
	const receipts = await Promise.all(rooms.map(({ room }, number) => room.publish(number)));
	assert.deepEqual(receipts.map(({ seq }) => seq).sort(), [1, 2, 3, 4, 5, 6]);
	for (const { seen } of rooms) {
		await seen.count(6);
		assert.deepEqual(seen.events.map(({ message }) => message.seq), [1, 2, 3, 4, 5, 6]);
	}
	assert.equal(world.network.opened.WebSocket, 1);
	for (const tidings of tabs) assert.deepEqual([tidings.transport, tidings.user], ['websocket', 'alice']);
	const [{ room }] = rooms;
	assert.equal((await room.presence()).count, 1);
	assert.equal((await room.history({ limit: 2 })).messages.length, 2);
	await room.publish(Uint8Array.of(1, 255));
	for (const { seen } of rooms) await until(() => seen.data[6]?.[1] === 255);
});

test('tabs of different users, and those whose transport is chosen, have connections of their own', async () => {
	const tabs = [tab(), tab({ token: 'guest:bob' }), tab({ transport: 'websocket' }), tab({ share: false })];
	await Promise.all(tabs.map((tidings) => once(tidings, 'open')));
	assert.deepEqual(tabs.map(({ user }) => user), ['alice', 'bob', 'alice', 'alice']);
	assert.equal(world.network.opened.WebSocket, 4);
});

test('a tab that follows what others follow already gets what it missed, and the last messages', async () => {
	const first = await follow(tab(), 'chat:late');
	for (const number of range(0, 250)) await first.room.publish(number);
	await first.seen.count(250);
	const { lastEventId } = first.seen.events[9];
	const second = await follow(tab(), 'chat:late', { after: lastEventId });
	await second.seen.count(240);
	const third = await follow(tab(), 'chat:late', { history: 3 });
	await third.seen.count(3);
	await first.room.publish(250);
	await second.seen.count(241);
	await third.seen.count(4);
	assert.deepEqual(second.seen.data, range(10, 251));
	assert.deepEqual(third.seen.data, [247, 248, 249, 250]);
});

test('when the tab goes that has the connection, the next one takes over and nothing is lost', async () => {
	const tabs = [];
	const rooms = [];
	// One after the other, for that is how they queue for the connection.
	for (const number of range(0, 3)) {
		tabs.push(tab());
		rooms.push(await follow(tabs[number], 'chat:heir'));
	}
	const sending = (async () => {
		for (const number of range(0, 100)) await rooms[2].room.publish(number);
	})();
	await rooms[2].seen.count(20);
	tabs[0].close();
	await rooms[2].seen.count(60);
	tabs[1].close();
	await sending;
	await rooms[2].seen.count(100);
	assert.deepEqual(rooms[2].seen.data, range(0, 100));
	// The last may have opened its own only after everything had come.
	await until(() => world.network.opened.WebSocket === 3 && world.server.links === 1);
});

test('a connection that is cut comes back for all tabs', async () => {
	const rooms = await Promise.all(range(0, 3).map(() => follow(tab(), 'chat:cut')));
	for (const number of range(0, 5)) {
		world.network.cut();
		await Promise.all(rooms.map(({ room }, tab) => room.publish(number * 3 + tab)));
	}
	for (const { seen } of rooms) {
		await seen.count(15);
		assert.deepEqual(seen.events.map(({ message }) => message.seq), range(1, 16));
	}
});

test('what no tab follows any more is left', async () => {
	const [one, two] = [tab(), tab()];
	const first = await follow(one, 'chat:left');
	const second = await follow(two, 'chat:left');
	const followers = () => world.server.presence('chat:left').count;
	first.room.unsubscribe();
	await second.room.publish('still');
	await second.seen.count(1);
	assert.equal(followers(), 1);
	two.close();
	await until(() => followers() === 0);
	assert.equal(first.seen.events.length, 0);
});

test('a channel that may not be followed says so in every tab', async () => {
	world.server.forbidden.add('chat:secret');
	for (const tidings of [tab(), tab()]) {
		const room = tidings.channel('chat:secret');
		const errors = record(room, ['error']);
		await errors.count(1);
		assert.equal(errors.events[0].error.code, 'forbidden');
	}
});

test('signals, joins and leaves come to every tab once', async () => {
	const tabs = [tab(), tab()];
	const heard = [];
	for (const tidings of tabs) {
		const room = tidings.channel('chat:signs');
		heard.push(record(room, ['signal', 'join', 'leave']));
		await once(room, 'subscribed');
	}
	const bob = tab({ token: 'guest:bob' });
	const { room } = await follow(bob, 'chat:signs');
	assert.equal(room.signal('typing'), true);
	for (const { count } of heard) await count(2);
	bob.close();
	for (const { count, events } of heard) {
		await count(3);
		assert.deepEqual(events.map(({ type }) => type), ['join', 'signal', 'leave']);
	}
});

test('a tab that chooses a transport gets one of its own without a gap, and may come back', async () => {
	const [one, two] = [tab(), tab()];
	const first = await follow(one, 'chat:apart');
	const second = await follow(two, 'chat:apart');
	two.transport = 'sse';
	await until(() => two.transport === 'sse');
	await first.room.publish(0);
	await second.seen.count(1);
	assert.equal(one.transport, 'websocket');
	two.transport = 'auto';
	await until(() => two.transport === 'websocket' && world.server.links === 1);
	await second.room.publish(1);
	await first.seen.count(2);
	assert.deepEqual([first.seen.data, second.seen.data], [[0, 1], [0, 1]]);
});

test('every tab knows what carries the shared connection, why, and how long the server takes', async () => {
	world.network.blocked.add('WebSocket');
	const one = tab();
	const early = await once(one, 'transport');
	await once(one, 'measured');
	// It comes when nothing is to be measured any more.
	const two = tab();
	const late = once(two, 'transport');
	await once(two, 'measured');
	for (const { name, reason } of [early, await late]) assert.deepEqual([name, reason], ['sse', 'websocket: refused']);
	assert.equal(two.roundTripTime, one.roundTripTime);
	const anew = once(two, 'measured');
	await one.channel('chat:tabs').publish('this is timed');
	await anew;
});

test('a shared connection that changes its transport while a tab joins is known by the new one', async () => {
	/** A switchboard as a tab hears it: what carries changes before its channel is answered. */
	class Board {
		#hear = (tab, frame) => queueMicrotask(() => this.onmessage({ data: { board: 'board', to: tab, frame } }));
		postMessage({ tab, frame }) {
			if (frame.type === 'hello') {
				this.#hear(tab, { type: 'hello', heartbeat: { interval: 20_000, timeout: 5000, tries: 2 }, transport: 'sse', reason: 'start' });
			} else if (frame.type === 'subscribe') {
				this.#hear(tab, { type: 'transport', name: 'websocket', reason: 'better' });
				this.#hear(tab, { type: 'subscribed', req: frame.req, channel: frame.channel, cursor: 'e-0', truncated: false });
			}
		}
		close() {}
	}
	const tidings = tab({ BroadcastChannel: Board, locks: { request: () => new Promise(() => {}) } });
	const transports = record(tidings, ['transport']);
	await once(tidings.channel('chat:tabs'), 'subscribed');
	await until(() => tidings.readyState === Tidings.OPEN);
	assert.deepEqual(transports.events.map(({ name, reason }) => [name, reason]), [['websocket', 'better']]);
});

test('a tab that comes back to the shared connection says that it was chosen', async () => {
	const tidings = tab();
	assert.equal((await once(tidings, 'transport')).reason, 'start');
	tidings.transport = 'sse';
	assert.equal((await once(tidings, 'transport')).reason, 'chosen');
	tidings.transport = 'auto';
	assert.equal((await once(tidings, 'transport')).reason, 'chosen');
});

test('a tab whose switchboard hangs goes its own way', async () => {
	const clock = world.clock();
	// It has the connection, and says nothing of it.
	class Deaf extends Wire {
		postMessage() {}
	}
	const hung = tab({ ...clock.options, BroadcastChannel: Deaf });
	await until(() => world.network.opened.WebSocket === 1);
	const tidings = tab(clock.options);
	clock.speed = 100;
	const { room, seen } = await follow(tidings, 'chat:alone');
	await room.publish('mine');
	await seen.count(1);
	assert.ok(hung && tidings.readyState === Tidings.OPEN);
});

test('a new log under the same address is told to all tabs', async () => {
	const tabs = [tab(), tab()];
	const seen = [];
	for (const tidings of tabs) {
		const room = tidings.channel('chat:new');
		seen.push(record(room, ['message', 'truncated']));
		await once(room, 'subscribed');
	}
	world.server.publish('chat:new', { data: 'old' });
	for (const { count } of seen) await count(1);
	world.server.restart('e2');
	for (const { count } of seen) await count(2);
	world.server.publish('chat:new', { data: 'new' });
	for (const tab of seen) {
		await tab.count(3);
		assert.deepEqual(tab.data, ['old', 'new']);
	}
});
