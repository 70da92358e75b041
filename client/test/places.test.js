/** How far the channels of one stream were read, and what a stream's beginning says of that. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { advance, begin, part, start } from '../src/transport/places.js';

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

test('a channel whose log is another one by now begins where the others are', () => {
	const of = places('old-1', 'e-4', 'e-9');
	assert.equal(start(of), 'old-1.e-4');
	assert.deepEqual(told(begin(of, 'e-4', 6)), [
		['a', 'e-4', false],
		['b', 'e-4', false],
		['c', 'e-6', true],
	]);
});

test('channels of several logs are read from the lowest place in each', () => {
	const epochs = { a: 'e', b: 'f', c: 'e' };
	const of = places('e-4', 'f-70', 'e-9');
	assert.equal(start(of), 'e-4.f-70');
	assert.deepEqual(told(begin(of, 'e-4.f-70', 'e-9.f-71', epochs)), [
		['a', 'e-4', false],
		['b', 'f-70', false],
		['c', 'e-9', false],
	]);
	advance(of, 'e-6.f-72');
	assert.deepEqual(
		of.map(({ after }) => after),
		['e-6', 'f-72', 'e-9'],
	);
	assert.equal(start(of), 'e-6.f-72');
	assert.deepEqual(told(begin(of, 'e-6.f-72', 'e-9.f-72', epochs)), [], 'said once');
});

test('of several logs the one that has lost its end is cut, and a new one begins now', () => {
	const of = places('e-4', 'f-70', 'e-9');
	assert.deepEqual(told(begin(of, 'e-4.g-3', 'e-8.g-3', { a: 'e', b: 'g', c: 'e' })), [
		['a', 'e-4', false],
		['b', 'g-3', false],
		['c', 'e-8', true],
	]);
	const others = places('e-4', 'f-70');
	assert.deepEqual(told(begin(others, 'e-4.f-60', 'e-8.f-60', { a: 'e', b: 'f' })), [
		['a', 'e-4', false],
		['b', 'f-60', true],
	]);
});

test("a channel's part of a cursor is that of its log", () => {
	assert.deepEqual(part('e-4', 'a'), { epoch: 'e', seq: 4 });
	assert.deepEqual(part('e-4.f-7', 'a', { a: 'f', b: 'e' }), { epoch: 'f', seq: 7 });
	assert.throws(() => part('4', 'a'), TypeError);
});
