/** A TCP proxy that cuts its connections when it is told to: a bad network at one's fingertips. */

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** @import { AddressInfo, Server, Socket } from 'node:net' */
/** @import { Scope } from './child.mjs' */

export class CuttingProxy {
	#server;
	/** @type {Set<Socket>} */
	#sockets = new Set();
	/** How many connections were cut in all. */
	cuts = 0;

	/** @param {Server} server */
	constructor(server) {
		this.#server = server;
	}

	/**
	 * Opens one before a server; it is gone when the test ends.
	 * @param {Scope} test
	 * @param {number} port of the server
	 */
	static async open(test, port) {
		const server = createServer((near) => proxy.#join(near, connect(port, '127.0.0.1')));
		const proxy = new CuttingProxy(server);
		server.listen(0, '127.0.0.1');
		await once(server, 'listening');
		test.after(() => {
			proxy.cut();
			server.close();
		});
		return proxy;
	}

	get url() {
		return `http://127.0.0.1:${/** @type {AddressInfo} */ (this.#server.address()).port}`;
	}

	/** Resets every connection, in the middle of whatever is on its way. */
	cut() {
		for (const socket of this.#sockets) socket.resetAndDestroy();
		// Each connection has two ends here.
		this.cuts += this.#sockets.size / 2;
		this.#sockets.clear();
	}

	/**
	 * @param {Socket} near
	 * @param {Socket} far
	 */
	#join(near, far) {
		for (const [from, to] of [
			[near, far],
			[far, near],
		]) {
			this.#sockets.add(from);
			from.setNoDelay().pipe(to);
			// The end of one side, good or bad, is the end of both.
			from.on('error', () => {});
			from.on('close', () => {
				this.#sockets.delete(from);
				to.destroy();
			});
		}
	}
}
