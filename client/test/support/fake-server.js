/**
 * A Tidings server in memory, for the tests: as much of docs/protocol.md as the client uses, and
 * the misbehaviour that it must bear. No sockets: `fetch`, `WebSocket` and `WebTransport` are handed to the client.
 */
import { FakeWebTransport } from './fake-webtransport.js';

const ENCODER = new TextEncoder();
/** What its certificate is known by. */
const HASH = 'c0ffee'.repeat(10) + 'c0ff';
/** How long a poller is present after a poll began: longer than its longest wait here. */
const LEASE_MS = 1500;

export class FakeServer {
	epoch = 'e1';
	heartbeat = { interval: 200, timeout: 100, tries: 2 };
	/** Every event is delivered twice. */
	duplicating = false;
	/** Messages that live delivery leaves out, by seq. */
	skipped = new Set();
	/** Names that nobody may follow or publish to. */
	forbidden = new Set();
	/** So many publishes from now on are refused as `busy`. */
	busy = 0;
	/** Only these tokens are good, if there are any. */
	tokens = new Set();
	/** Whether `/v1/info` tells of WebTransport. */
	hasWebTransport = false;
	/** Requests by name, for tests that count. */
	requests = [];

	#messages = [];
	#ids = new Map();
	/** Highest seq of a channel that was dropped. */
	#floors = new Map();
	#links = new Set();
	#leases = new Map();

	fetch = async (input, init = {}) => {
		const url = new URL(input);
		init.signal?.throwIfAborted();
		if (url.pathname === '/v1/info') {
			this.requests.push('GET info');
			return Response.json(this.hasWebTransport ? { webtransport: { certificate_hashes: [HASH] } } : {});
		}
		// A header is bytes, which `Headers` shows one character each.
		const bearer = Buffer.from(new Headers(init.headers).get('authorization') ?? '', 'latin1').toString();
		const user = this.#user(bearer.replace('Bearer ', '') || undefined);
		if (!user) return problem(401, 'unauthenticated');
		const [, , kind, channel, resource] = url.pathname.split('/').map(decodeURIComponent);
		const isProbe = url.searchParams.has('probe');
		this.requests.push(`${init.method ?? 'GET'} ${isProbe ? 'probe' : (resource ?? kind)}`);
		if (kind === 'events') return this.#events(url, init, user);
		if (this.forbidden.has(channel)) return problem(403, 'forbidden');
		const body = init.body && JSON.parse(init.body);
		switch (`${init.method} ${resource}`) {
			case 'POST messages': {
				if (this.busy-- > 0) return problem(503, 'busy', { 'retry-after': '0' });
				const known = this.#ids.has(`${channel} ${body.id}`);
				return Response.json(this.publish(channel, body, body.id, user), { status: known ? 200 : 201 });
			}
			case 'GET messages':
				return Response.json(this.history(channel, Object.fromEntries(url.searchParams)));
			case 'POST signals':
				this.#tell({ type: 'signal', channel, from: user, ...body });
				return new Response(null, { status: 202 });
			case 'GET presence':
				return Response.json(this.presence(channel));
		}
		return problem(404, 'not_found');
	};

