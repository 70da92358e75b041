/** npm's `ws` and `tidings-websocket` understand each other, as client and as server, compressed or not. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { WebSocketServer } from 'ws';
import { hearEcho, hearFragments, listen, MESSAGE_BYTES_MAX, open } from '../lib/echo.mjs';
import { ECHOES, example, serve } from '../lib/example.mjs';
import { soon } from '../lib/until.mjs';

/** @import { PerMessageDeflateOptions } from 'ws' */

/** Small messages too: what is under a threshold says nothing about compression. */
const threshold = 0;

/**
 * What a client may offer, and what a server that keeps no context makes of it.
 * @type {{ name: string, perMessageDeflate: PerMessageDeflateOptions | boolean, agreed: RegExp }[]}
 */
const OFFERS = [
	{ name: 'no compression', perMessageDeflate: false, agreed: /^$/ },
	{ name: 'compression as it comes', perMessageDeflate: { threshold }, agreed: /^permessage-deflate/ },
	{ name: 'a threshold', perMessageDeflate: { threshold: 1024 }, agreed: /^permessage-deflate/ },
	{
		name: 'no context takeover',
		perMessageDeflate: { threshold, serverNoContextTakeover: true, clientNoContextTakeover: true },
		agreed: /server_no_context_takeover/,
	},
	...[8, 9, 12, 15].map((bits) => ({
		name: `windows of ${bits} bits`,
		perMessageDeflate: { threshold, serverMaxWindowBits: bits, clientMaxWindowBits: bits },
		agreed: new RegExp(`server_max_window_bits=${bits}`),
	})),
];

for (const { server, args } of ECHOES) {
	const plain = await serve({ after }, 'echo', args);
	const deflate = await serve({ after }, 'echo', [...args, '--deflate']);

	for (const { name, perMessageDeflate, agreed: expected } of OFFERS) {
		test(`ws, a client with ${name}, hears its echo from ${server}`, async (t) => {
			const { socket, agreed } = await open(t, deflate, perMessageDeflate);
			assert.match(agreed, expected);
			await hearEcho(socket);
			await hearFragments(socket);
		});
	}

	test(`ws agrees on no compression with ${server} that has none`, async (t) => {
		const { socket, agreed } = await open(t, plain, { threshold });
		assert.equal(agreed, '');
		await hearEcho(socket);
	});

	test(`ws pings ${server} between its messages, and is answered`, async (t) => {
		const { socket } = await open(t, deflate, { threshold });
		const heard = listen(socket);
		const pong = once(socket, 'pong');
		socket.send('before');
		socket.ping('beat');
		socket.send('after');
		assert.equal(String((await soon('the pong', pong))[0]), 'beat');
		assert.equal(await heard.next(), 'before');
		assert.equal(await heard.next(), 'after');
	});

	for (const [code, reason] of /** @type {const} */ ([[1000, 'bye'], [1001, ''], [4000, 'é'.repeat(61)]])) {
		test(`ws closes with ${code}, and ${server} answers in kind`, async (t) => {
			const { socket } = await open(t, deflate, true);
			const closed = once(socket, 'close');
			socket.close(code, reason);
			assert.equal((await soon('the close', closed))[0], code);
		});
	}

	test(`ws that closes without a code hears no code from ${server}`, async (t) => {
		const { socket } = await open(t, deflate, true);
		const closed = once(socket, 'close');
		socket.close();
		assert.equal((await soon('the close', closed))[0], 1005);
	});
}

/**
 * What a server may be like, what our client may want, and what comes of it.
 * @type {{ name: string, perMessageDeflate: PerMessageDeflateOptions | boolean, client: string[], agreed: RegExp }[]}
 */
const SERVERS = [
	{ name: 'no compression', perMessageDeflate: false, client: ['--deflate'], agreed: /extensions: none/ },
	{ name: 'compression that is not wanted', perMessageDeflate: { threshold }, client: [], agreed: /extensions: none/ },
	{ name: 'compression', perMessageDeflate: { threshold }, client: ['--deflate'], agreed: /server_no_context_takeover/ },
	{
		name: 'context takeover',
		perMessageDeflate: { threshold },
		client: ['--deflate', '--takeover'],
		agreed: /extensions: permessage-deflate(?!.*takeover)/,
	},
	{
		name: 'no context takeover',
		perMessageDeflate: { threshold, serverNoContextTakeover: true, clientNoContextTakeover: true },
		client: ['--deflate', '--takeover'],
		agreed: /(?=.*server_no_context_takeover)(?=.*client_no_context_takeover)/,
	},
	...[8, 9, 12, 15].map((bits) => ({
		name: `windows of ${bits} bits`,
		perMessageDeflate: { threshold, serverMaxWindowBits: bits, clientMaxWindowBits: bits },
		client: ['--deflate', '--takeover', '--window-bits', String(bits)],
		agreed: new RegExp(`(?=.*server_max_window_bits=${bits})(?=.*client_max_window_bits=${bits})`),
	})),
];

for (const { name, perMessageDeflate, client, agreed } of SERVERS) {
	test(`our client hears its echo from ws, a server with ${name}`, async (t) => {
		const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate, maxPayload: MESSAGE_BYTES_MAX });
		t.after(() => server.close());
		/** @type {Promise<number>} */
		const closed = new Promise((resolve) => {
			server.on('connection', (socket) => {
				socket.on('message', (data, binary) => socket.send(data, { binary }));
				socket.on('close', resolve);
			});
		});
		await once(server, 'listening');
		const address = server.address();
		assert.ok(address && typeof address === 'object');
		assert.match(await example('interop_client', [`ws://127.0.0.1:${address.port}/`, ...client]), agreed);
		assert.equal(await soon('the close', closed), 1000);
	});
}
