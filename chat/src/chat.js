/**
 * The chat behind the page: follows the rooms over one client, and holds what is known as
 * one unchanging state that is replaced whenever something happened.
 *
 * Decisions are in `model/`; here they meet the client, the clock and what is remembered.
 * It knows no document, so the tests run it as it is.
 *
 * @import { Key } from './i18n/words.js'
 * @import { Choice, Link } from './model/link.js'
 * @import { ChatState, Space } from './model/state.js'
 * @import { Message, Timeline } from './model/timeline.js'
 * @import { Memory } from './storage.js'
 * @import { Channel, Tidings } from '/client/client.js'
 */

import { isChoice } from './model/link.js';
import { peopleOf, withoutPerson, withPerson } from './model/people.js';
import { epochOf, formatRead, parseRead } from './model/read.js';
import { channelOf, INDEX_CHANNEL, roomFrom, ROOMS_MAX, START_ROOMS, withRoom } from './model/rooms.js';
import { NEW_SPACE } from './model/state.js';
import {
	EMPTY,
	newestSeq,
	oldestSeq,
	unreadCount,
	withBeginning,
	withDelivery,
	withMessages,
	withoutWritten,
	withReceipt,
	withWritten,
} from './model/timeline.js';
import { isDue, withoutExpired, withSign } from './model/typing.js';

/** Messages asked for when a room is opened, and each time the reader scrolls up. */
const PAGE = 50;

/** Rooms asked for from the index; each is one message, and a list this long is full. */
const INDEX_PAGE = 100;

/** `Tidings.OPEN`, spelled out so that the tests need no client. */
const OPEN = 1;

/** Close code of a token that was good and is no more. */
const TOKEN_EXPIRED = 4002;

let chats = 0;

export class Chat {
	/** Tells one visit from the next. */
	id = ++chats;
	/** @type {ChatState} */
	state;
	#tidings;
	#memory;
	#now;
	#onRefused;
	/** @type {Set<(state: ChatState) => void>} */
	#watchers = new Set();
	/** @type {Map<string, Channel>} */
	#channels = new Map();
	/** @type {ReturnType<typeof setInterval> | undefined} */
	#sweep;
	#epoch = '';
	#toldTypingAt = 0;
	#isAtBottom = true;
	#isVisible = true;
	#isIndexRead = false;
	#isStopped = false;
	#isOnline = true;
	#wasLive = false;

	/**
	 * @param {object} parts
	 * @param {Tidings} parts.tidings
	 * @param {string} parts.me the reader's name as the server will say it
	 * @param {string} parts.room the room to open first
	 * @param {Choice} parts.choice
	 * @param {Memory} parts.memory
	 * @param {(why: Key) => void} parts.onRefused the server does not let the reader in
	 * @param {() => number} [parts.now]
	 */
	constructor({ tidings, me, room, choice, memory, onRefused, now = Date.now }) {
		this.#tidings = tidings;
		this.#memory = memory;
		this.#onRefused = onRefused;
		this.#now = now;
		const rooms = withRoom(START_ROOMS, { name: room });
		const link = /** @type {Link} */ ({ state: 'connecting', transport: null, reason: '', roundTripTime: null, choice });
		this.state = { me, link, rooms, room, spaces: new Map(), people: [], newAfter: 0 };
		this.#followLink();
		for (const { name } of rooms) this.#follow(name);
		this.#followIndex();
		this.open(room);
		this.#sweep = setInterval(() => this.#forgetTypists(), 1000);
	}

