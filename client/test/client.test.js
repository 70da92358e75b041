/** What is the client's own and no transport's: choosing, bounds, times, the page. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { Tidings } from '../src/client.js';
import { once, range, record, until, World } from './support/world.js';

/** @type {World} */
let world;
beforeEach(() => (world = new World()));
afterEach(() => world.close());

test('auto is a WebSocket where one opens', async () => {
	const tidings = world.client();
	assert.equal(tidings.transport, 'auto');
	await once(tidings, 'open');
	assert.equal(tidings.transport, 'websocket');
	assert.equal(tidings.user, 'alice');
});

test('auto falls back to SSE at once where a WebSocket is refused, and says why', async () => {
	world.network.blocked.add('WebSocket');
	const tidings = world.client({ random: () => 1 });
	const transports = record(tidings, ['transport']);
	await once(tidings, 'open');
	assert.deepEqual(
		transports.events.map(({ name, reason }) => [name, reason]),
		[['websocket', 'start'], ['sse', 'refused']],
	);
});

test('auto leaves a WebSocket that does not open in time', async () => {
	class Silent {
		send() {}
		close() {}
	}
	const tidings = world.client({ WebSocket: Silent, timeout: 20 });
	await once(tidings, 'open');
	assert.equal(tidings.transport, 'sse');
});

test('auto falls back to long polls where a stream is no stream', async () => {
	const { fetch } = world.network;
	const page = async (input, init) =>
		init.headers.accept === 'text/event-stream' ? new Response('<html>welcome to our hotel</html>') : fetch(input, init);
	const tidings = world.client({ WebSocket: undefined, fetch: page });
	const room = tidings.channel('chat:hotel');
	const seen = record(room);
	await once(room, 'subscribed');
	await room.publish('hi');
	await seen.count(1);
	assert.equal(tidings.transport, 'long-poll');
});

test('auto tries all of them again when none works, after a while', async () => {
	world.network.blocked = new Set(['WebSocket', 'fetch']);
	const tidings = world.client();
	record(tidings.channel('chat:nowhere'));
	const transports = record(tidings, ['transport']);
	await transports.count(5);
	const names = transports.events.map(({ name }) => name);
	assert.deepEqual(names.slice(0, 5), ['websocket', 'sse', 'long-poll', 'websocket', 'sse']);
	world.network.blocked.clear();
	await once(tidings, 'open');
});

test('auto keeps what has worked: a restart sends nobody to a lesser transport', async () => {
	const tidings = world.client();
	await once(tidings, 'open');
	world.network.blocked.add('WebSocket');
	world.network.cut();
	await until(() => world.network.opened.WebSocket > 3);
	world.network.blocked.clear();
	await once(tidings, 'open');
	assert.equal(tidings.transport, 'websocket');
});

test('a transport that is not there is refused at once', () => {
	assert.throws(() => world.client({ transport: 'pigeon' }), TypeError);
	assert.throws(() => world.client({ transport: 'websocket', WebSocket: undefined }), TypeError);
	const tidings = world.client({ transport: 'sse' });
	assert.throws(() => (tidings.transport = 'toString'), TypeError);
	assert.throws(() => tidings.channel('c', { after: 'undefined' }).subscribe(), TypeError);
});

test('a publisher that listens to nothing follows nothing', async () => {
	for (const transport of ['websocket', 'sse', 'poll']) {
		await world.client({ transport }).channel('chat:out').publish('hi');
	}
	assert.deepEqual(
		world.server.requests.filter((request) => /subscribe|events/.test(request)),
		[],
	);
});

test('publishing beyond the bound is refused, and what waits is not lost', async () => {
	const tidings = world.client({ queueBytesMax: 30 });
	const room = tidings.channel('chat:full');
	const first = room.publish('0123456789');
	await assert.rejects(room.publish('0123456789'), { name: 'TidingsError', code: 'queue_full' });
	assert.equal((await first).seq, 1);
	await room.publish('0123456789');
});

test('what JSON cannot say is refused', async () => {
	await assert.rejects(world.client().channel('chat:odd').publish(1n), TypeError);
});

test('close codes are those of a WebSocket', () => {
	const tidings = world.client();
	for (const code of [0, 999, 1001, 2999, 5000]) assert.throws(() => tidings.close(code), RangeError, `${code}`);
	for (const code of [1000, 3000, 4999]) world.client().close(code);
});

test('close() twice closes once', async () => {
	const tidings = world.client();
	const closes = record(tidings, ['close']);
	tidings.close();
	tidings.close();
	await closes.count(1);
	await new Promise((resolve) => setTimeout(resolve));
	assert.equal(closes.events.length, 1);
	assert.deepEqual([Tidings.CONNECTING, Tidings.OPEN, Tidings.CLOSING, Tidings.CLOSED], [0, 1, 2, 3]);
	assert.equal(tidings.readyState, Tidings.CLOSED);
});

test('a server that refuses for good ends it, with its code and reason', async () => {
	for (const code of [1008, 4001, 4002]) {
		const tidings = world.client({ transport: 'websocket' });
		await once(tidings, 'open');
		world.server.cut(code, 'because');
		const { code: told, reason, wasClean } = await once(tidings, 'close');
		assert.deepEqual([told, reason, wasClean], [code, 'because', false]);
	}
});

