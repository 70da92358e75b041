/**
 * The server is killed and started again while pages are open: nothing is lost, nothing doubled.
 *
 * The pages are bare: what they have is the client module, or nothing but `EventSource`.
 */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Api } from '../lib/api.mjs';
import { launch, openPage } from '../lib/browser.mjs';
import { TRANSPORTS } from '../lib/client.mjs';
import { Ledger } from '../lib/ledger.mjs';
import { Person } from '../lib/person.mjs';
import { Server } from '../lib/server.mjs';
import { soon, until } from '../lib/until.mjs';

/** @import { Page } from 'playwright-core' */

/** How often the server is killed, and how much is published around each time. */
const KILLS = 3;
const BETWEEN_KILLS = 40;

/** Backing off from a server that is away, a client may take its time. */
const COMEBACK_WITHIN_MS = 60_000;

const browser = await launch({ after });

test('a plain EventSource resumes by itself', async (t) => {
	const server = await Server.start(t);
	const { page, watch } = await barePage(t, server);
	await soon(
		'the stream to begin',
		page.evaluate(
			(url) =>
				new Promise((resolve) => {
					const source = new EventSource(url);
					window.seen = [];
					source.addEventListener('hello', resolve, { once: true });
					source.onmessage = ({ data }) => void window.seen.push(JSON.parse(data));
				}),
			'/v1/events?channel=restart:eventsource',
		),
	);
	await killWhilePublishing(server, 'restart:eventsource', page);
	watch.assertQuietButForOutages();
});

for (const transport of TRANSPORTS) {
	test(`a page with our client goes on over ${transport}`, async (t) => {
		const server = await Server.start(t);
		const { page, watch } = await barePage(t, server);
		const channel = `restart:${transport}`;
		await soon(
			'the page to follow the channel',
			page.evaluate(
				async ({ transport, channel }) => {
					const { Tidings } = await import(/** @type {any} */ ('/client/client.js'));
					const tidings = new Tidings(location.origin, { transport, token: 'guest:page', pollEvery: 100 });
					const room = tidings.channel(channel);
					window.seen = [];
					room.addEventListener('message', (/** @type {any} */ { message }) => void window.seen.push(message));
					await new Promise((resolve) => room.addEventListener('subscribed', resolve, { once: true }));
				},
				{ transport, channel },
			),
		);
		await killWhilePublishing(server, channel, page);
		watch.assertQuietButForOutages();
	});

	test(`what a page publishes over ${transport} while the server is killed is stored once, in order`, async (t) => {
		const total = 100;
		const server = await Server.start(t);
		const { page } = await barePage(t, server);
		const channel = `restart:publish-${transport}`;
		await page.evaluate(
			async ({ transport, channel, total }) => {
				const { Tidings } = await import(/** @type {any} */ ('/client/client.js'));
				const room = new Tidings(location.origin, { transport, token: 'guest:page' }).channel(channel);
				let n = 0;
				window.acknowledged = 0;
				const timer = setInterval(() => {
					room.publish({ n: ++n }).then(() => window.acknowledged++);
					if (n === total) clearInterval(timer);
				}, 10);
			},
			{ transport, channel, total },
		);
		await until('the page to get on', () => page.evaluate(() => window.acknowledged > 10));
		await server.kill();
		await server.start();
		await until('all to be acknowledged', () => page.evaluate((total) => window.acknowledged === total, total), {
			within: COMEBACK_WITHIN_MS,
		});
		const ledger = new Ledger(transport);
		const { messages } = await new Api(server.url).history(channel, { limit: 1000 });
		messages.forEach((message) => ledger.add(message));
		ledger.assertComplete(total);
	});
}

test('a person in the chat sees that the server is away, and reads on when it is back', async (t) => {
	const server = await Server.start(t);
	const ada = await Person.enter(t, browser, `${server.url}/#/lobby`, 'Ada');
	await ada.say('before');
	await ada.sees('before');
	await server.kill();
	await ada.page.locator('[data-testid="transport-badge"][data-state="reconnecting"]').waitFor();
	await ada.say('into the dark');
	await server.start();
	await new Api(server.url, 'eve').publish('chat:lobby', { text: 'after' });
	await until(
		'all three messages',
		async () => {
			const texts = (await ada.read()).map(({ text }) => text);
			return JSON.stringify(texts.toSorted()) === JSON.stringify(['after', 'before', 'into the dark']);
		},
		{ within: COMEBACK_WITHIN_MS },
	);
	await ada.isConnected();
	ada.watch.assertQuietButForOutages();
});

/**
 * A page of the server's own origin in which nothing of ours runs.
 * @param {import('../lib/child.mjs').Scope} t
 * @param {Server} server
 */
async function barePage(t, server) {
	const opened = await openPage(t, browser);
	await opened.page.goto(`${server.url}/healthz`);
	return opened;
}

/**
 * Publishes from another process than the page's, kills the server in between, and checks what the
 * page has seen.
 * @param {Server} server
 * @param {string} channel
 * @param {Page} page
 */
async function killWhilePublishing(server, channel, page) {
	const api = new Api(server.url, 'publisher');
	const total = (KILLS + 1) * BETWEEN_KILLS;
	let published = 0;
	const publishing = (async () => {
		while (published < total) {
			const n = published + 1;
			await api.publishWhatever(channel, { n }, `message-${n}`);
			published = n;
		}
	})();
	for (let kill = 1; kill <= KILLS; kill++) {
		await until('the publisher to get on', () => published >= kill * BETWEEN_KILLS);
		await server.kill();
		await server.start();
	}
	await publishing;
	/** @type {any[]} */
	let seen = [];
	await until(
		'the page to have it all',
		async () => {
			seen = await page.evaluate(() => window.seen);
			return seen.at(-1)?.data.n >= total;
		},
		{ within: COMEBACK_WITHIN_MS, seen: () => seen.map(({ data }) => data.n) },
	);
	const ledger = new Ledger(channel);
	for (const message of seen) ledger.add(message);
	ledger.assertComplete(total);
	assert.equal((await api.history(channel, { limit: 1000 })).messages.length, total);
}
