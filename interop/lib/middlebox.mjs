/**
 * A bad network at one's fingertips: the middlebox between a client and a server. What its faults
 * mean stands in `crates/middlebox/src/faults.rs`.
 *
 * `TIDINGS_MIDDLEBOX` names the binary; without it the workspace's debug build is taken.
 */

import { fileURLToPath } from 'node:url';
import { Child } from './child.mjs';
import { soon, until } from './until.mjs';

/** @import { Scope } from './child.mjs' */

/**
 * What is absent is off.
 * @typedef {object} Faults
 * @property {number} [latency_ms] for each direction
 * @property {number} [jitter_ms]
 * @property {number} [bandwidth] bytes a second, each direction of each connection
 * @property {'up' | 'down' | 'both'} [black_hole]
 * @property {boolean} [refuse]
 * @property {number} [idle_cut_ms]
 * @property {number} [buffer_bytes]
 * @property {number} [buffer_ms]
 * @property {boolean} [hold_chunked]
 * @property {'strip' | 'mute' | 400 | 403 | 502} [upgrade]
 * @property {boolean} [captive]
 * @property {number} [connections_max]
 * @property {number} [loss] the share of datagrams, or of pieces that come late, from 0 to 1
 */

/** @typedef {{ open: number, accepted: number, refused: number, up: number, down: number, lost: number }} Stats */

const MIDDLEBOX =
	process.env.TIDINGS_MIDDLEBOX ?? fileURLToPath(new URL('../../target/debug/middlebox', import.meta.url));

export class Middlebox {
	#child;
	#heard = 1;
	/** For each command that is not answered yet. @type {((line: string) => void)[]} */
	#waiting = [];
	/** How many connections were cut in all. */
	cuts = 0;

	/**
	 * @param {Child} child which has said where it listens
	 * @param {number} port
	 */
	constructor(child, port) {
		this.#child = child;
		this.port = port;
		child.watch(() => {
			for (const line of child.lines.slice(this.#heard)) {
				this.#heard++;
				this.#waiting.shift()?.(line);
			}
		});
	}

	/**
	 * Opens one before a server; it is gone when the test ends.
	 * @param {Scope} test
	 * @param {number | readonly number[]} ports of the server; of several, to any of which a connection leads
	 * @param {Faults} [faults] default: none
	 * @param {{ port?: number, isUdp?: boolean, seed?: number }} [how] where it listens, by default where the system
	 *   likes; whether it carries datagrams instead of connections; and by which seed it deals losses and delays, by
	 *   default by chance
	 */
	static async open(test, ports, faults = {}, { port: own = 0, isUdp = false, seed } = {}) {
		const args = [...[ports].flat().flatMap((port) => ['--to', `127.0.0.1:${port}`]), '--listen', `127.0.0.1:${own}`];
		if (isUdp) args.push('--udp');
		if (seed !== undefined) args.push('--seed', String(seed));
		const child = new Child(MIDDLEBOX, args);
		test.after(() => child.end());
		await until(`${MIDDLEBOX} to listen`, () => child.lines.length > 0 || !child.isRunning);
		const [first] = child.lines;
		if (!first) throw new Error(`${MIDDLEBOX} ended at once (${await child.exited}): ${child.stderr}`);
		const { listening } = JSON.parse(first);
		const middlebox = new Middlebox(child, Number(listening.split(':').at(-1)));
		await middlebox.set(faults);
		return middlebox;
	}

	get url() {
		return `http://127.0.0.1:${this.port}`;
	}

	/** Replaces all faults, for open connections as well. @param {Faults} faults */
	async set(faults) {
		await this.#ask({ set: faults });
	}

	/**
	 * Cuts every open connection, in the middle of whatever is on its way.
	 * @param {'reset' | 'close' | 'half'} [how] RST to both sides, FIN to both, FIN towards the client alone
	 */
	async cut(how = 'reset') {
		const { cut } = await this.#ask({ cut: how });
		this.cuts += cut;
	}

	/** UDP: from now on each client's datagrams come to the server from another port. */
	async rebind() {
		await this.#ask({ rebind: {} });
	}

	/** @returns {Promise<Stats>} what has passed */
	async stats() {
		return this.#ask({ stats: {} });
	}

	/** @param {object} command */
	async #ask(command) {
		const text = JSON.stringify(command);
		const answered = new Promise((resolve) => this.#waiting.push(resolve));
		this.#child.stdin.write(`${text}\n`);
		const answer = JSON.parse(await soon(`the middlebox to answer ${text}`, answered));
		if (answer.error) throw new Error(`the middlebox refused ${text}: ${answer.error}`);
		return answer;
	}
}
