/** A foreign WebSocket client (npm's `ws`) that speaks the protocol's frames and keeps all it hears. */

import { once } from 'node:events';
import { WebSocket } from 'ws';
import { soon, until } from './until.mjs';

/** @import { Scope } from './child.mjs' */

export class Frames {
	/** Every frame that came, parsed. @type {any[]} */
	received = [];
	#req = 0;

	/** @param {WebSocket} socket */
	constructor(socket) {
		this.socket = socket;
		this.closed = once(socket, 'close').then(([code]) => /** @type {number} */ (code));
		socket.on('message', (data) => this.received.push(JSON.parse(String(data))));
		// What went wrong is seen by what did not come.
		socket.on('error', () => {});
	}

	/**
	 * Connects as a guest, to the end of the greeting.
	 * @param {Scope} test
	 * @param {string} url of the server
	 * @param {string} user
	 */
	static async open(test, url, user) {
		const frames = await Frames.connect(test, url);
		frames.send({ type: 'hello', token: `guest:${user}` });
		await frames.next('hello');
		return frames;
	}

	/**
	 * Connects, and says nothing yet.
	 * @param {Scope} test
	 * @param {string} url
	 */
	static async connect(test, url) {
		const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/connect`, ['tidings.v1.json']);
		const frames = new Frames(socket);
		test.after(() => socket.terminate());
		await soon('the WebSocket to open', once(socket, 'open'));
		return frames;
	}

	/** @param {object} frame */
	send(frame) {
		this.socket.send(JSON.stringify(frame));
	}

	/**
	 * Sends a command, and gives its answer.
	 * @param {object} command
	 */
	async ask(command) {
		const req = ++this.#req;
		this.send({ ...command, req });
		return until(`the answer to ${JSON.stringify(command)}`, () => this.received.find((frame) => frame.req === req), {
			seen: () => this.received,
		});
	}

	/**
	 * The first frame of a type that came, or comes.
	 * @param {string} type
	 */
	next(type) {
		return until(`a ${type} frame`, () => this.received.find((frame) => frame.type === type), {
			seen: () => this.received,
		});
	}

	/** The messages that came, in their order. */
	get messages() {
		return this.received.filter(({ type }) => type === 'message');
	}
}
