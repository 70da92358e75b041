/**
 * Who stands beside the server with nothing between: publishes what the client under test has to get, and
 * reads what that publishes. Plain HTTP and nothing of our client, so that one does not excuse the other.
 */

import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Api } from '../lib/api.mjs';
import { fetchTrusting } from '../lib/fetch.mjs';

/** @import { Scope } from '../lib/child.mjs' */
/** @import { Server } from '../lib/server.mjs' */

const PUBLISH_EVERY_MS = 50;
/** How long a poll waits at the server, in seconds: not much longer than a test may have to. */
const WAIT = 5;
/** How long to leave a server alone that is away. */
const RETRY_MS = 15;

const now = () => performance.timeOrigin + performance.now();

export class Witness {
	#api;
	#isPublishing = true;
	#isOver = false;
	/** How many messages it has begun to publish, and how many are stored. */
	made = 0;
	stored = 0;
	/** What came from the client under test. @type {[n: number, at: number][]} */
	received = [];

	/**
	 * @param {Api} api
	 * @param {string} down
	 * @param {string} up
	 */
	constructor(api, down, up) {
		this.#api = api;
		this.down = down;
		this.up = up;
		/** The cursor before the first message. */
		this.after = '';
	}

	/**
	 * Begins to publish and to read, until the test ends.
	 * @param {Scope} scope
	 * @param {Server} server
	 */
	static async begin(scope, server) {
		// Channels that nobody used before, on a server that knows the ids of all messages.
		const name = randomUUID();
		const trusting = server.url.startsWith('https:') ? await fetchTrusting(server.certificate) : undefined;
		const api = new Api(server.url, 'witness', trusting);
		const witness = new Witness(api, `resilience:${name}:down`, `resilience:${name}:up`);
		witness.after = (await witness.#api.poll([witness.down, witness.up])).cursor;
		scope.after(() => {
			witness.#isOver = true;
		});
		witness.#publish();
		witness.#read(witness.after);
		return witness;
	}

	publish() {
		this.#isPublishing = true;
	}

	pause() {
		this.#isPublishing = false;
	}

	async #publish() {
		for (let next = now(); !this.#isOver; next = Math.max(next + PUBLISH_EVERY_MS, now())) {
			await pause(Math.max(0, next - now()));
			if (!this.#isPublishing) continue;
			const n = ++this.made;
			while (!this.#isOver && this.stored < n) {
				// Under its id it is stored once, however often it is sent.
				await this.#api.publish(this.down, { n }, `message-${n}`).then(
					() => (this.stored = n),
					() => pause(RETRY_MS),
				);
			}
		}
	}

	/** @param {string} after */
	async #read(after) {
		while (!this.#isOver) {
			try {
				const { cursor, events } = await this.#api.poll(this.up, { after, wait: WAIT, limit: 1000 });
				after = cursor;
				for (const { type, data } of events) if (type === 'message') this.received.push([data.n, now()]);
			} catch {
				await pause(RETRY_MS);
			}
		}
	}
}
