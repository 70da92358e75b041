/** `curl` alone is a client: it publishes, polls, waits and streams. */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Child, run } from '../lib/child.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

const server = await Server.start({ after });

/**
 * What curl says to these arguments; `{}` in them stands for the server's address.
 * @param {...string} args
 */
async function curl(...args) {
	const status = '\n%{http_code} %{content_type}';
	const { code, stdout, stderr } = await run('curl', ['-sS', '-w', status, ...args.map(place)]);
	assert.equal(code, 0, stderr);
	const end = stdout.lastIndexOf('\n');
	const [status_, type] = stdout.slice(end + 1).split(' ');
	return { status: Number(status_), type, text: stdout.slice(0, end) };
}

/** @param {string} argument */
const place = (argument) => argument.replace('{}', server.url);

/** @param {{ status: number, text: string }} answer */
function ok({ status, text }) {
	assert.ok(status >= 200 && status < 300, `${status}: ${text}`);
	return JSON.parse(text);
}

/**
 * @param {string} channel
 * @param {unknown} data
 */
async function publish(channel, data) {
	return ok(await curl('--json', JSON.stringify({ data }), `{}/v1/channels/${channel}/messages`));
}

test('a message is published, and stands in the history', async () => {
	const first = await curl('--json', '{"data":{"text":"hi"},"id":"one"}', '{}/v1/channels/curl:history/messages');
	assert.equal(first.status, 201);
	const { seq, id, at } = JSON.parse(first.text);
	assert.equal(id, 'one');
	assert.ok(seq > 0 && Math.abs(Date.now() - at) < 60_000);

	const { messages, truncated } = ok(await curl('{}/v1/channels/curl:history/messages'));
	assert.equal(truncated, false);
	assert.equal(messages.length, 1);
	const { type, channel, prev, data } = messages[0];
	assert.deepEqual({ type, channel, prev, data }, { type: 'message', channel: 'curl:history', prev: 0, data: { text: 'hi' } });
	assert.equal(messages[0].seq, seq);
});

test('a repeated id is stored once, and answered with the first one', async () => {
	const send = () => curl('--json', '{"data":1,"id":"again"}', '{}/v1/channels/curl:again/messages');
	const [first, second] = [await send(), await send()];
	assert.deepEqual([first.status, second.status], [201, 200]);
	assert.deepEqual(JSON.parse(second.text), JSON.parse(first.text));
	assert.equal(ok(await curl('{}/v1/channels/curl:again/messages')).messages.length, 1);
});

test('text and bytes are taken as they are', async () => {
	const path = '{}/v1/channels/curl:bodies/messages';
	assert.equal((await curl('-H', 'Content-Type: text/plain', '-d', 'plain', path)).status, 201);
	assert.equal((await curl('-H', 'Content-Type: application/octet-stream', '--data-binary', '\x01\x02', path)).status, 201);
	const { messages } = ok(await curl(path));
	assert.equal(messages[0].data, 'plain');
	assert.equal(messages[1].data, null);
	assert.equal(messages[1].bytes, Buffer.from([1, 2]).toString('base64'));
});

test('a nickname in development mode signs the message', async () => {
	const path = '{}/v1/channels/curl:names/messages';
	ok(await curl('-H', 'Authorization: Bearer guest:ada', '--json', '{"data":1}', path));
	const { messages } = ok(await curl(path));
	assert.equal(messages[0].from, 'ada');
});

test('a short poll is answered at once: first with a cursor, then with what came after it', async () => {
	const start = ok(await curl('{}/v1/events?channel=curl:poll'));
	assert.deepEqual(start.events, []);
	await publish('curl:poll', 1);
	await publish('curl:poll', 2);
	const next = ok(await curl(`{}/v1/events?channel=curl:poll&after=${start.cursor}`));
	assert.deepEqual(next.events.map((/** @type {any} */ event) => event.data), [1, 2]);
	assert.equal(next.truncated, false);
	const last = ok(await curl(`{}/v1/events?channel=curl:poll&after=${next.cursor}`));
	assert.deepEqual(last.events, []);
});

test('a poll takes no more than its limit, and says that there is more', async () => {
	const start = ok(await curl('{}/v1/events?channel=curl:limit'));
	for (const n of [1, 2, 3]) await publish('curl:limit', n);
	const page = ok(await curl(`{}/v1/events?channel=curl:limit&limit=2&after=${start.cursor}`));
	assert.deepEqual(page.events.map((/** @type {any} */ event) => event.data), [1, 2]);
	assert.equal(page.more, true);
	const rest = ok(await curl(`{}/v1/events?channel=curl:limit&limit=2&after=${page.cursor}`));
	assert.deepEqual(rest.events.map((/** @type {any} */ event) => event.data), [3]);
	assert.equal(rest.more, false);
});

