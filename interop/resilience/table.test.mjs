/** The table says what was found, and the page in docs/ is about the faults that there are. */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { FAULTS } from './faults.mjs';
import { render } from './table.mjs';

/** @import { Result } from './cell.mjs' */

const [{ name: first }, { name: second }] = /** @type {[typeof FAULTS[0], typeof FAULTS[0]]} */ (FAULTS);

/** @type {Result} */
const FOUND = {
	fault: first,
	column: 'sse',
	place: 'node',
	cold: false,
	lifted: false,
	noticed: 7.46,
	useful: 8.01,
	transport: 'sse',
	tally: { checked: 1234, lost: 0, doubled: 0, disordered: 0 },
	late: [],
	broken: [],
	story: [],
};

/** @param {Partial<Result>[]} found */
const table = (...found) =>
	render({ made: 'today', versions: { node: 'v20' }, results: found.map((one) => ({ ...FOUND, ...one })) });

test('a cell tells when it was noticed, and when messages flowed', () => {
	assert.match(table({}), /^\| .* \|  \|  \| 7\.5 \/ 8\.0 \|  \|  \|$/m);
	assert.match(table({ noticed: undefined }), / – \/ 8\.0 /);
	assert.match(table({ useful: undefined }), / 7\.5 \/ never /);
});

test('a fault that was lifted is counted from its end, and one that was there first from the beginning', () => {
	assert.match(table({ lifted: true }), / 7\.5 \/ \+8\.0 /);
	assert.match(table({ cold: true, again: 0.05 }), /\| 8\.0 \(0\.05\) \|/);
});

test('what `auto` fell back to is named', () => {
	assert.match(table({ column: 'auto' }), / 8\.0 → sse /);
	assert.doesNotMatch(table({ column: 'auto', transport: 'websocket' }), /→/);
});

test('a promise that was not kept is marked, and counted', () => {
	assert.match(table({}), /1 cells: every promise kept/);
	const text = table({}, { fault: second, broken: ['useful after 9 s, not 8'] });
	assert.match(text, /8\.0 ✗ \|/);
	assert.match(text, /2 cells: 1 with a promise not kept/);
});

test('what was tried again is told', () => {
	assert.match(table({ isRepeat: true }, { fault: second }), /2 cells, 1 of them late at first and tried again alone: every promise kept/);
});

test('messages are added up', () => {
	assert.match(table({}, { fault: second }), /2,468 messages: 0 lost, 0 doubled, 0 out of order/);
});

test('the page in docs/ has every fault, and no other', async () => {
	const page = await readFile(new URL('../../docs/resilience.md', import.meta.url), 'utf8');
	const measured = page.slice(page.indexOf('<!-- measured'), page.indexOf('<!-- end of what was measured'));
	const rows = new Set(Array.from(measured.matchAll(/^\| ([^|]+) \|/gm), ([, name]) => name));
	assert.deepEqual(rows, new Set(FAULTS.map(({ name }) => name)), 'cargo xtask matrix --write brings it up to date');
});
