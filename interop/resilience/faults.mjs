/**
 * The table of all that a network does to us, and what each client promises then.
 *
 * Times are in seconds, with the heartbeat at 5 s, and are the product's promises: nothing else here is
 * held to a clock.
 *
 * @import { Faults } from '../lib/middlebox.mjs'
 * @import { TransportName } from '../../client/src/client.js'
 */

/** @typedef {TransportName | 'auto'} Column */

/** @type {readonly Column[]} */
export const COLUMNS = ['auto', 'websocket', 'sse', 'long-poll', 'poll'];

/** @typedef {'node' | 'chromium' | 'firefox'} Place */

/** @type {readonly Place[]} */
export const PLACES = ['chromium', 'firefox', 'node'];

/**
 * What is done besides telling the middlebox something: `kill` and `drain` end the server, and it is started
 * again when the fault ends; `offline` and `freeze` are done to the page; `silence` lets nobody publish.
 * @typedef {'kill' | 'drain' | 'offline' | 'freeze' | 'silence'} Deed
 */

/**
 * @typedef {object} Fault
 * @property {string} name its row
 * @property {Faults} [set] what the middlebox is told when it begins
 * @property {'reset' | 'close' | 'half'} [cut] after that: how open connections end
 * @property {Deed} [deed]
 * @property {true} [cold] it holds before the client connects: counted is from then to the first message
 * @property {number} [lasts] how long, before it is lifted; default 0: as soon as it is done
 * @property {readonly Column[]} works what works while it lasts: there it is not lifted at all
 * @property {number} [noticed] until then the client says so, unless messages flow again already; absent: no
 *   promise but the other one
 * @property {number} useful until then messages flow again in both directions: from its begin where it
 *   `works`, else from its end
 * @property {number} [again] `auto`: the same for a second client, which finds out what worked for the first
 * @property {'20s' | '5s'} [heartbeat] of the server; default 5 s
 * @property {readonly Place[]} [places] where it is tried; default: Chromium and Node
 * @property {readonly Column[]} [columns] what it is tried with; default: all
 */

const ALL = COLUMNS;
/** @type {readonly Column[]} Everything that speaks plain HTTP, or can. */
const WITHOUT_WEBSOCKET = ['auto', 'sse', 'long-poll', 'poll'];
const EVERYWHERE = PLACES;

/** 5 s of silence and twice 1.25 s without an answer, and what two busy cores take. */
const HEARTBEAT = 8;
/** An attempt that began too early to succeed takes 5 s to be given up, then comes the backoff. */
const COMEBACK = 10;
/** What needs no waiting but for the first backoff. */
const SOON = 3;