	/** Ends the visit: nothing is followed any more. */
	stop() {
		this.#isStopped = true;
		clearInterval(this.#sweep);
		this.#tidings.close(1000, 'left');
	}

	/**
	 * Calls back with every new state, until the returned function is called.
	 * @param {(state: ChatState) => void} watcher
	 */
	watch(watcher) {
		this.#watchers.add(watcher);
		watcher(this.state);
		return () => void this.#watchers.delete(watcher);
	}

	/**
	 * @param {string} room
	 * @returns {Space}
	 */
	space(room) {
		return this.state.spaces.get(room) ?? NEW_SPACE;
	}

	/** Unread messages in the rooms that are not open, or are out of sight. */
	unreadElsewhere() {
		let unread = 0;
		for (const [, space] of this.state.spaces) unread += unreadCount(space.timeline, space.readSeq ?? Infinity, this.state.me);
		return unread;
	}

	/* Rooms */

	/**
	 * Opens a room; one that nobody has heard of yet joins the list.
	 * @param {string} room
	 */
	open = (room) => {
		const isOpened = room !== this.state.room;
		const rooms = withRoom(this.state.rooms, { name: room });
		if (!rooms.some(({ name }) => name === room)) return;
		if (isOpened) this.#stopTyping();
		this.#isAtBottom = true;
		this.#set({ rooms, room, people: isOpened ? [] : this.state.people, newAfter: this.#newAfter(room) });
		this.#follow(room);
		this.#memory.remember('room', room);
		this.#readAll();
		if (isOpened) this.#askPeople();
	};

	/**
	 * Opens the room so many places further down the list.
	 * @param {1 | -1} step
	 */
	openNext(step) {
		const { rooms, room } = this.state;
		const at = rooms.findIndex(({ name }) => name === room);
		const next = rooms[(at + step + rooms.length) % rooms.length];
		if (next !== undefined) this.open(next.name);
	}

	/**
	 * Makes a room for everybody, and opens it.
	 * @param {string} title
	 * @returns {Promise<Key | null>} what went wrong
	 */
	async makeRoom(title) {
		const { room, fault } = roomFrom(title);
		if (room === null) return `rooms.fault.${fault}`;
		const isKnown = this.state.rooms.some(({ name }) => name === room.name);
		if (!isKnown) {
			if (this.state.rooms.length >= ROOMS_MAX) return 'rooms.full';
			// The client would wait for a connection; a dialog that hangs is worse than an answer.
			if (this.state.link.state !== 'live') return 'rooms.failed';
			try {
				await this.#channels.get(INDEX_CHANNEL)?.publish(room);
			} catch {
				return 'rooms.failed';
			}
			this.#learnRoom(room);
		}
		this.open(room.name);
		return null;
	}

	#followIndex() {
		const index = this.#tidings.channel(INDEX_CHANNEL);
		this.#channels.set(INDEX_CHANNEL, index);
		index.addEventListener('message', ({ message }) => this.#learnRoom(message.data));
		index.addEventListener('subscribed', async () => {
			try {
				const { messages } = await index.history({ limit: INDEX_PAGE });
				for (const { data } of messages) this.#learnRoom(data);
				this.#isIndexRead = true;
			} catch {
				// The rooms that are known stay; the next connection asks again.
			}
		});
	}

	/** @param {unknown} data */
	#learnRoom(data) {
		const known = this.state.rooms;
		const rooms = withRoom(known, data);
		// A room that was opened by its address has no title before the index tells it.
		if (rooms === known) return this.#titleRoom(data);
		this.#set({ rooms });
		const room = rooms[rooms.length - 1];
		if (room === undefined) return;
		// What is said in a room made just now is new; what was said before the visit is not.
		if (this.#isIndexRead) this.#update(room.name, { readSeq: 0 });
		this.#follow(room.name);
	}

	/** @param {unknown} data */
	#titleRoom(data) {
		const [said] = withRoom([], data);
		if (said === undefined || START_ROOMS.some(({ name }) => name === said.name)) return;
		const known = this.state.rooms.find(({ name }) => name === said.name);
		if (known === undefined || known.title !== known.name || said.title === known.title) return;
		this.#set({ rooms: this.state.rooms.map((room) => (room === known ? said : room)) });
	}

