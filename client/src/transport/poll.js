/**
 * Polling, short and long: a long poll's answer waits for something to say.
 *
 * @import { Reader } from './http.js'
 * @import { Transport } from './link.js'
 */
import { http } from './http.js';

/** Most events of one answer. */
const LIMIT = 100;
/** A poll is given up when its answer is so many `timeout`s late. */
const TRIES = 2;

/** @type {(long: boolean) => Reader} */
const reader = (long) => async ({ environment, path, after, get, frame, begin, advance }) => {
	const { wait, pollEvery, timeout, session, setTimeout } = environment;
	const heartbeat = { interval: wait * 1000 + pollEvery, timeout, tries: TRIES };
	// The first is answered at once, to know that the way is open.
	for (let held = 0; ; ) {
		const parameters = `&after=${after()}&limit=${LIMIT}&session=${session}`;
		const response = await get(path + parameters + (held ? `&wait=${held}` : ''));
		const { cursor, events, more } = await response.json();
		begin(cursor, { type: 'hello', heartbeat });
		for (const event of events) frame(event);
		advance(cursor);
		if (!more) {
			if (long) held = wait;
			else await new Promise((resolve) => setTimeout(() => resolve(0), pollEvery));
		}
	}
};

/** @type {Transport} */
export const poll = (environment, ear) => http(environment, ear, reader(false));

/** @type {Transport} */
export const longPoll = (environment, ear) => http(environment, ear, reader(true));
