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

test('what is asked and not answered is doubt, whatever else comes', () => {
	const heartbeat = new Heartbeat(RHYTHM, 0);
	heartbeat.handleAsked(1, 0, 1_000);
	const ticks = [5_999, 6_000, 11_000, 16_000].map((now) => {
		heartbeat.handleHeard(now);
		return heartbeat.handleTick(now);
	});
	assert.deepEqual(ticks, ['wait', 'ping', 'ping', 'dead']);
});

test('a pong shows that the way there is open, and an answer ends the doubt', () => {
	const heartbeat = new Heartbeat(RHYTHM, 0);
	heartbeat.handleAsked(1, 0, 1_000);
	assert.equal(heartbeat.handleTick(6_000), 'ping');
	heartbeat.handleHeard(6_100, 0);
	assert.equal(heartbeat.due, 11_100, 'it is still not answered');
	heartbeat.handleHeard(7_000, 1);
	assert.equal(heartbeat.due, 27_000);
	heartbeat.handleHeard(8_000);
	assert.equal(heartbeat.due, 28_000);
});

test('each of many that are asked has its time, and a large one longer', () => {
	const heartbeat = new Heartbeat(RHYTHM, 0);
	heartbeat.handleAsked(1, 0, 1_000);
	heartbeat.handleAsked(2, 7_000, 2_000);
	assert.equal(heartbeat.due, 6_000);
	heartbeat.handleHeard(3_000, 1);
	assert.equal(heartbeat.due, 15_000);
});
