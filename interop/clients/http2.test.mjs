/** HTTP/2 as others speak it, without TLS: curl, and Node's own client with a WebSocket of npm's `ws` in a stream. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { after, test } from 'node:test';
import { WebSocket } from 'ws';
import { run } from '../lib/child.mjs';
import { bridge } from '../lib/http2.mjs';
import { Server } from '../lib/server.mjs';
import { soon } from '../lib/until.mjs';

const server = await Server.start({ after });

test('curl asks and follows over HTTP/2', async () => {
	const args = ['-sS', '--http2-prior-knowledge', '-w', '\n%{http_version} %{http_code}'];
	const url = `${server.url}/v1/channels/curl:h2/messages`;
	const { stdout } = await run('curl', [...args, '-H', 'content-type: text/plain', '-d', 'hello', url]);
	assert.match(stdout, /"seq":\d+.*\n2 201$/s);
	const stream = ['-N', '--max-time', '2', '-H', 'accept: text/event-stream', `${server.url}/v1/events?channel=curl:h2`];
	const events = await run('curl', [...args, ...stream]);
	assert.match(events.stdout, /event: hello\n[^]*\n:\nid: [^\n]+\n\n/, 'a hello and a heartbeat');
});

test('many requests of Node share a connection', async (t) => {
	const session = connect(server.url);
	t.after(() => session.destroy());
	const ask = async () => {
		const [headers] = await once(session.request({ ':path': '/v1/info' }).resume(), 'response');
		return headers[':status'];
	};
	const answers = await soon('the answers', Promise.all(Array.from({ length: 500 }, ask)));
	assert.deepEqual(new Set(answers), new Set([200]));
});

test('a WebSocket of npm’s `ws` opens in a stream', async (t) => {
	const socket = new WebSocket(`${await bridge(t, server.url)}v1/connect`, 'tidings.v1.json');
	t.after(() => socket.terminate());
	const heard = once(socket, 'message');
	await soon('the handshake', once(socket, 'open'));
	socket.send('{"type":"hello","token":"guest:bob"}');
	const { type, user } = JSON.parse(String((await soon('a hello', heard))[0]));
	assert.deepEqual({ type, user }, { type: 'hello', user: 'bob' });
	const closed = once(socket, 'close');
	socket.close(1000);
	assert.equal((await soon('the close', closed))[0], 1000);
});
