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
		[['sse', 'websocket: refused']],
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
	const { network } = world;
	network.blocked = new Set(['WebSocket', 'fetch']);
	const tidings = world.client();
	record(tidings.channel('chat:nowhere'));
	await until(() => network.opened.WebSocket >= 3 && network.opened.fetch >= 6);
	assert.equal(tidings.readyState, Tidings.CONNECTING);
	network.blocked.clear();
	await once(tidings, 'open');
});

test('a restart sends nobody to a lesser transport', async () => {
	const tidings = world.client();
	const transports = record(tidings, ['transport']);
	await once(tidings, 'open');
	world.network.blocked = new Set(['WebSocket', 'fetch']);
	world.network.cut();
	await until(() => world.network.opened.WebSocket > 3);
	world.network.blocked.clear();
	await once(tidings, 'open');
	await until(() => tidings.transport === 'websocket');
	assert.equal(tidings.readyState, Tidings.OPEN);
	assert.ok(transports.events.length <= 3);
});

test('a WebSocket that breaks in the middle and does not come back makes way, and comes back later', async () => {
	const clock = world.clock();
	const tidings = world.client(clock.options);
	const room = tidings.channel('chat:middle');
	const seen = record(room);
	const states = record(tidings, ['transport']);
	await once(room, 'subscribed');
	world.network.blocked.add('WebSocket');
	world.network.cut();
	await room.publish(0);
	assert.equal(tidings.transport, 'sse');
	world.network.blocked.clear();
	clock.speed = 1000;
	await until(() => tidings.transport === 'websocket');
	await room.publish(1);
	await seen.count(2);
	assert.deepEqual(seen.data, [0, 1]);
	assert.deepEqual(
		states.events.map(({ name, reason }) => [name, reason]),
		[['websocket', 'start'], ['sse', 'websocket: refused'], ['websocket', 'better']],
	);
});

test('what worked is remembered, begins the next time, and gives way to what is better', async () => {
	const clock = world.clock();
	const kept = new Map();
	const storage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => void kept.set(key, value) };
	world.network.blocked.add('WebSocket');
	await once(world.client({ storage }), 'open');
	assert.deepEqual([...kept], [['tidings:http://fake', 'sse']]);
	const { opened } = world.network;
	const before = opened.WebSocket;
	const tidings = world.client({ ...clock.options, storage });
	await once(tidings, 'open');
	assert.deepEqual([tidings.transport, opened.WebSocket], ['sse', before]);
	world.network.blocked.clear();
	clock.speed = 1000;
	await until(() => tidings.transport === 'websocket');
	assert.deepEqual([...kept.values()], ['websocket']);
});

test('what was chosen by hand is not remembered, and storage that is forbidden does no harm', async () => {
	const storage = {
		getItem() {
			throw new DOMException('no', 'SecurityError');
		},
		setItem: () => assert.fail('by hand'),
	};
	await once(world.client({ transport: 'sse', storage }), 'open');
});

test('another begins beside a WebSocket that is slow, and that one takes over when it opens', async () => {
	const clock = world.clock();
	let open = () => {};
	const opening = new Promise((resolve) => (open = () => resolve(0)));
	const Inner = world.network.WebSocket;
	class Slow {
		#inner;
		close() {
			this.#inner?.close();
		}
		send(text) {
			this.#inner.send(text);
		}
		constructor(...args) {
			opening.then(() => {
				this.#inner = new Inner(...args);
				for (const on of ['onopen', 'onmessage', 'onclose']) this.#inner[on] = (event) => this[on]?.(event);
			});
		}
	}
	const tidings = world.client({ ...clock.options, WebSocket: Slow, timeout: 60_000 });
	const transports = record(tidings, ['transport']);
	const room = tidings.channel('chat:slow');
	const seen = record(room);
	clock.speed = 100;
	await once(tidings, 'open');
	assert.equal(tidings.transport, 'sse');
	clock.speed = 1;
	await room.publish('early');
	open();
	await until(() => tidings.transport === 'websocket');
	await room.publish('late');
	await seen.count(2);
	assert.deepEqual(
		transports.events.map(({ name, reason }) => [name, reason]),
		[['sse', 'websocket: no answer yet'], ['websocket', 'start']],
	);
});

test('a WebSocket that opens and then brings nothing is left, and avoided for a while', async () => {
	const clock = world.clock();
	const tidings = world.client(clock.options);
	const room = tidings.channel('chat:mute');
	const seen = record(room);
	await once(room, 'subscribed');
	world.server.stall();
	clock.speed = 4;
	await until(() => tidings.transport === 'sse');
	await room.publish('heard');
	await seen.count(1);
});

