/** The checker can fail: each fault is found, and nothing else. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ledger } from './ledger.mjs';

/** @import { Counts, Line, Stored } from './ledger.mjs' */

const LOG = [
	{ seq: 3, id: 'a' },
	{ seq: 5, id: 'b' },
	{ seq: 6, id: 'c' },
];

/** @type {Line[]} */
const GOOD = [
	['follow', 1, 7, 2],
	['follow', 2, 7, 5],
	['ack', 7, 3, 'a', 100],
	['ack', 7, 5, 'b', 350],
	['ack', 7, 6, 'c', 250],
	['got', 1, 7, 3, 'a'],
	['got', 1, 7, 5, 'b'],
	['got', 1, 7, 6, 'c'],
	['got', 2, 7, 6, 'c'],
];

/**
 * @param {Line[]} lines
 * @param {Stored[]} log
 */
function judge(lines, log) {
	const ledger = new Ledger();
	for (const line of lines) ledger.take(line);
	ledger.check(7, log);
	return ledger;
}

test('what is right is found good', () => {
	const ledger = judge(GOOD, LOG);
	assert.deepEqual(ledger.faults, []);
	assert.ok(ledger.isGood);
	assert.equal(ledger.checked, 4);
	assert.equal(ledger.gapMs, 150);
	assert.equal(ledger.lacking(7, 6), 0);
	assert.equal(ledger.lacking(7, 8), 2);
});

/** @type {[keyof Counts, string, (lines: Line[]) => Line[], Stored[]?][]} */
const FAULTS = [
	['lost', 'a message never came', (lines) => lines.filter((_, at) => at !== 6)],
	['lost', 'the last one never came', (lines) => lines.slice(0, -1)],
	['doubled', 'a message came twice', (lines) => [...lines, ['got', 1, 7, 5, 'b']]],
	['disordered', 'a message came late', (lines) => [...lines.filter((_, at) => at !== 5), ['got', 1, 7, 3, 'a']]],
	['foreign', 'two were told of the same place', (lines) => [...lines.slice(0, -1), ['got', 2, 7, 6, 'x']]],
	['unstored', 'an acknowledged one is not in the log', (lines) => lines, LOG.slice(0, 2)],
	['restored', 'one is in the log twice', (lines) => lines, [...LOG, { seq: 9, id: 'a' }]],
	['other', 'a publisher was never told', (lines) => lines.filter(([type, , seq]) => type !== 'ack' || seq !== 5)],
	['other', 'a client said that something is wrong', (lines) => [...lines, ['fault', 'it was closed']]],
];

for (const [kind, name, spoil, log = LOG] of FAULTS) {
	test(`it is found that ${name}`, () => {
		const ledger = judge(spoil(GOOD), log);
		assert.ok(ledger.counts[kind] > 0, ledger.faults.join('\n'));
		assert.ok(!ledger.isGood);
	});
}
