/**
 * The table of all that a network does to us, and what each client promises then.
 *
 * Times are in seconds, with the heartbeat at 5 s, and are the product's promises: nothing else here is
 * held to a clock.
 *
 * @import { Faults } from '../lib/middlebox.mjs'
 * @import { TransportName } from '../../client/src/client.js'
 */

/** @typedef {'node' | 'chromium' | 'firefox'} Place */

/** @type {readonly Place[]} */
export const PLACES = ['chromium', 'firefox', 'node'];

/**
 * What is tried: a transport, and what it travels on.
 * @typedef {object} Way
 * @property {TransportName | 'auto'} transport
 * @property {true} [isTls] over https, where browsers speak HTTP/2: the page, requests and WebSockets share one connection
 * @property {true} [isUdp] datagrams pass as well; elsewhere they are refused
 * @property {TransportName} [climbs] what is waited for before a fault begins
 * @property {readonly Place[]} [places] where there is such a thing; default: everywhere
 */

/** @type {readonly Place[]} */
const BROWSERS = ['chromium', 'firefox'];

/** @satisfies {Record<string, Way>} */
const TRIED = /** @type {const} */ ({
	auto: { transport: 'auto' },
	websocket: { transport: 'websocket' },
	sse: { transport: 'sse' },
	'long-poll': { transport: 'long-poll' },
	poll: { transport: 'poll' },
	'websocket over HTTP/2': { transport: 'websocket', isTls: true, places: BROWSERS },
	webtransport: { transport: 'webtransport', isUdp: true, climbs: 'webtransport', places: BROWSERS },
	'auto over HTTP/2 and UDP': { transport: 'auto', isTls: true, isUdp: true, climbs: 'webtransport', places: BROWSERS },
});

/** @typedef {keyof typeof TRIED} Column */

/** @type {Record<Column, Way>} */
export const WAYS = TRIED;

/** @type {readonly Column[]} */
export const COLUMNS = /** @type {Column[]} */ (Object.keys(TRIED));

/** What a proxy can read, over HTTP/1.1 and TCP alone. @type {readonly Column[]} */
export const PLAIN = ['auto', 'websocket', 'sse', 'long-poll', 'poll'];

/**
 * What is done besides telling the middlebox something: `kill` and `drain` end the server, and it is started
 * again when the fault ends; `offline` and `freeze` are done to the page; `silence` lets nobody publish.
 * @typedef {'kill' | 'drain' | 'offline' | 'freeze' | 'silence'} Deed
 */

/**
 * @typedef {object} Fault
 * @property {string} name its row
 * @property {Faults} [set] what the middlebox is told when it begins
 * @property {Faults} [udp] what the one for datagrams is told
 * @property {'reset' | 'close' | 'half'} [cut] after that: how open connections end
 * @property {true} [rebind] datagrams reach the server from another port from then on
 * @property {Deed} [deed]
 * @property {true} [cold] it begins before the client connects: counted is from then to the first message
 * @property {TransportName} [remembered] what the client believes that has worked before
 * @property {number} [lasts] how long, before it is lifted; default 0: as soon as it is done
 * @property {readonly Column[]} works what works while it lasts: there it is not lifted at all
 * @property {number} [noticed] until then the client says so, unless messages flow both ways again; absent: no
 *   promise but the other ones
 * @property {readonly Column[]} [deaf] whom nothing tells of it: they notice it by their heartbeat
 * @property {number} [stays] where it `works`: so long messages flow with it, at the least
 * @property {true} [survives] the client goes on with the connection that it had
 * @property {number} [useful] where it `works`: until then messages flow both ways; default `SOON`
 * @property {number} [back] elsewhere: so long after its end they do; default `COMEBACK`
 * @property {true} [strands] it leaves connections that are dead without a word, which over HTTP/2 are the browser's to
 *   give up: `STRANDED` longer
 * @property {number} [again] `auto`: so long until a second client, which knows what worked for the first, has
 *   its first message
 * @property {'20s' | '5s'} [heartbeat] of the server; default 5 s
 * @property {readonly Place[]} [places] where it is tried; default: Chromium and Node
 * @property {readonly Column[]} [columns] what it is tried with; default: `PLAIN`
 */

/** 5 s of silence and twice 1.25 s without an answer, and what two busy cores take. */
export const HEARTBEAT = 8;
/** What needs no waiting but for the first backoff. */
export const SOON = 3;
/**
 * An attempt that began too early takes 5 s to be given up, or fails at once and often: then the backoff has
 * grown. After 2 s of that its wait is 8 s at most, if chance was bad 16.
 */
export const COMEBACK = 16;
/**
 * Over HTTP/2 whatever a page tries goes by the connection that is there, and only the browser asks whether that is alive:
 * Chromium after 10 s of silence, and waits 10 s; Firefox after 58 s, and waits 8. By then the backoff may wait 30 s.
 * @type {Record<Place, number>}
 */
export const STRANDED = { chromium: 20, firefox: 82, node: 0 };

const ALL = COLUMNS;
/** @type {readonly Column[]} What travels by TCP alone. */
const OVER_TCP = [...PLAIN, 'websocket over HTTP/2'];
/** @type {readonly Column[]} */
const OVER_UDP = ['webtransport', 'auto over HTTP/2 and UDP'];
/** @type {readonly Column[]} Everything that speaks plain HTTP, or can. */
const WITHOUT_WEBSOCKET = ['auto', 'sse', 'long-poll', 'poll'];
const EVERYWHERE = PLACES;

