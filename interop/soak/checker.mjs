/**
 * The checker, a process of its own: it hears what publishers and clients were told, and in the end what
 * the log has.
 */

import assert from 'node:assert/strict';
import { Api } from '../lib/api.mjs';
import { Ledger } from './ledger.mjs';
import { LineReader } from './lines.mjs';
import { channelCount, nameOf } from './plan.mjs';
import { obey } from './process.mjs';

/** @import { Counts, Stored } from './ledger.mjs' */

/**
 * @typedef {object} Verdict
 * @property {boolean} isGood
 * @property {Counts} counts of faults
 * @property {string[]} faults the first of them, in words
 * @property {number} published messages that are in the log
 * @property {number} acknowledged
 * @property {number} gapMs the longest time in which nothing was
 * @property {number} delivered
 * @property {number} checked deliveries that were compared with the log one by one
 * @property {number} followers channels that clients followed, each for each
 * @property {[kill: number, [client: number, at: number][]][]} returns
 */

/** Messages of one page of history; the server's own bound. */
const PAGE = 1000;

const ledger = new Ledger();
const lines = new LineReader((line) => ledger.take(line));

obey({
	/** @param {string} path */
	listen: (path) => lines.listen(path),
	delivered: () => ledger.delivered,
	/**
	 * How many places in channels are behind the log; undefined while it is away, as where NATS is electing.
	 * @param {{ url: string, clients: number }} where
	 */
	async lacking({ url, clients }) {
		const api = new Api(url, 'checker');
		let count = 0;
		try {
			for (let channel = 0; channel < channelCount(clients); channel++) {
				const { messages } = await api.history(nameOf(channel), { limit: 1 });
				count += ledger.lacking(channel, messages[0]?.seq ?? 0);
			}
		} catch (error) {
			// A refusal will not get better.
			if (error instanceof assert.AssertionError) throw error;
			return undefined;
		}
		return count;
	},
	/**
	 * @param {{ url: string, clients: number }} where
	 * @returns {Promise<Verdict>}
	 */
	async judge({ url, clients }) {
		const api = new Api(url, 'checker');
		let published = 0;
		for (let channel = 0; channel < channelCount(clients); channel++) {
			const stored = await readAll(api, nameOf(channel));
			published += stored.length;
			ledger.check(channel, stored);
		}
		const { isGood, counts, faults, acknowledged, gapMs, delivered, checked, followers } = ledger;
		const returns = [...ledger.returns].map(([kill, clients]) => /** @type {[number, [number, number][]]} */ ([kill, [...clients]]));
		return { isGood, counts, faults, published, acknowledged, gapMs, delivered, checked, followers, returns };
	},
});

/**
 * @param {Api} api
 * @param {string} channel
 */
async function readAll(api, channel) {
	/** @type {Stored[]} */
	const stored = [];
	for (;;) {
		const { messages, truncated } = await api.history(channel, { after: stored.at(-1)?.seq ?? 0, limit: PAGE });
		if (truncated) ledger.take(['fault', `${channel} has been truncated: the soak's retention is too short`]);
		for (const { seq, id } of messages) stored.push({ seq, id });
		if (messages.length < PAGE) return stored;
	}
}
