/** The pure session against a model of the server and of bad links, over many seeds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Backoff } from '../src/backoff.js';
import { Session } from '../src/session.js';
import { HELD_MAX, Subscription } from '../src/subscription.js';
import { TidingsError } from '../src/wire/error.js';
import { seeded } from './support/network.js';
import { range } from './support/world.js';

const SEEDS = Number(process.env.SEEDS ?? 2000);
const STEPS = 150;
const CHANNELS = ['a', 'b'];

/** A log, a link to it that misbehaves, and a session at its other end. */
class Model {
	log = [];
	ids = new Map();
	/** What the session delivered, by channel. */
	delivered = { a: [], b: [] };
	answers = new Map();
	now = 0;

	constructor(seed) {
		this.random = seeded(seed);
		this.session = new Session(new Backoff(this.random));
		/** Whether it is a stream whose cursor covers all channels, as over HTTP. */
		this.streaming = this.chance(0.5);
		this.link();
	}

	chance = (probability) => this.random() < probability;

	/** A new link: what was under way on the old one is gone. */
	link() {
		this.up = [];
		this.down = [];
		this.followed = new Set();
		this.session.handleLink(this.streaming ? 1 : 1 + Math.floor(this.random() * 8));
	}

	publish(channel, id, data) {
		const known = this.ids.get(id);
		if (known) return known;
		const seq = this.log.length + 1;
		const prev = this.log.findLast((message) => message.channel === channel)?.seq ?? 0;
		const message = { type: 'message', channel, seq, prev, id, at: 0, from: 'x', data };
		this.log.push(message);
		this.ids.set(id, message);
		if (this.followed.has(channel)) this.tell(message);
		return message;
	}

	tell(message) {
		// An ordered link loses nothing in the middle; a server that does is found out by `prev`.
		if (!this.streaming && !this.calm && this.chance(0.1)) return;
		this.down.push(message);
		if (!this.calm && this.chance(0.1)) this.down.push(message);
		if (this.streaming) this.down.push({ type: 'cursor', channels: [...this.followed], cursor: `e-${message.seq}` });
	}

	/** The server takes one command. */
	serve() {
		const command = this.up.shift();
		if (!command) return;
		const { type, req, channel } = command;
		const asked = ['publish', 'history', 'subscribe'].includes(type);
		if (asked && !this.calm && this.chance(0.1)) {
			return this.down.push({ type: 'error', req, code: 'busy', message: 'busy' });
		}
		const seqs = this.log.filter((message) => message.channel === channel);
		if (type === 'subscribe') {
			const seq = Number(command.after?.split('-')[1] ?? this.log.length);
			this.followed.add(channel);
			this.down.push({ type: 'subscribed', channel, cursor: `e-${seq}`, truncated: false });
			for (const message of seqs) if (message.seq > seq) this.tell(message);
		} else if (type === 'publish') {
			const { seq, id, at } = this.publish(channel, command.id, command.data);
			this.down.push({ type: 'published', req, seq, id, at });
		} else if (type === 'history') {
			const { before = Infinity, after, limit } = command;
			const kept = seqs.filter(({ seq }) => seq < before && seq > (after ?? 0));
			const messages = after === undefined ? kept.slice(-limit) : kept.slice(0, limit);
			this.down.push({ type: 'history', req, messages, truncated: false });
		}
	}

	/** The session hears one frame, and does what it has to. */
	hear() {
		const frame = this.down.shift();
		if (frame) this.session.handleFrame(frame, this.now);
		this.flush();
	}

	flush() {
		for (let output; (output = this.session.pollOutput()); ) {
			if ('req' in output) this.answers.set(output.req, output.answer ?? output.error);
			else if (output.type === 'message') this.delivered[output.channel].push(output.fields.message.seq);
			else assert.notEqual(output.type, 'truncated', 'nothing is gone here');
		}
		for (let command; (command = this.session.pollCommand(this.now)); ) this.up.push(command);
	}

	step() {
		this.now += this.random() * 300;
		const dice = this.random();
		if (dice < 0.03) this.link();
		else if (dice < 0.15) this.publish(CHANNELS[Math.floor(this.random() * 2)], `server-${this.log.length}`, null);
		else if (dice < 0.55) this.serve();
		else this.hear();
		this.flush();
	}

