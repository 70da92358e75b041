/** The chat over a client that does what the test says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chat } from '../src/chat.js';
import { memoryOf } from '../src/storage.js';

class FakeChannel extends EventTarget {
	/** @type {{ seq: number, prev: number, id: string, at: number, from: string, data: unknown }[]} */
	log = [];
	/** @type {unknown[]} */
	signals = [];
	users = ['ada', 'mira'];
	refuses = false;
	/** Pages of history that were asked for. */
	pages = 0;
	/** @param {string} name @param {FakeTidings} tidings */
	constructor(name, tidings) {
		super();
		this.name = name;
		this.tidings = tidings;
	}
	/** @param {string} type @param {object} fields */
	emit(type, fields) {
		this.dispatchEvent(Object.assign(new Event(type), fields));
	}
	/** Somebody says something; `live`: this page hears of it. @param {string} from @param {unknown} data */
	say(from, data, { id = '', live = true } = {}) {
		const seq = ++this.tidings.seq;
		const message = { seq, prev: this.log.at(-1)?.seq ?? 0, id: id || `id${seq}`, at: seq, from, data };
		this.log.push(message);
		if (live) this.emit('message', { message, data });
		return message;
	}
	/** @param {unknown} data @param {{ id: string }} [options] */
	async publish(data, options) {
		await null;
		if (this.refuses) throw new Error('too_large');
		const known = this.log.find(({ id }) => id === options?.id);
		const { seq, id, at } = known ?? this.say('ada', data, options);
		return { seq, id, at };
	}
	/** @param {unknown} data */
	signal(data) {
		this.signals.push(data);
		return true;
	}
	/** @param {{ before?: number, limit: number }} range */
	async history({ before = Infinity, limit }) {
		this.pages++;
		return { messages: this.log.filter(({ seq }) => seq < before).slice(-limit), truncated: false };
	}
	async presence() {
		return { users: this.users.map((user) => ({ user, since: 0, connections: 1 })), count: this.users.length };
	}
}

