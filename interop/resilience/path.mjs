/** The way between a client under test and the server: bad as the fault wants it, over TCP, and over UDP where that passes. */

import { Middlebox } from '../lib/middlebox.mjs';
import { freePort } from '../lib/server.mjs';

/** @import { Scope } from '../lib/child.mjs' */
/** @import { Server } from '../lib/server.mjs' */
/** @import { Fault, Way } from './faults.mjs' */

/** Each cell's datagrams have the same luck in every run. */
const SEED = 5;

export class Path {
	#tcp;
	#udp;

	/**
	 * @param {Middlebox} tcp
	 * @param {Middlebox} [udp]
	 */
	constructor(tcp, udp) {
		this.#tcp = tcp;
		this.#udp = udp;
	}

	/**
	 * Opens one for a test, without any fault.
	 * @param {Scope} test
	 * @param {Server} server
	 * @param {Way} way
	 */
	static async open(test, server, { isUdp }) {
		if (!isUdp) return new Path(await Middlebox.open(test, server.port));
		const port = await freePort();
		const tcp = await Middlebox.open(test, server.port, {}, { port });
		return new Path(tcp, await Middlebox.open(test, server.port, {}, { port, isUdp, seed: SEED }));
	}

	get port() {
		return this.#tcp.port;
	}

	/** @param {Fault} fault */
	async begin({ set, udp, cut, rebind }) {
		if (set) await this.#tcp.set(set);
		if (udp) await this.#udp?.set(udp);
		if (cut) await this.#tcp.cut(cut);
		if (rebind) await this.#udp?.rebind();
	}

	/** @param {Fault} fault */
	async end({ set, udp }) {
		if (set) await this.#tcp.set({});
		if (udp) await this.#udp?.set({});
	}
}
