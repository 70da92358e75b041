/** Who follows what, over which transport, behind which middlebox: the same in every process. Pure. */

/** @import { TransportName } from '../../client/src/client.js' */

/** Clients of one process: what one of two cores can serve. */
export const CROWD_MAX = 500;

/** Middleboxes, each with a weather of its own. */
export const MIDDLEBOXES = 16;

/** Rooms that many follow. */
export const HALLS = 4;

/** Followers of each of the other rooms. */
const TABLE_FOLLOWERS = 10;

/** Of the other rooms each client follows so many. */
const TABLES_EACH = 2;

/** Of a hundred messages so many are for rooms that many follow. */
export const TO_HALLS_PERCENT = 5;

/** Shares of a hundred clients. @type {[TransportName | 'auto', number][]} */
const SHARES = [
	['auto', 30],
	['websocket', 25],
	['sse', 20],
	['long-poll', 20],
	['poll', 5],
];

/** @param {number} client */
export function transportOf(client) {
	// Neighbours use different ones: 37 goes through all of a hundred.
	let place = (client * 37) % 100;
	for (const [name, share] of SHARES) {
		if (place < share) return name;
		place -= share;
	}
	return 'auto';
}

/** @param {number} client */
export const middleboxOf = (client) => client % MIDDLEBOXES;

/** The number of the hall of a client. @param {number} client */
export const hallOf = (client) => Math.floor(client / MIDDLEBOXES) % HALLS;

/**
 * The rooms of a client: first its hall.
 * @param {number} client
 * @param {number} clients
 * @returns {number[]}
 */
export function channelsOf(client, clients) {
	const tables = tablesOf(clients);
	const places = Array.from({ length: TABLES_EACH }, (_, place) => HALLS + ((client + place * Math.ceil(tables / TABLES_EACH)) % tables));
	return [hallOf(client), ...new Set(places)];
}

/**
 * How many rooms there are.
 * @param {number} clients
 */
export const channelCount = (clients) => HALLS + tablesOf(clients);

/** @param {number} clients */
const tablesOf = (clients) => Math.max(TABLES_EACH, Math.ceil((clients * TABLES_EACH) / TABLE_FOLLOWERS));

/** @param {number} channel */
export const nameOf = (channel) => (channel < HALLS ? `hall:${channel}` : `table:${channel}`);

/**
 * The id of the message by which it is known who is back after the server was killed.
 * @param {number} kill
 * @param {number} hall
 */
export const beaconId = (kill, hall) => `kill/${kill}/${hall}`;

/**
 * @param {string} id
 * @returns {number | undefined} the number of the kill
 */
export function killOf(id) {
	const [, kill] = /^kill\/(\d+)\//.exec(id) ?? [];
	return kill === undefined ? undefined : Number(kill);
}
