/** The rules of the lab. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { en } from '../src/i18n/en.js';
import { zhCN } from '../src/i18n/zh-CN.js';
import { BREAKS, networkOf } from '../src/model/breaks.js';
import { Clock } from '../src/model/clock.js';
import { Ledger } from '../src/model/ledger.js';
import { Ring } from '../src/model/ring.js';
import { isHeartbeat } from '../src/model/tally.js';

test('each message counts once, and what is still to come is known', () => {
	const ledger = new Ledger();
	assert.equal(ledger.behind(9), 0, 'nothing is missed before the first');
	for (const n of [5, 6, 9, 9, 8]) ledger.deliver(n, n, 0);
	assert.deepEqual([ledger.received, ledger.doubled, ledger.disordered], [4, 1, 1]);
	assert.equal(ledger.behind(9), 1);
	ledger.deliver(7, 7, 0);
	assert.equal(ledger.behind(9), 0);
	assert.equal(ledger.behind(10), 1);
});

test('quantiles are of the latest messages alone', () => {
	const ledger = new Ledger();
	assert.equal(ledger.quantile(0.5), undefined);
	for (let n = 0; n < 1200; n++) ledger.deliver(n, n < 600 ? 1e6 : n - 599, n);
	assert.equal(ledger.recent.length, 600);
	assert.deepEqual([ledger.quantile(0), ledger.quantile(0.5), ledger.quantile(1)], [1, 301, 600]);
});

test('the least delay is the nearest to the truth', () => {
	const clock = new Clock();
	clock.hear(100, 1150);
	clock.hear(200, 1203);
	clock.hear(300, 1400);
	assert.equal(clock.ours(300), 1303);
});

test('breaks add up, and without any the network is as it should be', () => {
	assert.deepEqual(networkOf(new Set()), {});
	assert.deepEqual(networkOf(new Set(['delay', 'udp'])), { latency_ms: 100, udp: 'block' });
	assert.equal(Object.keys(networkOf(new Set(BREAKS))).length, BREAKS.length);
});

test('a ring keeps the newest', () => {
	const ring = new Ring(2);
	for (const item of [1, 2, 3]) ring.push(item);
	assert.deepEqual(ring.items, [2, 3]);
});

test('a heartbeat is a ping, a pong, or a comment', () => {
	const frame = (/** @type {number} */ opcode) => /** @type {any} */ ({ kind: 'frame', frame: { opcode } });
	assert.ok(isHeartbeat(frame(9), '') && isHeartbeat(frame(10), ''));
	assert.ok(isHeartbeat(frame(1), '{"type":"ping","req":1}'));
	assert.ok(!isHeartbeat(frame(1), '{"type":"message"}'));
	assert.ok(isHeartbeat(/** @type {any} */ ({ kind: 'comment' }), ''));
});

test('both languages have the same words', () => {
	assert.deepEqual(Object.keys(zhCN).sort(), Object.keys(en).sort());
	for (const [key, text] of Object.entries(en)) {
		const holes = (/** @type {string} */ words) => (words.match(/\{\w+\}/g) ?? []).sort();
		assert.deepEqual(holes(zhCN[/** @type {keyof typeof en} */ (key)]), holes(text), key);
	}
});