	/** @param {string} room */
	#follow(room) {
		if (this.#channels.has(room)) return;
		const channel = this.#tidings.channel(channelOf(room));
		this.#channels.set(room, channel);
		if (!this.state.spaces.has(room)) this.#update(room, {});
		channel.addEventListener('subscribed', ({ cursor }) => {
			this.#learnEpoch(epochOf(cursor));
			if (!this.space(room).isReady) this.#loadNewest(room);
			if (room === this.state.room) this.#askPeople();
		});
		channel.addEventListener('message', ({ message }) => this.#take(room, message));
		channel.addEventListener('truncated', () => {
			this.#update(room, { timeline: { ...EMPTY, outbox: this.space(room).timeline.outbox }, isReady: false });
			this.#loadNewest(room);
		});
		channel.addEventListener('error', () => this.#update(room, { isRefused: true, isReady: true }));
		channel.addEventListener('signal', ({ from, data }) => this.#heed(room, from, data));
		channel.addEventListener('join', ({ user }) => {
			if (room === this.state.room) this.#set({ people: withPerson(this.state.people, user) });
		});
		channel.addEventListener('leave', ({ user }) => {
			if (room === this.state.room) this.#set({ people: withoutPerson(this.state.people, user) });
			this.#update(room, { typists: withSign(this.space(room).typists, user, false, this.#now()) });
		});
	}

	/* Messages */

	/**
	 * Sends into the open room. It is shown at once; the server's answer follows.
	 * @param {string} text
	 */
	send = (text) => {
		const { room, me } = this.state;
		const id = crypto.randomUUID();
		const at = this.#now();
		this.#isAtBottom = true;
		this.#set({ newAfter: 0 });
		this.#update(room, { timeline: withWritten(this.space(room).timeline, { id, from: me, at, text }) });
		this.#toldTypingAt = 0;
		void this.#publish(room, id, text);
	};

	/** @param {string} id a message that could not be sent, of the open room */
	retry = (id) => {
		const { room } = this.state;
		const { timeline } = this.space(room);
		const written = timeline.outbox.find((entry) => entry.id === id);
		if (written === undefined) return;
		this.#update(room, { timeline: withDelivery(timeline, id, 'sending') });
		// The same id: if the first try did arrive after all, this one changes nothing.
		void this.#publish(room, id, written.text);
	};

	/** @param {string} id */
	discard = (id) => {
		const { room } = this.state;
		this.#update(room, { timeline: withoutWritten(this.space(room).timeline, id) });
	};

	/**
	 * @param {string} room
	 * @param {string} id
	 * @param {string} text
	 */
	async #publish(room, id, text) {
		try {
			const receipt = await this.#channels.get(room)?.publish({ text }, { id });
			if (receipt !== undefined) this.#update(room, { timeline: withReceipt(this.space(room).timeline, id, receipt) });
		} catch {
			this.#update(room, { timeline: withDelivery(this.space(room).timeline, id, 'failed') });
		}
	}

	/** Asks for what was said before the oldest message here. */
	older = async () => {
		const { room } = this.state;
		const { timeline, isReady, older } = this.space(room);
		if (!isReady || older === 'loading' || timeline.complete) return;
		this.#update(room, { older: 'loading' });
		try {
			const page = await this.#history(room, { before: oldestSeq(timeline) || undefined, limit: PAGE });
			this.#update(room, { timeline: this.#withPage(this.space(room).timeline, page), older: 'idle' });
		} catch {
			this.#update(room, { older: 'failed' });
		}
	};

	/** @param {string} room */
	async #loadNewest(room) {
		try {
			const page = await this.#history(room, { limit: PAGE });
			const { timeline, readSeq } = this.space(room);
			const next = this.#withPage(timeline, page);
			this.#update(room, { timeline: next, isReady: true, readSeq: readSeq ?? this.#recallRead(room) ?? newestSeq(next) });
			if (room === this.state.room) this.#set({ newAfter: this.#newAfter(room) });
			this.#readAll();
		} catch {
			// Not the connection, which the client mends, but a refusal: the reader may try again.
			this.#update(room, { isReady: true, older: 'failed' });
		}
	}

	/**
	 * @param {string} room
	 * @param {{ before?: number, limit: number }} range
	 */
	async #history(room, range) {
		const channel = this.#channels.get(room);
		if (channel === undefined) throw new Error(`${room} is not followed`);
		return channel.history(range);
	}

