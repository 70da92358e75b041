/**
 * What the client wants of the server, and what has come of it, whatever link carries it. Pure: no
 * clock, no socket, no timer.
 *
 * What happens goes into `handle*`; what to do comes out of `poll*`, to be asked after each input
 * until they give nothing: `pollCommand` what to send on the present link, `pollOutput` what to tell
 * the application, `pollTimeout` when to come back. Everything asked is kept until it is answered
 * and said again on the next link, publishes in their order and under their ids.
 *
 * @import { Backoff } from './backoff.js'
 * @import { Command, Frame, Page, Publish, Range, Subscribe } from './wire/frames.js'
 */
import { Subscription } from './subscription.js';
import { decodeData, decodeMessage, encodeData } from './wire/data.js';
import { errorOf, TidingsError } from './wire/error.js';

/** Default bound of what is published and not yet answered, in bytes of JSON: a page's worth. */
export const QUEUE_BYTES_MAX = 1 << 20;

/**
 * @typedef {{ command: Publish, bytes: number, sent: boolean }} Publishing
 * @typedef {{ command: Command, subscription?: Subscription }} Question
 */

/**
 * For the application: an event of a channel, or what became of a request. An error's number may be none's.
 * @typedef {{ channel: string, type: string, fields: object }
 *   | { req: number, answer: unknown }
 *   | { req: number, error: TidingsError }} Output
 */

/**
 * @param {[string, Subscription]} following
 * @returns {Subscribe}
 */
const subscribe = ([channel, { req, cursor }]) => ({ type: 'subscribe', req, channel, after: cursor });

export class Session {
	#backoff;
	#queueBytesMax;
	#req = 0;
	/** @type {Map<string, Subscription>} */
	#subscriptions = new Map();
	/** @type {Map<number, Publishing>} */
	#publishes = new Map();
	/** @type {Map<number, Question>} */
	#questions = new Map();
	/** Channels that were left, and the link in use has not said so. @type {Map<number, string>} */
	#leaves = new Map();
	/** @type {Command[]} */
	#commands = [];
	/** @type {Output[]} */
	#outputs = [];
	#window = 0;
	/** When to go on after a refusal that asks for patience. */
	#pausedUntil = 0;
	/** Bytes published and not yet answered. */
	bufferedAmount = 0;

	/**
	 * @param {Backoff} backoff for what is refused now and may do later
	 * @param {number} [queueBytesMax]
	 */
	constructor(backoff, queueBytesMax = QUEUE_BYTES_MAX) {
		this.#backoff = backoff;
		this.#queueBytesMax = queueBytesMax;
	}

	/**
	 * Everything of this channel up to here was delivered.
	 * @param {string} channel
	 */
	cursor(channel) {
		return this.#subscriptions.get(channel)?.cursor;
	}