for (const [name, query, header] of [
	['wait=', '&wait=60', 'Accept: application/json'],
	['Prefer: wait=', '', 'Prefer: wait=60'],
]) {
	test(`a long poll (${name}) waits for the message and is answered with it`, async (t) => {
		const channel = name === 'wait=' ? 'curl:wait' : 'curl:prefer';
		const { cursor } = ok(await curl(`{}/v1/events?channel=${channel}`));
		const path = `/v1/events?channel=${channel}&after=${cursor}${query}`;
		const poll = new Child('curl', ['-sSv', '-H', header, server.url + path]);
		t.after(() => poll.end());
		await until('the poll to be sent', () => poll.stderr.includes('> GET /v1/events'), { seen: () => poll.stderr });
		// A question that is asked later and answered sooner: the poll is waiting.
		ok(await curl(`{}/v1/channels/${channel}/messages`));
		assert.ok(poll.isRunning, `answered before there was anything to tell: ${poll.stdout}`);
		await publish(channel, 'now');
		// Far less than the 60 s that it would have waited.
		await until('the poll to be answered', () => !poll.isRunning);
		const { events } = JSON.parse(poll.stdout);
		assert.deepEqual(events.map((/** @type {any} */ { data }) => data), ['now']);
	});
}

test('a long poll that hears nothing is answered when its wait is over', async () => {
	const { cursor } = ok(await curl('{}/v1/events?channel=curl:quiet'));
	const answer = ok(await curl(`{}/v1/events?channel=curl:quiet&wait=1&after=${cursor}`));
	assert.deepEqual(answer.events, []);
});

test('a stream brings messages as they come, and goes on where it broke off', async (t) => {
	/** @param {...string} args */
	const listen = (...args) => {
		const stream = new Child('curl', ['-sSN', '-D', '-', '-H', 'Accept: text/event-stream', ...args, `${server.url}/v1/events?channel=curl:stream`]);
		t.after(() => stream.end());
		return stream;
	};
	/** @param {Child} stream */
	const messages = (stream) =>
		stream.lines.filter((line) => line.startsWith('data: {"type":"message"')).map((line) => JSON.parse(line.slice(6)).data);
	/** @param {Child} stream */
	const lastId = (stream) => stream.lines.findLast((line) => line.startsWith('id:'))?.slice(3).trim();

	const first = listen();
	await until('hello', () => first.stdout.includes('event: hello'), { seen: () => first.stdout });
	assert.match(first.stdout, /^HTTP\/1\.1 200/);
	for (const header of [/^content-type: text\/event-stream/im, /^cache-control: no-store, no-transform/im, /^x-accel-buffering: no/im]) {
		assert.match(first.stdout, header);
	}
	const body = first.stdout.slice(first.stdout.indexOf('\r\n\r\n') + 4);
	assert.ok(body.indexOf('event: hello') >= 2048, 'the first bytes are padded, so that a proxy lets them through');
	assert.match(body, /^retry: ?\d+$/m);

	await publish('curl:stream', 1);
	await until('the first message', () => messages(first).length === 1, { seen: () => first.stdout });
	await first.end();
	const id = lastId(first);
	assert.ok(id);

	await publish('curl:stream', 2);
	const second = listen('-H', `Last-Event-ID: ${id}`);
	await publish('curl:stream', 3);
	await until('what was missed and what is new', () => messages(second).length === 2, { seen: () => second.stdout });
	assert.deepEqual(messages(second), [2, 3]);
});

test('signals pass by and leave no trace', async (t) => {
	const stream = new Child('curl', ['-sSN', '-H', 'Accept: text/event-stream', `${server.url}/v1/events?channel=curl:signals`]);
	t.after(() => stream.end());
	await until('hello', () => stream.stdout.includes('event: hello'));
	assert.equal((await curl('--json', '{"data":{"typing":true}}', '{}/v1/channels/curl:signals/signals')).status, 202);
	await until('the signal', () => stream.stdout.includes('event: signal'), { seen: () => stream.stdout });
	assert.deepEqual(ok(await curl('{}/v1/channels/curl:signals/messages')).messages, []);
});

test('whoever streams is present, and whoever leaves is not', async (t) => {
	const stream = new Child('curl', ['-sSN', '-H', 'Accept: text/event-stream', '-H', 'Authorization: Bearer guest:eve', `${server.url}/v1/events?channel=curl:presence`]);
	t.after(() => stream.end());
	const users = async () => ok(await curl('{}/v1/channels/curl:presence/presence')).users.map((/** @type {any} */ { user }) => user);
	await until('eve to come', async () => (await users()).includes('eve'));
	await stream.end();
	await until('eve to go', async () => !(await users()).includes('eve'));
});

test('a mistake is answered with a problem that names it', async () => {
	for (const [path, expected] of /** @type {const} */ ([
		['{}/v1/events', 400],
		['{}/v1/events?channel=curl:x&after=nonsense', 400],
		['{}/v1/nowhere', 404],
	])) {
		const { status, type, text } = await curl(path);
		assert.equal(status, expected, `${path}: ${text}`);
		assert.equal(type, 'application/problem+json');
		const { code, detail, title } = JSON.parse(text);
		assert.ok(code && (detail || title), text);
	}
});
