/** Our browser client in Node, where the constructors that Node lacks are given to it. */

import { WebSocket } from 'ws';
import { Tidings } from '../../client/src/client.js';
import { soon } from './until.mjs';

/** @import { Scope } from './child.mjs' */
/** @import { Options, TransportName } from '../../client/src/client.js' */

/** @type {readonly TransportName[]} */
export const TRANSPORTS = ['poll', 'long-poll', 'sse', 'websocket'];

/** As a browser's: an error that nobody listens for ends nothing but the WebSocket. */
class Quiet extends WebSocket {
	/** @param {ConstructorParameters<typeof WebSocket>} args */
	constructor(...args) {
		super(...args);
		this.on('error', () => {});
	}
}

/** @type {Options} */
export const IN_NODE = {
	WebSocket: /** @type {any} */ (Quiet),
	// A short poll is as fresh as it is often.
	pollEvery: 50,
};

/**
 * A client that is closed when the test ends.
 * @param {Scope} test
 * @param {string} url
 * @param {TransportName} transport
 * @param {string} user
 */
export function connect(test, url, transport, user) {
	const tidings = new Tidings(url, { ...IN_NODE, transport, token: `guest:${user}` });
	test.after(() => tidings.close());
	return tidings;
}

/**
 * Follows a channel and calls `take` with each message; resolves once the server knows of it.
 * @param {Tidings} tidings
 * @param {string} channel
 * @param {(message: any) => void} take
 * @param {{ after?: string, history?: number }} [from]
 */
export async function follow(tidings, channel, take, from) {
	const followed = tidings.channel(channel, from);
	const subscribed = new Promise((resolve) => followed.addEventListener('subscribed', resolve, { once: true }));
	followed.addEventListener('message', (event) => take(event.message));
	await soon(`${channel} to be followed`, subscribed);
	return followed;
}
