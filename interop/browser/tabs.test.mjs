/** Tabs of one browser share one connection, whichever it is, and hand it on when the tab goes that has it. */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Api } from '../lib/api.mjs';
import { launch, openPage } from '../lib/browser.mjs';
import { Middlebox } from '../lib/middlebox.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

/** @import { Page } from 'playwright-core' */

const browser = await launch({ after });
/** More than a browser has connections for one host over HTTP/1.1. */
const TABS = 8;

for (const [name, faults] of /** @type {const} */ ([
	['a WebSocket', {}],
	['a stream, where WebSockets are refused', { upgrade: 403 }],
])) {
	test(`eight tabs share ${name}`, async (t) => {
		const server = await Server.start(t);
		const middlebox = await Middlebox.open(t, server.port, faults);
		const { page } = await openPage(t, browser);
		const pages = [page];
		while (pages.length < TABS) pages.push(await page.context().newPage());
		await Promise.all(pages.map((page) => follow(page, middlebox.url)));
		// A tab that has waited for the others for too long begins with one of its own.
		await until('one connection to be shared', async () => (await clients(server)) === 1);

		const api = new Api(server.url, 'eve');
		await api.publish('tabs:room', 'from outside');
		await Promise.all(pages.map((page, tab) => page.evaluate((tab) => window.room.publish(tab), tab)));
		const heard = await Promise.all(pages.map((page) => messages(page, TABS + 1)));
		for (const each of heard) assert.deepEqual(each, heard[0]);
		assert.equal(heard[0]?.[0], 'from outside');

		// Whichever has the connection is among the first seven.
		for (const gone of pages.splice(0, TABS - 1)) await gone.close();
		await api.publish('tabs:room', 'and on');
		const [last] = pages;
		assert.ok(last);
		assert.deepEqual((await messages(last, TABS + 2)).at(-1), 'and on');
		await until('one connection to be left', async () => (await clients(server)) === 1);
	});
}

test('tabs of two people have a connection each', async (t) => {
	const server = await Server.start(t);
	const { page } = await openPage(t, browser);
	const other = await page.context().newPage();
	await follow(page, server.url, 'guest:alice');
	await follow(other, server.url, 'guest:bob');
	assert.equal(await clients(server), 2);
});

/**
 * A page that follows a room, and nothing else.
 * @param {Page} page
 * @param {string} url
 * @param {string} [token]
 */
async function follow(page, url, token = 'guest:alice') {
	await page.route('**/bare', (route) => route.fulfill({ contentType: 'text/html', body: '<link rel="icon" href="data:,">' }));
	await page.goto(`${url}/bare`);
	await page.evaluate(async (token) => {
		const { Tidings } = await import(/** @type {any} */ ('/client/client.js'));
		const tidings = new Tidings(location.origin, { token });
		const room = tidings.channel('tabs:room');
		window.seen = [];
		window.room = room;
		room.addEventListener('message', (/** @type {any} */ { data }) => window.seen.push(data));
		await new Promise((resolve) => room.addEventListener('subscribed', resolve, { once: true }));
	}, token);
}

/**
 * What a page has heard, once it is so much.
 * @param {Page} page
 * @param {number} count
 * @returns {Promise<unknown[]>}
 */
async function messages(page, count) {
	await page.waitForFunction((count) => window.seen.length >= count, count);
	return page.evaluate(() => window.seen);
}

/**
 * How many connections of clients a server has.
 * @param {Server} server
 */
async function clients(server) {
	const text = await (await fetch(`${server.url}/metrics`)).text();
	const counts = [...text.matchAll(/^tidings_links\{.*\} (\d+)$/gm)].map(([, count]) => Number(count));
	assert.ok(counts.length);
	return counts.reduce((sum, count) => sum + count, 0);
}
