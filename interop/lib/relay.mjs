/** A port that leads to others: to any of them, one connection here and the next one there, or to none. */

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** @import { Server, Socket } from 'node:net' */
/** @import { Scope } from './child.mjs' */

export class Relay {
	#server;
	#to;
	#isCut = false;
	/** Which ports to try, for the next connection. */
	#order = () => {
		const from = Math.floor(Math.random() * this.#to.length);
		return [...this.#to.slice(from), ...this.#to.slice(0, from)];
	};
	/** @type {Set<Socket>} */
	#sockets = new Set();

	/**
	 * @param {Server} server
	 * @param {readonly number[]} to ports
	 */
	constructor(server, to) {
		this.#server = server;
		this.#to = to;
		server.on('connection', (socket) => this.#lead(socket));
	}

	/**
	 * Leads to one of the ports `to` at random; to another one where nobody listens there.
	 * @param {Scope} scope
	 * @param {readonly number[]} to
	 */
	static async open(scope, to) {
		const server = createServer();
		const relay = new Relay(server, to);
		server.listen(0, '127.0.0.1');
		await once(server, 'listening');
		scope.after(() => {
			server.close();
			relay.cut();
		});
		return relay;
	}

	/**
	 * Leads the first `count` connections to `first` in turn, and those after them to `then`.
	 * @param {Scope} scope
	 * @param {readonly number[]} first
	 * @param {number} count
	 * @param {readonly number[]} then
	 */
	static async openInTurn(scope, first, count, then) {
		const relay = await Relay.open(scope, []);
		let taken = 0;
		relay.#order = () => {
			const [to, at] = taken < count ? [first, taken] : [then, taken - count];
			taken++;
			return [/** @type {number} */ (to[at % to.length])];
		};
		return relay;
	}

	get port() {
		return /** @type {import('node:net').AddressInfo} */ (this.#server.address()).port;
	}

	get url() {
		return `http://127.0.0.1:${this.port}`;
	}

	/** Ends all connections, and takes no more. */
	cut() {
		this.#isCut = true;
		for (const socket of this.#sockets) socket.destroy();
	}

	mend() {
		this.#isCut = false;
	}

	/** @param {Socket} socket */
	#lead(socket) {
		if (this.#isCut) return void socket.destroy();
		this.#keep(socket);
		this.#try(socket, this.#order());
	}

	/**
	 * @param {Socket} socket
	 * @param {readonly number[]} order
	 */
	#try(socket, [port, ...others]) {
		if (port === undefined || socket.destroyed) return void socket.destroy();
		const onward = connect({ port, host: '127.0.0.1' });
		this.#keep(onward);
		onward.once('error', () => {
			if (onward.connecting || !onward.bytesWritten) this.#try(socket, others);
		});
		onward.once('connect', () => {
			onward.removeAllListeners('error').on('error', () => {});
			socket.pipe(onward);
			onward.pipe(socket);
			socket.once('close', () => onward.destroy());
			onward.once('close', () => socket.destroy());
		});
	}

	/** @param {Socket} socket */
	#keep(socket) {
		this.#sockets.add(socket);
		// Small pieces go on at once, as they came.
		socket.setNoDelay(true);
		socket.on('error', () => {});
		socket.once('close', () => this.#sockets.delete(socket));
	}
}
