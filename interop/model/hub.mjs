/**
 * The real hub on a pipe: `crates/hub/examples/session_model`, which has neither sockets nor clocks.
 *
 * `TIDINGS_EXAMPLES` names the folder of the built examples; without it the workspace's debug build is taken.
 */

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child } from '../lib/child.mjs';
import { PATIENCE_MS, soon } from '../lib/until.mjs';

/** @import { Scope } from '../lib/child.mjs' */
/** @import { Command, Frame } from '../../client/src/wire/frames.js' */

const EXAMPLES =
	process.env.TIDINGS_EXAMPLES ?? fileURLToPath(new URL('../../target/debug/examples', import.meta.url));

/**
 * How a world is; as `Settings` of the example's `world.rs`.
 * @typedef {{ epoch: string, logs: number, few: number, tail?: number, page?: number, commands?: number, histories?: number }} Settings
 */

/**
 * Something to do; as `Op` of the example's `world.rs`.
 * @typedef {{ now: { user: string, channels: string[] } }
 *   | { connect: { link: number, user: string } }
 *   | { stream: { link: number, user: string, channels: string[], after?: string } }
 *   | { say: { link: number, frame: Command } }
 *   | { ask: { desk: number, user: string, frame: Command } }
 *   | { fetch: { desk: number } }
 *   | { offer: { link: number, bytes: number, events: number } }
 *   | { cut: { link: number } }
 *   | { busy: { publishes: boolean, reads: boolean } }
 *   | { hold: boolean }
 *   | { pass: number }
 *   | { restart: { keep?: number, gap: number, epoch: string } }} Op
 */

/** What an op is answered; null where there is nothing to say. @typedef {{ frames?: Frame[], cursor?: string, newest?: number | string, epochs?: Record<string, string>, closed?: string }} Answer */
/** `seq`, channel, `id`, `at` of a message, and the epoch of its log. @typedef {[number, string, string, number, string]} Place */
/** @typedef {{ answers: (Answer | null)[], committed: Place[] }} Told */

export class HubOnAPipe {
	#child;
	#rest = '';
	/** @type {((line: string) => void) | undefined} */
	#heard;

	/** @param {Scope} test */
	constructor(test) {
		this.#child = new Child(join(EXAMPLES, 'session_model'), []);
		test.after(async () => {
			await this.#child.end();
		});
		this.#child.watch(() => {
			const text = this.#child.stdout;
			this.#child.stdout = '';
			const lines = (this.#rest + text).split('\n');
			this.#rest = lines.pop() ?? '';
			for (const line of lines) this.#heard?.(line);
		});
	}

	/** @param {Settings} settings */
	async begin(settings) {
		await this.#say({ begin: settings });
	}

	/**
	 * Does everything in its order, and lets it come to rest.
	 * @param {Op[]} ops
	 */
	async play(ops) {
		return this.#say(ops);
	}

	/**
	 * @param {object} line
	 * @returns {Promise<Told>}
	 */
	async #say(line) {
		const told = new Promise((resolve) => (this.#heard = resolve));
		this.#child.stdin.write(`${JSON.stringify(line)}\n`);
		const ended = this.#child.exited.then((code) => {
			throw new Error(`the hub on a pipe ended (${code}): ${this.#child.stderr.slice(-2000)}`);
		});
		return JSON.parse(await soon('the hub to answer', Promise.race([told, ended]), 3 * PATIENCE_MS));
	}
}
