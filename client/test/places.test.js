/** How far the channels of one stream were read, and what a stream's beginning says of that. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { begin, start } from '../src/transport/places.js';

/** Channels `a`, `b`, … at their cursors. */
const places = (...cursors) => cursors.map((after, at) => ({ channel: 'abc'[at], req: at, after }));
/** What a stream's beginning says, in short. */
const told = (frames) => frames.map(({ channel, cursor, truncated }) => [channel, cursor, truncated]);

test('a place beyond the end of the log is lost, and the others are not', () => {
	const of = places('e-4', 'e-9', 'e-10');
	assert.equal(start(of), 'e-4');
	assert.deepEqual(told(begin(of, 'e-4', 9)), [
		['a', 'e-4', false],
		['b', 'e-9', false],
		['c', 'e-9', true],
	]);
	assert.deepEqual(told(begin(of, 'e-4', 9)), [], 'said once');
});

test('a server that does not say where its log ends is believed', () => {
	assert.deepEqual(told(begin(places('e-4', 'e-9'), 'e-4')), [
		['a', 'e-4', false],
		['b', 'e-9', false],
	]);
});

test('a log that ends before the lowest place has lost them all, also if it does not say so', () => {
	for (const newest of [3, undefined]) {
		assert.deepEqual(told(begin(places('e-4', 'e-9'), 'e-3', newest)), [
			['a', 'e-3', true],
			['b', 'e-3', true],
		]);
	}
});

test('where another channel is of another log the stream begins now, which may be before a place', () => {
	assert.deepEqual(told(begin(places('old-1', 'e-4', 'e-9'), 'e-6', 6)), [
		['a', 'e-6', false],
		['b', 'e-6', false],
		['c', 'e-6', true],
	]);
});
