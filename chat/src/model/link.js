/**
 * The connection as the reader sees it: how messages travel, whether they do, and why this way.
 *
 * @import { Key } from '../i18n/words.js'
 */

/** @typedef {"webtransport" | "websocket" | "sse" | "long-poll" | "poll"} Transport */
/** @typedef {"auto" | Transport} Choice what the reader asked for */
/** @typedef {"connecting" | "live" | "reconnecting" | "offline"} LinkState */

/**
 * @typedef {object} Link
 * @property {LinkState} state
 * @property {Transport | null} transport null: none yet
 * @property {string} reason why it is this transport, in the client's words; empty: not told
 * @property {number | null} roundTripTime ms that the server took to answer, the last time; null: not measured
 * @property {Choice} choice
 */

/**
 * What can be chosen, best first.
 * @type {readonly Choice[]}
 */
export const TRANSPORTS = ['auto', 'webtransport', 'websocket', 'sse', 'long-poll', 'poll'];

/**
 * @param {unknown} value
 * @returns {value is Choice}
 */
export function isChoice(value) {
	return TRANSPORTS.some((transport) => transport === value);
}

/**
 * What the client says of a transport that it left, or of one that it tried before.
 * @type {[RegExp, "late" | "slow" | "silence" | "broken" | "foreign" | "tab"][]}
 */
const ENDS = [
	[/^(Error: )?no answer in time$/, 'late'],
	[/^no answer yet$/, 'slow'],
	[/^nothing came, not even an answer to a ping$/, 'silence'],
	[/^TypeError: the answer is not /, 'foreign'],
	[/^another tab$/, 'tab'],
	[/^(closed with \d+|Error: the stream ended|WebTransportError: .*)$/, 'broken'],
	// As Chromium, Firefox and Safari say that a request came to nothing.
	[/^TypeError: (Failed to fetch|network error|NetworkError when attempting .*|Error in input stream|Load failed)$/, 'broken'],
];

/** What needs no pattern: the client's own words for why. */
const WHYS = /** @type {const} */ (['start', 'chosen', 'better', 'return', 'drain', 'silence', 'buffered']);

/**
 * Finds the words for a reason of the client.
 * @param {string} reason such as `better`, or `websocket: no answer in time`
 * @returns {{ key: Key, of: Transport | "shared" | null } | null} `of`: the transport that it is about, if it is not
 *   the one before. Null: there are no words for it
 */
export function explain(reason) {
	const why = WHYS.find((known) => known === reason);
	if (why !== undefined) return { key: `link.why.${why}`, of: null };
	const [, name, said = reason] = /^(webtransport|websocket|sse|long-poll|poll|shared): (.*)$/s.exec(reason) ?? [];
	const end = ENDS.find(([pattern]) => pattern.test(said))?.[1];
	if (end === undefined) return null;
	const of = /** @type {Transport | "shared" | undefined} */ (name) ?? null;
	return { key: of === null ? `link.why.${end}` : `link.why.of.${end}`, of };
}
