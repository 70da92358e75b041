import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Choice } from '../src/transport/choose.js';

const ORDER = ['websocket', 'sse', 'long-poll'];
/** Waits are neither shortened nor stretched. */
const EVEN = () => 0.5;

/** Everything that is to be tried now. */
function tried(choice, now) {
	const names = [];
	for (let name; (name = choice.poll(now)); ) names.push(name);
	return names;
}

function started(first) {
	const choice = new Choice(ORDER, EVEN, first);
	choice.handleStart(0);
	return choice;
}

test('the best begins, and the next beside it when it is slow', () => {
	const choice = started();
	assert.deepEqual(tried(choice, 0), ['websocket']);
	assert.equal(choice.pollTimeout(), 2000);
	assert.deepEqual(tried(choice, 1999), []);
	assert.deepEqual(tried(choice, 2000), ['sse']);
	assert.deepEqual(tried(choice, 4000), ['long-poll']);
	assert.equal(choice.pollTimeout(), Infinity);
});

test('the next begins at once where one has failed', () => {
	const choice = started();
	tried(choice, 0);
	choice.handleFailed('websocket', 30);
	assert.deepEqual(tried(choice, 30), ['sse']);
});

test('what worked last begins', () => {
	const choice = started('long-poll');
	assert.deepEqual(tried(choice, 0), ['long-poll']);
	choice.handleFailed('long-poll', 1);
	assert.deepEqual(tried(choice, 1), ['websocket']);
	assert.deepEqual(tried(started('pigeon'), 0), ['websocket']);
});

test('when all have failed a pause is due, and then all begin again', () => {
	const choice = started();
	for (const name of ORDER) {
		assert.equal(choice.isExhausted, false);
		assert.deepEqual(tried(choice, 0), [name]);
		choice.handleFailed(name, 0);
	}
	assert.equal(choice.isExhausted, true);
	choice.handleStart(500);
	assert.deepEqual(tried(choice, 500), ['websocket']);
});

test('a better one that was slow takes over, a worse one is not wanted', () => {
	const choice = started();
	tried(choice, 0);
	tried(choice, 2000);
	assert.equal(choice.handleProven('sse', 2100), true);
	assert.equal(choice.handleProven('websocket', 2500), true);
	assert.equal(choice.wants('sse'), false);
	assert.equal(choice.handleProven('sse', 2600), false);
	assert.equal(choice.pollTimeout(), Infinity, 'nothing is better');
});

test('while something lesser is used, the better ones are tried ever more rarely', () => {
	const choice = started();
	tried(choice, 0);
	choice.handleFailed('websocket', 0);
	tried(choice, 0);
	choice.handleProven('sse', 0);
	const pauses = [];
	for (let now = 0, count = 0; count < 9; count++) {
		pauses.push(choice.pollTimeout() - now);
		now = choice.pollTimeout();
		assert.deepEqual(tried(choice, now), ['websocket']);
		choice.handleFailed('websocket', now);
	}
	assert.deepEqual(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300].map((seconds) => seconds * 1000));
});

test('two better ones are tried in one round, one after the other', () => {
	const choice = started('long-poll');
	tried(choice, 0);
	choice.handleProven('long-poll', 0);
	assert.deepEqual(tried(choice, 5000), ['websocket']);
	choice.handleFailed('websocket', 5100);
	assert.deepEqual(tried(choice, 5100), ['sse']);
	assert.equal(choice.handleProven('sse', 5200), true);
	assert.equal(choice.pollTimeout(), 5200 + 5000);
});

test('what dies in silence soon after it was used is avoided, each time for longer', () => {
	const choice = started();
	let now = 0;
	for (const minutes of [2, 4, 8]) {
		assert.deepEqual(tried(choice, now), ['websocket']);
		choice.handleProven('websocket', now);
		choice.handleLost((now += 30_000), 'silent');
		choice.handleStart(now);
		assert.deepEqual(tried(choice, now), ['sse']);
		choice.handleProven('sse', now);
		assert.equal(choice.pollTimeout(), now + minutes * 60_000);
		now = choice.pollTimeout();
	}
});

test('what has carried for a minute is not to blame', () => {
	const choice = started();
	tried(choice, 0);
	choice.handleProven('websocket', 0);
	choice.handleLost(60_000, 'silent');
	choice.handleStart(60_000);
	assert.deepEqual(tried(choice, 60_000), ['websocket']);
});