	/** Lets everything under way arrive. */
	settle() {
		this.calm = true;
		this.link();
		for (let turn = 0; turn < 10_000; turn++) {
			this.now += 1000;
			this.flush();
			this.serve();
			this.hear();
			if (!this.up.length && !this.down.length && !this.session.bufferedAmount) return;
		}
		assert.fail('it does not come to rest');
	}
}

test(`over ${SEEDS} seeds of bad links each message is delivered and published once, in order`, () => {
	for (let seed = 0; seed < SEEDS; seed++) {
		const model = new Model(seed);
		const starts = {};
		for (const channel of CHANNELS) {
			for (const number of range(0, Math.floor(model.random() * 6))) model.publish(channel, `${channel}-${number}`, number);
		}
		const history = Math.floor(model.random() * 4);
		for (const channel of CHANNELS) model.session.subscribe(channel, { history });
		const published = [];
		for (let step = 0; step < STEPS; step++) {
			model.step();
			if (model.chance(0.1)) published.push(model.session.publish('a', step, `mine-${step}`));
		}
		model.settle();
		// A last message shows what is missing before it.
		for (const channel of CHANNELS) model.publish(channel, `last-${channel}`, null);
		model.settle();
		for (const channel of CHANNELS) {
			const all = model.log.filter((message) => message.channel === channel).map(({ seq }) => seq);
			const seen = model.delivered[channel];
			starts[channel] = all.length - seen.length;
			assert.deepEqual(seen, all.slice(starts[channel]), `seed ${seed}, channel ${channel}`);
		}
		const mine = model.log.filter(({ id }) => id.startsWith('mine-'));
		assert.equal(mine.length, published.length, `seed ${seed}`);
		assert.ok(published.every((req) => model.answers.get(req)?.seq), `seed ${seed}: all are answered`);
		if (model.streaming) {
			const order = mine.map(({ data }) => data);
			assert.deepEqual(order, order.toSorted((a, b) => a - b), `seed ${seed}: publishes keep their order`);
		}
	}
});

/** A subscription, what it said and what it asked for. */
function subscription(after, history) {
	const said = [];
	const asked = [];
	const it = new Subscription(
		{
			emit: (type, fields) => type !== 'subscribed' && said.push(fields.message?.seq ?? type),
			read: (range) => asked.push(range),
		},
		after,
		history,
	);
	return { it, said, asked };
}

const message = (seq, prev = seq - 1) => ({ channel: 'c', seq, prev, id: `${seq}`, at: 0, from: 'x', data: seq });

for (const [held, beyond] of [
	[HELD_MAX - 1, 0],
	[HELD_MAX, 0],
	[HELD_MAX + 1, 1],
]) {
	test(`of ${held} messages during a gap all arrive, ${beyond} by reading on`, () => {
		const { it, said, asked } = subscription('e-1');
		it.handleSubscribed('e-1', false);
		for (const seq of range(3, 3 + held)) it.handleMessage(message(seq));
		assert.deepEqual(asked, [{ after: 1, limit: 100 }]);
		it.handlePage(1, { messages: [message(2)], truncated: false });
		assert.equal(asked.length, 1 + beyond);
		if (beyond) {
			const missing = range(asked[1].after + 1, 3 + held).map((seq) => message(seq));
			it.handlePage(2, { messages: missing, truncated: false });
		}
		assert.deepEqual(said, range(2, 3 + held));
	});
}

test('a gap that history cannot fill is told, and does not stop what follows', () => {
	const { it, said } = subscription('e-1');
	it.handleSubscribed('e-1', false);
	it.handleMessage(message(5));
	it.handlePage(1, { messages: [], truncated: false });
	assert.deepEqual(said, ['truncated', 5]);
	it.handleMessage(message(6));
	assert.deepEqual(said, ['truncated', 5, 6]);
});

test('a gap whose history is refused is told as well', () => {
	const { it, said } = subscription('e-1');
	it.handleSubscribed('e-1', false);
	it.handleMessage(message(5));
	it.handlePage(1);
	assert.deepEqual(said, ['truncated', 5]);
});

test('a page of an older log is not taken', () => {
	const { it, said } = subscription('e-1');
	it.handleSubscribed('e-1', false);
	it.handleMessage(message(5));
	it.handleSubscribed('f-0', true);
	it.handlePage(1, { messages: [message(2)], truncated: false });
	it.handleSubscribed('f-0', false);
	it.handleMessage(message(1));
	assert.deepEqual(said, ['truncated', 1]);
	assert.equal(it.cursor, 'f-1');
});

