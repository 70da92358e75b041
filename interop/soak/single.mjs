/** One server with its own log, which is killed every minute. */

import { Server } from '../lib/server.mjs';

/** @import { Scope } from '../lib/child.mjs' */
/** @import { Subject } from './main.mjs' */

/** @implements {Subject} */
export class Single {
	everyMs = 60_000;
	#server;

	/** @param {Server} server */
	constructor(server) {
		this.#server = server;
	}

	/**
	 * @param {Scope} scope
	 * @param {string} config
	 */
	static async start(scope, config) {
		return new Single(await Server.start(scope, { args: ['--config', config] }));
	}

	get url() {
		return this.#server.url;
	}

	get ports() {
		return [this.#server.port];
	}

	get pids() {
		return [this.#server.pid];
	}

	async disturb() {
		await this.#server.kill();
		await this.#server.start();
		return 'the server is killed';
	}
}