test('what is ended soon is tried twice more before it is avoided, and a server that asks is none to blame', () => {
	const choice = started();
	for (const how of ['asked', 'asked', 'asked', 'ended', 'ended', 'ended']) {
		assert.deepEqual(tried(choice, 0), ['websocket'], how);
		choice.handleProven('websocket', 0);
		choice.handleLost(1000, how);
		choice.handleStart(0);
	}
	assert.deepEqual(tried(choice, 0), ['sse']);
});

test('where nothing works at all, none is avoided for it', () => {
	const choice = started();
	tried(choice, 0);
	choice.handleProven('websocket', 0);
	choice.handleLost(30_000, 'silent');
	choice.handleStart(30_000);
	for (const name of ['sse', 'long-poll', 'websocket']) {
		assert.deepEqual(tried(choice, 30_000), [name]);
		choice.handleFailed(name, 30_000);
	}
	choice.handleStart(31_000);
	assert.deepEqual(tried(choice, 31_000), ['websocket']);
});

test('a wish is tried at once, beside what is used', () => {
	const choice = started();
	tried(choice, 0);
	choice.handleProven('websocket', 0);
	choice.handleWish(['poll'], 100);
	assert.deepEqual(tried(choice, 100), ['poll']);
	choice.handleFailed('poll', 200);
	assert.equal(choice.pollTimeout(), 200 + 10_000, 'and again, though something is used');
	assert.deepEqual(tried(choice, 10_200), ['poll']);
	assert.equal(choice.handleProven('poll', 10_300), true);
	choice.handleWish(['poll'], 10_400);
	assert.deepEqual(tried(choice, 1e9), []);
});

test('clients do not try upward at the same time', () => {
	const [early, late] = [0, 0.99].map((dice) => {
		const choice = new Choice(ORDER, () => dice, 'sse');
		choice.handleStart(0);
		tried(choice, 0);
		choice.handleProven('sse', 0);
		return choice.pollTimeout();
	});
	assert.ok(early === 2500 && late > 7000);
});

const CAREFUL = ['webtransport', ...ORDER];

function carefully(first) {
	const choice = new Choice(CAREFUL, EVEN, first, ['webtransport']);
	choice.handleStart(0);
	return choice;
}

test('a careful one begins nothing, and is tried upward when another one carries', () => {
	const choice = carefully();
	assert.deepEqual(tried(choice, 0), ['websocket']);
	choice.handleProven('websocket', 100);
	assert.equal(choice.pollTimeout(), 100 + 5000);
	assert.deepEqual(tried(choice, 5100), ['webtransport']);
	assert.equal(choice.handleProven('webtransport', 5200), true);
	assert.equal(choice.pollTimeout(), Infinity, 'nothing is better');
});

test('a careful one that has carried begins, and another begins beside it soon', () => {
	const choice = carefully('webtransport');
	assert.deepEqual(tried(choice, 0), ['webtransport']);
	assert.deepEqual(tried(choice, 249), []);
	assert.deepEqual(tried(choice, 250), ['websocket']);
	assert.equal(choice.pollTimeout(), 2250, 'the next one waits as ever');
	assert.equal(choice.handleProven('websocket', 300), true);
	assert.equal(choice.handleProven('webtransport', 400), true, 'it is still welcome');
});

test('a careful one that died in silence does not begin', () => {
	const choice = carefully('webtransport');
	tried(choice, 0);
	choice.handleProven('webtransport', 50);
	choice.handleLost(10_000, 'silent');
	choice.handleStart(10_000);
	assert.deepEqual(tried(choice, 10_000), ['websocket']);
	choice.handleProven('websocket', 10_100);
	assert.equal(choice.pollTimeout(), 10_000 + 2 * 60_000);
});

test('a careful one comes last where all others fail', () => {
	const choice = carefully();
	for (const name of [...ORDER, 'webtransport']) {
		assert.deepEqual(tried(choice, 0), [name]);
		choice.handleFailed(name, 0);
	}
	assert.equal(choice.isExhausted, true);
});

test('what the server does not have is tried no more, unless it is all there is', () => {
	const choice = carefully();
	tried(choice, 0);
	choice.handleProven('websocket', 0);
	assert.deepEqual(tried(choice, 5000), ['webtransport']);
	choice.handleFailed('webtransport', 5010, true);
	assert.equal(choice.pollTimeout(), Infinity);
	const alone = new Choice(['webtransport'], EVEN, undefined, ['webtransport']);
	for (const now of [0, 1000]) {
		alone.handleStart(now);
		assert.deepEqual(tried(alone, now), ['webtransport']);
		alone.handleFailed('webtransport', now, true);
		assert.equal(alone.isExhausted, true);
	}
});
