/** The report says what was measured. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plot, summarize, table } from './report.mjs';

/** @import { Run } from './report.mjs' */

const HUNDRED = Array.from({ length: 100 }, (_, index) => ({ n: index + 1, ms: 100 - index }));

/** @type {Run} */
const RUN = {
	kind: 'messages',
	loss: 0.05,
	made: 100,
	packets: { passed: 950, lost: 50 },
	heard: { websocket: HUNDRED, webtransport: HUNDRED.filter(({ ms }) => ms <= 50) },
};

test('percentiles are of what came, and what did not come is counted', () => {
	assert.deepEqual(summarize(HUNDRED, 100), { p50: 50, p90: 90, p99: 99, max: 100, missing: 0 });
	assert.deepEqual(summarize(HUNDRED.slice(0, 1), 3), { p50: 100, p90: 100, p99: 100, max: 100, missing: 2 });
	assert.equal(summarize([...HUNDRED, ...HUNDRED], 101).missing, 1, 'twice is once');
});

test('a row for each transport', () => {
	const text = table('today', [RUN]);
	assert.match(text, /^\| 5 % \(5 %\) \| WebSocket \| 50 ms \| 90 ms \| 99 ms \| 100 ms \| 0 of 100 \|$/m);
	assert.match(text, /^\| 5 % \(5 %\) \| WebTransport \| 25 ms \| 45 ms \| 50 ms \| 50 ms \| 50 of 100 \|$/m);
	assert.match(table('today', [{ ...RUN, kind: 'signals' }]), /\| WebTransport, datagrams \|/);
});

test('the slowest fits into the picture, and is as long as it is slow', () => {
	const svg = plot('title', [RUN]);
	assert.match(svg, /M416\.8 78H590\.0/, 'from 50 to 99 of 99');
	assert.match(svg, /class="bar ours" x="240" y="98" width="88\.4"/, '25 of 99');
});
