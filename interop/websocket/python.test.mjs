/** Python's libraries and `tidings-websocket` understand each other, compressed or not. */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Child, run } from '../lib/child.mjs';
import { ECHOES, example, serve } from '../lib/example.mjs';
import { python, script } from '../lib/python.mjs';
import { until } from '../lib/until.mjs';

const { python: interpreter, why: skip } = await python();

/** Longer than the client's own patience: what it says of its troubles is worth more than ours. */
const CLIENT_MS_MAX = 90_000;

/**
 * What a client says, and what a server that keeps no context makes of it.
 * @type {{ library: string, options: object, agreed: RegExp }[]}
 */
const CLIENTS = [
	...['websockets, sync', 'websockets, asyncio'].flatMap((library) => [
		{ library, options: {}, agreed: /^$/ },
		{ library, options: { client_max_window_bits: true }, agreed: /^permessage-deflate/ },
		{
			library,
			options: { server_no_context_takeover: true, client_no_context_takeover: true },
			agreed: /server_no_context_takeover/,
		},
		{ library, options: { server_max_window_bits: 8, client_max_window_bits: 9 }, agreed: /server_max_window_bits=8/ },
		{ library, options: { server_max_window_bits: 12, client_max_window_bits: true }, agreed: /server_max_window_bits=12/ },
	]),
	{ library: 'picows', options: {}, agreed: /^$/ },
	// The WebSocket client of libcurl, as new as it is in the package whatever the system's is.
	{ library: 'curl', options: {}, agreed: /^$/ },
	{ library: 'aiohttp', options: {}, agreed: /^$/ },
	{ library: 'aiohttp', options: { compress: 15 }, agreed: /permessage-deflate/ },
	{ library: 'aiohttp', options: { compress: 10 }, agreed: /permessage-deflate/ },
];

for (const { server, args } of ECHOES) {
	const url = await serve({ after }, 'echo', [...args, '--deflate']);
	for (const { library, options, agreed } of CLIENTS) {
		test(`Python's ${library} with ${JSON.stringify(options)} hears its echo from ${server}`, { skip }, async () => {
			const words = [script('websocket/python/client.py'), library, url, JSON.stringify(options)];
			const { code, stdout, stderr } = await run(String(interpreter), words, { within: CLIENT_MS_MAX });
			assert.equal(code, 0, stderr);
			const told = JSON.parse(stdout);
			assert.match(told.agreed, agreed);
			assert.ok(told.echoed >= 20, stdout);
			assert.equal(told.code, 1000);
		});
	}
}

/**
 * What a server may be like, what our client may want, and what comes of it.
 * @type {{ library: string, options: object, client: string[], agreed: RegExp }[]}
 */
const SERVERS = [
	...['websockets, sync', 'websockets, asyncio'].flatMap((library) => [
		{ library, options: {}, client: ['--deflate'], agreed: /extensions: none/ },
		{ library, options: { client_max_window_bits: 15 }, client: [], agreed: /extensions: none/ },
		{
			library,
			options: { client_max_window_bits: 12 },
			client: ['--deflate', '--takeover'],
			agreed: /extensions: permessage-deflate(?!.*takeover)/,
		},
		{
			library,
			options: { server_no_context_takeover: true, client_no_context_takeover: true },
			client: ['--deflate', '--takeover'],
			agreed: /(?=.*server_no_context_takeover)(?=.*client_no_context_takeover)/,
		},
		{
			library,
			options: { server_max_window_bits: 9, client_max_window_bits: 8 },
			client: ['--deflate', '--takeover'],
			agreed: /(?=.*server_max_window_bits=9)(?=.*client_max_window_bits=8)/,
		},
	]),
	{ library: 'picows', options: {}, client: ['--deflate'], agreed: /extensions: none/ },
	{ library: 'aiohttp', options: { compress: false }, client: ['--deflate'], agreed: /extensions: none/ },
	{ library: 'aiohttp', options: {}, client: ['--deflate'], agreed: /server_no_context_takeover/ },
	{ library: 'aiohttp', options: {}, client: ['--deflate', '--takeover'], agreed: /extensions: permessage-deflate(?!.*takeover)/ },
];

for (const { library, options, client, agreed } of SERVERS) {
	const name = `our client ${client.join(' ')} hears its echo from Python's ${library} with ${JSON.stringify(options)}`;
	test(name, { skip }, async (t) => {
		const server = new Child(String(interpreter), [script('websocket/python/server.py'), library, JSON.stringify(options)]);
		t.after(() => server.end());
		await until('Python to listen', () => server.lines.length > 0 || !server.isRunning);
		const [url] = server.stdout.match(/ws:\S+/) ?? [];
		assert.ok(url, server.stderr);
		assert.match(await example('interop_client', [url, ...client]), agreed);
	});
}