test('what is held in a gap, and the page that was asked for, are lost with the end of the log', () => {
	const { it, said, asked } = subscription('e-10');
	it.handleSubscribed('e-10', false);
	it.handleMessage(message(20, 15));
	it.handleSubscribed('e-5', true);
	it.handlePage(1, { messages: [message(15, 10)], truncated: false });
	it.handleSubscribed('e-5', false);
	it.handleMessage(message(6, 5));
	assert.deepEqual(said, ['truncated', 6]);
	assert.equal(asked.length, 1);
});

test('what is held when another link begins is read, for its log may have lost it', () => {
	const { it, said, asked } = subscription(undefined, 2);
	it.handleSubscribed('e-5', false);
	it.handleMessage({ ...message(6), data: 'lost' });
	it.handleSubscribed('e-5', false);
	it.handlePage(1, { messages: [message(5)], truncated: false });
	it.handlePage(2, { messages: [], truncated: false });
	assert.deepEqual(asked, [{ before: 6, limit: 2 }, { after: 5, limit: 100 }]);
	assert.equal(it.cursor, 'e-5');
	it.handleMessage(message(6));
	assert.deepEqual(said, [5, 6]);
});

test('who wants the newest messages first and waits for them wants those of the log that is left', () => {
	const { it, said, asked } = subscription(undefined, 2);
	it.handleSubscribed('e-10', false);
	it.handleMessage(message(11));
	it.handleSubscribed('e-5', true);
	it.handlePage(1, { messages: [message(9), message(10)], truncated: false });
	it.handlePage(2, { messages: [message(4), message(5)], truncated: false });
	it.handleSubscribed('e-5', false);
	it.handleMessage(message(6));
	assert.deepEqual(asked, [{ before: 11, limit: 2 }, { before: 6, limit: 2 }]);
	assert.deepEqual(said, ['truncated', 4, 5, 6]);
});

test('what comes before the server has said where it begins is not for this follower', () => {
	const { it, said } = subscription();
	it.handleMessage(message(3));
	it.handleSubscribed('e-3', false);
	it.handleMessage(message(4));
	assert.deepEqual(said, [4]);
});

test('the cursor of a stream moves a quiet channel, but not past a gap', () => {
	const { it } = subscription('e-1');
	it.handleSubscribed('e-1', false);
	it.handleCursor('e-9');
	assert.equal(it.cursor, 'e-9');
	it.handleMessage(message(12));
	it.handleCursor('e-12');
	assert.equal(it.cursor, 'e-9');
});

test('what is told as gone is not asked for again', () => {
	const { it, said } = subscription('e-1');
	it.handleSubscribed('e-1', false);
	it.handleTruncated(8);
	it.handleTruncated(8);
	assert.equal(it.cursor, 'e-7');
	it.handleMessage(message(8, 6));
	assert.deepEqual(said, ['truncated', 8]);
});

/** Everything that a session has to send. */
function commands(session, now) {
	const all = [];
	for (let command; (command = session.pollCommand(now)); ) all.push(command);
	return all;
}

test('what the server is too busy for is asked again when the pause is over, publishes in order', () => {
	const session = new Session(new Backoff(() => 0.5));
	session.handleLink(8);
	session.subscribe('c');
	session.ask({ type: 'presence', channel: 'c' });
	for (const id of ['1', '2', '3']) session.publish('c', id, id);
	const [subscribe, presence, first, second, third] = commands(session, 0);
	session.handleFrame({ type: 'published', req: second.req, seq: 1, id: '2', at: 0 }, 1000);
	for (const { req } of [subscribe, presence, third, first]) {
		session.handleFrame({ type: 'error', req, code: 'busy', message: 'busy' }, 1000);
	}
	const due = session.pollTimeout();
	assert.equal(due, 1000 + 0.5 * 4000, 'the fourth pause in a row');
	assert.deepEqual(commands(session, due - 1), []);
	assert.deepEqual(
		commands(session, due).map(({ type, id }) => id ?? type),
		['subscribe', 'presence', '1', '3'],
	);
});

