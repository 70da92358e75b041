import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Backoff } from '../src/backoff.js';

test('delays double from half a second and stop growing at half a minute', () => {
	const backoff = new Backoff(() => 1);
	const delays = Array.from({ length: 9 }, () => backoff.next());
	assert.deepEqual(delays, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
	backoff.reset();
	assert.equal(backoff.next(), 500);
});

test('the jitter is full: anything down to no delay', () => {
	assert.equal(new Backoff(() => 0).next(), 0);
});
