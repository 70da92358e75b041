/** npm's `ws` as a client of whatever echoes. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { payloads, text } from './payloads.mjs';
import { soon } from './until.mjs';

/** @import { PerMessageDeflateOptions } from 'ws' */
/** @import { Scope } from './child.mjs' */

/** The largest message that the examples take. */
export const MESSAGE_BYTES_MAX = 16 << 20;

/**
 * A socket that is open, and the extensions that were agreed on with their parameters.
 * @param {Scope} scope
 * @param {string} url
 * @param {PerMessageDeflateOptions | boolean} perMessageDeflate
 */
export async function open(scope, url, perMessageDeflate) {
	const socket = new WebSocket(url, { perMessageDeflate, maxPayload: MESSAGE_BYTES_MAX });
	scope.after(() => socket.terminate());
	let agreed = '';
	socket.once('upgrade', ({ headers }) => {
		agreed = headers['sec-websocket-extensions'] ?? '';
	});
	await soon('the WebSocket to open', once(socket, 'open'));
	return { socket, agreed };
}

/** Every size, sent before the first echo is awaited. @param {WebSocket} socket */
export async function hearEcho(socket) {
	const heard = listen(socket);
	const sent = payloads();
	for (const payload of sent) socket.send(payload);
	for (const payload of sent) assert.ok(same(await heard.next(), payload), `the echo of ${payload.length} differs`);
}

/** Messages in fragments, a ping between them. @param {WebSocket} socket */
export async function hearFragments(socket) {
	const heard = listen(socket);
	for (const size of [10, 1000, 100_000]) {
		const whole = Buffer.from(text(size));
		const [first, second] = [whole.subarray(0, size / 3), whole.subarray(size / 3)];
		socket.send(first, { fin: false, binary: false });
		socket.ping();
		socket.send(second, { fin: false, binary: false });
		socket.send('', { fin: true, binary: false });
		assert.equal(await heard.next(), String(whole));
	}
}

/** The messages that come from now on. @param {WebSocket} socket */
export function listen(socket) {
	/** @type {(string | Buffer)[]} */
	const heard = [];
	/** @type {() => void} */
	let wake = () => {};
	socket.on('message', (data, binary) => {
		heard.push(binary ? /** @type {Buffer} */ (data) : String(data));
		wake();
	});
	return {
		/** @returns {Promise<string | Buffer | undefined>} */
		next() {
			const come = (async () => {
				while (heard.length === 0) await new Promise((resolve) => (wake = () => resolve(undefined)));
				return heard.shift();
			})();
			return soon('a message', come);
		},
	};
}

/** @param {string | Buffer | undefined} one @param {string | Buffer} other */
function same(one, other) {
	return typeof one === typeof other && Buffer.from(one ?? '').equals(Buffer.from(other));
}
