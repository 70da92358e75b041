/** The chat over https: every transport, in Chromium, behind a certificate that the server has made itself. */

import { after, test } from 'node:test';
import { launch } from '../lib/browser.mjs';
import { Person } from '../lib/person.mjs';
import { Server } from '../lib/server.mjs';

/** What a person does who clicks on "Proceed" in the browser's warning. */
const PROCEED = { ignoreHTTPSErrors: true };

const server = await Server.start({ after }, { isTls: true });
const browser = await launch({ after });

for (const transport of /** @type {const} */ (['websocket', 'sse', 'long-poll', 'poll'])) {
	test(`two people chat over ${transport} and TLS`, async (t) => {
		const ada = await Person.enter(t, browser, server.url, 'Ada', PROCEED);
		const bob = await Person.enter(t, browser, server.url, 'Bob', PROCEED);
		await ada.choose(transport);
		await ada.say(`from Ada by ${transport}`);
		await bob.sees(`from Ada by ${transport}`);
		await bob.say(`from Bob to ${transport}`);
		await ada.sees(`from Bob to ${transport}`);
		for (const person of [ada, bob]) person.watch.assertQuiet();
	});
}

test('whoever comes by http is led to https, with a WebSocket there', async (t) => {
	const ada = await Person.enter(t, browser, server.url.replace('https', 'http'), 'Ada', PROCEED);
	await ada.isConnected('websocket');
	ada.watch.assertQuiet();
});
