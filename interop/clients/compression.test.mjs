/** Clients that are not ours compress what they say and decompress what they hear, as the handshake agreed. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { WebSocket } from 'ws';
import { Api } from '../lib/api.mjs';
import { launch, openPage } from '../lib/browser.mjs';
import { Child } from '../lib/child.mjs';
import { Person } from '../lib/person.mjs';
import { python, script } from '../lib/python.mjs';
import { Server } from '../lib/server.mjs';
import { soon, until } from '../lib/until.mjs';
import { Frames } from '../lib/ws.mjs';

const AGREED = /^permessage-deflate; server_no_context_takeover; client_no_context_takeover/;

/** Far more than a packet, and little when it is compressed. */
const TEXT = 'Das Wetter 天气 🌦, as ever. '.repeat(300);

const server = await Server.start({ after });
const off = await Server.start({ after }, { args: ['--websocket-compression', 'false'] });
const { python: interpreter, why } = await python();
const browser = await launch({ after });

/**
 * Opens npm's `ws`; gives what the server answered as well, and the socket below.
 * @param {import('node:test').TestContext} t
 * @param {string} url
 * @param {boolean} perMessageDeflate
 */
async function open(t, url, perMessageDeflate) {
	const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/connect`, ['tidings.v1.json'], { perMessageDeflate });
	t.after(() => socket.terminate());
	const frames = new Frames(socket);
	const both = Promise.all([once(socket, 'upgrade'), once(socket, 'open')]);
	const [[response]] = await soon('the WebSocket to open', both);
	frames.send({ type: 'hello', token: 'guest:ws' });
	await frames.next('hello');
	return { frames, agreed: String(response.headers['sec-websocket-extensions'] ?? ''), below: response.socket };
}

test('ws says and hears the same, in fewer bytes', async (t) => {
	const { frames, agreed, below } = await open(t, server.url, true);
	assert.match(agreed, AGREED);
	await frames.ask({ type: 'subscribe', channel: 'deflate:ws' });
	const before = { read: below.bytesRead, written: below.bytesWritten };
	for (const text of [TEXT, 'short', TEXT]) {
		const { seq } = await frames.ask({ type: 'publish', channel: 'deflate:ws', data: { text } });
		const message = await until('the message', () => frames.messages.find((it) => it.seq === seq));
		assert.equal(message.data.text, text);
	}
	assert.ok(below.bytesRead - before.read < TEXT.length, 'what came is compressed');
	assert.ok(below.bytesWritten - before.written < TEXT.length, 'what was sent is compressed');
});

for (const [how, url, offers] of /** @type {const} */ ([
	['who does not offer it', server.url, false],
	['where it is switched off', off.url, true],
])) {
	test(`ws speaks as it is: ${how}`, async (t) => {
		const { frames, agreed, below } = await open(t, url, offers);
		assert.equal(agreed, '');
		await frames.ask({ type: 'subscribe', channel: 'deflate:plain' });
		const before = below.bytesRead;
		await frames.ask({ type: 'publish', channel: 'deflate:plain', data: { text: TEXT } });
		await until('the message', () => frames.messages.length === 1);
		assert.equal(frames.messages[0].data.text, TEXT);
		assert.ok(below.bytesRead - before > TEXT.length);
	});
}

for (const codec of ['json', 'cbor']) {
	test(`Python's websockets, ${codec}, agrees on it by itself`, { skip: why }, async (t) => {
		const channel = `deflate:python-${codec}`;
		const door = new Child(String(interpreter), [script('clients/python/door.py'), server.url, channel, codec]);
		t.after(() => door.end());
		/** @type {any[]} */
		const lines = [];
		const read = () => {
			const said = door.stdout.split('\n').slice(0, -1);
			for (const line of said.slice(lines.length)) lines.push(JSON.parse(line));
		};
		await until('Python to be ready', () => (read(), lines.length === 1 || !door.isRunning));
		assert.match(String(lines[0]?.extensions), /^permessage-deflate/, door.stderr);
		door.stdin.write(`${JSON.stringify({ text: TEXT })}\n`);
		await until('its own message', () => (read(), lines.length === 2), { seen: () => door.stderr });
		assert.equal(lines[1].data.text, TEXT);
		const { messages } = await new Api(server.url).history(channel);
		assert.equal(messages[0]?.data.text, TEXT);
	});
}

test('Chromium offers it, and hears what it said', async (t) => {
	const { page } = await openPage(t, browser);
	await page.goto(server.url);
	const heard = await page.evaluate(async (text) => {
		const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/v1/connect`, 'tidings.v1.json');
		/** @type {Promise<string>} */
		const message = new Promise((resolve) => {
			socket.addEventListener('message', ({ data }) => {
				const frame = JSON.parse(String(data));
				if (frame.type === 'message') resolve(frame.data.text);
			});
		});
		await new Promise((resolve) => socket.addEventListener('open', resolve));
		const channel = 'deflate:chromium';
		socket.send(JSON.stringify({ type: 'subscribe', req: 1, channel }));
		socket.send(JSON.stringify({ type: 'publish', req: 2, channel, data: { text } }));
		return { extensions: socket.extensions, text: await message };
	}, TEXT);
	assert.match(heard.extensions, AGREED);
	assert.equal(heard.text, TEXT);
});

test('two people in Chromium say long things to each other', async (t) => {
	const url = `${server.url}/#/long`;
	const ada = await Person.enter(t, browser, url, 'Ada');
	const eve = await Person.enter(t, browser, url, 'Eve');
	await ada.choose('websocket');
	await eve.choose('websocket');
	const long = Array.from({ length: 200 }, (_, n) => `word${n}`).join(' ');
	await ada.say(`Ada: ${long}`);
	await eve.sees(`Ada: ${long}`);
	await eve.say(`Eve: ${long}`);
	await ada.sees(`Eve: ${long}`);
});
