/** https and wss, as those speak it whose TLS is not ours: curl's OpenSSL or GnuTLS, Python's, and Node's. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { after, test } from 'node:test';
import { WebSocket } from 'ws';
import { Child, run } from '../lib/child.mjs';
import { python, script } from '../lib/python.mjs';
import { Server } from '../lib/server.mjs';
import { soon, until } from '../lib/until.mjs';

const { python: interpreter, why } = await python();

const server = await Server.start({ after }, { isTls: true });

/** @param {...string} args */
const curl = (...args) => run('curl', ['-sS', '--cacert', server.certificate, ...args]);

/** @param {string} channel @param {unknown} data */
async function publish(channel, data) {
	const url = `${server.url}/v1/channels/${channel}/messages`;
	const { code, stdout, stderr } = await curl('--json', JSON.stringify({ data }), url);
	assert.equal(code, 0, stderr);
	return JSON.parse(stdout).seq;
}

for (const version of ['1.2', '1.3']) {
	test(`curl publishes and reads over TLS ${version}`, async () => {
		const seq = await publish('tls:curl', version);
		const url = `${server.url}/v1/channels/tls:curl/messages?limit=1`;
		const { stdout, stderr } = await curl('-v', `--tlsv${version}`, '--tls-max', version, url);
		assert.equal(JSON.parse(stdout).messages[0].seq, seq);
		assert.match(stderr, new RegExp(`TLSv${version}`));
		assert.match(stderr, /http\/1\.1/);
	});
}

test('curl is led to TLS, and streams there', async (t) => {
	const plain = server.url.replace('https', 'http');
	const stream = new Child('curl', [
		...['-sSNL', '--cacert', server.certificate, '-H', 'Accept: text/event-stream'],
		`${plain}/v1/events?channel=tls:stream`,
	]);
	t.after(() => stream.end());
	await until('the hello', async () => stream.stdout.includes('event: hello'));
	await publish('tls:stream', 'streamed');
	await until('the message', async () => stream.stdout.includes('"streamed"'));
});

test('curl refuses a certificate that nobody has told it to trust', async () => {
	const { code } = await run('curl', ['-sS', `${server.url}/healthz`]);
	assert.equal(code, 60);
});

test('a WebSocket of the package ws is opened over TLS', async (t) => {
	const ca = await readFile(server.certificate);
	const socket = new WebSocket(`${server.url.replace('http', 'ws')}/v1/connect`, 'tidings.v1.json', { ca });
	t.after(() => socket.terminate());
	socket.once('open', () => socket.send(JSON.stringify({ type: 'hello', token: 'guest:ws' })));
	const [hello] = await soon('a hello', once(socket, 'message'));
	assert.equal(JSON.parse(String(hello)).user, 'ws');
});

test("Python's websockets speaks over TLS", { skip: why }, async (t) => {
	const words = [script('clients/python/door.py'), server.url, 'tls:python', 'json'];
	const door = new Child(String(interpreter), words, { env: { ...process.env, SSL_CERT_FILE: server.certificate } });
	t.after(() => door.end());
	await until('the door to be open', async () => door.lines.length > 0, { seen: () => door.stderr });
	await publish('tls:python', 'over TLS');
	await until('the message', async () => door.stdout.includes('over TLS'));
});
