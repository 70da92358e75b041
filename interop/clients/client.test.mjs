/** Our client's own scenarios, which it runs on a server in memory, run on the real one. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { run } from '../lib/child.mjs';
import { ENV, Server } from '../lib/server.mjs';

const CLIENT = fileURLToPath(new URL('../../client/', import.meta.url));

/** Dozens of scenarios, some of which wait for a poller's place to be given up. */
const WITHIN_MS = 480_000;

test('the scenarios of the client hold on the real server', async (t) => {
	const server = await Server.start(t);
	// Else the runner inside would take itself for a file of the one outside.
	const env = { ...ENV, TIDINGS_URL: server.url, NODE_TEST_CONTEXT: undefined };
	const args = ['--experimental-websocket', '--test', '--test-reporter=spec', 'test/scenarios.test.js'];
	const { code, stdout } = await run(process.execPath, args, { cwd: CLIENT, env, within: WITHIN_MS });
	t.diagnostic(`scenarios: ${stdout.match(/^ℹ (pass .*)/m)?.[1]}`);
	assert.equal(code, 0, stdout);
});
