/** The tally has to see what is wrong, or the matrix proves nothing. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sum, tally } from './tally.mjs';

test('what came once and in order is right', () => {
	assert.deepEqual(tally([1, 2, 3], 3), { checked: 3, lost: 0, doubled: 0, disordered: 0 });
});

test('what is missing is lost, wherever it is missing', () => {
	assert.equal(tally([2, 3], 3).lost, 1);
	assert.equal(tally([1, 3], 3).lost, 1);
	assert.equal(tally([1, 2], 3).lost, 1);
	assert.equal(tally([], 3).lost, 3);
});

test('what comes again is doubled, at once or later, and hides no loss', () => {
	assert.deepEqual(tally([1, 1, 2], 3), { checked: 3, lost: 1, doubled: 1, disordered: 0 });
	assert.deepEqual(tally([1, 2, 3, 1], 3), { checked: 3, lost: 0, doubled: 1, disordered: 0 });
});

test('what comes after a later one is out of order', () => {
	assert.deepEqual(tally([1, 3, 2, 4], 4), { checked: 4, lost: 0, doubled: 0, disordered: 1 });
});

test('tallies add up', () => {
	const one = { checked: 3, lost: 1, doubled: 2, disordered: 4 };
	assert.deepEqual(sum([one, one]), { checked: 6, lost: 2, doubled: 4, disordered: 8 });
});
