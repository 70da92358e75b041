/** An `EventSource` that knows nothing of us resumes by itself. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventSource } from 'eventsource';
import { Api } from '../lib/api.mjs';
import { Ledger } from '../lib/ledger.mjs';
import { Server } from '../lib/server.mjs';
import { soon, until } from '../lib/until.mjs';

test('after the server was killed and started again nothing is lost and nothing doubled', async (t) => {
	const server = await Server.start(t);
	const api = new Api(server.url);
	const channel = 'eventsource:restart';
	const ledger = new Ledger('EventSource');
	const source = new EventSource(`${server.url}/v1/events?channel=${channel}`);
	t.after(() => source.close());
	source.addEventListener('message', ({ data }) => ledger.add(JSON.parse(data)));
	await soon('hello', new Promise((resolve) => source.addEventListener('hello', resolve, { once: true })));

	let n = 0;
	for (let restart = 0; restart < 3; restart++) {
		await api.publish(channel, { n: ++n });
		await until('the message', () => ledger.newest === n);
		await api.publish(channel, { n: ++n });
		await server.kill();
		await server.start();
		await api.publish(channel, { n: ++n });
	}
	await until('the rest', () => ledger.newest === n, { seen: () => ledger.newest });
	ledger.assertComplete(n);
	assert.equal(n, 9);
});
