/** The page in the READMEs works as pasted, on a server of its own. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, test } from 'node:test';
import { Api } from '../lib/api.mjs';
import { launch, openPage } from '../lib/browser.mjs';
import { examples, READMES } from '../lib/readme.mjs';
import { Server } from '../lib/server.mjs';

/** @import { AddressInfo } from 'node:net' */
/** @import { Scope } from '../lib/child.mjs' */

const browser = await launch({ after });

for (const readme of READMES) {
	test(`the page of ${readme} hears and speaks from an origin that is let in`, async (t) => {
		const site = await serve(t);
		const server = await Server.start(t, { args: ['--allow-origin', site.origin] });
		await new Api(server.url, 'eve').publish('chat:lobby', { text: 'was here before' });
		const [html] = examples(readme, 'html', server.url);
		site.html = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">${html}`;
		const { page, watch } = await openPage(t, browser);
		await page.goto(site.origin);
		await page.locator('#messages li').nth(1).waitFor();
		const [earlier, own] = await page.locator('#messages li').allTextContents();
		assert.equal(earlier, 'eve: was here before');
		assert.match(String(own), /^alice: ./);
		watch.assertQuiet();
	});
}

test('an origin that is not let in cannot read', async (t) => {
	const site = await serve(t);
	const server = await Server.start(t);
	const { page } = await openPage(t, browser);
	await page.goto(site.origin);
	const outcome = await page.evaluate(
		(url) => fetch(url).then(() => 'read', () => 'refused'),
		`${server.url}/v1/channels/chat:lobby/messages`,
	);
	assert.equal(outcome, 'refused');
});

/**
 * Somebody's own site, with one page.
 * @param {Scope} scope
 */
async function serve(scope) {
	const site = { html: '<!doctype html><link rel="icon" href="data:,">', origin: '' };
	const server = createServer((_, response) => {
		response.setHeader('content-type', 'text/html; charset=utf-8').end(site.html);
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	scope.after(() => {
		server.closeAllConnections();
		server.close();
	});
	site.origin = `http://127.0.0.1:${/** @type {AddressInfo} */ (server.address()).port}`;
	return site;
}
