/** WebSocket over HTTP/2 (RFC 8441): Node's HTTP/2 meets our handshake around hyper (`examples/interop_http2`). */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { after, test } from 'node:test';
import { hearEcho, hearFragments, open } from '../lib/echo.mjs';
import { serve } from '../lib/example.mjs';
import { bridge } from '../lib/http2.mjs';
import { soon } from '../lib/until.mjs';

const target = await serve({ after }, 'interop_http2');

for (const [how, perMessageDeflate] of /** @type {const} */ ([
	['compressed', { threshold: 0 }],
	['uncompressed', false],
])) {
	test(`messages of all sizes pass over a stream of HTTP/2, ${how}`, async (t) => {
		const { socket, agreed } = await open(t, await bridge(t, target), perMessageDeflate);
		assert.equal(agreed !== '', perMessageDeflate !== false);
		await hearEcho(socket);
		await hearFragments(socket);
		const closed = once(socket, 'close');
		socket.close(1000);
		assert.equal((await soon('the close', closed))[0], 1000);
	});
}

test('many WebSockets share one connection of HTTP/2', async (t) => {
	const url = await bridge(t, target);
	const sockets = await Promise.all(Array.from({ length: 20 }, () => open(t, url, { threshold: 0 })));
	await Promise.all(sockets.map(({ socket }) => hearFragments(socket)));
});

test('an extended CONNECT for another protocol is refused', async (t) => {
	const session = connect(target);
	t.after(() => session.destroy());
	await soon('the settings', once(session, 'remoteSettings'));
	const request = { ':method': 'CONNECT', ':protocol': 'telnet', ':scheme': 'http', ':authority': '127.0.0.1', ':path': '/' };
	const stream = session.request(request);
	stream.on('error', () => {});
	const [headers] = await soon('the refusal', once(stream, 'response'));
	assert.ok(headers[':status'] >= 400, `it was answered with ${headers[':status']}`);
});