test('of the publishes under way only the one that was refused is sent again', () => {
	const session = new Session(new Backoff(() => 0.5));
	session.handleLink(8);
	for (const id of ['1', '2', '3', '4']) session.publish('c', id, id);
	const [, second, third] = commands(session, 0);
	for (const { req } of [second, third]) session.handleFrame({ type: 'error', req, code: 'busy', message: 'busy' }, 0);
	assert.deepEqual(commands(session, session.pollTimeout()).map(({ id }) => id), ['2', '3']);
	session.handleLink(8);
	assert.deepEqual(commands(session, session.pollTimeout()).map(({ id }) => id), ['1', '2', '3', '4']);
});

test('the pause is as long as the server wants it', () => {
	const session = new Session(new Backoff(() => 0));
	session.handleLink(1);
	const req = session.publish('c', 1, '1');
	commands(session, 0);
	const error = new TidingsError('busy', 'busy', 503, 7000);
	session.handleFrame({ type: 'error', req, code: 'busy', message: 'busy', error }, 0);
	assert.equal(session.pollTimeout(), 7000);
});

test('the queue is bounded in bytes, and free again once it is answered', () => {
	const session = new Session(new Backoff(() => 0), 20);
	const req = session.publish('c', 'x'.repeat(7), '1');
	assert.equal(session.bufferedAmount, JSON.stringify({ data: 'x'.repeat(7) }).length);
	assert.throws(() => session.publish('c', 1, '2'), { code: 'queue_full' });
	session.handleFrame({ type: 'published', req, seq: 1, id: '1', at: 0 }, 0);
	assert.equal(session.bufferedAmount, 0);
	session.publish('c', 'x'.repeat(9), '3');
	const full = new Session(new Backoff(() => 0), 20);
	assert.throws(() => full.publish('c', 'x'.repeat(10), '4'), { code: 'queue_full' });
});

test('what a link does not bring that began later than the one before is read', () => {
	const { it, said, asked } = subscription();
	it.handleSubscribed('e-1', false);
	it.handleSubscribed('e-300', false);
	it.handleCursor('e-301');
	it.handleMessage(message(302, 300));
	it.handlePage(1, { messages: range(2, 102).map((seq) => message(seq)), truncated: false });
	it.handlePage(2, { messages: [message(150, 101), message(300, 150)], truncated: false });
	assert.deepEqual(asked.map(({ after }) => after), [1, 101]);
	assert.deepEqual(said, [...range(2, 102), 150, 300, 302]);
});

test('nothing is missing where a link began later and nothing was said meanwhile', () => {
	const { it, said } = subscription(undefined, 5);
	it.handleSubscribed('e-1', false);
	it.handleSubscribed('e-3', false);
	it.handlePage(1, { messages: [message(1)], truncated: false });
	it.handlePage(2, { messages: [], truncated: false });
	it.handleMessage(message(4, 1));
	assert.deepEqual(said, [1, 4]);
});

/** What a session told of a channel, in short. */
function outputs(session) {
	const all = [];
	for (let output; (output = session.pollOutput()); ) all.push(output.fields.message?.seq ?? output.type);
	return all;
}

test('of two links that were told a place in an old log only the one that is told the new one is heard', () => {
	const session = new Session(new Backoff(() => 0));
	session.subscribe('c', { after: 'old-7' });
	const [{ req }] = session.greet();
	const told = new Map([[req, 'c']]);
	session.handleFrame({ type: 'subscribed', req, channel: 'c', cursor: 'e-2', truncated: true }, 0);
	session.handleFrame({ type: 'message', ...message(8, 7) }, 0);
	session.handleFrame({ type: 'message', ...message(3, 2) }, 0);
	session.handleFrame({ type: 'cursor', channels: ['c'], cursor: 'e-3' }, 0);
	session.handleFrame({ type: 'truncated', channel: 'c', oldest: 9 }, 0);
	assert.deepEqual(outputs(session), ['subscribed', 'truncated']);
	session.handleLink(1, told);
	const [left, again, ...more] = commands(session, 0);
	assert.deepEqual([left.type, again.type, again.after, ...more], ['unsubscribe', 'subscribe', 'e-2']);
	session.handleFrame({ type: 'subscribed', req: again.req, channel: 'c', cursor: 'e-2', truncated: false }, 0);
	session.handleFrame({ type: 'message', ...message(3, 2) }, 0);
	session.handleFrame({ type: 'subscribed', req, channel: 'c', cursor: 'e-2', truncated: true }, 0);
	session.handleFrame({ type: 'message', ...message(3, 2) }, 0);
	session.handleFrame({ type: 'message', ...message(4, 3) }, 0);
	assert.deepEqual(outputs(session), ['subscribed', 3, 4]);
	assert.equal(session.cursor('c'), 'e-4');
});