	/**
	 * @param {Timeline} timeline
	 * @param {{ messages: Message[], truncated: boolean }} page
	 */
	#withPage(timeline, { messages, truncated }) {
		const next = withMessages(timeline, messages);
		return messages.length < PAGE && !next.complete ? withBeginning(next, truncated) : next;
	}

	/**
	 * @param {string} room
	 * @param {Message} message
	 */
	#take(room, message) {
		const { timeline, typists } = this.space(room);
		const isOpen = room === this.state.room;
		// The first message that comes while the reader looks away draws the line.
		if (isOpen && !this.#isAttentive() && this.state.newAfter === 0) this.#set({ newAfter: newestSeq(timeline) });
		this.#update(room, {
			timeline: withMessages(timeline, [message]),
			typists: withSign(typists, message.from, false, this.#now()),
		});
		if (isOpen) this.#readAll();
	}

	/* What has been read */

	/** @param {boolean} isAtBottom the newest message of the open room is in view */
	attendBottom = (isAtBottom) => {
		if (isAtBottom === this.#isAtBottom) return;
		this.#isAtBottom = isAtBottom;
		this.#readAll();
	};

	/** @param {boolean} isVisible the page is in front */
	attendPage(isVisible) {
		this.#isVisible = isVisible;
		this.#readAll();
	}

	#isAttentive() {
		return this.#isAtBottom && this.#isVisible;
	}

	#readAll() {
		const { room } = this.state;
		const { timeline, readSeq, isReady } = this.space(room);
		const newest = newestSeq(timeline);
		if (!this.#isAttentive() || !isReady || newest <= (readSeq ?? 0)) return;
		this.#update(room, { readSeq: newest });
		this.#rememberRead();
	}

	/** @param {string} room */
	#newAfter(room) {
		const { timeline, readSeq } = this.space(room);
		return readSeq !== null && unreadCount(timeline, readSeq, this.state.me) > 0 ? readSeq : 0;
	}

	/** @param {string} epoch */
	#learnEpoch(epoch) {
		const isOther = this.#epoch !== '' && this.#epoch !== epoch;
		this.#epoch = epoch;
		if (!isOther) return;
		// The server has a new log: its seqs begin again, and what was read was read elsewhere.
		const spaces = new Map([...this.state.spaces].map(([name, space]) => [name, { ...space, readSeq: null }]));
		this.#set({ spaces, newAfter: 0 });
	}

	/**
	 * @param {string} room
	 * @returns {number | null}
	 */
	#recallRead(room) {
		return parseRead(this.#memory.recall('read'), this.#epoch)[room] ?? null;
	}

	#rememberRead() {
		/** @type {Record<string, number>} */
		const rooms = {};
		for (const [name, { readSeq }] of this.state.spaces) if (readSeq !== null) rooms[name] = readSeq;
		this.#memory.remember('read', formatRead(this.#epoch, rooms));
	}

	/* Typing, and who is here */

	/** @param {string} draft the whole of what is being written in the open room */
	write = (draft) => {
		const { room } = this.state;
		const now = this.#now();
		this.#update(room, { draft });
		if (draft.trim() === '') this.#stopTyping();
		else if (isDue(this.#toldTypingAt, now)) {
			this.#toldTypingAt = now;
			this.#signal(true);
		}
	};

	#stopTyping() {
		if (this.#toldTypingAt === 0) return;
		this.#toldTypingAt = 0;
		this.#signal(false);
	}

	/** @param {boolean} typing */
	#signal(typing) {
		const { room } = this.state;
		this.#channels.get(room)?.signal({ typing });
	}

	/**
	 * @param {string} room
	 * @param {string} from
	 * @param {unknown} data
	 */
	#heed(room, from, data) {
		if (from === this.state.me || typeof data !== 'object' || data === null || !('typing' in data)) return;
		const { typists } = this.space(room);
		this.#update(room, { typists: withSign(typists, from, data.typing === true, this.#now()) });
	}

	#forgetTypists() {
		for (const [room, { typists }] of this.state.spaces) {
			const left = withoutExpired(typists, this.#now());
			if (left !== typists) this.#update(room, { typists: left });
		}
	}

	async #askPeople() {
		const { room } = this.state;
		try {
			const answer = await this.#channels.get(room)?.presence();
			if (answer === undefined || room !== this.state.room) return;
			this.#set({ people: peopleOf(answer.users.map(({ user }) => user)) });
		} catch {
			// Those who join and leave are told anyway.
		}
	}

	/* The connection */

	/** @param {Choice} choice */
	choose = (choice) => {
		this.#memory.remember('transport', choice);
		this.#set({ link: { ...this.state.link, choice } });
		// A change that was asked for is no lost connection.
		this.#wasLive = false;
		this.#tidings.transport = choice;
	};

	#followLink() {
		const tidings = this.#tidings;
		tidings.addEventListener('state', () => this.#watchLink());
		tidings.addEventListener('transport', ({ reason }) => this.#watchLink(reason));
		tidings.addEventListener('measured', () => this.#watchLink());
		tidings.addEventListener('close', ({ code }) => {
			// The client gives up only where the server refuses for good.
			if (!this.#isStopped) this.#onRefused(code === TOKEN_EXPIRED ? 'door.expired' : 'door.refused');
		});
	}

	/** @param {boolean} isOnline the device has a network */
	attendNetwork(isOnline) {
		this.#isOnline = isOnline;
		this.#watchLink();
	}

	/** @param {string} [reason] why the transport is another one */
	#watchLink(reason = this.state.link.reason) {
		const { readyState, transport, user, roundTripTime = null } = this.#tidings;
		const isLive = readyState === OPEN;
		this.#wasLive ||= isLive;
		const state = isLive ? 'live' : !this.#isOnline ? 'offline' : this.#wasLive ? 'reconnecting' : 'connecting';
		this.#set({
			me: user ?? this.state.me,
			link: { ...this.state.link, state, transport: transport === 'auto' ? null : transport, reason, roundTripTime },
		});
	}

	/* State */

	/**
	 * @param {string} room
	 * @param {Partial<Space>} change
	 */
	#update(room, change) {
		const spaces = new Map(this.state.spaces);
		spaces.set(room, { ...this.space(room), ...change });
		this.#set({ spaces });
	}

	/** @param {Partial<ChatState>} change */
	#set(change) {
		this.state = { ...this.state, ...change };
		if (!this.#isStopped) for (const watcher of this.#watchers) watcher(this.state);
	}
}

/**
 * The choice remembered from the last visit.
 * @param {Memory} memory
 * @returns {Choice}
 */
export function choiceOf(memory) {
	const remembered = memory.recall('transport');
	return isChoice(remembered) ? remembered : 'auto';
}
