/** The link of `link.py`, in the network namespace of this process. */

import { fileURLToPath } from 'node:url';
import { Child } from '../lib/child.mjs';
import { until } from '../lib/until.mjs';

/** @import { Scope } from '../lib/child.mjs' */

const PROGRAM = fileURLToPath(new URL('link.py', import.meta.url));

/** Where servers listen, and where they are met over the link. Neither is anybody's outside of the namespace. */
export const ADDRESS = '10.77.0.1';
export const PEER = '10.77.0.2';

/**
 * @typedef {object} Weather
 * @property {number} delay_ms each way
 * @property {number} loss the share of packets, each way
 * @property {number} seed by which it is dealt who is lost
 */

export class Link {
	#child;

	/** @param {Child} child */
	constructor(child) {
		this.#child = child;
	}

	/**
	 * @param {Scope} scope
	 * @param {string} congestion how TCP answers to loss
	 */
	static async open(scope, congestion) {
		const child = new Child('python3', [PROGRAM, ADDRESS, PEER, congestion]);
		scope.after(() => child.end());
		await until('the link to be there', () => child.lines.length > 0 || !child.isRunning);
		if (!child.isRunning) throw new Error(`there is no link: ${child.stderr}`);
		return new Link(child);
	}

	/**
	 * @param {Weather} weather from now on
	 * @returns {Promise<{ passed: number, lost: number }>} packets since it was set before
	 */
	async set(weather) {
		const { length } = this.#child.lines;
		this.#child.stdin.write(`${JSON.stringify(weather)}\n`);
		await until('the link to answer', () => this.#child.lines.length > length);
		return JSON.parse(String(this.#child.lines[length]));
	}
}
