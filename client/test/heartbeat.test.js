import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Heartbeat } from '../src/heartbeat.js';

const RHYTHM = { interval: 20_000, timeout: 5_000, tries: 2 };

test('silence is asked after, twice, and given up 30 s after the last sign of life', () => {
	const heartbeat = new Heartbeat(RHYTHM, 0);
	assert.equal(heartbeat.handleTick(19_999), 'wait');
	assert.equal(heartbeat.handleTick(20_000), 'ping');
	assert.equal(heartbeat.due, 25_000);
	assert.equal(heartbeat.handleTick(24_999), 'wait');
	assert.equal(heartbeat.handleTick(25_000), 'ping');
	assert.equal(heartbeat.handleTick(30_000), 'dead');
});

test('a sign of life begins everything anew', () => {
	const heartbeat = new Heartbeat(RHYTHM, 0);
	heartbeat.handleTick(20_000);
	heartbeat.handleTick(25_000);
	heartbeat.handleHeard(29_999);
	assert.equal(heartbeat.handleTick(30_000), 'wait');
	assert.equal(heartbeat.due, 49_999);
	assert.equal(heartbeat.handleTick(49_999), 'ping');
});

test('a tick that comes late is no miss, and the next that comes in time is', () => {
	const heartbeat = new Heartbeat(RHYTHM, 0);
	heartbeat.handleTick(20_000);
	heartbeat.handleTick(25_000);
	assert.equal(heartbeat.handleTick(3_600_000), 'ping', 'after an hour of sleep');
	assert.equal(heartbeat.handleTick(3_605_000), 'dead');
});

test('a throttled page, whose every tick is late, notices all the same', () => {
	const heartbeat = new Heartbeat(RHYTHM, 0);
	const ticks = [60_000, 120_000, 180_000, 240_000].map((now) => heartbeat.handleTick(now));
	assert.deepEqual(ticks, ['ping', 'ping', 'ping', 'dead']);
});

test('doubt asks at once', () => {
	const heartbeat = new Heartbeat(RHYTHM, 0);
	heartbeat.handleDoubt(1_000);
	assert.equal(heartbeat.handleTick(1_000), 'ping');
	assert.equal(heartbeat.due, 6_000);
});
