/** WebTransport as `auto` takes it: upward, beside something that works, and never in anybody's way. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { once, range, record, until, World } from './support/world.js';

/** @type {World} */
let world;
beforeEach(() => {
	world = new World();
	world.server.hasWebTransport = true;
});
afterEach(() => world.close());

/** What a page keeps from one visit to the next. */
function shelf(name) {
	const kept = new Map(name && [['tidings:http://fake', name]]);
	return { kept, getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => void kept.set(key, value) };
}

test('auto begins with a WebSocket, and climbs to WebTransport when that has proven itself', async () => {
	const clock = world.clock();
	const storage = shelf();
	const tidings = world.client({ ...clock.options, storage });
	const transports = record(tidings, ['transport']);
	const room = tidings.channel('chat:climb');
	const seen = record(room);
	await once(room, 'subscribed');
	assert.equal(world.network.opened.WebTransport, 0);
	const publishing = range(0, 50).map((number) => room.publish(number));
	clock.speed = 100;
	await until(() => tidings.transport === 'webtransport');
	clock.speed = 1;
	publishing.push(...range(50, 100).map((number) => room.publish(number)));
	await Promise.all(publishing);
	await seen.count(100);
	assert.deepEqual(seen.data, range(0, 100));
	assert.deepEqual(
		transports.events.map(({ name, reason }) => [name, reason]),
		[['websocket', 'start'], ['webtransport', 'better']],
	);
	assert.deepEqual([...storage.kept.values()], ['webtransport']);
});

test('what is remembered begins, and where UDP is blocked a WebSocket begins beside it soon', async () => {
	const remembered = world.client({ storage: shelf('webtransport') });
	await once(remembered, 'open');
	assert.equal(remembered.transport, 'webtransport');
	assert.equal(world.network.opened.WebSocket, 0);

	world.network.blocked.add('WebTransport');
	const clock = world.clock();
	const storage = shelf('webtransport');
	const tidings = world.client({ ...clock.options, storage });
	await once(tidings, 'open');
	assert.equal(tidings.transport, 'websocket');
	assert.deepEqual([...storage.kept.values()], ['websocket']);
});

test('when UDP stops another carries on, and nothing is lost, doubled or out of order', async () => {
	const clock = world.clock();
	const tidings = world.client({ ...clock.options, storage: shelf('webtransport') });
	const room = tidings.channel('chat:dark');
	const seen = record(room);
	await once(room, 'subscribed');
	assert.equal(tidings.transport, 'webtransport');
	world.network.isUdpDark = true;
	world.network.blocked.add('WebTransport');
	const publishing = range(0, 20).map((number) => room.publish(number));
	await until(() => tidings.transport === 'websocket');
	await Promise.all(publishing);
	await seen.count(20);
	assert.deepEqual(seen.data, range(0, 20));
});

test('a server without it is asked once', async () => {
	world.server.hasWebTransport = false;
	const clock = world.clock();
	const tidings = world.client(clock.options);
	await once(tidings, 'open');
	clock.speed = 1000;
	await until(() => world.server.requests.includes('GET info'));
	// Many heartbeats later.
	const pings = () => world.server.requests.filter((name) => name === 'ping').length;
	const before = pings();
	await until(() => pings() > before + 100);
	assert.equal(world.server.requests.filter((name) => name === 'GET info').length, 1);
	assert.equal(world.network.opened.WebTransport, 0);
	assert.equal(tidings.transport, 'websocket');
});

for (const [how, fail] of [
	['is swallowed', () => (world.network.isTcpDark = true)],
	['fails', () => world.network.blocked.add('fetch')],
]) {
	test(`it comes back by what the server told before where asking ${how}`, async () => {
		const clock = world.clock();
		const tidings = world.client({ ...clock.options, transport: 'webtransport' });
		await once(tidings, 'open');
		fail();
		world.network.cut();
		await once(tidings, 'open');
		assert.equal(world.network.opened.WebTransport, 2);
	});
}

test('a server that answers is heeded, whatever it told before', async () => {
	const tidings = world.client({ transport: 'webtransport' });
	await once(tidings, 'open');
	world.server.hasWebTransport = false;
	world.network.cut();
	await until(() => world.server.requests.filter((name) => name === 'GET info').length > 1);
	assert.equal(world.network.opened.WebTransport, 1);
});

test('small signals go as datagrams, large ones and everything else on the stream', async () => {
	const tidings = world.client({ transport: 'webtransport' });
	const room = tidings.channel('chat:signals');
	const seen = record(room, ['signal']);
	await once(room, 'subscribed');
	room.signal('small');
	await seen.count(1);
	room.signal('x'.repeat(2000));
	await seen.count(2);
	assert.deepEqual(seen.events.map(({ data }) => data.length), [5, 2000]);
	const signals = world.server.requests.filter((name) => name.endsWith('signal'));
	assert.deepEqual(signals, ['datagram signal', 'signal']);
});

test('it is not there where nobody gives it', () => {
	assert.throws(() => world.client({ transport: 'webtransport', WebTransport: undefined }), TypeError);
});
