/** Doing a fault to whom it concerns, and undoing it. */

/** @import { Server } from '../lib/server.mjs' */
/** @import { Deed, Fault } from './faults.mjs' */
/** @import { Home } from './homes.mjs' */
/** @import { Path } from './path.mjs' */
/** @import { Witness } from './witness.mjs' */

/**
 * @typedef {object} Concerned
 * @property {Path} path
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
		const { deed } = this.#fault;
		if (deed) await DEEDS[deed].begin(this.#concerned);
		await this.#concerned.path.begin(this.#fault);
	}

	async end() {
		const { deed } = this.#fault;
		await this.#concerned.path.end(this.#fault);
		if (deed) await DEEDS[deed].end(this.#concerned);
	}
}
