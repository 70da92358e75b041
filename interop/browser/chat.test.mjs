/** Two people chat with each other in two pages, over every pair of transports. */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Api } from '../lib/api.mjs';
import { launch } from '../lib/browser.mjs';
import { TRANSPORTS } from '../lib/client.mjs';
import { Person } from '../lib/person.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

const server = await Server.start({ after });
const browser = await launch({ after });

test('two people talk over every pair of transports, changing them in mid-conversation', async (t) => {
	const url = `${server.url}/#/pairs`;
	const ada = await Person.enter(t, browser, url, 'Ada');
	const eve = await Person.enter(t, browser, url, 'Eve');
	/** @type {string[]} */
	const said = [];
	for (const hers of TRANSPORTS) {
		await ada.choose(hers);
		for (const others of TRANSPORTS) {
			await eve.choose(others);
			for (const [speaker, text] of /** @type {const} */ ([
				[ada, `${hers} to ${others}`],
				[eve, `${others} back to ${hers}`],
			])) {
				await speaker.say(text);
				said.push(text);
				// The next speaker has heard the last one: the order is known.
				await Promise.all([ada.sees(text), eve.sees(text)]);
			}
		}
	}
	for (const person of [ada, eve]) {
		const read = await person.read();
		assert.deepEqual(read.map(({ text }) => text), said, `${person.name} lost or doubled something`);
		assert.ok(read.every(({ seq }, i) => i === 0 || seq > (read[i - 1]?.seq ?? 0)));
		person.watch.assertQuiet();
	}
});

test('a change of transport in the middle of a flood loses and doubles nothing', async (t) => {
	const total = 200;
	const api = new Api(server.url, 'flood');
	const ada = await Person.enter(t, browser, `${server.url}/#/flood`, 'Ada');
	const flood = (async () => {
		for (let n = 1; n <= total; n++) await api.publish('chat:flood', { text: `drop ${n}` });
	})();
	for (const transport of [...TRANSPORTS, ...TRANSPORTS]) await ada.choose(transport);
	await flood;
	await ada.sees(`drop ${total}`);
	const drops = (await ada.read()).map(({ text }) => Number(text.replace('drop ', '')));
	// Of a long conversation the page draws the end: what it draws has no hole.
	assert.ok(drops.length > 1);
	drops.forEach((drop, i) => assert.equal(drop, total - drops.length + 1 + i));
	ada.watch.assertQuiet();
});

for (const transport of TRANSPORTS) {
	test(`over ${transport} one finds the history, who is here, and who is typing`, async (t) => {
		const room = `history-${transport}`;
		const api = new Api(server.url, 'earlier');
		await api.publish(`chat:${room}`, { text: 'before you came' });
		const zoe = await Person.enter(t, browser, `${server.url}/#/${room}`, 'Zoë');
		await zoe.choose(transport);
		// The choice is remembered, so this page begins with it.
		await zoe.page.reload();
		await zoe.isConnected(transport);
		await zoe.sees('before you came');

		const xiaoya = await Person.enter(t, browser, `${server.url}/#/${room}`, '小雅');
		await xiaoya.sees('before you came');
		await Promise.all([zoe.seesPeople('Zoë', '小雅'), xiaoya.seesPeople('Zoë', '小雅')]);
		await xiaoya.write('hm');
		await zoe.seesTyping('小雅');
		await zoe.write('oh');
		await xiaoya.seesTyping('Zoë');

		await xiaoya.page.close();
		await zoe.seesPeople('Zoë');
		zoe.watch.assertQuiet();
	});
}

test('a room that one makes is in the list of the other, and counts what was not read', async (t) => {
	const ada = await Person.enter(t, browser, server.url, 'Ada');
	const eve = await Person.enter(t, browser, server.url, 'Eve');
	await ada.makeRoom('Weekend plans');
	await ada.say('who is in?');
	await eve.page.getByTestId('room-list').getByTestId('unread').waitFor();
	await eve.openRoom('Weekend plans');
	await eve.sees('who is in?');
	ada.watch.assertQuiet();
	eve.watch.assertQuiet();
});

test('scrolling up brings what was said before, to the very first message', async (t) => {
	const total = 130;
	const api = new Api(server.url, 'long');
	for (let n = 1; n <= total; n++) await api.publish('chat:long', { text: `line ${n}` });
	const ada = await Person.enter(t, browser, `${server.url}/#/long`, 'Ada');
	await ada.sees(`line ${total}`);
	const scroller = ada.page.getByTestId('messages');
	await until('the first message', async () => {
		await scroller.evaluate((element) => element.scrollTo(0, 0));
		return (await ada.read())[0]?.text === 'line 1';
	});
	assert.deepEqual((await ada.read()).map(({ text }) => text), Array.from({ length: total }, (_, i) => `line ${i + 1}`));
});

test('what is said is text, whatever it looks like', async (t) => {
	const ada = await Person.enter(t, browser, `${server.url}/#/text`, 'Ada');
	const text = '<img src=x onerror="document.title = 1"> <b>&amp;</b>';
	await ada.say(text);
	await ada.sees(text);
	assert.equal(await ada.page.getByTestId('messages').locator('img, b').count(), 0);
	ada.watch.assertQuiet();
});
