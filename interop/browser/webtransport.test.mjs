/** WebTransport in browsers: beside all other doors, climbed to by itself, and left where UDP stops. */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { BROWSERS } from '../lib/browsers.mjs';
import { connect, follow, TRANSPORTS } from '../lib/client.mjs';
import { Ledger } from '../lib/ledger.mjs';
import { Middlebox } from '../lib/middlebox.mjs';
import { freePort, Server } from '../lib/server.mjs';
import { soon, until } from '../lib/until.mjs';

/** @import { Page } from '../lib/browsers.mjs' */

/**
 * In the page: a client of its own, which follows a channel and keeps what it hears.
 * @param {{ transport: string, channel: string, name: string }} how
 */
async function begin({ transport, channel, name }) {
	const { Tidings } = await import(/** @type {any} */ ('/client/client.js'));
	const tidings = new Tidings(location.origin, { token: `guest:${name}`, transport, share: false });
	const heard = /** @type {any[]} */ ([]);
	const transports = /** @type {string[]} */ ([]);
	tidings.addEventListener('transport', (/** @type {any} */ event) => transports.push(event.name));
	const room = tidings.channel(channel);
	room.addEventListener('message', (/** @type {any} */ { message }) => heard.push(message));
	room.addEventListener('signal', (/** @type {any} */ { data }) => heard.push({ signal: data }));
	await new Promise((resolve) => room.addEventListener('subscribed', resolve, { once: true }));
	Object.assign(globalThis, { tidings, room, heard, transports });
}

/** @param {Page} page @returns {Promise<any[]>} */
const heardIn = (page) => page.evaluate(() => /** @type {any} */ (globalThis).heard, undefined);

/** @param {Page} page @returns {Promise<string[]>} */
const transportsIn = (page) => page.evaluate(() => /** @type {any} */ (globalThis).transports, undefined);

for (const [name, launch] of BROWSERS) {
	const opening = launch({ after });

	test(`${name} gives messages on a stream and signals as datagrams to all other doors, and takes theirs`, async (t) => {
		const server = await Server.start(t);
		const page = await (await opening)(t, `${server.url}/healthz`);
		await page.evaluate(begin, { transport: 'webtransport', channel: 'chat:doors', name: 'page' });
		assert.deepEqual(await transportsIn(page), ['webtransport']);
		/** @type {Map<string, any[]>} */
		const heard = new Map();
		for (const transport of TRANSPORTS) {
			const messages = /** @type {any[]} */ ([]);
			heard.set(transport, messages);
			const room = await follow(connect(t, server.url, transport, transport), 'chat:doors', (message) => messages.push(message.data));
			room.addEventListener('signal', ({ data }) => messages.push({ signal: data }));
		}
		await page.evaluate(() => /** @type {any} */ (globalThis).room.publish({ text: 'by stream' }), undefined);
		const large = 'x'.repeat(60_000);
		await page.evaluate((text) => /** @type {any} */ (globalThis).room.publish({ text }), large);
		// A datagram may be lost: so it is said again.
		for (const [transport, messages] of heard) {
			await until(`a message and a signal over ${transport}`, async () => {
				await page.evaluate(() => /** @type {any} */ (globalThis).room.signal('by datagram'), undefined);
				return messages.some(({ signal }) => signal === 'by datagram') && messages.some(({ text }) => text === large);
			});
			assert.deepEqual(messages.filter(({ text }) => text).map(({ text }) => text.length), [9, 60_000], transport);
		}
		const other = connect(t, server.url, 'websocket', 'other').channel('chat:doors');
		await other.publish({ text: 'to the page' });
		await until('both in the page', async () => {
			other.signal('to the page');
			const came = await heardIn(page);
			return came.some(({ data }) => data?.text === 'to the page') && came.some(({ signal }) => signal === 'to the page');
		});
	});

	test(`${name} climbs to WebTransport beside a WebSocket that works`, async (t) => {
		const server = await Server.start(t);
		const page = await (await opening)(t, `${server.url}/healthz`);
		await page.evaluate(begin, { transport: 'auto', channel: 'chat:climb', name: 'page' });
		await until('it to climb', async () => (await transportsIn(page)).at(-1) === 'webtransport');
		assert.deepEqual(await transportsIn(page), ['websocket', 'webtransport']);
		const metrics = await (await fetch(`${server.url}/metrics`)).text();
		assert.match(metrics, /^tidings_links\{transport="webtransport",shard="0"\} 1$/m);
		assert.match(metrics, /^tidings_links\{transport="websocket",shard="0"\} 0$/m);
	});

	test(`${name} falls back where UDP stops, and loses, doubles and reorders nothing`, async (t) => {
		const server = await Server.start(t, { args: ['--heartbeat', '1s'] });
		const port = await freePort();
		await Middlebox.open(t, server.port, {}, { port });
		const udp = await Middlebox.open(t, server.port, {}, { port, isUdp: true });
		const page = await (await opening)(t, `http://127.0.0.1:${port}/healthz`);
		await page.evaluate(begin, { transport: 'auto', channel: 'chat:dark', name: 'page' });
		await until('it to climb', async () => (await transportsIn(page)).at(-1) === 'webtransport');
		const publisher = connect(t, server.url, 'websocket', 'publisher').channel('chat:dark');
		const TOTAL = 300;
		for (let n = 1; n <= TOTAL; n++) {
			if (n === TOTAL / 3) await udp.set({ black_hole: 'both' });
			await soon('a publish to be stored', publisher.publish({ n }));
			if (n % 10 === 0) await page.evaluate((n) => void /** @type {any} */ (globalThis).room.publish({ own: n }), n);
		}
		await until('it to fall back', async () => (await transportsIn(page)).at(-1) === 'websocket');
		const own = TOTAL / 10;
		await until('everything to come', async () => (await heardIn(page)).length >= TOTAL + own);
		const came = await heardIn(page);
		const ledger = new Ledger(name);
		for (const message of came) if (message.data.n) ledger.add(message);
		ledger.assertComplete(TOTAL);
		const said = came.filter(({ data }) => data.own).map(({ data }) => data.own);
		assert.deepEqual(said, Array.from({ length: own }, (_, index) => (index + 1) * 10));
	});
}
