import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as timeline from '../src/model/timeline.js';

const { EMPTY, withMessages, withWritten, withReceipt, withDelivery, withoutWritten, unreadCount } = timeline;

/** @param {number} seq @param {object} [more] */
const message = (seq, more) => ({ seq, prev: seq - 1, id: `id${seq}`, from: 'mira', at: seq * 1000, data: { text: `t${seq}` }, ...more });
const seqs = (/** @type {timeline.Timeline} */ line) => line.stored.map(({ seq }) => seq);

test('messages stand in the order of the log however they come', () => {
	const line = withMessages(withMessages(withMessages(EMPTY, [message(5), message(3)]), [message(9)]), [message(4), message(2)]);
	assert.deepEqual(seqs(line), [2, 3, 4, 5, 9]);
});

test('a message that comes twice is there once', () => {
	const once = withMessages(EMPTY, [message(3), message(3)]);
	assert.deepEqual(seqs(once), [3]);
	assert.equal(withMessages(once, [message(3)]), once, 'nothing new: the same object');
});

test('the first message of a room tells that there is no earlier one', () => {
	assert.equal(withMessages(EMPTY, [message(8, { prev: 5 })]).complete, false);
	assert.equal(withMessages(EMPTY, [message(5, { prev: 0 })]).complete, true);
});

test('what is written is shown at once and keeps its key when it is stored', () => {
	const written = withWritten(withMessages(EMPTY, [message(3)]), { id: 'mine', from: 'ada', at: 1, text: 'hi' });
	assert.deepEqual(written.outbox.map(({ key, delivery }) => [key, delivery]), [['mine', 'sending']]);
	const stored = withReceipt(written, 'mine', { seq: 4, at: 4000 });
	assert.deepEqual(stored.outbox, []);
	assert.deepEqual(stored.stored.at(-1), { key: 'mine', seq: 4, id: 'mine', from: 'ada', at: 4000, text: 'hi', delivery: 'sent' });
});

test('the answer and the event of one message may come in either order', () => {
	const written = withWritten(EMPTY, { id: 'mine', from: 'ada', at: 1, text: 'hi' });
	const event = message(4, { id: 'mine', from: 'ada', data: { text: 'hi' } });
	const answer = { seq: 4, at: 4000 };
	const a = withReceipt(withMessages(written, [event]), 'mine', answer);
	const b = withMessages(withReceipt(written, 'mine', answer), [event]);
	assert.deepEqual(a, { ...b, complete: a.complete });
	assert.equal(a.stored.length, 1);
	assert.equal(a.stored[0]?.key, 'mine');
});

test('an answer that overtakes a message of somebody else leaves the order of the log', () => {
	const written = withWritten(EMPTY, { id: 'mine', from: 'ada', at: 1, text: 'hi' });
	const line = withMessages(withReceipt(written, 'mine', { seq: 7, at: 7000 }), [message(6)]);
	assert.deepEqual(seqs(line), [6, 7]);
});

test('somebody else with the same id does not take the place of what is written here', () => {
	const written = withWritten(EMPTY, { id: 'x', from: 'ada', at: 1, text: 'hi' });
	const line = withMessages(written, [message(2, { id: 'x', from: 'mallory' })]);
	assert.equal(line.outbox.length, 1);
	assert.equal(line.stored[0]?.key, 's2');
});

test('what failed says so, and can be tried again or thrown away', () => {
	const written = withWritten(EMPTY, { id: 'mine', from: 'ada', at: 1, text: 'hi' });
	const failed = withDelivery(written, 'mine', 'failed');
	assert.equal(failed.outbox[0]?.delivery, 'failed');
	assert.equal(withDelivery(failed, 'mine', 'sending').outbox[0]?.delivery, 'sending');
	assert.deepEqual(withoutWritten(failed, 'mine').outbox, []);
	assert.equal(withDelivery(failed, 'other', 'sending'), failed);
});

test('unread are the messages of others after what was seen', () => {
	const line = withMessages(EMPTY, [message(1), message(2), message(3, { from: 'ada' }), message(4)]);
	assert.equal(unreadCount(line, 0, 'ada'), 3);
	assert.equal(unreadCount(line, 2, 'ada'), 1);
	assert.equal(unreadCount(line, 4, 'ada'), 0);
});

test('five thousand messages, one by one, are taken in well below a second', () => {
	const begin = performance.now();
	let line = EMPTY;
	for (let page = 0; page < 100; page++) line = withMessages(line, Array.from({ length: 50 }, (_, i) => message(5001 - page * 50 - i)));
	assert.equal(line.stored.length, 5000);
	for (let seq = 6000; seq < 6100; seq++) line = withMessages(line, [message(seq)]);
	assert.equal(line.stored.length, 5100);
	// A bound against quadratic work, ten times what a slow machine needs.
	assert.ok(performance.now() - begin < 5000);
});