	/** The class to hand to a client. */
	get WebSocket() {
		const server = this;
		return class FakeWebSocket {
			onopen = null;
			onmessage = null;
			onclose = null;
			#link;

			constructor(url, protocols) {
				if (!url.startsWith('ws://fake/v1/connect') || !protocols.includes('tidings.v1.json')) throw new Error(url);
				this.#link = server.#connect(this);
				queueMicrotask(() => this.onopen?.({}));
			}

			send(text) {
				// Not at once: as if it travelled.
				queueMicrotask(() => this.#link.receive(JSON.parse(text)));
			}

			close(code = 1000, reason = '') {
				if (code !== 1000 && !(code >= 3000 && code < 5000)) throw new DOMException('code', 'InvalidAccessError');
				this.#link.end(code, reason);
			}
		};
	}

	/** The class to hand to a client. */
	get WebTransport() {
		const connect = (socket) => this.#connect(socket);
		return class extends FakeWebTransport {
			constructor(url, { serverCertificateHashes: [hash] }) {
				if (url !== 'https://fake/v1/connect') throw new Error(url);
				if (hash.algorithm !== 'sha-256' || Buffer.from(hash.value).toString('hex') !== HASH) throw new Error('another certificate');
				super(connect);
			}
		};
	}

	get cursor() {
		return `${this.epoch}-${this.#messages.at(-1)?.seq ?? 0}`;
	}

	get newest() {
		return this.#messages.at(-1)?.seq ?? 0;
	}

	get links() {
		return this.#links.size;
	}

	publish(channel, { data = null, bytes } = {}, id = `server-${this.#messages.length}`, from = 'server') {
		const key = `${channel} ${id}`;
		const before = this.#ids.get(key);
		if (before) return before;
		const seq = (this.#messages.at(-1)?.seq ?? 0) + 1;
		const prev = this.#messages.findLast((message) => message.channel === channel)?.seq ?? 0;
		const message = { type: 'message', channel, seq, prev, id, at: Date.now(), from, data, ...(bytes && { bytes }) };
		const receipt = { seq, id, at: message.at };
		this.#messages.push(message);
		this.#ids.set(key, receipt);
		if (!this.skipped.has(seq)) this.#tell(message);
		return receipt;
	}

	history(channel, { before = Infinity, after, limit = 50 }) {
		const kept = this.#kept(channel).filter(({ seq }) => seq < Number(before) && seq > Number(after ?? 0));
		const truncated = Number(after ?? 0) < (this.#floors.get(channel) ?? 0);
		return { messages: after === undefined ? kept.slice(-limit) : kept.slice(0, limit), truncated };
	}

	presence(channel) {
		const users = [...new Set([...this.#links].filter((link) => link.channels.has(channel)).map(({ user }) => user))];
		return { users: users.map((user) => ({ user, since: 1, connections: 1 })), count: users.length };
	}

	/** Forgets all but the newest `keep` messages of a channel. */
	truncate(channel, keep) {
		const kept = this.#kept(channel);
		this.#floors.set(channel, kept.at(-keep - 1)?.seq ?? 0);
	}

	/** A new log under the same address. */
	restart(epoch) {
		this.cut();
		this.epoch = epoch;
		this.#messages = [];
		this.#ids.clear();
		this.#floors.clear();
	}

	/** A crash of the machine: the log loses its newest messages and keeps its identity. */
	lose(count) {
		this.cut();
		for (const { channel, id } of this.#messages.splice(-count)) this.#ids.delete(`${channel} ${id}`);
	}

	/** Ends all connections. */
	cut(code = 1006, reason = '') {
		for (const link of [...this.#links]) link.end(code, reason);
	}

	/** The links that stand now bring nothing any more, and are not ended. */
	stall() {
		for (const link of this.#links) {
			link.tell = () => {};
			link.stalled = true;
		}
	}

	/** Says something to all links. */
	tell(frame) {
		for (const link of this.#links) link.tell(frame);
	}

	#user(token) {
		if (this.tokens.size && !this.tokens.has(token)) return;
		return token?.replace('guest:', '') ?? 'guest-1';
	}

	#kept(channel) {
		return this.#messages.filter((message) => message.channel === channel && message.seq > (this.#floors.get(channel) ?? 0));
	}

	#tell(event) {
		for (const link of [...this.#links]) {
			if (!link.channels.has(event.channel)) continue;
			link.tell(event);
			if (this.duplicating) link.tell(event);
		}
	}

	/** Whether a cursor is of this log, and not beyond its end. */
	#knows(cursor) {
		const [epoch, seq] = cursor.split('-');
		return epoch === this.epoch && Number(seq) <= (this.#messages.at(-1)?.seq ?? 0);
	}

	/** What a cursor of several logs says of this one. */
	#part(cursor) {
		return cursor?.split('.').find((part) => part.startsWith(`${this.epoch}-`)) ?? cursor;
	}

	/** What a reader at `after` is owed: missed messages, and `truncated` before them where some are gone. */
	#missed(channels, after) {
		const known = this.#knows(after);
		const seq = Number(after.split('-')[1]);
		const gone = channels.filter((channel) => !known || seq < (this.#floors.get(channel) ?? 0));
		const truncated = gone.map((channel) => ({ type: 'truncated', channel, oldest: this.#kept(channel)[0]?.seq ?? 0 }));
		const messages = known ? channels.flatMap((channel) => this.#kept(channel).filter((it) => it.seq > seq)) : [];
		return { truncated, messages: messages.sort((a, b) => a.seq - b.seq) };
	}

	#events(url, init, user) {
		const channels = url.searchParams.getAll('channel');
		const after = this.#part(url.searchParams.get('after'));
		if (!channels.length && !url.searchParams.has('probe')) return problem(400, 'bad_request');
		if (channels.some((channel) => this.forbidden.has(channel))) return problem(403, 'forbidden');
		if (init.headers.accept === 'text/event-stream') return this.#stream(channels, after ?? this.cursor, init, user);
		const { heartbeat, newest } = this;
		if (!after) return Response.json({ cursor: this.cursor, events: [], truncated: false, more: false, newest, heartbeat });
		const [limit, wait] = ['limit', 'wait'].map((name) => Number(url.searchParams.get(name)));
		return this.#poll(channels, after, limit, wait, init, user, url.searchParams.get('session'));
	}

	async #poll(channels, after, limit, wait, init, user, session) {
		const lease = this.#lease(session, user, channels);
		let { truncated, messages } = this.#missed(channels, after);
		if (!truncated.length && !messages.length && !lease.queue.length && wait) {
			await new Promise((resolve) => {
				lease.wake = resolve;
				setTimeout(resolve, wait * 1000).unref();
				init.signal?.addEventListener('abort', resolve);
			});
			if (lease.broken) throw new TypeError('connection reset');
			init.signal?.throwIfAborted();
			({ truncated, messages } = this.#missed(channels, after));
			messages = messages.filter(({ seq }) => !this.skipped.has(seq));
		}
		const more = messages.length > limit;
		messages = messages.slice(0, limit);
		const cursor = more ? `${this.epoch}-${messages.at(-1).seq}` : this.cursor;
		const events = [...truncated, ...messages, ...lease.queue.splice(0)];
		if (this.duplicating) events.push(...messages);
		const { heartbeat, newest } = this;
		return Response.json({ cursor, events, truncated: truncated.length > 0, more, newest, heartbeat });
	}

	/** What stands for a poller between its polls: it is present, and its signals are kept. */
	#lease(session, user, channels) {
		let lease = this.#leases.get(session);
		if (!lease) {
			lease = this.#link(user, (event) => {
				if (event.type !== 'message') lease.queue.push(event);
				lease.wake();
			});
			Object.assign(lease, { queue: [], wake() {} });
			lease.ended = () => {
				this.#leases.delete(session);
				lease.wake();
			};
			this.#leases.set(session, lease);
		}
		clearTimeout(lease.timer);
		lease.timer = setTimeout(() => lease.end(), LEASE_MS).unref();
		for (const channel of lease.channels) if (!channels.includes(channel)) lease.channels.delete(channel);
		for (const channel of channels) if (!lease.channels.has(channel)) lease.enter(channel);
		return lease;
	}

	#stream(channels, after, init, user) {
		let link;
		const body = new ReadableStream({
			start: (controller) => {
				const write = (text) => controller.enqueue(ENCODER.encode(text));
				let last = this.#knows(after) ? after : this.cursor;
				link = this.#link(user, (event) => {
					if (event.type === 'message') {
						last = `${this.epoch}-${event.seq}`;
						write(`id: ${last}\ndata: ${JSON.stringify(event)}\n\n`);
					} else write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
				});
				const beat = setInterval(() => link.stalled || write(`: \nid: ${last}\n\n`), this.heartbeat.interval / 2);
				link.ended = () => {
					clearInterval(beat);
					controller.error(new TypeError('connection reset'));
				};
				init.signal?.addEventListener('abort', () => this.#links.has(link) && link.end());
				write(`: ${' '.repeat(2048)}\nretry: 1000\n\nevent: hello\nid: ${last}\ndata: ${JSON.stringify({ ...this.#hello(user), newest: this.newest })}\n\n`);
				const { truncated, messages } = this.#missed(channels, after);
				for (const event of [...truncated, ...messages]) link.tell(event);
				for (const channel of channels) link.enter(channel);
			},
			cancel: () => this.#links.has(link) && link.end(),
		});
		return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
	}

	#hello(user) {
		return { type: 'hello', session: 's', user, cursor: this.cursor, heartbeat: this.heartbeat, version: 1 };
	}

	#link(user, tell) {
		const link = {
			user,
			tell,
			channels: new Set(),
			broken: false,
			ended() {},
			enter: (channel) => {
				this.#tell({ type: 'join', channel, user: link.user, at: Date.now() });
				link.channels.add(channel);
			},
			leave: () => {
				for (const channel of link.channels) this.#tell({ type: 'leave', channel, user: link.user, at: Date.now() });
			},
			end: (code, reason) => {
				if (!this.#links.delete(link)) return;
				link.broken = true;
				link.leave();
				link.ended(code, reason);
			},
		};
		this.#links.add(link);
		return link;
	}

	#connect(socket) {
		let greeted = false;
		const link = this.#link('', (frame) => {
			const data = JSON.stringify(frame);
			queueMicrotask(() => this.#links.has(link) && socket.onmessage?.({ data }));
		});
		link.ended = (code, reason) => queueMicrotask(() => socket.onclose?.({ code, reason }));
		const greet = (user) => {
			greeted = true;
			link.user = user;
			link.tell(this.#hello(user));
		};
		link.receive = (frame, way) => {
			if (!this.#links.has(link)) return;
			const { type, req, channel } = frame;
			this.requests.push(way === 'datagram' ? `datagram ${type}` : type);
			if (type === 'hello') {
				const user = this.#user(frame.token);
				return user ? greet(user) : link.end(4001, 'unauthenticated');
			}
			if (!greeted) greet('guest-1');
			const refuse = (code) => link.tell({ type: 'error', req, code, message: code });
			if (this.forbidden.has(channel)) return refuse('forbidden');
			switch (type) {
				case 'subscribe': {
					const { truncated, messages } = frame.after
						? this.#missed([channel], frame.after)
						: { truncated: [], messages: [] };
					const known = this.#knows(frame.after ?? this.cursor);
					const cursor = (known && frame.after) || this.cursor;
					link.tell({ type: 'subscribed', req, channel, cursor, truncated: !known });
					for (const event of [...truncated, ...messages]) link.tell(event);
					return link.enter(channel);
				}
				case 'unsubscribe':
					link.channels.delete(channel);
					return link.tell({ type: 'unsubscribed', req, channel });
				case 'publish':
					if (this.busy-- > 0) return refuse('busy');
					return link.tell({ type: 'published', req, ...this.publish(channel, frame, frame.id, link.user) });
				case 'signal':
					return this.#tell({ ...frame, from: link.user });
				case 'history':
					return link.tell({ type: 'history', req, ...this.history(channel, frame) });
				case 'presence':
					return link.tell({ type: 'presence', req, ...this.presence(channel) });
				case 'ping':
					return link.tell({ type: 'pong', req, at: Date.now() });
			}
			refuse('bad_request');
		};
		return link;
	}
}

const problem = (status, code, headers = {}) =>
	Response.json(
		{ type: 'about:blank', title: code, status, code },
		{ status, headers: { 'content-type': 'application/problem+json', ...headers } },
	);