test('a follower anew does not take what a link brings for the one before', () => {
	const session = new Session(new Backoff(() => 0));
	session.handleLink(1);
	session.subscribe('c', { after: 'old-5' });
	const [first] = commands(session, 0);
	session.unsubscribe('c');
	session.subscribe('c', { after: 'old-5' });
	const [, second] = commands(session, 0);
	session.handleFrame({ type: 'subscribed', req: first.req, channel: 'c', cursor: 'e-0', truncated: true }, 0);
	for (const seq of [1, 5]) session.handleFrame({ type: 'message', ...message(seq) }, 0);
	session.handleFrame({ type: 'message', ...message(8, 5) }, 0);
	assert.deepEqual(outputs(session), []);
	session.handleFrame({ type: 'subscribed', req: second.req, channel: 'c', cursor: 'e-8', truncated: true }, 0);
	assert.deepEqual(outputs(session), ['subscribed', 'truncated']);
});

test('a link in use that finds another log is told the new place', () => {
	const session = new Session(new Backoff(() => 0));
	session.handleLink(1);
	session.subscribe('c', { after: 'old-7' });
	const [{ req }] = commands(session, 0);
	session.handleFrame({ type: 'subscribed', req, channel: 'c', cursor: 'e-2', truncated: true }, 0);
	const [left, again, ...more] = commands(session, 0);
	assert.deepEqual([left.type, again.type, again.after, ...more], ['unsubscribe', 'subscribe', 'e-2']);
	assert.notEqual(again.req, req);
});

test('what was left and followed anew while a link was tried is followed anew there', () => {
	const session = new Session(new Backoff(() => 0));
	session.subscribe('c', { after: 'e-1' });
	const told = new Map(session.greet().map(({ req, channel }) => [req, channel]));
	session.unsubscribe('c');
	session.subscribe('c');
	session.handleLink(1, told);
	assert.deepEqual(commands(session, 0).map(({ type, after }) => [type, after]), [
		['unsubscribe', undefined],
		['subscribe', undefined],
	]);
});

test('a channel that the server was too busy to leave is left later', () => {
	const session = new Session(new Backoff(() => 0.5));
	session.handleLink(1);
	session.subscribe('c');
	session.unsubscribe('c');
	const [, unsubscribe] = commands(session, 0);
	session.handleFrame({ type: 'error', req: unsubscribe.req, code: 'busy', message: 'busy' }, 0);
	const [again, ...more] = commands(session, session.pollTimeout());
	assert.deepEqual([again.type, again.channel, ...more], ['unsubscribe', 'c']);
	session.handleFrame({ type: 'unsubscribed', req: again.req, channel: 'c' }, 0);
	assert.equal(session.pollOutput(), undefined);
});

test('whoever follows a channel anew that could not be left yet follows it when it is', () => {
	const session = new Session(new Backoff(() => 0.5));
	session.handleLink(1);
	session.subscribe('c', { after: 'e-1' });
	session.unsubscribe('c');
	session.subscribe('c', { after: 'e-7' });
	const [, unsubscribe, refused] = commands(session, 0);
	session.handleFrame({ type: 'error', req: unsubscribe.req, code: 'busy', message: 'busy' }, 0);
	session.handleFrame({ type: 'error', req: refused.req, code: 'bad_request', message: 'followed already' }, 0);
	assert.deepEqual(commands(session, session.pollTimeout()).map(({ type, after }) => [type, after]), [
		['unsubscribe', undefined],
		['subscribe', 'e-7'],
	]);
	assert.equal(session.pollOutput(), undefined);
});

test('a hole that is told while history is read is told in its place', () => {
	const { it, said } = subscription(undefined, 3);
	it.handleSubscribed('e-3', false);
	it.handleMessage(message(4));
	it.handleTruncated(8);
	it.handleMessage(message(8, 6));
	it.handlePage(1, { messages: [message(3)], truncated: false });
	assert.deepEqual(said, [3, 4, 'truncated', 8]);
});
