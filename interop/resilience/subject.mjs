/**
 * The client under test, and what it went through: follows one channel, publishes on another, and notes
 * when what happened. It runs in Node and in a page alike, so it imports nothing.
 *
 * @import { Options, Tidings as Client, TransportName } from '../../client/src/client.js'
 */

/** How often it publishes, in ms, and how much of it may wait: over a slow network it waits for answers. */
const PUBLISH_EVERY_MS = 200;
const WAITING_MAX = 16;

/**
 * @typedef {object} Task
 * @property {string} url
 * @property {string} down the channel that it follows
 * @property {string} after the cursor before the first message there
 * @property {string} up the channel on which it publishes
 * @property {TransportName} [remembered] what it is to believe that has worked the last time
 * @property {Options & { transport: TransportName | 'auto' }} options
 */

/**
 * @typedef {object} Change
 * @property {'state' | 'transport'} type
 * @property {boolean} isOpen whether messages flow, as far as the client knows
 * @property {string} transport
 * @property {string} reason
 * @property {number} at
 */

/**
 * What has happened, without what is `known` already.
 * @typedef {object} Report
 * @property {[n: number, at: number][]} received
 * @property {Change[]} changes
 * @property {number} made how many messages it has published, in all
 * @property {number} acknowledged how many of them are stored, in all
 * @property {string} transport
 * @property {string[]} errors
 * @property {number} begun when it was made
 */

/**
 * How much of it was read: an answer that came too late to be heard is given again.
 * @typedef {object} Known
 * @property {number} received
 * @property {number} changes
 * @property {number} errors
 */

/** Ms since 1970, finer than `Date`: comparable between pages and processes on one machine. */
const now = () => performance.timeOrigin + performance.now();

export class Subject {
	#tidings;
	#room;
	/** @type {[number, number][]} */
	#received = [];
	/** @type {Change[]} */
	#changes = [];
	/** @type {string[]} */
	#errors = [];
	#made = 0;
	#acknowledged = 0;
	#begun = now();
	/** @type {unknown} */
	#timer;

	/**
	 * Connects at once.
	 * @param {typeof Client} Tidings
	 * @param {Task} task
	 */
	constructor(Tidings, { url, down, after, up, remembered, options }) {
		if (remembered) (options.storage ?? localStorage).setItem(`tidings:${url}`, remembered);
		const tidings = new Tidings(url, options);
		const note = (/** @type {'state' | 'transport'} */ type, /** @type {string} */ reason) => {
			const isOpen = tidings.readyState === Tidings.OPEN;
			this.#changes.push({ type, isOpen, transport: tidings.transport, reason, at: now() });
		};
		tidings.addEventListener('state', ({ reason }) => note('state', reason));
		tidings.addEventListener('transport', ({ reason }) => note('transport', reason));
		tidings.addEventListener('error', ({ error }) => this.#errors.push(String(error)));
		tidings.addEventListener('close', ({ code, reason }) => this.#errors.push(`closed with ${code}: ${reason}`));
		const followed = tidings.channel(down, { after });
		followed.addEventListener('message', ({ data }) => {
			this.#received.push([/** @type {{ n: number }} */ (data).n, now()]);
		});
		followed.addEventListener('truncated', () => this.#errors.push('truncated'));
		followed.addEventListener('error', ({ error }) => this.#errors.push(String(error)));
		this.#tidings = tidings;
		this.#room = tidings.channel(up);
		this.publish();
	}

	/** Publishes from now on. */
	publish() {
		this.#timer = setInterval(() => {
			if (this.#made - this.#acknowledged >= WAITING_MAX) return;
			this.#room.publish({ n: ++this.#made }).then(
				() => this.#acknowledged++,
				(error) => this.#errors.push(String(error)),
			);
		}, PUBLISH_EVERY_MS);
	}

	/** Publishes no more for now. */
	pause() {
		clearInterval(/** @type {number} */ (this.#timer));
	}

	/**
	 * @param {Known} known
	 * @returns {Report}
	 */
	report({ received, changes, errors }) {
		return {
			received: this.#received.slice(received),
			changes: this.#changes.slice(changes),
			errors: this.#errors.slice(errors),
			made: this.#made,
			acknowledged: this.#acknowledged,
			transport: this.#tidings.transport,
			begun: this.#begun,
		};
	}

	close() {
		this.pause();
		this.#tidings.close();
	}
}
