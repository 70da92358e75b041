/**
 * A channel as the application sees it: an `EventTarget` that is followed once somebody listens.
 *
 * @import { Message, Page, Presence, Range, Receipt } from './wire/frames.js'
 * @import { TidingsError } from './wire/error.js'
 */

/**
 * Where following begins.
 * @typedef {object} From
 * @property {string} [after] a cursor (`channel.cursor`, `event.lastEventId`): go on behind it. Default: from now
 * @property {number} [history] without `after`: so many of the last messages first. Default 0
 */

/**
 * @typedef {object} ChannelEvents
 * @property {Event & { data: unknown, message: Message, lastEventId: string }} message the habits of
 *   `MessageEvent`: `data` is what was published, `lastEventId` the cursor; `message` is all of it
 * @property {Event & { data: unknown, from: string }} signal
 * @property {Event & { user: string, at: number }} join
 * @property {Event & { user: string, at: number }} leave
 * @property {Event & { oldest?: number }} truncated messages before the next one are gone; `oldest` is the seq
 *   of the oldest one that is kept, 0: none; absent where the log is another, or has lost its end
 * @property {Event & { cursor: string }} subscribed a link begins to bring the channel
 * @property {Event & { error: TidingsError }} error the channel may not be followed, or no longer
 */

/**
 * What a channel asks of the client that it belongs to.
 * @typedef {object} Client
 * @property {(from?: From) => void} subscribe
 * @property {() => void} unsubscribe
 * @property {() => string | undefined} cursor
 * @property {(data: unknown, id?: string) => Promise<Receipt>} publish
 * @property {(data: unknown) => boolean} signal
 * @property {(range: Range) => Promise<Page>} history
 * @property {() => Promise<Presence>} presence
 */

export class Channel extends EventTarget {
	#client;
	#from;
	/** Its whole name. */
	name;

	/**
	 * @param {string} name
	 * @param {Client} client
	 * @param {From} [from]
	 */
	constructor(name, client, from) {
		super();
		this.name = name;
		this.#client = client;
		this.#from = from;
	}

	/**
	 * Listens, and follows the channel if it is not followed yet.
	 * @template {keyof ChannelEvents} Type
	 * @override
	 * @param {Type} type
	 * @param {((event: ChannelEvents[Type]) => void) | null} listener
	 * @param {boolean | AddEventListenerOptions} [options]
	 */
	addEventListener(type, listener, options) {
		super.addEventListener(type, /** @type {EventListener | null} */ (listener), options);
		this.subscribe();
	}

	/**
	 * Everything up to here was delivered. Kept over a reload of the page and given as `after`, it
	 * lets the next page go on where this one ended. Undefined before the server has answered.
	 */
	get cursor() {
		return this.#client.cursor();
	}

	/**
	 * Follows the channel, unless it is followed already.
	 * @param {From} [from] default: as given to `Tidings.channel()`
	 */
	subscribe(from = this.#from) {
		this.#client.subscribe(from);
	}

	/** Follows it no longer. Listeners stay, for the next `subscribe()`. */
	unsubscribe() {
		this.#client.unsubscribe();
	}

	/**
	 * Stores a message and delivers it, once, however often the connection breaks meanwhile.
	 * Publishes on one channel keep their order.
	 * @param {unknown} data any JSON value, or a `Uint8Array`
	 * @param {{ id?: string }} [options] `id`: idempotency key, by default a random one
	 * @returns {Promise<Receipt>} once the log has it
	 * @throws {TidingsError} refused for good; `queue_full`: too much is waiting; `closed`
	 */
	async publish(data, { id } = {}) {
		return this.#client.publish(data, id);
	}

	/**
	 * Sends what is not stored: at most once, and not at all while there is no connection.
	 * @param {unknown} data
	 * @returns {boolean} whether it was handed to the connection
	 */
	signal(data) {
		return this.#client.signal(data);
	}

	/**
	 * Reads stored messages, oldest first: the newest ones before `before`, or those next after `after`.
	 * @param {Range} [range]
	 * @returns {Promise<Page>}
	 */
	async history(range = {}) {
		return this.#client.history(range);
	}

	/**
	 * Who is in the channel now.
	 * @returns {Promise<Presence>}
	 */
	async presence() {
		return this.#client.presence();
	}
}