/** @type {readonly Fault[]} */
export const FAULTS = [
	{ name: '150 to 250 ms of latency, each way', set: { latency_ms: 150, jitter_ms: 100 }, works: ALL, useful: SOON },
	{ name: '16 KiB/s, each way', set: { bandwidth: 16_384 }, works: ALL, useful: SOON },

	...blackHole('both', EVERYWHERE),
	...blackHole('up'),
	...blackHole('down'),
	{
		name: 'black hole both ways, over before it is noticed',
		set: { black_hole: 'both' },
		lasts: 2,
		works: [],
		noticed: HEARTBEAT,
		useful: COMEBACK,
	},

	{ name: 'connections reset', cut: 'reset', works: ALL, noticed: SOON, useful: SOON, places: EVERYWHERE },
	{ name: 'connections closed', cut: 'close', works: ALL, noticed: SOON, useful: SOON },
	{ name: 'connections closed towards the client alone', cut: 'half', works: ALL, noticed: SOON, useful: SOON },
	{
		name: 'connections refused',
		set: { refuse: true },
		cut: 'reset',
		lasts: 4,
		works: [],
		noticed: SOON,
		useful: COMEBACK,
	},
	{
		name: 'idle connections reset after 2 s',
		set: { idle_cut_ms: 2000 },
		deed: 'silence',
		lasts: 7,
		works: [],
		useful: SOON,
	},
	{ name: 'two connections at a time', set: { connections_max: 2 }, cold: true, works: ALL, useful: SOON },

	{ name: 'answers held until 1 KiB is there', set: { buffer_bytes: 1024 }, lasts: 9, works: [], useful: COMEBACK },
	{ name: 'answers held until 64 KiB are there', set: { buffer_bytes: 65_536 }, lasts: 9, works: [], noticed: HEARTBEAT, useful: COMEBACK },
	{ name: 'answers held for 1 s', set: { buffer_ms: 1000 }, works: ALL, useful: SOON },
	{
		name: 'chunked answers held until they end',
		set: { hold_chunked: true },
		cold: true,
		lasts: 6,
		works: ['auto', 'websocket', 'long-poll', 'poll'],
		useful: SOON,
	},
	{
		name: 'chunked answers held, WebSocket answered 403',
		set: { hold_chunked: true, upgrade: 403 },
		cold: true,
		lasts: 6,
		works: ['auto', 'long-poll', 'poll'],
		useful: COMEBACK,
		again: 0.3,
	},

	...upgrade('strip', 'Upgrade stripped'),
	...upgrade(400, 'WebSocket answered 400'),
	...upgrade(403, 'WebSocket answered 403', EVERYWHERE),
	...upgrade(502, 'WebSocket answered 502'),
	...upgrade('mute', 'WebSocket opens, and nothing comes'),
	{
		name: 'WebSocket cut, and answered 403 from then on',
		set: { upgrade: 403 },
		cut: 'reset',
		lasts: 4,
		works: WITHOUT_WEBSOCKET,
		noticed: SOON,
		useful: SOON,
	},
	{
		name: 'WebSocket cut, then opens, and nothing comes',
		set: { upgrade: 'mute' },
		cut: 'reset',
		lasts: 4,
		works: WITHOUT_WEBSOCKET,
		noticed: SOON,
		useful: 5,
	},
	{
		name: "a hotel's page in place of every answer",
		set: { captive: true },
		cut: 'reset',
		lasts: 4,
		works: [],
		noticed: SOON,
		useful: COMEBACK,
	},

	{ name: 'server killed and started again', deed: 'kill', works: [], noticed: SOON, useful: COMEBACK, places: EVERYWHERE },
	{ name: 'server told to end, and started again', deed: 'drain', works: [], noticed: SOON, useful: COMEBACK },
	{ name: 'browser offline', deed: 'offline', lasts: 4, works: [], useful: COMEBACK, places: ['chromium'] },
	{ name: 'page frozen', deed: 'freeze', lasts: 12, works: [], useful: COMEBACK, places: ['chromium'] },

	{
		name: 'black hole both ways, heartbeat 20 s',
		heartbeat: '20s',
		set: { black_hole: 'both' },
		lasts: 36,
		works: [],
		noticed: 35,
		useful: 30,
		columns: ['auto'],
	},
];

/**
 * Bytes vanish and nothing says so: the one fault that only a heartbeat notices.
 * @param {'up' | 'down' | 'both'} way
 * @param {readonly Place[]} [places]
 * @returns {Fault[]}
 */
function blackHole(way, places) {
	const ways = { up: 'towards the server', down: 'towards the client', both: 'both ways' };
	const name = `black hole ${ways[way]}`;
	return [{ name, set: { black_hole: way }, lasts: 9, works: [], noticed: HEARTBEAT, useful: COMEBACK, places }];
}

/**
 * A proxy that does not know WebSocket.
 * @param {NonNullable<Faults['upgrade']>} how
 * @param {string} name
 * @param {readonly Place[]} [places]
 * @returns {Fault[]}
 */
function upgrade(how, name, places) {
	return [{ name, set: { upgrade: how }, cold: true, lasts: 4, works: WITHOUT_WEBSOCKET, useful: 3, again: 0.3, places }];
}
