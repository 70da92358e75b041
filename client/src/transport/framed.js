/**
 * What links with frames both ways have in common: who begins, what waits for the server's hello, and how long the
 * server takes to answer.
 *
 * @import { Command } from '../wire/frames.js'
 * @import { Ear, Environment, Link } from './link.js'
 */

/** Publishes in flight: enough to fill a long, fat path with small messages. */
const WINDOW = 64;

/**
 * @param {Pick<Environment, 'token' | 'now'>} environment
 * @param {Ear} ear
 * @param {(text: string, isSignal: boolean) => void} send a frame; there is a way for it
 * @returns {Pick<Link, 'isOnePath' | 'window' | 'send'> & { begin: () => void, hear: (text: string) => void }}
 *   `begin` when frames can be written, `hear` for each that came
 */
export function framed({ token, now }, ear, send) {
	/** @type {Command[] | undefined} what waits for the server's hello */
	let early = [];
	let askedAt = 0;
	const write = (/** @type {{ type: string, req?: number, token?: string }} */ frame) => {
		const text = JSON.stringify(frame);
		send(text, frame.type === 'signal');
		return text.length;
	};
	const ping = () => {
		askedAt = now();
		return write({ type: 'ping', req: 0 });
	};
	return {
		isOnePath: true,
		window: WINDOW,
		// Said without a token as well: a server that knows us by a cookie, or lets guests in, need not wait for one.
		begin: () => write({ type: 'hello', token: token || undefined }),
		hear(text) {
			try {
				const frame = JSON.parse(text);
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
		},
		send: (command) => (early ? void early.push(command) : command.type === 'ping' ? ping() : write(command)),
	};
}
