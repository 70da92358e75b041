/**
 * The browser client's session against the hub's own, in thousands of seeded worlds without sockets and clocks.
 *
 * Every client that follows a channel gets each of its messages once, in order, and none is missing where
 * nothing was said; every publish is answered once and stored once; nothing hangs.
 *
 * `TIDINGS_SEED=N` plays one world alone, `TIDINGS_SEEDS=N` so many.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HubOnAPipe } from './hub.mjs';
import { World } from './world.mjs';

/** Worlds that are played, by default: as many as take some 20 s on two busy cores. */
const SEEDS = 1000;
/** Worlds that are played at a time, so that neither side waits for the other. */
const AT_A_TIME = 3;

test('session.js and the hub agree, whatever the links do', async (test) => {
	const { TIDINGS_SEED, TIDINGS_SEEDS } = process.env;
	if (TIDINGS_SEED) return new World(Number(TIDINGS_SEED), new HubOnAPipe(test)).play();
	const count = Number(TIDINGS_SEEDS ?? SEEDS);
	let next = 0;
	const play = async () => {
		const hub = new HubOnAPipe(test);
		while (next < count) {
			const seed = next++;
			try {
				await new World(seed, hub).play();
			} catch (error) {
				next = count;
				assert.fail(`seed ${seed} went wrong; play it again with TIDINGS_SEED=${seed}\n${error}`);
			}
		}
	};
	await Promise.all(Array.from({ length: AT_A_TIME }, play));
});