/** @type {readonly Fault[]} */
export const FAULTS = [
	{ name: '50 to 100 ms of latency, each way', ...everywhere({ latency_ms: 50, jitter_ms: 50 }), works: ALL, columns: [...PLAIN, 'webtransport'] },
	{ name: '16 KiB/s, each way', set: { bandwidth: 16_384 }, works: ALL },

	...blackHole('both', ALL, EVERYWHERE),
	...blackHole('up', [...PLAIN, 'webtransport']),
	...blackHole('down', [...PLAIN, 'webtransport']),
	{
		name: 'black hole both ways, while nobody says anything',
		...everywhere({ black_hole: 'both' }),
		deed: 'silence',
		lasts: 9,
		works: [],
		strands: true,
		noticed: HEARTBEAT,
		places: EVERYWHERE,
		columns: ALL,
	},
	{
		name: 'black hole both ways, over before it is noticed',
		...everywhere({ black_hole: 'both' }),
		lasts: 2,
		works: [],
		strands: true,
		noticed: HEARTBEAT,
		columns: ALL,
	},

	...packetsLost(1, ['webtransport']),
	...packetsLost(5, OVER_UDP, EVERYWHERE),
	...packetsLost(20, ['webtransport']),
	{
		name: 'UDP: packets out of order, 20 to 60 ms of latency',
		udp: { latency_ms: 20, jitter_ms: 40 },
		stays: 5,
		survives: true,
		works: OVER_UDP,
		columns: ['webtransport'],
	},
	{
		name: 'UDP: another port towards the server',
		rebind: true,
		stays: 5,
		survives: true,
		works: OVER_UDP,
		places: EVERYWHERE,
		columns: OVER_UDP,
	},
	{
		name: 'UDP: black hole',
		udp: { black_hole: 'both' },
		lasts: 9,
		works: ['auto over HTTP/2 and UDP'],
		noticed: HEARTBEAT,
		useful: HEARTBEAT,
		places: EVERYWHERE,
		columns: OVER_UDP,
	},
	{
		name: 'UDP: black hole from the start',
		udp: { black_hole: 'both' },
		cold: true,
		lasts: 2,
		works: ['auto over HTTP/2 and UDP'],
		useful: 1,
		places: EVERYWHERE,
		columns: OVER_UDP,
	},
	{
		name: 'UDP: black hole from the start, where WebTransport had worked',
		udp: { black_hole: 'both' },
		cold: true,
		remembered: 'webtransport',
		works: ['auto over HTTP/2 and UDP'],
		useful: 1,
		places: EVERYWHERE,
		columns: ['auto over HTTP/2 and UDP'],
	},

	{ name: 'connections reset', cut: 'reset', works: ALL, noticed: SOON, places: EVERYWHERE, columns: OVER_TCP },
	{ name: 'connections closed', cut: 'close', works: ALL, noticed: SOON },
	{ name: 'connections closed towards the client alone', cut: 'half', works: ALL, noticed: SOON },
	{ name: 'connections refused', set: { refuse: true }, cut: 'reset', lasts: 2, works: [], noticed: SOON, columns: OVER_TCP },
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

	{
		name: 'server killed and started again',
		deed: 'kill',
		works: [],
		noticed: SOON,
		deaf: OVER_UDP,
		places: EVERYWHERE,
		columns: ALL,
	},
	{ name: 'server told to end, and started again', deed: 'drain', works: [], noticed: SOON, columns: [...OVER_TCP, 'webtransport'] },
	{
		name: 'browser offline',
		deed: 'offline',
		lasts: 2,
		works: [],
		places: ['chromium'],
		columns: [...PLAIN, 'webtransport'],
	},
	{
		name: 'page frozen',
		deed: 'freeze',
		lasts: 12,
		works: [],
		places: ['chromium'],
		columns: [...PLAIN, 'webtransport'],
	},

	{
		name: 'black hole both ways, while nobody says anything, heartbeat 20 s',
		heartbeat: '20s',
		...everywhere({ black_hole: 'both' }),
		deed: 'silence',
		lasts: 36,
		works: [],
		noticed: 35,
		back: 30,
		columns: ['auto', 'auto over HTTP/2 and UDP'],
	},
];

/**
 * What befalls connections and datagrams alike.
 * @param {Faults} set
 */
function everywhere(set) {
	return { set, udp: set };
}

/**
 * Datagrams vanish here and there, each way.
 * @param {number} percent
 * @param {readonly Column[]} columns
 * @param {readonly Place[]} [places]
 * @returns {Fault[]}
 */
function packetsLost(percent, columns, places) {
	const name = `UDP: ${percent} % of packets lost, each way`;
	return [{ name, udp: { loss: percent / 100 }, stays: 10, survives: true, works: OVER_UDP, places, columns }];
}

/**
 * Bytes vanish and nothing says so: only a heartbeat notices, or that something asked is not answered.
 * @param {'up' | 'down' | 'both'} way
 * @param {readonly Column[]} columns
 * @param {readonly Place[]} [places]
 * @returns {Fault[]}
 */
function blackHole(way, columns, places) {
	const ways = { up: 'towards the server', down: 'towards the client', both: 'both ways' };
	const name = `black hole ${ways[way]}`;
	const set = everywhere({ black_hole: way });
	return [{ name, ...set, lasts: 9, works: [], strands: true, noticed: HEARTBEAT, places, columns }];
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
