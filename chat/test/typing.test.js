import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDue, LASTS_MS, REPEAT_MS, TYPISTS_MAX, withoutExpired, withSign } from '../src/model/typing.js';

test('a sign of typing expires by itself', () => {
	const typists = withSign(new Map(), 'mira', true, 1000);
	assert.equal(withoutExpired(typists, 1000 + LASTS_MS - 1), typists);
	assert.equal(withoutExpired(typists, 1000 + LASTS_MS).size, 0);
});

test('a repeated sign lasts longer, the end of typing ends it', () => {
	const typists = withSign(withSign(new Map(), 'mira', true, 0), 'mira', true, REPEAT_MS);
	assert.equal(withoutExpired(typists, LASTS_MS).size, 1);
	assert.equal(withSign(typists, 'mira', false, 1).size, 0);
	assert.equal(withSign(typists, 'theo', false, 1), typists);
});

test('one lost signal is not seen', () => {
	assert.ok(LASTS_MS > 2 * REPEAT_MS);
});

test('a crowd is remembered up to its bound', () => {
	/** @type {import('../src/model/typing.js').Typists} */
	let typists = new Map();
	for (let i = 0; i < 2 * TYPISTS_MAX; i++) typists = withSign(typists, `user${i}`, true, 0);
	assert.equal(typists.size, TYPISTS_MAX);
});

test('others are told at once, then only now and again', () => {
	assert.equal(isDue(0, 5), true);
	assert.equal(isDue(1000, 1000 + REPEAT_MS - 1), false);
	assert.equal(isDue(1000, 1000 + REPEAT_MS), true);
});
