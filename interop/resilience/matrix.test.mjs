/**
 * Every fault, with every transport, in Chromium, Firefox and Node: who notices, who comes back, and that
 * nothing is lost, doubled or out of order meanwhile.
 *
 * `TIDINGS_MATRIX` names a file for what was found; `write.mjs` makes the table of it.
 */

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { cpus, release, type } from 'node:os';
import { after, describe, test } from 'node:test';
import { Server } from '../lib/server.mjs';
import { runCell } from './cell.mjs';
import { FAULTS, PLACES, PLAIN, WAYS } from './faults.mjs';
import { QUARTERS } from './homes.mjs';

/** @import { CpuInfo } from 'node:os' */
/** @import { TestContext } from 'node:test' */
/** @import { Result } from './cell.mjs' */
/** @import { Scope } from '../lib/child.mjs' */
/** @import { Column, Fault, Place } from './faults.mjs' */
/** @import { Quarter } from './homes.mjs' */
/** @import { Findings } from './table.mjs' */

/**
 * How many cells of a place run side by side: a cell mostly waits, but a page needs more of a processor than
 * a client in Node. More of them would be measuring the machine.
 * @type {Record<Place, number>}
 */
const SIDE_BY_SIDE = { chromium: 9, firefox: 4, node: 10 };

/** Faults are tried here unless they say otherwise. @type {readonly Place[]} */
const USUAL = ['chromium', 'node'];

/** @type {Result[]} */
const results = [];

/**
 * Those that lost nothing and were late: the machine does not belong to them alone.
 * @type {(Pick<Parameters<typeof runCell>[1], 'fault' | 'column' | 'place'>)[]}
 */
const late = [];

/** What serves all cells, and ends with them. @type {(() => void | Promise<void>)[]} */
const ends = [];
const file = { after: (/** @type {() => void | Promise<void>} */ end) => void ends.push(end) };

/** @type {Map<Place, Promise<Quarter>>} */
const quarters = new Map();

/** @type {Map<string, Promise<Server>>} by what they are started with */
const servers = new Map();

describe('the fault matrix', { concurrency: PLACES.length }, () => {
	for (const place of PLACES) {
		describe(place, { concurrency: SIDE_BY_SIDE[place] }, () => {
			for (const fault of longestFirst(FAULTS)) {
				if (!(fault.places ?? USUAL).includes(place)) continue;
				for (const column of fault.columns ?? PLAIN) {
					if (!(WAYS[column].places ?? PLACES).includes(place)) continue;
					test(`${place}: ${fault.name}: ${column}`, async (t) => {
						const result = await run(t, { fault, column, place });
						const isLate = result.late.length > 0 && result.late.length === result.broken.length;
						if (isLate) return void late.push({ fault, column, place });
						results.push(result);
						assert.deepEqual(result.broken, [], result.story.join('\n'));
					});
				}
			}
		});
	}
});

test('what was late is in time when it is tried again, alone', async (t) => {
	for (const cell of late) {
		const { fault, column, place } = cell;
		await t.test(`${place}: ${fault.name}: ${column}`, async (t) => {
			const result = await run(t, cell);
			results.push({ ...result, isRepeat: true });
			assert.deepEqual(result.broken, [], result.story.join('\n'));
		});
	}
});

after(async () => {
	const { TIDINGS_MATRIX } = process.env;
	if (TIDINGS_MATRIX) await writeFile(TIDINGS_MATRIX, JSON.stringify(await findings(), null, '\t'));
	for (const end of ends.reverse()) await end();
});

/**
 * @param {TestContext} test
 * @param {typeof late[0]} cell
 */
async function run(test, { fault, column, place }) {
	const [server, { open }] = await Promise.all([serverFor(fault, column, test), quarter(place)]);
	return runCell(test, { fault, column, place, open, server });
}

/** @returns {Promise<Findings>} */
async function findings() {
	/** @type {Findings['versions']} */
	const versions = {};
	for (const [place, made] of quarters) versions[place] = (await made).version;
	const minute = new Date().toISOString().slice(0, 16).replace('T', ' ');
	const [{ model }] = /** @type {[CpuInfo]} */ (cpus());
	const made = `Measured ${minute} UTC on ${cpus().length} cores of ${model}, ${type()} ${release()}.`;
	return { made, versions, results };
}

/**
 * Opened when the first cell wants it.
 * @param {Place} place
 */
function quarter(place) {
	const made = quarters.get(place) ?? QUARTERS[place](file);
	quarters.set(place, made);
	return made;
}

/**
 * One server for all, but for those who end it.
 * @param {Fault} fault
 * @param {Column} column
 * @param {Scope} test
 */
function serverFor({ deed, heartbeat = '5s' }, column, test) {
	const { isTls = false } = WAYS[column];
	const start = (/** @type {Scope} */ scope) => Server.start(scope, { args: ['--heartbeat', heartbeat], isTls });
	if (deed === 'kill' || deed === 'drain') return start(test);
	const key = `${heartbeat} ${isTls}`;
	const server = servers.get(key) ?? start(file);
	servers.set(key, server);
	return server;
}

/**
 * What takes longest begins first, so that nobody waits for it at the end.
 * @param {readonly Fault[]} faults
 */
function longestFirst(faults) {
	return faults.toSorted((one, other) => (other.lasts ?? 0) - (one.lasts ?? 0));
}