test('a stream that somebody holds back is found out within seconds', async () => {
	const clock = world.clock();
	// Small pieces are kept until there is more.
	const { fetch } = world.network;
	const buffering = async (input, init) => {
		const response = await fetch(input, init);
		if (init.headers.accept !== 'text/event-stream') return response;
		let held = new Uint8Array();
		const hold = new TransformStream({
			transform(piece, controller) {
				held = Uint8Array.of(...held, ...piece);
				if (held.length < 2048) return;
				controller.enqueue(held);
				held = new Uint8Array();
			},
		});
		return new Response(response.body.pipeThrough(hold), response);
	};
	world.server.heartbeat = { interval: 20_000, timeout: 5_000, tries: 2 };
	const tidings = world.client({ ...clock.options, WebSocket: undefined, fetch: buffering });
	const room = tidings.channel('chat:held');
	const seen = record(room);
	const transports = record(tidings, ['transport']);
	await once(room, 'subscribed');
	assert.equal(tidings.transport, 'sse');
	clock.speed = 20;
	await until(() => tidings.transport === 'long-poll');
	await room.publish('heard');
	await seen.count(1);
	assert.deepEqual(transports.events.map(({ reason }) => reason), ['start', 'buffered']);
});

test('a stream that would be held back is found out before anything is followed', async () => {
	const clock = world.clock();
	const { fetch } = world.network;
	const tidings = world.client({
		...clock.options,
		WebSocket: undefined,
		fetch: (input, init) => (init.headers.accept === 'text/event-stream' ? new Promise(() => {}) : fetch(input, init)),
	});
	clock.speed = 100;
	await once(tidings, 'open');
	assert.equal(tidings.transport, 'long-poll');
	await tidings.channel('chat:held').publish('hi');
});

test('a proxy that refuses what it does not know ends nothing', async () => {
	const { fetch } = world.network;
	const tidings = world.client({
		WebSocket: undefined,
		fetch: async (input, init) =>
			init.headers.accept === 'text/event-stream' ? new Response('<html>no</html>', { status: 403 }) : fetch(input, init),
	});
	const room = tidings.channel('chat:office');
	const seen = record(room);
	await room.publish('hi');
	await seen.count(1);
	assert.equal(tidings.transport, 'long-poll');
});

test('a hotel that answers everything is not the server', async () => {
	let isHotel = true;
	const { fetch } = world.network;
	const tidings = world.client({
		WebSocket: undefined,
		fetch: (input, init) => (isHotel ? Promise.resolve(new Response('<html>welcome</html>')) : fetch(input, init)),
	});
	const opens = record(tidings, ['open']);
	const published = tidings.channel('chat:hotel').publish('hi');
	await new Promise((resolve) => setTimeout(resolve, 20));
	assert.equal(opens.events.length, 0);
	isHotel = false;
	assert.equal((await published).seq, 1);
});

test('a change goes on with the old link until the new one carries everything', async () => {
	const clock = world.clock();
	const tidings = world.client({ ...clock.options, transport: 'websocket' });
	const room = tidings.channel('chat:change');
	const seen = record(room, ['message', 'signal']);
	const states = record(tidings, ['state']);
	await once(room, 'subscribed');
	world.network.blocked.add('fetch');
	tidings.transport = 'sse';
	await until(() => world.network.opened.fetch > 1);
	await room.publish('meanwhile');
	await seen.count(1);
	assert.equal(tidings.transport, 'websocket');
	world.network.blocked.clear();
	clock.speed = 10;
	await until(() => tidings.transport === 'sse');
	world.server.tell({ type: 'signal', channel: room.name, from: 'bob', data: 'once' });
	await seen.count(2);
	assert.equal(world.server.links, 1);
	assert.deepEqual(states.events.map(({ readyState }) => readyState), [Tidings.OPEN]);
});

test('a signal is heard once while two links carry', async () => {
	const tidings = world.client({ transport: 'websocket' });
	const room = tidings.channel('chat:two');
	const seen = record(room, ['signal']);
	await once(room, 'subscribed');
	let more = 0;
	world.network.latency = 20;
	tidings.transport = 'sse';
	while (tidings.transport === 'websocket') {
		world.server.tell({ type: 'signal', channel: room.name, from: 'bob', data: more++ });
		await new Promise((resolve) => setTimeout(resolve, 1));
	}
	world.server.tell({ type: 'signal', channel: room.name, from: 'bob', data: 'last' });
	await until(() => seen.events.at(-1)?.data === 'last');
	const numbers = seen.events.map(({ data }) => data).slice(0, -1);
	assert.deepEqual(numbers, [...new Set(numbers)]);
});

