/** Some hundred clients in a process of their own: they follow, publish, and tell the checker what they were told. */

import { Tidings } from '../../client/src/client.js';
import { IN_NODE } from '../lib/client.mjs';
import { LineWriter } from './lines.mjs';
import { channelsOf, killOf, middleboxOf, nameOf, TO_HALLS_PERCENT, transportOf } from './plan.mjs';
import { obey } from './process.mjs';

/**
 * @typedef {object} Orders
 * @property {number} first the number of its first client
 * @property {number} count of its clients
 * @property {number} clients of all crowds
 * @property {number} rate messages that it publishes in a second
 * @property {string[]} urls of the middleboxes
 * @property {string} lines where the checker listens
 */

/** How often it publishes, in ms. */
const BEAT_MS = 100;

/** Clients that begin to connect in a beat, so that the start is none of the weather. */
const STARTS = 25;

/** What is not answered yet, at most: in bad weather less is published. */
const UNANSWERED_MAX = 500;

/** What has happened to its clients, by name and how often. @type {Record<string, Record<string, number>>} */
const tallies = { reconnections: {}, transports: {}, errors: {} };
/** @type {Tidings[]} */
const clients = [];
let numbered = 0;
let unanswered = 0;
let subscribed = 0;
/** @type {NodeJS.Timeout | undefined} */
let beat;
/** @type {Orders} */
let orders;
/** @type {LineWriter} */
let lines;

obey({
	/** @param {Orders} given */
	async open(given) {
		orders = given;
		lines = new LineWriter(orders.lines);
		let wanted = 0;
		for (let at = 0; at < orders.count; at++) {
			wanted += join(orders.first + at);
			if (at % STARTS === STARTS - 1) await new Promise((resolve) => setTimeout(resolve, BEAT_MS));
		}
		while (subscribed < wanted) await new Promise((resolve) => setTimeout(resolve, BEAT_MS));
	},
	publish() {
		let due = 0;
		beat = setInterval(() => {
			for (due += (orders.rate * BEAT_MS) / 1000; due >= 1; due--) publish();
		}, BEAT_MS);
	},
	hush: () => clearInterval(beat),
	/** How much is not answered. */
	unanswered: () => unanswered,
	tallies: () => tallies,
});

/**
 * A client, and what it follows.
 * @param {number} client
 * @returns {number} how many channels
 */
function join(client) {
	const url = /** @type {string} */ (orders.urls[middleboxOf(client)]);
	const tidings = new Tidings(url, { ...IN_NODE, pollEvery: 2000, transport: transportOf(client), token: `guest:client-${client}` });
	clients.push(tidings);
	let wasOpen = false;
	tidings.addEventListener('state', ({ readyState, reason }) => {
		if (readyState === Tidings.CONNECTING && wasOpen) count('reconnections', reason);
		wasOpen = readyState === Tidings.OPEN;
	});
	tidings.addEventListener('transport', ({ name, reason }) => {
		if (reason !== 'start') count('transports', `${name}: ${reason}`);
	});
	tidings.addEventListener('error', ({ error }) => count('errors', `${error.code}: ${error.message}`));
	tidings.addEventListener('close', ({ code, reason }) => {
		lines.write(['fault', `client ${client} (${transportOf(client)}) was closed: ${code} ${reason}`]);
	});
	const channels = channelsOf(client, orders.clients);
	for (const channel of channels) follow(tidings, client, channel);
	return channels.length;
}

/**
 * @param {Tidings} tidings
 * @param {number} client
 * @param {number} channel
 */
function follow(tidings, client, channel) {
	const followed = tidings.channel(nameOf(channel));
	followed.addEventListener(
		'subscribed',
		({ cursor }) => {
			subscribed++;
			lines.write(['follow', client, channel, Number(cursor.split('-')[1])]);
		},
		{ once: true },
	);
	followed.addEventListener('message', ({ message: { seq, id } }) => {
		lines.write(['got', client, channel, seq, id]);
		const kill = killOf(id);
		if (kill !== undefined) lines.write(['back', kill, client, Date.now()]);
	});
	for (const type of /** @type {const} */ (['truncated', 'error'])) {
		followed.addEventListener(type, () => lines.write(['fault', `client ${client}, channel ${channel}: ${type}`]));
	}
}

async function publish() {
	if (unanswered >= UNANSWERED_MAX) return count('errors', 'held back: too much is not answered');
	const at = Math.floor(Math.random() * clients.length);
	const [hall = 0, ...tables] = channelsOf(orders.first + at, orders.clients);
	const isForHall = Math.random() * 100 < TO_HALLS_PERCENT;
	const channel = isForHall ? hall : (tables[Math.floor(Math.random() * tables.length)] ?? hall);
	const id = `${orders.first + at}/${++numbered}`;
	unanswered++;
	try {
		const receipt = await /** @type {Tidings} */ (clients[at]).channel(nameOf(channel)).publish({ n: numbered }, { id });
		lines.write(['ack', channel, receipt.seq, receipt.id, Date.now()]);
	} catch (error) {
		lines.write(['fault', `${id} was refused: ${error}`]);
	} finally {
		unanswered--;
	}
}

/**
 * @param {string} tally
 * @param {string} name
 */
function count(tally, name) {
	// Ports and times differ, and say nothing; close codes, of four digits, do.
	const kind = name.replace(/\d{5,}/g, 'N').slice(0, 100);
	const counts = /** @type {Record<string, number>} */ (tallies[tally]);
	counts[kind] = (counts[kind] ?? 0) + 1;
}
