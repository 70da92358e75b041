/** Doing a fault to whom it concerns, and undoing it. */

/** @import { Middlebox } from '../lib/middlebox.mjs' */
/** @import { Server } from '../lib/server.mjs' */
/** @import { Deed, Fault } from './faults.mjs' */
/** @import { Home } from './homes.mjs' */
/** @import { Witness } from './witness.mjs' */

/**
 * @typedef {object} Concerned
 * @property {Middlebox} middlebox
 * @property {Server} server
 * @property {Home} home
 * @property {Witness} witness
 */

/** @type {Record<Deed, { begin: (concerned: Concerned) => unknown, end: (concerned: Concerned) => unknown }>} */
const DEEDS = {
	kill: { begin: ({ server }) => server.kill(), end: ({ server }) => server.start() },
	drain: { begin: ({ server }) => server.stop(), end: ({ server }) => server.start() },
	offline: { begin: ({ home }) => home.setOffline?.(true), end: ({ home }) => home.setOffline?.(false) },
	freeze: { begin: ({ home }) => home.setFrozen?.(true), end: ({ home }) => home.setFrozen?.(false) },
	silence: {
		begin: ({ home, witness }) => Promise.all([home.pause(), witness.pause()]),
		end: ({ home, witness }) => Promise.all([home.publish(), witness.publish()]),
	},
};

export class Deeds {
	#fault;
	#concerned;

	/**
	 * @param {Fault} fault
	 * @param {Concerned} concerned
	 */
	constructor(fault, concerned) {
		this.#fault = fault;
		this.#concerned = concerned;
	}

	async begin() {
		const { set, cut, deed } = this.#fault;
		const { middlebox } = this.#concerned;
		if (deed) await DEEDS[deed].begin(this.#concerned);
		if (set) await middlebox.set(set);
		if (cut) await middlebox.cut(cut);
	}

	async end() {
		const { set, deed } = this.#fault;
		if (set) await this.#concerned.middlebox.set({});
		if (deed) await DEEDS[deed].end(this.#concerned);
	}
}
