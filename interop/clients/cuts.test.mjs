/** A bad network: connections are cut every second, and still every message arrives once, in order. */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Api } from '../lib/api.mjs';
import { connect, follow, TRANSPORTS } from '../lib/client.mjs';
import { Ledger } from '../lib/ledger.mjs';
import { Middlebox } from '../lib/middlebox.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

/** @import { TestContext } from 'node:test' */
/** @import { Channel } from '../../client/src/client.js' */

const CUT_EVERY_MS = 1000;
/** A load that lasts for many cuts, not a race: this many messages at a time, this often. */
const BURST = { messages: 10, every: 12 };
/** At the least; the load alone takes longer than that. */
const CUTS_MIN = 10;
/** Ten thousand take 12 s, the catching up after the last cut some more. */
const COMPLETE_WITHIN_MS = 120_000;

const server = await Server.start({ after });

test('ten thousand messages reach one subscriber per transport, each cut off every second', async (t) => {
	const total = 10_000;
	const channel = 'cuts:subscribers';
	const subscribers = await Promise.all(
		TRANSPORTS.map(async (transport) => {
			const middlebox = await Middlebox.open(t, server.port);
			const ledger = new Ledger(transport);
			await follow(connect(t, middlebox.url, transport, transport), channel, (message) => ledger.add(message));
			return { middlebox, ledger };
		}),
	);
	const publisher = connect(t, server.url, 'websocket', 'publisher').channel(channel);

	const stop = every(t, CUT_EVERY_MS, () => subscribers.forEach(({ middlebox }) => middlebox.cut()));
	await publishAll(t, publisher, total);
	stop();

	for (const { middlebox, ledger } of subscribers) {
		await until(`${ledger.name} to have all messages`, () => ledger.newest >= total, {
			within: COMPLETE_WITHIN_MS,
			seen: () => ledger.newest,
		});
		ledger.assertComplete(total);
		assert.ok(middlebox.cuts >= CUTS_MIN, `${ledger.name} was cut off only ${middlebox.cuts} times`);
		t.diagnostic(`${ledger.name}: ${ledger.count} messages over ${middlebox.cuts} cuts`);
	}
});

for (const transport of TRANSPORTS) {
	test(`a publisher over ${transport} that is cut off every second publishes everything once, in order`, async (t) => {
		const total = 2_000;
		const channel = `cuts:publisher-${transport}`;
		const ledger = new Ledger(`what ${transport} published`);
		await follow(connect(t, server.url, 'websocket', 'reader'), channel, (message) => ledger.add(message));
		const middlebox = await Middlebox.open(t, server.port);
		const publisher = connect(t, middlebox.url, transport, 'publisher').channel(channel);

		const stop = every(t, CUT_EVERY_MS, () => middlebox.cut());
		await publishAll(t, publisher, total);
		stop();

		await until('all messages', () => ledger.newest >= total, { seen: () => ledger.newest });
		ledger.assertComplete(total);
		const { cursor } = await new Api(server.url).poll(channel);
		assert.ok(Number(cursor.split('-').at(-1)) >= total);
		assert.ok(middlebox.cuts > 0, 'nothing was cut');
	});
}

/**
 * @param {TestContext} t
 * @param {Channel} channel
 * @param {number} total
 */
async function publishAll(t, channel, total) {
	/** @type {Promise<unknown>[]} */
	const receipts = [];
	await new Promise((resolve) => {
		const stop = every(t, BURST.every, () => {
			for (let i = 0; i < BURST.messages && receipts.length < total; i++) {
				receipts.push(channel.publish({ n: receipts.length + 1 }));
			}
			if (receipts.length === total) {
				stop();
				resolve(undefined);
			}
		});
	});
	await Promise.all(receipts);
}

/**
 * @param {TestContext} t
 * @param {number} ms
 * @param {() => void} act
 */
function every(t, ms, act) {
	const timer = setInterval(act, ms);
	const stop = () => clearInterval(timer);
	t.after(stop);
	return stop;
}
