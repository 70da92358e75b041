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
 * @property {true} [cold] it begins before the client connects: counted is from then to the first message
 * @property {number} [lasts] how long, before it is lifted; default 0: as soon as it is done
 * @property {readonly Column[]} works what works while it lasts: there it is not lifted at all
 * @property {number} [noticed] until then the client says so, unless messages flow both ways again; absent: no
 *   promise but the other ones
 * @property {number} [useful] where it `works`: until then messages flow both ways; default `SOON`
 * @property {number} [back] elsewhere: so long after its end they do; default `COMEBACK`
 * @property {number} [again] `auto`: so long until a second client, which knows what worked for the first, has
 *   its first message
 * @property {'20s' | '5s'} [heartbeat] of the server; default 5 s
 * @property {readonly Place[]} [places] where it is tried; default: Chromium and Node
 * @property {readonly Column[]} [columns] what it is tried with; default: all
 */

/** 5 s of silence and twice 1.25 s without an answer, and what two busy cores take. */
const HEARTBEAT = 8;
/** What needs no waiting but for the first backoff. */
export const SOON = 3;
/**
 * An attempt that began too early takes 5 s to be given up, or fails at once and often: then the backoff has
 * grown. After 2 s of that its wait is 8 s at most, if chance was bad 16.
 */
export const COMEBACK = 16;

const ALL = COLUMNS;
/** @type {readonly Column[]} Everything that speaks plain HTTP, or can. */
const WITHOUT_WEBSOCKET = ['auto', 'sse', 'long-poll', 'poll'];
const EVERYWHERE = PLACES;

/** @type {readonly Fault[]} */
export const FAULTS = [
	{ name: '50 to 100 ms of latency, each way', set: { latency_ms: 50, jitter_ms: 50 }, works: ALL },
	{ name: '16 KiB/s, each way', set: { bandwidth: 16_384 }, works: ALL },

	...blackHole('both', EVERYWHERE),
	...blackHole('up'),
	...blackHole('down'),
	{
		name: 'black hole both ways, while nobody says anything',
		set: { black_hole: 'both' },
		deed: 'silence',
		lasts: 9,
		works: [],
		noticed: HEARTBEAT,
		places: EVERYWHERE,
	},
	{
		name: 'black hole both ways, over before it is noticed',
		set: { black_hole: 'both' },
		lasts: 2,
		works: [],
		noticed: HEARTBEAT,
	},

	{ name: 'connections reset', cut: 'reset', works: ALL, noticed: SOON, places: EVERYWHERE },
	{ name: 'connections closed', cut: 'close', works: ALL, noticed: SOON },
	{ name: 'connections closed towards the client alone', cut: 'half', works: ALL, noticed: SOON },
	{ name: 'connections refused', set: { refuse: true }, cut: 'reset', lasts: 2, works: [], noticed: SOON },
	{ name: 'idle connections reset after 2 s', set: { idle_cut_ms: 2000 }, deed: 'silence', lasts: 7, works: [] },
	{ name: 'two connections at a time', set: { connections_max: 2 }, cut: 'close', cold: true, works: ALL },

	{ name: 'answers held until they end, or 1 KiB is there', set: { buffer_bytes: 1024 }, works: ALL },
	{
		name: 'answers held until they end, or 64 KiB are there',
		set: { buffer_bytes: 65_536 },
		lasts: 9,
		works: ['auto', 'long-poll', 'poll'],
		noticed: HEARTBEAT,
		// Silence ends the WebSocket, then it takes 3 s to see that a stream is held as well.
		useful: HEARTBEAT + 5,
	},
	{ name: 'answers held for 1 s', set: { buffer_ms: 1000 }, works: ALL },
	{
		name: 'chunked answers held until they end',
		set: { hold_chunked: true },
		cold: true,
		lasts: 6,
		works: ['auto', 'websocket', 'long-poll', 'poll'],
	},
	{
		name: 'chunked answers held, WebSocket answered 403',
		set: { hold_chunked: true, upgrade: 403 },
		cold: true,
		lasts: 6,
		works: ['auto', 'long-poll', 'poll'],
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
		lasts: 2,
		works: WITHOUT_WEBSOCKET,
		noticed: SOON,
	},
	{
		name: 'WebSocket cut, then opens, and nothing comes',
		set: { upgrade: 'mute' },
		cut: 'reset',
		lasts: 2,
		works: WITHOUT_WEBSOCKET,
		noticed: SOON,
		useful: 5,
	},
	{
		name: "a hotel's page in place of every answer",
		set: { captive: true },
		cut: 'reset',
		lasts: 2,
		works: [],
		noticed: SOON,
	},

	{ name: 'server killed and started again', deed: 'kill', works: [], noticed: SOON, places: EVERYWHERE },
	{ name: 'server told to end, and started again', deed: 'drain', works: [], noticed: SOON },
	{ name: 'browser offline', deed: 'offline', lasts: 2, works: [], places: ['chromium'] },
	{ name: 'page frozen', deed: 'freeze', lasts: 12, works: [], places: ['chromium'] },

	{
		name: 'black hole both ways, while nobody says anything, heartbeat 20 s',
		heartbeat: '20s',
		set: { black_hole: 'both' },
		deed: 'silence',
		lasts: 36,
		works: [],
		noticed: 35,
		back: 30,
		columns: ['auto'],
	},
];

/**
 * Bytes vanish and nothing says so: only a heartbeat notices, or that something asked is not answered.
 * @param {'up' | 'down' | 'both'} way
 * @param {readonly Place[]} [places]
 * @returns {Fault[]}
 */
function blackHole(way, places) {
	const ways = { up: 'towards the server', down: 'towards the client', both: 'both ways' };
	const name = `black hole ${ways[way]}`;
	return [{ name, set: { black_hole: way }, lasts: 9, works: [], noticed: HEARTBEAT, places }];
}

/**
 * A proxy that does not know WebSocket.
 * @param {NonNullable<Faults['upgrade']>} how
 * @param {string} name
 * @param {readonly Place[]} [places]
 * @returns {Fault[]}
 */
function upgrade(how, name, places) {
	return [{ name, set: { upgrade: how }, cold: true, lasts: 2, works: WITHOUT_WEBSOCKET, again: 0.3, places }];
}
