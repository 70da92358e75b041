/** One cell of the matrix: one fault, one transport, in one place. */

import { setTimeout as pause } from 'node:timers/promises';
import { PATIENCE_MS, until } from '../lib/until.mjs';
import { Deeds } from './deeds.mjs';
import { COMEBACK, HEARTBEAT, SOON, STRANDED, WAYS } from './faults.mjs';
import { ANSWER_MS } from './homes.mjs';
import { Observation } from './observation.mjs';
import { Path } from './path.mjs';
import { sum } from './tally.mjs';
import { Witness } from './witness.mjs';

/** @import { Scope } from '../lib/child.mjs' */
/** @import { Server } from '../lib/server.mjs' */
/** @import { Column, Fault, Place } from './faults.mjs' */
/** @import { Quarter } from './homes.mjs' */
/** @import { Tally } from './tally.mjs' */

/** How many messages each way are a flow, and go by between a recovery and the reckoning. */
const FLOW = 5;
/** How much longer than promised is waited, in seconds: so the table can say how late it was. */
const GRACE = 20;
/** How soon a client is useful over a network that is well, in seconds: two busy cores are slow. */
const OPENING = PATIENCE_MS / 1000;
/** What passes between two short polls, in ms; with the client's default the table would show nothing else. */
const POLL_EVERY_MS = 250;

/**
 * What a cell found. Times are in seconds.
 * @typedef {object} Result
 * @property {string} fault
 * @property {Column} column
 * @property {Place} place
 * @property {number} [noticed] after the fault's begin
 * @property {number} [useful] after its begin or, where it was `lifted`, its end
 * @property {boolean} cold whether the fault was there before the client: then `useful` is the time to its first message
 * @property {boolean} lifted
 * @property {number} [again] how long a second client took that knew what had worked for the first
 * @property {string} transport in use at the end
 * @property {Tally} tally both ways
 * @property {string[]} late promises of time that were not kept
 * @property {string[]} broken all promises that were not kept
 * @property {boolean} [isRepeat] whether it is the second attempt: in the first it was late
 * @property {string[]} story what the client said
 */

/**
 * @param {Scope} scope
 * @param {{ fault: Fault, column: Column, place: Place, open: Quarter['open'], server: Server }} cell
 * @returns {Promise<Result>}
 */
export async function runCell(scope, { fault, column, place, open, server }) {
	const { transport: wished, isTls, isUdp, climbs } = WAYS[column];
	const path = await Path.open(scope, server, WAYS[column]);
	const url = `${isTls ? 'https' : 'http'}://127.0.0.1:${path.port}`;
	const home = await open(scope, url);
	const witness = await Witness.begin(scope, server);
	const observation = new Observation(home, witness);
	const deeds = new Deeds(fault, { path, server, home, witness });
	// Who was there before begins where it will be; the climb has tests of its own.
	const { remembered = fault.cold ? undefined : climbs } = fault;
	const connect = (/** @type {Witness} */ { down, after, up }) =>
		home.begin({
			...{ url, down, after, up, remembered },
			options: { transport: wished, token: `guest:${place}`, pollEvery: POLL_EVERY_MS },
		});

	const lifted = !fault.works.includes(column);
	const stranded = fault.strands && isTls && !isUdp ? STRANDED[place] : 0;
	const bound = lifted ? (fault.back ?? COMEBACK) + stranded : (fault.useful ?? SOON);
	/** @type {string[]} */
	const late = [];
	/** Goes on after a wait in vain: what was lost, and how late it is, is to be seen as well. */
	const wait = (/** @type {string} */ what, /** @type {() => unknown} */ condition, within = bound + GRACE) =>
		until(what, condition, { within: within * 1000 }).catch(({ message, cause }) => {
			late.push([message, cause].filter(Boolean).join(': '));
		});

	/** @type {number} */
	let begun;
	/** @type {import('./observation.mjs').Mark} */
	let since;
	if (fault.cold) {
		await deeds.begin();
		await connect(witness);
		since = { ...(await observation.mark()), down: 0, up: 0 };
		begun = since.at = observation.begun;
	} else {
		await connect(witness);
		const isFlow = async () => (await observation.flowed(FLOW)) && [undefined, observation.transport].includes(climbs);
		await until('messages to flow both ways', isFlow, { within: ANSWER_MS, seen: () => observation.story });
		begun = now();
		await deeds.begin();
		since = { ...(await observation.mark()), at: begun };
	}
	if (lifted) {
		await pause((fault.lasts ?? 0) * 1000);
		await deeds.end();
		since = { at: now(), down: 0, up: 0 };
	}
	const isUseful = async () => (await observation.look()) && observation.useful(since);
	await wait('messages to flow again', isUseful);
	const usefulAt = fault.cold && !lifted ? observation.first : observation.useful(since);
	const noticedAt = fault.cold ? undefined : observation.noticed(begun);
	const resumed = now();
	await wait('messages to go on flowing', () => observation.flowed(FLOW, resumed));

	if (!lifted && fault.stays) {
		const rest = begun + fault.stays * 1000 - now();
		await pause(rest);
		const last = now();
		await wait('messages to flow still', () => observation.flowed(FLOW, last));
	}
	const { transport } = observation;
	const isKept = observation.noticed(begun) === undefined;

	// A proxy that waits for more keeps the last messages for as long as it lasts. A second client shall not know
	// what the first has found out since.
	const repeats = fault.again && column === 'auto';
	await Promise.all([home.pause(), witness.pause()]);
	if (!lifted && !repeats) await deeds.end();
	await wait('everything to be there', () => observation.isComplete());
	const { story } = observation;

	let again;
	if (repeats) {
		const second = await Witness.begin(scope, server);
		const seen = new Observation(home, second);
		await connect(second);
		await wait('the first message for a second client', async () => (await seen.look()) && seen.first);
		again = seconds(seen.begun, seen.first);
	}

	const noticed = seconds(begun, noticedAt);
	const useful = seconds(since.at, usefulAt);
	/** @param {string} what @param {number | undefined} took @param {number | undefined} within */
	const hold = (what, took, within = Infinity) => {
		if (within < Infinity && (took ?? Infinity) > within) late.push(`${what} after ${took ?? '∞'} s, not ${within}`);
	};
	const promised = fault.deaf?.includes(column) ? HEARTBEAT : fault.noticed;
	if (!fault.cold) hold('useful before it', seconds(observation.begun, observation.useful({ at: 0, down: 0, up: 0 })), OPENING);
	hold('noticed', seconds(begun, Math.min(noticedAt ?? Infinity, usefulAt ?? Infinity)), promised);
	hold('useful', useful, bound);
	if (repeats) hold('again useful', again, fault.again);
	const [down, up] = observation.tallies();
	const broken = [...late];
	if (fault.survives && !isKept) broken.push('the session did not survive it');
	for (const [way, { lost, doubled, disordered }] of Object.entries({ 'to the client': down, 'from the client': up })) {
		if (lost + doubled + disordered > 0) broken.push(`${way}: ${lost} lost, ${doubled} doubled, ${disordered} out of order`);
	}
	return { fault: fault.name, column, place, cold: !!fault.cold, noticed, useful, lifted, again, transport, tally: sum([down, up]), late, broken, story };
}

const now = () => performance.timeOrigin + performance.now();

/**
 * @param {number} from
 * @param {number | undefined} to
 * @returns {number | undefined} to the hundredth
 */
function seconds(from, to) {
	return to === undefined || to === Infinity ? undefined : Math.round((to - from) / 10) / 100;
}