test('the round trip is measured, over every transport', async () => {
	for (const transport of ['websocket', 'sse', 'long-poll', 'poll']) {
		const tidings = world.client({ transport });
		assert.equal(tidings.roundTripTime, undefined);
		const { roundTripTime } = await once(tidings, 'measured');
		assert.ok(roundTripTime >= 0);
		assert.equal(tidings.roundTripTime, roundTripTime);
	}
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
	for (const type of ['online', 'pageshow', 'resume', 'visibilitychange']) {
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

test('when the network is back, another link begins beside the one that may be dead', async () => {
	const page = new EventTarget();
	const tidings = world.client({ transport: 'websocket', page });
	const room = tidings.channel('chat:online');
	const seen = record(room);
	const states = record(tidings, ['state']);
	await once(room, 'subscribed');
	page.dispatchEvent(new Event('online'));
	await until(() => world.network.opened.WebSocket === 2 && world.server.links === 1);
	await room.publish('on');
	await seen.count(1);
	assert.equal(states.events.length, 1);
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

test('a dead stream is noticed though publishes over HTTP are answered, and asked for again', async () => {
	const tidings = world.client({ transport: 'sse' });
	// Without any delay the loop below would leave the timers no turn.
	world.network.latency = 2;
	const room = tidings.channel('chat:half');
	const seen = record(room);
	await once(room, 'subscribed');
	// The stream's bytes stop; everything else goes on.
	world.server.stall();
	const streams = () => world.server.requests.filter((request) => request === 'GET events').length;
	const before = streams();
	let number = 0;
	while (streams() === before) await room.publish(number++);
	await room.publish(number++);
	await seen.count(number);
	assert.deepEqual(seen.data, range(0, number));
});

test('a path that is dead towards the server is noticed by what is not answered, though messages come', async () => {
	let isDeaf = false;
	class Deaf extends world.network.WebSocket {
		send(text) {
			if (!isDeaf) super.send(text);
		}
	}
	const tidings = world.client({ transport: 'websocket', WebSocket: Deaf });
	const room = tidings.channel('chat:deaf');
	record(room);
	await once(room, 'subscribed');
	isDeaf = true;
	const lost = once(tidings, 'state');
	const published = room.publish('hi');
	const talk = setInterval(() => world.server.publish(room.name, { data: 'still here' }), 5);
	assert.equal((await lost).reason, 'silence');
	isDeaf = false;
	await published;
	clearInterval(talk);
});

test('a request is given up when a stream would be', async () => {
	const { fetch } = world.network;
	let swallowed = 0;
	const tidings = world.client({
		transport: 'sse',
		timeout: 1e9,
		fetch: (input, init) => (init.method === 'POST' && !swallowed++ ? new Promise(() => {}) : fetch(input, init)),
	});
	const room = tidings.channel('chat:swallowed');
	record(room);
	await once(room, 'subscribed');
	const lost = once(tidings, 'state');
	const published = room.publish('once');
	assert.match((await lost).reason, /no answer in time/);
	assert.equal((await published).seq, 1);
});

test('an answer whose body does not come is no answer: the publish is said again, and stored once', async () => {
	const { fetch } = world.network;
	let stuck = 0;
	const tidings = world.client({
		transport: 'sse',
		timeout: 50,
		fetch: async (input, init) => {
			const response = await fetch(input, init);
			// The head has come, and the rest is under way for ever.
			return init.method === 'POST' && !stuck++ ? new Response(new ReadableStream(), response) : response;
		},
	});
	const room = tidings.channel('chat:stuck');
	const seen = record(room);
	await once(room, 'subscribed');
	assert.equal((await room.publish('once')).seq, 1);
	await room.publish('end');
	await seen.count(2);
	assert.deepEqual(seen.data, ['once', 'end']);
	assert.equal(stuck, 3);
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
	world.server.tell({ type: 'reconnect', after_ms: 700 });
	await new Promise((resolve) => setTimeout(resolve));
	world.network.cut();
	await once(tidings, 'open');
	assert.ok(performance.now() - started >= 690, 'just then');
});
