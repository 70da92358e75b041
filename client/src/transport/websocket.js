/**
 * WebSocket: frames both ways, as they are.
 *
 * @import { Transport } from './link.js'
 */
import { framed } from './framed.js';

/** @type {Transport} */
export function websocket(environment, ear) {
	const { url, WebSocket } = environment;
	if (!WebSocket) throw new TypeError('no WebSocket here: give one in the options');
	const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/v1/connect`, ['tidings.v1.json']);
	const { begin, hear, ...link } = framed(environment, ear, (text) => socket.send(text));

	socket.onopen = begin;
	socket.onmessage = ({ data }) => hear(data);
	// A close follows. Some implementations throw where nobody listens.
	socket.onerror = () => {};
	socket.onclose = ({ code, reason }) => ear.lost({ code, reason: reason || `closed with ${code}` });

	return {
		...link,
		close(code, reason) {
			// A dead path may keep the closing handshake waiting for a minute: nobody listens to it.
			socket.onopen = socket.onmessage = socket.onclose = null;
			try {
				socket.close(code, reason);
			} catch {
				// A code or reason that only a server may say.
				socket.close();
			}
		},
	};
}
