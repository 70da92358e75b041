/**
 * How a room's messages stand on the page: days, the line above what is new, and groups
 * of one author's messages written in one go.
 *
 * @import { Entry } from './timeline.js'
 */

/**
 * @typedef {{ kind: "day", key: string, at: number }} DayRow
 * @typedef {{ kind: "new", key: string }} NewRow
 * @typedef {{ kind: "group", key: string, from: string, own: boolean, entries: Entry[] }} GroupRow
 * @typedef {DayRow | NewRow | GroupRow} Row
 */

/** A silence this long begins a new group: long enough for a train of thought. */
export const GROUP_GAP_MS = 5 * 60_000;

/** Messages in a group: groups are drawn as a whole, and a name is wanted every screen or so. */
export const GROUP_MESSAGES_MAX = 20;

/**
 * @param {readonly Entry[]} entries in the order of the page
 * @param {{ me: string, newAfter: number }} reader `newAfter`: seq after which messages
 *   are new to the reader; 0 for no line
 * @returns {Row[]}
 */
export function rowsOf(entries, { me, newAfter }) {
	/** @type {Row[]} */
	const rows = [];
	/** @type {GroupRow | null} */
	let group = null;
	/** @type {Entry | null} */
	let before = null;
	let marked = newAfter === 0;

	for (const entry of entries) {
		if (before === null || dayOf(before.at) !== dayOf(entry.at)) {
			rows.push({ kind: 'day', key: `day-${dayOf(entry.at)}`, at: entry.at });
			group = null;
		}
		if (!marked && entry.seq > newAfter && entry.from !== me) {
			// Where all that is loaded is new there is nothing to divide.
			if (before !== null) {
				rows.push({ kind: 'new', key: 'new' });
				group = null;
			}
			marked = true;
		}
		const goesOn =
			group !== null &&
			before !== null &&
			group.from === entry.from &&
			entry.at - before.at <= GROUP_GAP_MS &&
			group.entries.length < GROUP_MESSAGES_MAX;
		if (group === null || !goesOn) {
			group = { kind: 'group', key: entry.key, from: entry.from, own: entry.from === me, entries: [] };
			rows.push(group);
		}
		group.entries.push(entry);
		before = entry;
	}
	return rows;
}

/**
 * A day of the reader's calendar, as a name that can be compared.
 * @param {number} at
 */
export function dayOf(at) {
	const date = new Date(at);
	return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;
}