class FakeTidings extends EventTarget {
	seq = 0;
	readyState = 0;
	transport = 'auto';
	user = undefined;
	/** @type {number | undefined} */
	roundTripTime;
	/** @type {Map<string, FakeChannel>} */
	channels = new Map();
	closed = false;
	/** @param {string} name */
	channel(name) {
		const channel = this.channels.get(name) ?? new FakeChannel(name, this);
		this.channels.set(name, channel);
		return channel;
	}
	close() {
		this.closed = true;
	}
	/** @param {number} readyState @param {string} transport */
	become(readyState, transport) {
		Object.assign(this, { readyState, transport });
		this.dispatchEvent(new Event('state'));
	}
	/** @param {string} name @param {string} reason */
	change(name, reason) {
		this.transport = name;
		this.dispatchEvent(Object.assign(new Event('transport'), { name, reason }));
	}
	/** @param {number} roundTripTime */
	measure(roundTripTime) {
		this.roundTripTime = roundTripTime;
		this.dispatchEvent(Object.assign(new Event('measured'), { roundTripTime }));
	}
	/** @param {string} [epoch] */
	open(epoch = 'e1') {
		this.become(1, 'websocket');
		for (const channel of this.channels.values()) channel.emit('subscribed', { cursor: `${epoch}-${this.seq}` });
		return settled();
	}
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** @param {Map<string, string>} [store] */
function visit(store = new Map(), room = 'lobby') {
	const storage = /** @type {Storage} */ (
		/** @type {unknown} */ ({
			getItem: (/** @type {string} */ key) => store.get(key) ?? null,
			setItem: (/** @type {string} */ key, /** @type {string} */ value) => store.set(key, value),
			removeItem: (/** @type {string} */ key) => store.delete(key),
		})
	);
	const tidings = new FakeTidings();
	/** @type {string[]} */
	const refusals = [];
	const clock = { now: 1000 };
	const chat = new Chat({
		tidings: /** @type {import('/client/client.js').Tidings} */ (/** @type {unknown} */ (tidings)),
		me: 'ada',
		room,
		choice: 'auto',
		memory: memoryOf(() => storage),
		onRefused: (why) => refusals.push(why),
		now: () => clock.now,
	});
	return { chat, tidings, store, clock, refusals, lobby: tidings.channel('chat:lobby'), index: tidings.channel('rooms:index') };
}

const texts = (/** @type {Chat} */ chat, room = 'lobby') => {
	const { stored, outbox } = chat.space(room).timeline;
	return [...stored, ...outbox].map(({ text, delivery }) => `${text} ${delivery}`);
};

test('what was said before the visit is there, and is not new', async (t) => {
	const { chat, tidings, lobby } = visit();
	t.after(() => chat.stop());
	lobby.say('mira', { text: 'hi' }, { live: false });
	assert.equal(chat.space('lobby').isReady, false);
	await tidings.open();
	assert.deepEqual(texts(chat), ['hi sent']);
	assert.equal(chat.unreadElsewhere(), 0);
	assert.deepEqual(chat.state.people, ['ada', 'mira']);
	assert.equal(chat.state.link.state, 'live');
});

test('a message is shown at once, and sent when the log has it', async (t) => {
	const { chat, tidings } = visit();
	t.after(() => chat.stop());
	await tidings.open();
	chat.send('hello');
	assert.deepEqual(texts(chat), ['hello sending']);
	await settled();
	assert.deepEqual(texts(chat), ['hello sent']);
});

test('a refused message says so; tried again it goes under its first id', async (t) => {
	const { chat, tidings, lobby } = visit();
	t.after(() => chat.stop());
	await tidings.open();
	lobby.refuses = true;
	chat.send('hello');
	await settled();
	assert.deepEqual(texts(chat), ['hello failed']);
	const id = chat.space('lobby').timeline.outbox[0]?.id ?? '';
	lobby.refuses = false;
	chat.retry(id);
	await settled();
	assert.deepEqual(texts(chat), ['hello sent']);
	assert.deepEqual(lobby.log.map((message) => message.id), [id]);
});

test('messages in other rooms are counted until their room is opened', async (t) => {
	const { chat, tidings, store } = visit();
	t.after(() => chat.stop());
	await tidings.open();
	const ideas = tidings.channel('chat:ideas');
	ideas.say('mira', { text: 'a' });
	ideas.say('ada', { text: 'b' });
	ideas.say('mira', { text: 'c' });
	assert.equal(chat.unreadElsewhere(), 2);
	chat.open('ideas');
	assert.equal(chat.unreadElsewhere(), 0);
	assert.match(store.get('tidings.chat.read') ?? '', /"ideas":3/);
});

test('what came between two visits is new in the second', async (t) => {
	const first = visit();
	await first.tidings.open();
	first.lobby.say('mira', { text: 'seen' });
	first.chat.stop();
	const second = visit(first.store);
	t.after(() => second.chat.stop());
	second.chat.attendPage(false);
	second.lobby.say('mira', { text: 'seen' }, { live: false });
	second.lobby.say('mira', { text: 'new' }, { live: false });
	await second.tidings.open();
	assert.equal(second.chat.unreadElsewhere(), 1);
	assert.equal(second.chat.state.newAfter, 1);
	second.chat.attendPage(true);
	assert.equal(second.chat.unreadElsewhere(), 0);
	assert.equal(second.chat.state.newAfter, 1, 'the line stays while the room is open');
});

test('what was read in another log says nothing of this one', async (t) => {
	const first = visit();
	await first.tidings.open();
	for (let i = 0; i < 9; i++) first.lobby.say('mira', { text: 'x' });
	first.chat.stop();
	const second = visit(first.store);
	t.after(() => second.chat.stop());
	second.lobby.say('mira', { text: 'y' }, { live: false });
	await second.tidings.open('e2');
	assert.equal(second.chat.space('lobby').readSeq, 1);
});

test('while the reader looks away new messages wait behind a line', async (t) => {
	const { chat, tidings, lobby } = visit();
	t.after(() => chat.stop());
	lobby.say('mira', { text: 'old' }, { live: false });
	await tidings.open();
	chat.attendBottom(false);
	lobby.say('mira', { text: 'new' });
	lobby.say('mira', { text: 'newer' });
	assert.equal(chat.state.newAfter, 1);
	assert.equal(chat.space('lobby').readSeq, 1);
	chat.attendBottom(true);
	assert.equal(chat.space('lobby').readSeq, 3);
});

test('earlier history comes page by page until the room begins', async (t) => {
	const { chat, tidings, lobby } = visit();
	t.after(() => chat.stop());
	for (let i = 0; i < 120; i++) lobby.say('mira', { text: `${i}` }, { live: false });
	await tidings.open();
	assert.equal(texts(chat).length, 50);
	await Promise.all([chat.older(), chat.older()]);
	assert.equal(texts(chat).length, 100);
	assert.equal(lobby.pages, 2, 'asked once at a time');
	await chat.older();
	assert.equal(texts(chat).length, 120);
	assert.equal(chat.space('lobby').timeline.complete, true);
});

test('a truncated room begins again with what the server has', async (t) => {
	const { chat, tidings, lobby } = visit();
	t.after(() => chat.stop());
	await tidings.open();
	lobby.say('mira', { text: 'old' });
	lobby.log = [];
	lobby.say('mira', { text: 'kept' }, { live: false });
	lobby.emit('truncated', {});
	await settled();
	assert.deepEqual(texts(chat), ['kept sent']);
});

test('a room made by one appears for the other, and what is said in it is new', async (t) => {
	const { chat, tidings, index } = visit();
	t.after(() => chat.stop());
	await tidings.open();
	index.say('mira', { name: 'tea', title: 'Tea' });
	assert.deepEqual(chat.state.rooms.at(-1), { name: 'tea', title: 'Tea' });
	const tea = tidings.channel('chat:tea');
	tea.say('mira', { text: 'kettle is on' }, { live: false });
	tea.emit('subscribed', { cursor: 'e1-9' });
	await settled();
	assert.equal(chat.unreadElsewhere(), 1);
});

test('making a room tells everybody and opens it; making it again only opens it', async (t) => {
	const { chat, tidings, index } = visit();
	t.after(() => chat.stop());
	assert.equal(await chat.makeRoom('Tea Time'), 'rooms.failed', 'not while there is no connection');
	await tidings.open();
	assert.equal(await chat.makeRoom('Tea Time'), null);
	assert.equal(chat.state.room, 'tea-time');
	assert.deepEqual(index.log.map(({ data }) => data), [{ name: 'tea-time', title: 'Tea Time' }]);
	assert.equal(await chat.makeRoom('tea time'), null);
	assert.equal(index.log.length, 1);
	assert.equal(await chat.makeRoom(' '), 'rooms.fault.empty');
});

test('a room known by its address alone gets its title from the index', async (t) => {
	const { chat, tidings, index } = visit(new Map(), 'tea');
	t.after(() => chat.stop());
	await tidings.open();
	assert.deepEqual(chat.state.rooms.at(-1), { name: 'tea', title: 'tea' });
	index.say('mira', { name: 'tea', title: 'Tea & biscuits' });
	assert.deepEqual(chat.state.rooms.at(-1), { name: 'tea', title: 'Tea & biscuits' });
});

test('typing is told now and again, and its end when the draft is gone', async (t) => {
	const { chat, tidings, lobby, clock } = visit();
	t.after(() => chat.stop());
	await tidings.open();
	chat.write('h');
	chat.write('he');
	clock.now += 3000;
	chat.write('hel');
	chat.write('');
	assert.deepEqual(lobby.signals, [{ typing: true }, { typing: true }, { typing: false }]);
});

test('those who type are shown until they send; one’s own other page is not', async (t) => {
	const { chat, tidings, lobby } = visit();
	t.after(() => chat.stop());
	await tidings.open();
	lobby.emit('signal', { from: 'mira', data: { typing: true } });
	lobby.emit('signal', { from: 'ada', data: { typing: true } });
	lobby.emit('signal', { from: 'theo', data: 'nonsense' });
	assert.deepEqual([...chat.space('lobby').typists.keys()], ['mira']);
	lobby.say('mira', { text: 'done' });
	assert.equal(chat.space('lobby').typists.size, 0);
});

test('those who join and leave the open room are shown', async (t) => {
	const { chat, tidings, lobby } = visit();
	t.after(() => chat.stop());
	await tidings.open();
	lobby.emit('join', { user: 'theo', at: 1 });
	lobby.emit('leave', { user: 'mira', at: 2 });
	tidings.channel('chat:ideas').emit('join', { user: 'noor', at: 3 });
	assert.deepEqual(chat.state.people, ['ada', 'theo']);
});

test('a lost connection is told from one not made yet, from a change, and from no network', async (t) => {
	const { chat, tidings } = visit();
	t.after(() => chat.stop());
	assert.equal(chat.state.link.state, 'connecting');
	await tidings.open();
	tidings.become(0, 'websocket');
	assert.equal(chat.state.link.state, 'reconnecting');
	chat.attendNetwork(false);
	assert.equal(chat.state.link.state, 'offline');
	chat.attendNetwork(true);
	await tidings.open();
	chat.choose('sse');
	tidings.become(0, 'sse');
	const { state, transport, choice } = chat.state.link;
	assert.deepEqual([state, transport, choice], ['connecting', 'sse', 'sse']);
});

test('why messages travel as they do, and how quickly, is known as soon as the client knows', async (t) => {
	const { chat, tidings } = visit();
	t.after(() => chat.stop());
	const told = () => [chat.state.link.transport, chat.state.link.reason, chat.state.link.roundTripTime];
	assert.deepEqual(told(), [null, '', null]);
	tidings.change('sse', 'websocket: no answer in time');
	tidings.become(1, 'sse');
	assert.deepEqual(told(), ['sse', 'websocket: no answer in time', null]);
	tidings.measure(23.4);
	assert.deepEqual(told(), ['sse', 'websocket: no answer in time', 23.4]);
	tidings.change('websocket', 'better');
	assert.deepEqual(told(), ['websocket', 'better', 23.4]);
});

test('a server that refuses for good leads back to the door, leaving does not', async () => {
	const { chat, tidings, refusals } = visit();
	tidings.dispatchEvent(Object.assign(new Event('close'), { code: 4002 }));
	tidings.dispatchEvent(Object.assign(new Event('close'), { code: 4001 }));
	chat.stop();
	tidings.dispatchEvent(Object.assign(new Event('close'), { code: 1000 }));
	assert.deepEqual(refusals, ['door.expired', 'door.refused']);
	assert.equal(tidings.closed, true);
});

test('without storage the chat works and forgets', () => {
	const memory = memoryOf(() => {
		throw new Error('forbidden');
	});
	memory.remember('name', 'ada');
	assert.equal(memory.recall('name'), null);
});
