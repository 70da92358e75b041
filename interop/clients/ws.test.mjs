/** A WebSocket client that is not ours, npm's `ws`, speaks the frames of the protocol. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { WebSocket } from 'ws';
import { Api } from '../lib/api.mjs';
import { Server } from '../lib/server.mjs';
import { soon, until } from '../lib/until.mjs';
import { Frames } from '../lib/ws.mjs';

const server = await Server.start({ after });
const api = new Api(server.url);

test('the server chooses our subprotocol and greets with what a client has to know', async (t) => {
	const frames = await Frames.open(t, server.url, 'ada');
	assert.equal(frames.socket.protocol, 'tidings.v1.json');
	const hello = await frames.next('hello');
	assert.equal(hello.user, 'ada');
	assert.match(hello.cursor, /^[^-]+-\d+$/);
	assert.ok(hello.session);
	const { interval, timeout, tries } = hello.heartbeat;
	assert.ok(interval > 0 && timeout > 0 && tries > 0);
});

test('who subscribes hears what is published, once, and its own too', async (t) => {
	const frames = await Frames.open(t, server.url, 'ada');
	const { type, channel, truncated } = await frames.ask({ type: 'subscribe', channel: 'ws:live' });
	assert.deepEqual({ type, channel, truncated }, { type: 'subscribed', channel: 'ws:live', truncated: false });
	const published = await frames.ask({ type: 'publish', channel: 'ws:live', data: { text: 'mine' }, id: 'm1' });
	assert.equal(published.type, 'published');
	assert.equal(published.id, 'm1');
	const { seq } = await api.publish('ws:live', { text: 'theirs' });
	await until('both messages', () => frames.messages.length === 2);
	assert.deepEqual(frames.messages.map((message) => message.seq), [published.seq, seq]);
	assert.deepEqual(frames.messages.map((message) => message.data.text), ['mine', 'theirs']);
	assert.equal(frames.messages[1].prev, published.seq);
});

test('a subscription goes on from its cursor, or begins with the last messages', async (t) => {
	const { cursor } = await api.poll('ws:resume');
	for (const n of [1, 2, 3]) await api.publish('ws:resume', n);
	const behind = await Frames.open(t, server.url, 'ada');
	await behind.ask({ type: 'subscribe', channel: 'ws:resume', after: cursor });
	await until('what was missed', () => behind.messages.length === 3);
	assert.deepEqual(behind.messages.map((message) => message.data), [1, 2, 3]);

	const fresh = await Frames.open(t, server.url, 'eve');
	await fresh.ask({ type: 'subscribe', channel: 'ws:resume', history: 2 });
	await until('the last two', () => fresh.messages.length === 2);
	assert.deepEqual(fresh.messages.map((message) => message.data), [2, 3]);
});

test('after unsubscribing nothing comes', async (t) => {
	const frames = await Frames.open(t, server.url, 'ada');
	await frames.ask({ type: 'subscribe', channel: 'ws:leave' });
	assert.equal((await frames.ask({ type: 'unsubscribe', channel: 'ws:leave' })).type, 'unsubscribed');
	await api.publish('ws:leave', 1);
	// The answer to a later question proves that the message would have been here.
	assert.equal((await frames.ask({ type: 'history', channel: 'ws:leave', limit: 1 })).messages.length, 1);
	assert.deepEqual(frames.messages, []);
});

test('signals, joins, leaves and presence pass between two clients', async (t) => {
	const ada = await Frames.open(t, server.url, 'ada');
	await ada.ask({ type: 'subscribe', channel: 'ws:people' });
	const eve = await Frames.open(t, server.url, 'eve');
	await eve.ask({ type: 'subscribe', channel: 'ws:people' });
	const join = await until('eve to join', () =>
		ada.received.find((frame) => frame.type === 'join' && frame.user === 'eve'),
	);
	assert.equal(join.channel, 'ws:people');
	const { users, count } = await ada.ask({ type: 'presence', channel: 'ws:people' });
	assert.deepEqual(users.map((/** @type {any} */ { user }) => user).sort(), ['ada', 'eve']);
	assert.equal(count, 2);

	eve.send({ type: 'signal', channel: 'ws:people', data: { typing: true } });
	const { type, channel, from, data } = await ada.next('signal');
	assert.deepEqual({ type, channel, from, data }, { type: 'signal', channel: 'ws:people', from: 'eve', data: { typing: true } });

	eve.socket.close(1000);
	await until('eve to leave', () => ada.received.find((frame) => frame.type === 'leave' && frame.user === 'eve'));
});

test('a ping is answered, on both floors', async (t) => {
	const frames = await Frames.open(t, server.url, 'ada');
	assert.equal((await frames.ask({ type: 'ping' })).type, 'pong');
	const pong = once(frames.socket, 'pong');
	frames.socket.ping('beat');
	const [payload] = await soon('the pong', pong);
	assert.equal(String(payload), 'beat');
});

test('a bad frame is answered with an error, and the connection lives on', async (t) => {
	const frames = await Frames.open(t, server.url, 'ada');
	frames.socket.send('{"type":');
	const { code, message } = await frames.next('error');
	assert.ok(code && message);
	assert.equal((await frames.ask({ type: 'dance' })).type, 'error');
	assert.equal((await frames.ask({ type: 'ping' })).type, 'pong');
});

test('a close is answered in kind', async (t) => {
	const frames = await Frames.open(t, server.url, 'ada');
	frames.socket.close(1000, 'bye');
	assert.equal(await soon('the close', frames.closed), 1000);
});

test('a page of another origin is turned away', async () => {
	const socket = new WebSocket(`${server.url.replace('http', 'ws')}/v1/connect`, ['tidings.v1.json'], { origin: 'https://elsewhere.example' });
	const [, response] = await soon('the refusal', once(socket, 'unexpected-response'));
	assert.equal(response.statusCode, 403);
	response.resume();
});

test('a server that stops says so', async (t) => {
	const leaving = await Server.start(t);
	const frames = await Frames.open(t, leaving.url, 'ada');
	await leaving.stop();
	const code = await soon('the close', frames.closed);
	assert.ok([1001, 1012].includes(code), `closed with ${code}`);
});
