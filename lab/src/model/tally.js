/**
 * What went over a lane: requests, and how many of its bytes were none of what was to be said.
 *
 * @import { Seen } from '../wire/connection.js'
 */

export class Tally {
	requests = 0;
	/** Bytes of heads, of frames' headers, of heartbeats. */
	overhead = 0;

	/** @param {Seen} seen */
	count(seen) {
		if (seen.kind === 'request') this.requests += 1;
		this.overhead += seen.overhead;
	}
}

/**
 * The heartbeat in what was seen: a ping or a pong of WebSocket, the same as an object, or a comment of SSE.
 * @param {Seen} seen
 * @param {string} text the payload, if it is text
 */
export function isHeartbeat(seen, text) {
	if (seen.kind === 'comment') return true;
	if (seen.kind !== 'frame' || !seen.frame) return false;
	return seen.frame.opcode === 9 || seen.frame.opcode === 10 || /^\{"type":"p[io]ng"/.test(text);
}
