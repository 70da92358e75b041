/**
 * Polling, short and long: a long poll's answer waits for something to say.
 *
 * @import { Rhythm } from '../heartbeat.js'
 * @import { Reader } from './http.js'
 * @import { Transport } from './link.js'
 */
import { http, json } from './http.js';

/** Most events of one answer. */
const LIMIT = 100;

/** @type {(long: boolean) => Reader} */
const reader = (long) => async ({ environment, path, isProbe, after, get, frame, begin, advance }) => {
	const { pollEvery, session, setTimeout } = environment;
	let { wait } = environment;
	/** @type {Rhythm | undefined} */
	let heartbeat;
	// The first is answered at once, to know that the way is open.
	for (let held = 0; ; ) {
		const parameters = `&after=${after()}&limit=${LIMIT}&session=${session}`;
		const answer = await get(path + parameters + (held ? `&wait=${held}` : ''), json, { isHeld: held > 0 });
		heartbeat ??= /** @type {Rhythm} */ (answer.heartbeat);
		// An answer that waits is a sign of life when it comes, so it waits no longer than for one.
		wait = Math.min(wait, Math.max(1, Math.floor(heartbeat.interval / 1000)));
		const interval = long ? wait * 1000 : pollEvery;
		const { cursor, newest, epochs } = answer;
		begin(cursor, { type: 'hello', newest, epochs, heartbeat: { ...heartbeat, interval } });
		// It is asked again when the heartbeat wants to know.
		if (isProbe) return new Promise(() => {});
		for (const event of answer.events) frame(event);
		advance(cursor);
		if (answer.more) held = 0;
		else if (long) held = wait;
		else await new Promise((resolve) => setTimeout(() => resolve(0), pollEvery));
	}
};

/** @type {Transport} */
export const poll = (environment, ear) => http(environment, ear, reader(false));

/** @type {Transport} */
export const longPoll = (environment, ear) => http(environment, ear, reader(true));
