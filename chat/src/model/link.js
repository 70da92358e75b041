/** The connection as the reader sees it: how messages travel, and whether they do. */

/** @typedef {"websocket" | "sse" | "long-poll" | "poll"} Transport */
/** @typedef {"auto" | Transport} Choice what the reader asked for */
/** @typedef {"connecting" | "live" | "reconnecting" | "offline"} LinkState */
/** @typedef {{ state: LinkState, transport: Transport | null, choice: Choice }} Link */

/**
 * What can be chosen, best first.
 * @type {readonly Choice[]}
 */
export const TRANSPORTS = ['auto', 'websocket', 'sse', 'long-poll', 'poll'];

/**
 * @param {unknown} value
 * @returns {value is Choice}
 */
export function isChoice(value) {
	return TRANSPORTS.some((transport) => transport === value);
}
