import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GROUP_GAP_MS, GROUP_MESSAGES_MAX, rowsOf } from '../src/model/rows.js';

const NOON = new Date(2026, 10, 22, 12).getTime();
/** @param {number} seq @param {string} from @param {number} at */
const entry = (seq, from, at) => ({ key: `k${seq}`, seq, id: `id${seq}`, from, at, text: '', delivery: /** @type {const} */ ('sent') });
/** @param {Parameters<typeof rowsOf>} how */
const shape = (...how) => rowsOf(...how).map((row) => (row.kind === 'group' ? `${row.from}:${row.entries.map(({ seq }) => seq)}` : row.kind));
const reader = { me: 'ada', newAfter: 0 };

test('one author writing in one go is one group', () => {
	const entries = [entry(1, 'mira', NOON), entry(2, 'mira', NOON + 1000), entry(3, 'theo', NOON + 2000), entry(4, 'mira', NOON + 3000)];
	assert.deepEqual(shape(entries, reader), ['day', 'mira:1,2', 'theo:3', 'mira:4']);
});

test('a silence parts a group, at the bound not yet', () => {
	const at = (/** @type {number} */ gap) => [entry(1, 'mira', NOON), entry(2, 'mira', NOON + gap)];
	assert.deepEqual(shape(at(GROUP_GAP_MS), reader), ['day', 'mira:1,2']);
	assert.deepEqual(shape(at(GROUP_GAP_MS + 1), reader), ['day', 'mira:1', 'mira:2']);
});

test('a group has a bound', () => {
	const go = (/** @type {number} */ n) => rowsOf(Array.from({ length: n }, (_, i) => entry(i + 1, 'mira', NOON + i)), reader).length - 1;
	assert.deepEqual([go(GROUP_MESSAGES_MAX), go(GROUP_MESSAGES_MAX + 1)], [1, 2]);
});

test('midnight parts days and groups', () => {
	const midnight = new Date(2026, 10, 23).getTime();
	assert.deepEqual(shape([entry(1, 'mira', midnight - 1), entry(2, 'mira', midnight)], reader), ['day', 'mira:1', 'day', 'mira:2']);
});

test('the line stands above the first new message of somebody else', () => {
	const entries = [entry(1, 'mira', NOON), entry(2, 'ada', NOON), entry(3, 'mira', NOON), entry(4, 'mira', NOON)];
	assert.deepEqual(shape(entries, { me: 'ada', newAfter: 1 }), ['day', 'mira:1', 'ada:2', 'new', 'mira:3,4']);
});

test('no line where nothing is new, or nothing old is there', () => {
	const entries = [entry(3, 'mira', NOON), entry(4, 'mira', NOON)];
	assert.deepEqual(shape(entries, { me: 'ada', newAfter: 4 }), ['day', 'mira:3,4']);
	assert.deepEqual(shape(entries, { me: 'ada', newAfter: 1 }), ['day', 'mira:3,4']);
});

test('what is not stored yet is never behind the line', () => {
	const entries = [entry(3, 'mira', NOON), { ...entry(0, 'ada', NOON), key: 'mine' }];
	assert.deepEqual(shape(entries, { me: 'ada', newAfter: 3 }), ['day', 'mira:3', 'ada:0']);
});
