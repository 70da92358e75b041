/** Browsers speak HTTP/2 where TLS lets them choose it: everything of a page over one connection, WebSockets too (RFC 8441). */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BROWSERS } from '../lib/browsers.mjs';
import { freePort, Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

const STREAMS = 10;
const SOCKETS = 20;

/** How the server tells of a WebSocket over HTTP/2. */
const CONNECT = /a request over HTTP\/2 method=CONNECT protocol="websocket" path="\/v1\/connect"/g;

/**
 * In the page: opens them all, and gives which of them a message reached.
 * @param {{ streams: number, sockets: number }} many
 */
async function follow({ streams, sockets }) {
	// Chromium takes HTTP/2 for a WebSocket where a connection is there already.
	await fetch('/v1/info');
	const heard = (/** @type {EventTarget} */ source) =>
		new Promise((resolve) => {
			source.addEventListener('message', (event) => {
				const { data } = /** @type {MessageEvent} */ (event);
				if (data.includes('"type":"message"')) resolve(true);
			});
		});
	const opened = (/** @type {EventTarget} */ source) => new Promise((resolve) => source.addEventListener('open', resolve));
	const events = Array.from({ length: streams }, () => new EventSource('/v1/events?channel=chat:lobby'));
	const address = `${location.origin.replace('https', 'wss')}/v1/connect`;
	const frames = Array.from({ length: sockets }, () => new WebSocket(address, 'tidings.v1.json'));
	const all = [...events, ...frames].map(heard);
	await Promise.all([...events, ...frames].map(opened));
	for (const socket of frames) socket.send('{"type":"subscribe","req":1,"channel":"chat:lobby"}');
	const subscribed = (/** @type {WebSocket} */ socket) =>
		new Promise((resolve) => {
			socket.addEventListener('message', ({ data }) => data.includes('"subscribed"') && resolve(true));
		});
	await Promise.all(frames.map(subscribed));
	const init = { method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'tidings' };
	await fetch('/v1/channels/chat:lobby/messages', init);
	return (await Promise.all(all)).length;
}

/** In the page, which came over HTTP/2: a WebSocket. Gives its subprotocol. */
async function open() {
	const socket = new WebSocket(`${location.origin.replace('https', 'wss')}/v1/connect`, 'tidings.v1.json');
	await new Promise((resolve, reject) => {
		socket.addEventListener('open', resolve);
		socket.addEventListener('error', () => reject(new Error('it did not open')));
	});
	return socket.protocol;
}

for (const [name, launch] of BROWSERS) {
	test(`${name} gives a WebSocket a connection of its own where that is wished`, async (t) => {
		const env = { TIDINGS_LOG: 'tidings=debug' };
		const server = await Server.start(t, { env, isTls: true, args: ['--websocket-over-http2', 'false'] });
		const page = await (await launch(t, { trustsAll: true }))(t, `${server.url}/healthz`);
		assert.equal(await page.evaluate(open, undefined), 'tidings.v1.json');
		assert.match(server.output, /a request over HTTP\/2/);
		assert.doesNotMatch(server.output, CONNECT);
	});

	test(`${name} follows ${STREAMS} event streams and ${SOCKETS} WebSockets over one connection`, async (t) => {
		// Over plain HTTP, so that asking is no connection among those that are counted.
		const metrics = `127.0.0.1:${await freePort()}`;
		const env = { TIDINGS_LOG: 'tidings=debug' };
		const server = await Server.start(t, { env, isTls: true, args: ['--metrics-listen', metrics] });
		// A page of ours that opens nothing by itself.
		const page = await (await launch(t, { trustsAll: true }))(t, `${server.url}/healthz`);
		assert.equal(await page.evaluate(follow, { streams: STREAMS, sockets: SOCKETS }), STREAMS + SOCKETS);
		await until('the server to tell of all', () => (server.output.match(CONNECT) ?? []).length === SOCKETS);
		const text = await (await fetch(`http://${metrics}/metrics`)).text();
		const shards = [...text.matchAll(/^tidings_connections\{shard="\d+"\} (\d+)/gm)];
		assert.ok(shards.length > 0, text);
		const connections = shards.reduce((sum, [, count]) => sum + Number(count), 0);
		// The page's, and what the browser may have opened ahead.
		assert.ok(connections <= 4, `${connections} connections`);
	});
}
