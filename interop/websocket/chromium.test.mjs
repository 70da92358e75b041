/** Chromium's own WebSocket and `tidings-websocket` understand each other, compressed or not. */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { launch, openPage } from '../lib/browser.mjs';
import { ECHOES, serve } from '../lib/example.mjs';

/** @import { TestContext } from 'node:test' */

const browser = await launch({ after });

for (const { server, args } of ECHOES) {
	for (const [how, options, agreed] of /** @type {const} */ ([
		['compressed', ['--deflate'], /^permessage-deflate/],
		['uncompressed', [], /^$/],
	])) {
		const url = await serve({ after }, 'echo', [...args, ...options]);

		test(`Chromium hears its echo from ${server}, ${how}, at all sizes`, async (t) => {
			const { page, network } = await blank(t);
			const { extensions, wrong, count } = await page.evaluate(echoes, url);
			assert.match(extensions, agreed);
			assert.deepEqual(wrong, []);
			assert.equal(count, 22);
			// What the browser tells the page is also what was on the wire.
			assert.match(network.offered, /permessage-deflate/);
			assert.match(network.agreed, agreed);
		});

		test(`Chromium closes, ${how}, and ${server} answers in kind`, async (t) => {
			const { page } = await blank(t);
			assert.deepEqual(await page.evaluate(close, { url, code: 1000, reason: 'bye' }), { code: 1000, reason: '', clean: true });
			const reason = 'é'.repeat(61);
			assert.deepEqual(await page.evaluate(close, { url, code: 4999, reason }), { code: 4999, reason: '', clean: true });
			assert.deepEqual(await page.evaluate(close, { url }), { code: 1005, reason: '', clean: true });
		});
	}
}

/**
 * An empty page, and what its WebSocket says on the wire.
 * @param {TestContext} t
 */
async function blank(t) {
	const { page } = await openPage(t, browser);
	const network = { offered: '', agreed: '' };
	const devtools = await page.context().newCDPSession(page);
	await devtools.send('Network.enable');
	const extensions = (/** @type {Record<string, string>} */ headers) =>
		Object.entries(headers).find(([name]) => name.toLowerCase() === 'sec-websocket-extensions')?.[1] ?? '';
	devtools.on('Network.webSocketHandshakeResponseReceived', ({ response }) => {
		network.offered = extensions(response.requestHeaders ?? {});
		network.agreed = extensions(response.headers);
	});
	return { page, network };
}

/**
 * In the page: sends texts and bytes of all sizes, and compares what comes back.
 * @param {string} url
 */
async function echoes(url) {
	const socket = new WebSocket(url);
	socket.binaryType = 'arraybuffer';
	await new Promise((resolve, reject) => {
		socket.onopen = resolve;
		socket.onerror = reject;
	});
	/** @type {(string | Uint8Array<ArrayBuffer>)[]} */
	const sent = [];
	for (const size of [0, 1, 125, 126, 127, 4095, 32_768, 65_535, 65_536, 100_001, 1 << 20]) {
		const bytes = new Uint8Array(size);
		for (let at = 0; at < size; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
		sent.push('中 tidings é🎈 '.repeat(Math.ceil(size / 12)).slice(0, size), bytes);
	}
	const wrong = /** @type {number[]} */ ([]);
	let count = 0;
	const heard = new Promise((resolve, reject) => {
		socket.onclose = reject;
		socket.onmessage = ({ data }) => {
			const was = sent[count++];
			const same =
				typeof was === 'string'
					? data === was
					: typeof data !== 'string' && String(new Uint8Array(data)) === String(was);
			if (!same) wrong.push(count - 1);
			if (count === sent.length) resolve(undefined);
		};
	});
	for (const message of sent) socket.send(message);
	await heard;
	return { extensions: socket.extensions, wrong, count };
}

/**
 * In the page: opens, closes, and says how that ended.
 * @param {{ url: string, code?: number, reason?: string }} how
 */
async function close({ url, code, reason }) {
	const socket = new WebSocket(url);
	await new Promise((resolve) => (socket.onopen = resolve));
	const closed = new Promise((resolve) => (socket.onclose = resolve));
	socket.close(code, reason);
	const event = /** @type {CloseEvent} */ (await closed);
	return { code: event.code, reason: event.reason, clean: event.wasClean };
}