test('an expired token is asked for anew where a function gives it', async () => {
	let asked = 0;
	const tidings = world.client({ transport: 'websocket', token: () => `guest:${++asked}` });
	await once(tidings, 'open');
	world.server.cut(4002);
	await once(tidings, 'open');
	assert.equal(tidings.user, '2');
});

test('a token that cannot be had now is asked for later', async () => {
	let asked = 0;
	const token = async () => {
		if (!asked++) throw new Error('offline');
		return 'guest:late';
	};
	const tidings = world.client({ token });
	await once(tidings, 'open');
	assert.equal(tidings.user, 'late');
});

test('what the server says and nobody asked for is an error event', async () => {
	const tidings = world.client();
	await once(tidings, 'open');
	const error = once(tidings, 'error');
	world.server.tell({ type: 'error', code: 'bad_request', message: 'what?' });
	assert.equal((await error).error.code, 'bad_request');
});

test('a frame that is none ends the link, not the client', async () => {
	const tidings = world.client({ transport: 'websocket' });
	const room = tidings.channel('chat:odd');
	const seen = record(room);
	await once(room, 'subscribed');
	world.server.tell({ type: 'subscribed', channel: room.name, cursor: 'not a cursor' });
	await room.publish('on it goes');
	await seen.count(1);
});

test('nobody waits for the backoff when the network is back or the page is shown', async () => {
	for (const type of ['online', 'pageshow', 'visibilitychange']) {
		const page = new EventTarget();
		world.network.blocked = new Set(['WebSocket']);
		const tidings = world.client({
			transport: 'websocket',
			page,
			random: () => 1,
			// A clock that stands still: no wait ever ends.
			setTimeout: (run, ms) => (ms > 0 ? 0 : setTimeout(run)),
			now: () => 0,
		});
		const states = record(tidings, ['open']);
		const before = world.network.opened.WebSocket;
		await until(() => world.network.opened.WebSocket > before);
		world.network.blocked.clear();
		await until(() => (page.dispatchEvent(new Event(type)), states.events.length));
		tidings.close();
	}
});

test('a link that died while the page slept is found out when the page is shown', async () => {
	const page = new EventTarget();
	world.server.heartbeat = { interval: 60_000, timeout: 20, tries: 2 };
	const tidings = world.client({ transport: 'websocket', page });
	await once(tidings, 'open');
	world.network.dark = true;
	page.dispatchEvent(new Event('pageshow'));
	assert.equal((await once(tidings, 'state')).reason, 'silence');
	world.network.dark = false;
	await once(tidings, 'open');
});

test('a quiet link that answers pings is kept', async () => {
	world.server.heartbeat = { interval: 10, timeout: 200, tries: 2 };
	const tidings = world.client({ transport: 'websocket' });
	await once(tidings, 'open');
	const pings = () => world.server.requests.filter((request) => request === 'ping').length;
	await until(() => pings() >= 3);
	assert.equal(world.network.opened.WebSocket, 1);
});

test('a dead stream is noticed though publishes over HTTP are answered', async () => {
	const tidings = world.client({ transport: 'sse' });
	// Without any delay the loop below would leave the timers no turn.
	world.network.latency = 2;
	const room = tidings.channel('chat:half');
	const seen = record(room);
	await once(room, 'subscribed');
	// The stream's bytes stop; everything else goes on.
	world.server.stall();
	const lost = once(tidings, 'state');
	let stop = false;
	const publishing = (async () => {
		for (let number = 0; !stop; number++) await room.publish(number);
		return seen.events.length;
	})();
	assert.equal((await lost).reason, 'silence');
	stop = true;
	await publishing;
	await room.publish('last');
	await until(() => seen.data.at(-1) === 'last');
	assert.deepEqual(seen.data.slice(0, -1), seen.data.slice(0, -1).map((_, index) => index));
});

test('a listener that publishes does not disturb the order', async () => {
	const room = world.client().channel('chat:echo');
	const seen = record(room);
	room.addEventListener('message', ({ data }) => {
		if (data < 20) room.publish(data + 1);
	});
	const later = record(room);
	await room.publish(0);
	await later.count(21);
	assert.deepEqual(later.data, seen.data);
	assert.deepEqual(seen.data, range(0, 21));
});

test('what a listener does waits until the other listeners have heard', async () => {
	for (const number of range(0, 3)) world.server.publish('chat:page', { data: number });
	const room = world.client().channel('chat:page', { history: 3 });
	room.addEventListener('message', () => room.presence());
	const seen = record(room);
	await seen.count(3);
	assert.deepEqual(seen.data, [0, 1, 2]);
});

test('a server that ends is not come back to before it says', async () => {
	const tidings = world.client({ transport: 'websocket', random: () => 0.5 });
	await once(tidings, 'open');
	const started = performance.now();
	world.server.tell({ type: 'reconnect', after_ms: 1400 });
	await new Promise((resolve) => setTimeout(resolve));
	world.network.cut();
	await once(tidings, 'open');
	assert.ok(performance.now() - started >= 690, 'half of the time that it gave');
});
