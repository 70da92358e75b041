/**
 * WebSocket: frames both ways, as they are.
 *
 * @import { Command } from '../wire/frames.js'
 * @import { Transport } from './link.js'
 */

/** Publishes in flight: enough to fill a long, fat path with small messages. */
const WINDOW = 64;

/** @type {Transport} */
export function websocket({ url, token, now, WebSocket }, ear) {
	if (!WebSocket) throw new TypeError('no WebSocket here: give one in the options');
	const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/v1/connect`, ['tidings.v1.json']);
	/** @type {Command[] | undefined} what waits for the server's hello */
	let early = [];
	let askedAt = 0;
	/** @param {object} frame */
	const write = (frame) => socket.send(JSON.stringify(frame));
	const ping = () => {
		askedAt = now();
		write({ type: 'ping', req: 0 });
	};

	// Said without a token as well: a server that knows us by a cookie, or lets guests in, need not wait for one.
	socket.onopen = () => write({ type: 'hello', token });
	socket.onmessage = ({ data }) => {
		try {
			const frame = JSON.parse(data);
			if (frame.type === 'hello') {
				early?.forEach(write);
				early = undefined;
				ping();
			} else if (frame.type === 'pong') {
				ear.frame({ type: 'measured', roundTripTime: now() - askedAt });
			}
			ear.frame(frame);
		} catch (error) {
			ear.lost({ reason: String(error) });
		}
	};
	// A close follows. Some implementations throw where nobody listens.
	socket.onerror = () => {};
	socket.onclose = ({ code, reason }) => ear.lost({ code, reason: reason || `closed with ${code}` });

	return {
		isOnePath: true,
		window: WINDOW,
		send: (command) => (early ? void early.push(command) : command.type === 'ping' ? ping() : write(command)),
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
