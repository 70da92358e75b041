/** What `tidings compare` counts is what somebody else counts on the wire. */

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Child } from '../lib/child.mjs';
import { ENV, TIDINGS } from '../lib/server.mjs';
import { soon } from '../lib/until.mjs';
import { Capture, mayCapture } from './capture.mjs';

/** Two counts of the same may differ by so much: what was under way at an end. */
const TOLERANCE = 0.02;
/** A comparison of all ways; most of it is a heartbeat's interval. */
const WITHIN_MS = 180_000;

const may = await mayCapture();

test('the bytes and connections that compare tells are those on the wire, and the ways stand in their order', { skip: !may && 'tshark may not capture here' }, async (t) => {
	const folder = await mkdtemp(join(tmpdir(), 'tidings-capture-'));
	t.after(() => rm(folder, { recursive: true }));
	const capture = await Capture.begin(t, join(folder, 'lo.pcapng'));
	const compare = new Child(TIDINGS, ['compare', '--quick', '--clients', '20', '--json'], { env: ENV });
	t.after(() => compare.end());
	const code = await soon('the comparison', compare.exited, WITHIN_MS);
	assert.equal(code, 0, compare.stderr);
	const { dropped, ports } = await capture.end();
	assert.equal(dropped, 0, 'packets that the capture has missed');

	/** @type {{ cells: Cell[] }} */
	const { cells } = JSON.parse(compare.stdout);
	assert.equal(cells.length, 12);
	assertOrder(cells);
	for (const { way, total } of cells) {
		const seen = ports(total.port);
		const told = {
			up: total.up_bytes + total.publisher_up_bytes,
			down: total.down_bytes + total.publisher_down_bytes,
		};
		near(`${way}: bytes up`, told.up, seen.up);
		near(`${way}: bytes down`, told.down, seen.down);
		const isUdp = way.startsWith('webtransport');
		const connections = total.publisher_connections + (isUdp ? 0 : total.connections);
		near(`${way}: connections`, connections, seen.connections);
		t.diagnostic(
			`${way}: ${told.up} and ${told.down} bytes told, ${seen.up} and ${seen.down} seen in ${seen.packets} packets; ` +
				`${connections} and ${seen.connections} connections`,
		);
	}
});

/**
 * @typedef {object} Cell
 * @property {string} way
 * @property {{ up_bytes: number, down_bytes: number, latency_us: { p50: number } }[]} streams
 * @property {Record<string, number>} total
 */

/**
 * Whatever the machine, the ways stand in this order: docs/comparison.md says so.
 * @param {Cell[]} cells
 */
function assertOrder(cells) {
	const stream = (/** @type {string} */ way) => {
		const [steady] = cells.find((cell) => cell.way === way)?.streams ?? [];
		assert.ok(steady, way);
		return steady;
	};
	const bytes = ['websocket', 'sse', 'poll-5s', 'poll-1s', 'long-poll'].map((way) => stream(way).up_bytes + stream(way).down_bytes);
	assert.deepEqual(bytes.toSorted((a, b) => a - b), bytes, 'bytes for a message');
	for (const pushed of ['websocket', 'sse', 'long-poll', 'websocket-h2', 'webtransport']) {
		assert.ok(stream(pushed).latency_us.p50 * 2 < stream('poll-1s').latency_us.p50, `${pushed} before a poll every second`);
	}
	assert.ok(stream('poll-1s').latency_us.p50 * 2 < stream('poll-5s').latency_us.p50);
}

/**
 * @param {string} what
 * @param {number} told
 * @param {number} seen
 */
function near(what, told, seen) {
	assert.ok(Math.abs(told - seen) <= TOLERANCE * seen, `${what}: ${told} told, ${seen} seen`);
}
