/**
 * The server behind nginx: as `docs/proxies.md` configures it, word for word, and as it comes out when
 * nothing is configured.
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { Api } from '../lib/api.mjs';
import { connect, follow, IN_NODE, TRANSPORTS } from '../lib/client.mjs';
import { Ledger } from '../lib/ledger.mjs';
import { Middlebox } from '../lib/middlebox.mjs';
import { nginx, skip } from '../lib/nginx.mjs';
import { Server } from '../lib/server.mjs';
import { soon, until } from '../lib/until.mjs';
import { Tidings } from '../../client/src/client.js';

/** @import { TestContext } from 'node:test' */

/** Enough for several polls, and for more than one buffer of nginx. */
const MESSAGES = 300;
const TEXT = 'x'.repeat(500);

const server = skip ? undefined : await Server.start({ after });
const behind = server?.port ?? 0;

/** @param {number} port @param {number} behind */
const byDefault = (port, behind) => `server {
	listen 127.0.0.1:${port};
	location / {
		proxy_pass http://127.0.0.1:${behind};
	}
}`;

/** @param {number} port @param {number} behind */
function recommended(port, behind) {
	const page = readFileSync(fileURLToPath(new URL('../../docs/proxies.md', import.meta.url)), 'utf8');
	const [block, another] = Array.from(page.matchAll(/^```nginx\n(.*?)^```/gms), ([, block]) => String(block));
	assert.ok(block !== undefined && another === undefined, 'the page has one configuration');
	return [
		['listen 80;', `listen 127.0.0.1:${port};`],
		['127.0.0.1:7007', `127.0.0.1:${behind}`],
	].reduce((text, [from, to]) => {
		const parts = text.split(String(from));
		assert.equal(parts.length, 2, `the configuration has one '${from}'`);
		return parts.join(to);
	}, block);
}

const CONFIGURATIONS = [
	{ name: 'by default', configure: byDefault, transports: TRANSPORTS.filter((name) => name !== 'websocket') },
	{ name: 'as recommended', configure: recommended, transports: TRANSPORTS },
];

for (const { name, configure, transports } of CONFIGURATIONS) {
	for (const transport of transports) {
		test(`nothing is lost or doubled over ${transport}, ${name}`, { skip }, async (t) => {
			const port = await nginx(t, (port) => configure(port, behind));
			await exchange(t, port, transport);
		});
	}
}

test('by default an upgrade is dropped, and the client goes on with server-sent events', { skip }, async (t) => {
	const port = await nginx(t, (port) => byDefault(port, behind));
	const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/connect`, ['tidings.v1.json']);
	socket.on('error', () => {});
	const [, response] = await soon('the answer', once(socket, 'unexpected-response'));
	// The one in HTTP/1.1, which nginx speaks to servers since 1.29.7, the other in HTTP/1.0.
	assert.ok([426, 505].includes(response.statusCode), `${response.statusCode}`);
	socket.terminate();

	const tidings = new Tidings(`http://127.0.0.1:${port}`, { ...IN_NODE, transport: 'auto', token: 'guest:auto' });
	t.after(() => tidings.close());
	await until('the client to have found its way', () => tidings.readyState === Tidings.OPEN);
	assert.equal(tidings.transport, 'sse');
});

test('as recommended the client needs no other way than the best', { skip }, async (t) => {
	const port = await nginx(t, (port) => recommended(port, behind));
	const tidings = new Tidings(`http://127.0.0.1:${port}`, { ...IN_NODE, transport: 'auto', token: 'guest:auto' });
	t.after(() => tidings.close());
	await until('the client to have found its way', () => tidings.readyState === Tidings.OPEN);
	assert.equal(tidings.transport, 'websocket');
});

test('pages of the site itself are refused by default, and let in as recommended', { skip }, async (t) => {
	for (const { name, configure } of CONFIGURATIONS) {
		const port = await nginx(t, (port) => configure(port, behind));
		assert.equal(await publishFromPage(port), name === 'by default' ? 403 : 201, name);
	}
});

test('as recommended connections to the server are used again', { skip }, async (t) => {
	const middlebox = await Middlebox.open(t, behind);
	const port = await nginx(t, (port) => recommended(port, middlebox.port));
	const api = new Api(`http://127.0.0.1:${port}`);
	for (let n = 0; n < 20; n++) await api.poll('nginx:again');
	assert.equal((await middlebox.stats()).accepted, 1);
});

test('a stream passes a second nginx before the recommended one', { skip }, async (t) => {
	const inner = await nginx(t, (port) => recommended(port, behind));
	const outer = await nginx(t, (port) => byDefault(port, inner));
	await exchange(t, outer, 'sse');
});

/**
 * Messages in both directions through a proxy.
 * @param {TestContext} t
 * @param {number} port of the proxy
 * @param {(typeof TRANSPORTS)[number]} transport
 */
async function exchange(t, port, transport) {
	const channel = `nginx:${transport}-${port}`;
	const ledger = new Ledger(transport);
	const tidings = connect(t, `http://127.0.0.1:${port}`, transport, transport);
	const followed = await follow(tidings, channel, (message) => ledger.add(message));
	// The first comes alone: it must not wait for others.
	await followed.publish({ n: 1, text: TEXT });
	await until('the first message', () => ledger.newest === 1);
	await Promise.all(Array.from({ length: MESSAGES - 1 }, (_, i) => followed.publish({ n: i + 2, text: TEXT })));
	await until('all messages', () => ledger.newest >= MESSAGES, { seen: () => ledger.newest });
	ledger.assertComplete(MESSAGES);
	assert.equal(tidings.transport, transport);
}

/**
 * Publishes as a browser does from a page of the proxy's own site.
 * @param {number} port of the proxy
 */
async function publishFromPage(port) {
	// `fetch` would not let us say the origin.
	const publish = request({
		port,
		host: '127.0.0.1',
		method: 'POST',
		path: '/v1/channels/nginx:page/messages',
		headers: { 'content-type': 'application/json', origin: `http://127.0.0.1:${port}` },
	});
	publish.end('{"data":1}');
	const [response] = await soon('the answer', once(publish, 'response'));
	response.resume();
	return response.statusCode;
}