	/**
	 * Follows a channel, unless it is followed already.
	 * @param {string} channel
	 * @param {{ after?: string, history?: number }} [from]
	 */
	subscribe(channel, { after, history } = {}) {
		if (this.#subscriptions.has(channel)) return;
		/** @type {Subscription} */
		const subscription = new Subscription(
			{
				emit: (type, fields) => {
					if (this.#subscriptions.get(channel) === subscription) this.#emit(channel, type, fields);
				},
				read: (range) => this.ask({ type: 'history', channel, ...range }, subscription),
			},
			after,
			history,
		);
		this.#subscriptions.set(channel, subscription);
		this.#begin(channel, subscription);
	}

	/** @param {string} channel */
	unsubscribe(channel) {
		if (this.#subscriptions.delete(channel)) this.#unsubscribe(channel);
	}

	/**
	 * Asks for what can be asked again without harm.
	 * @param {{ type: 'presence', channel: string } | { type: 'history', channel: string } & Range} what
	 * @param {Subscription} [subscription] that wants it; else the application
	 * @returns {number} its number in the output
	 */
	ask(what, subscription) {
		const command = { ...what, req: ++this.#req };
		this.#questions.set(command.req, { command, subscription });
		this.#commands.push(command);
		return command.req;
	}

	/**
	 * @param {string} channel
	 * @param {unknown} data
	 * @param {string} id
	 * @returns {number} its number in the output
	 * @throws {TidingsError} `queue_full`
	 * @throws {TypeError} when `data` is not JSON
	 */
	publish(channel, data, id) {
		const wire = encodeData(data);
		const bytes = new TextEncoder().encode(JSON.stringify(wire)).length;
		if (this.bufferedAmount + bytes > this.#queueBytesMax) {
			throw new TidingsError(
				'queue_full',
				`${this.#queueBytesMax} bytes wait to be published: await publish() before the next, or raise queueBytesMax`,
			);
		}
		const req = ++this.#req;
		this.#publishes.set(req, { command: { type: 'publish', req, channel, id, ...wire }, bytes, sent: false });
		this.bufferedAmount += bytes;
		return req;
	}

	/**
	 * What to tell a link first that may be used later. What it brings may be handed in meanwhile.
	 * @returns {Subscribe[]}
	 */
	greet() {
		return [...this.#subscriptions].map(subscribe);
	}

	/**
	 * Another link is used from now on: it is told everything that it does not know, and asked again whatever
	 * the one before has not answered.
	 * @param {number} window how many publishes may be unanswered on it and still keep their order
	 * @param {Map<number, string>} [told] what it was told to follow: the numbers of what `greet()` gave, and the channels
	 */
	handleLink(window, told = new Map()) {
		this.#window = window;
		this.#commands = [];
		this.#leaves.clear();
		for (const [req, channel] of told) {
			// What was left meanwhile may have been followed anew, from another place.
			if (this.#subscriptions.get(channel)?.req !== req) this.#unsubscribe(channel);
		}
		this.#commands.push(...this.greet().filter(({ req }) => !told.has(req)));
		for (const { command } of this.#questions.values()) this.#commands.push(command);
		for (const publishing of this.#publishes.values()) publishing.sent = false;
	}

	/**
	 * @param {Frame} frame
	 * @param {number} now ms
	 */
	handleFrame(frame, now) {
		switch (frame.type) {
			case 'message':
				return this.#subscriptions.get(frame.channel)?.handleMessage(decodeMessage(frame));
			case 'subscribed': {
				const { req = Infinity, channel, cursor, truncated } = frame;
				const subscription = this.#subscriptions.get(channel);
				if (subscription?.handleSubscribed(cursor, truncated, req < subscription.req)) this.#beginAnew(channel);
				return;
			}
			case 'truncated':
				return this.#subscriptions.get(frame.channel)?.handleTruncated(frame.oldest);
			case 'cursor':
				for (const channel of frame.channels) this.#subscriptions.get(channel)?.handleCursor(frame.cursor);
				return;
			case 'signal':
				return this.#emit(frame.channel, 'signal', { from: frame.from, data: decodeData(frame) });
			case 'join':
			case 'leave':
				return this.#emit(frame.channel, frame.type, { user: frame.user, at: frame.at });
			case 'unsubscribed':
				// With a number it answers our own wish; without, a permission was withdrawn.
				if (!frame.req) this.#drop(frame.channel, new TidingsError(frame.code ?? 'unsubscribed', 'withdrawn'));
				else this.#leaves.delete(frame.req);
				return;
			case 'published': {
				const { seq, id, at } = frame;
				this.#backoff.reset();
				return this.#settle(frame.req, { answer: { seq, id, at } });
			}
			case 'presence': {
				const { users, count } = frame;
				return this.#settle(frame.req, { answer: { users, count } });
			}
			case 'history': {
				const page = { messages: frame.messages.map(decodeMessage), truncated: frame.truncated };
				return this.#settle(frame.req, { answer: page }, page);
			}
			case 'error':
				return this.#handleError(frame.req, errorOf(frame), now);
		}
	}

	/**
	 * @param {number} now ms
	 * @returns {Command | undefined} the next to send
	 */
	pollCommand(now) {
		if (now < this.#pausedUntil) return;
		const command = this.#commands.shift();
		if (command) return command;
		let window = this.#window;
		for (const publishing of this.#publishes.values()) {
			if (!window--) return;
			if (!publishing.sent) {
				publishing.sent = true;
				return publishing.command;
			}
		}
	}

	/** @returns {Output | undefined} the next to tell */
	pollOutput() {
		return this.#outputs.shift();
	}

	/** When to poll for commands again though nothing happened; 0 or past: no need. */
	pollTimeout() {
		return this.#pausedUntil;
	}

	/**
	 * @param {string} channel
	 * @param {Subscription} subscription
	 */
	#begin(channel, subscription) {
		subscription.req = ++this.#req;
		this.#commands.push(subscribe([channel, subscription]));
	}

	/** @param {string} channel */
	#unsubscribe(channel) {
		this.#leaves.set(++this.#req, channel);
		this.#commands.push({ type: 'unsubscribe', req: this.#req, channel });
	}

	/**
	 * The server follows the channel from another place than ours. Whoever follows it still begins once more,
	 * under another number, so that answers to what was said before are nobody's.
	 * @param {string} channel
	 */
	#beginAnew(channel) {
		this.#unsubscribe(channel);
		const subscription = this.#subscriptions.get(channel);
		if (subscription) this.#begin(channel, subscription);
	}

	/**
	 * @param {string} channel
	 * @param {string} type
	 * @param {object} fields
	 */
	#emit(channel, type, fields) {
		if (this.#subscriptions.has(channel)) this.#outputs.push({ channel, type, fields });
	}

	/**
	 * @param {string} channel
	 * @param {TidingsError} error
	 */
	#drop(channel, error) {
		this.#emit(channel, 'error', { error });
		this.#subscriptions.delete(channel);
	}

	/**
	 * @param {number} req
	 * @param {{ answer: unknown } | { error: TidingsError }} outcome
	 * @param {Page} [page] where the answer is one
	 */
	#settle(req, outcome, page) {
		const publishing = this.#publishes.get(req);
		const question = this.#questions.get(req);
		// Two links may answer the same.
		if (!publishing && !question) return;
		if (publishing) this.bufferedAmount -= publishing.bytes;
		this.#publishes.delete(req);
		this.#questions.delete(req);
		// A page that a subscription cannot have is no answer to anybody else: it is told as it is.
		question?.subscription?.handlePage(req, page);
		if ('error' in outcome || !question?.subscription) this.#outputs.push({ req, ...outcome });
	}

	/**
	 * @param {number | undefined} req
	 * @param {TidingsError} error
	 * @param {number} now
	 */
	#handleError(req, error, now) {
		if (!req) return void this.#outputs.push({ req: 0, error });
		const following = [...this.#subscriptions].find(([, subscription]) => subscription.req === req);
		const left = this.#leaves.get(req);
		this.#leaves.delete(req);
		if (error.later) {
			this.#pausedUntil = now + Math.max(this.#backoff.next(), error.after ?? 0);
			const question = this.#questions.get(req);
			const publishing = this.#publishes.get(req);
			if (question) this.#commands.push(question.command);
			else if (following) this.#commands.push(subscribe(following));
			else if (left) this.#beginAnew(left);
			// Those behind it are answered for themselves: taken already, and then before it in any case, or refused.
			else if (publishing) publishing.sent = false;
		} else if (following) {
			this.#drop(following[0], error);
		} else {
			this.#settle(req, { error });
		}
	}
}
