/** The session says and tells what docs/vectors have; the hub's own test reads the same. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

import { Backoff } from '../src/backoff.js';
import { Session } from '../src/session.js';

const FOLDER = new URL('../../docs/vectors/', import.meta.url);
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));

/** As it is in JSON; of an error, its code. */
const plain = (value) => JSON.parse(JSON.stringify(value ?? null, (_, inner) => (inner instanceof Error ? { code: inner.code } : inner)));

for (const file of FILES) {
	const { about, steps } = JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8'));
	test(`${file}: ${about}`, () => {
		const session = new Session(new Backoff(() => 0.5));
		session.handleLink(64);
		let now = 0;
		for (const { client, by, server, app, tells, passes = 0 } of steps) {
			now += passes;
			if (app) session[app[0]](...app.slice(1));
			if (client && !by) assert.deepEqual(plain(session.pollCommand(now)), client);
			if (server) session.handleFrame(server, now);
			if (tells) assert.deepEqual(plain(session.pollOutput()), tells);
		}
		assert.equal(session.pollCommand(now), undefined);
		assert.equal(session.pollOutput(), undefined);
	});
}
