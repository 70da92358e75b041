/**
 * The path between a client and a server, real or fake, with the faults of one: it cuts, delays,
 * swallows, and hands bytes over in pieces. What it gives to the client is `fetch`, `WebSocket` and `WebTransport`.
 */

/** A small generator of random numbers (mulberry32), so that a failure can be had again. */
export function seeded(seed) {
	return () => {
		seed = (seed + 0x6d2b79f5) | 0;
		let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
	};
}

export class Network {
	/** Longest delay of anything that travels, in ms. */
	latency = 0;
	/** Nothing arrives any more, in either direction, and nobody is told. */
	dark = false;
	/** No datagram arrives any more, and nobody is told. */
	isUdpDark = false;
	/** Whether requests are never answered, and nobody says so. */
	isTcpDark = false;
	/** Names that cannot be opened: `fetch`, `WebSocket`, `WebTransport`. */
	blocked = new Set();
	/** How often each was opened. */
	opened = { fetch: 0, WebSocket: 0, WebTransport: 0 };

	#inner;
	#random;
	#cuts = new Set();
	/** Connections that the client left while it was dark: the other end does not know. */
	#orphans = new Set();

	constructor(inner, random = seeded(1)) {
		this.#inner = inner;
		this.#random = random;
	}

	/** Breaks everything that is under way. */
	cut() {
		for (const cut of [...this.#cuts]) cut();
	}

	/** The end of the scenario: nothing stays open. */
	close() {
		this.cut();
		for (const socket of this.#orphans) socket.close();
	}

	async #travel() {
		const ms = this.#random() * this.latency;
		if (ms >= 1) await new Promise((resolve) => setTimeout(resolve, ms));
		// What has gone dark never arrives: those who wait for it wait for ever.
		if (this.dark) await new Promise(() => {});
	}

	fetch = async (input, init = {}) => {
		this.opened.fetch++;
		if (this.blocked.has('fetch')) throw new TypeError('fetch failed');
		if (this.isTcpDark) await new Promise(() => {});
		const abort = new AbortController();
		/** Forgets the request: an abort after its end does no harm. */
		let ended = () => {};
		const gone = new Promise((_, reject) => {
			const fail = (error) => {
				this.#cuts.delete(cut);
				abort.abort();
				reject(error);
			};
			const cut = () => fail(new TypeError('connection reset'));
			this.#cuts.add(cut);
			ended = () => (this.#cuts.delete(cut), abort.abort());
			init.signal?.addEventListener('abort', () => fail(init.signal.reason), { signal: abort.signal });
			if (init.signal?.aborted) fail(init.signal.reason);
		});
		gone.catch(() => {});
		await Promise.race([this.#travel(), gone]);
		const answer = this.#inner.fetch(input, { ...init, signal: abort.signal });
		answer.catch(() => {});
		const response = await Promise.race([answer, gone]);
		await Promise.race([this.#travel(), gone]);
		if (!response.body) return ended(), response;
		const reader = response.body.getReader();
		const body = new ReadableStream({
			pull: async (controller) => {
				try {
					const { done, value } = await Promise.race([reader.read(), gone]);
					await Promise.race([this.#travel(), gone]);
					if (done) return ended(), controller.close();
					const middle = Math.floor(this.#random() * value.length);
					for (const piece of [value.slice(0, middle), value.slice(middle)]) if (piece.length) controller.enqueue(piece);
				} catch (error) {
					controller.error(error);
				}
			},
			cancel: () => abort.abort(),
		});
		const { status, headers } = response;
		return new Response(body, { status, headers });
	};

	get WebSocket() {
		const network = this;
		return class {
			onopen = null;
			onmessage = null;
			onclose = null;
			#socket;
			#ended = false;
			#down = Promise.resolve();
			#up = Promise.resolve();

			constructor(url, protocols) {
				network.opened.WebSocket++;
				if (network.blocked.has('WebSocket')) {
					queueMicrotask(() => this.#end({ code: 1006, reason: 'refused' }));
					return;
				}
				const socket = (this.#socket = new network.#inner.WebSocket(url, protocols));
				const down = (run) => (this.#down = this.#down.then(() => network.#travel()).then(() => this.#ended || run()));
				socket.onopen = (event) => down(() => this.onopen?.(event));
				socket.onmessage = ({ data }) => down(() => this.onmessage?.({ data }));
				socket.onclose = (event) => down(() => this.#end(event));
				network.#cuts.add(this.#cut);
			}

			send(text) {
				this.#up = this.#up.then(() => network.#travel()).then(() => this.#ended || this.#socket.send(text));
			}

			close(code, reason) {
				this.#ended = true;
				network.#cuts.delete(this.#cut);
				if (network.dark) network.#orphans.add(this.#socket);
				else this.#socket?.close(code, reason);
			}

			#cut = () => {
				this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
				this.#socket.close();
				this.#end({ code: 1006, reason: 'connection reset' });
			};

			#end(event) {
				if (this.#ended) return;
				this.#ended = true;
				network.#cuts.delete(this.#cut);
				this.onclose?.(event);
			}
		};
	}

	/** There is none where there is none behind it. */
	get WebTransport() {
		const network = this;
		if (!this.#inner.WebTransport) return undefined;
		return class {
			ready;
			closed;
			datagrams;
			#session;
			#cut = () => {};

			constructor(url, options) {
				network.opened.WebTransport++;
				// Where UDP is blocked nobody says so.
				if (network.blocked.has('WebTransport')) {
					this.ready = this.closed = new Promise(() => {});
					return;
				}
				const session = (this.#session = new network.#inner.WebTransport(url, options));
				const cut = new Promise((_, reject) => (this.#cut = () => reject(new Error('connection lost'))));
				network.#cuts.add(this.#cut);
				this.ready = this.#pass().then(() => session.ready);
				this.closed = Promise.race([cut, session.closed.finally(() => this.#pass())]);
				this.closed.catch(() => network.#cuts.delete(this.#cut) && session.close());
				const { datagrams } = session;
				this.datagrams = {
					maxDatagramSize: datagrams.maxDatagramSize,
					readable: this.#through(datagrams.readable),
					writable: this.#into(datagrams.writable),
				};
				this.createBidirectionalStream = async () => {
					const { readable, writable } = await session.createBidirectionalStream();
					return { readable: this.#through(readable, true), writable: this.#into(writable) };
				};
			}

			close(how) {
				network.#cuts.delete(this.#cut);
				if (network.dark || network.isUdpDark) network.#orphans.add(this.#session);
				else this.#session?.close(how);
			}

			async #pass() {
				await network.#travel();
				if (network.isUdpDark) await new Promise(() => {});
			}

			/** What comes, later, and a stream in pieces. */
			#through(readable, isStream) {
				return readable.pipeThrough(
					new TransformStream({
						transform: async (bytes, controller) => {
							await this.#pass();
							const middle = isStream ? Math.floor(network.#random() * bytes.length) : 0;
							for (const piece of [bytes.slice(0, middle), bytes.slice(middle)]) if (piece.length) controller.enqueue(piece);
						},
					}),
				);
			}

			/** What goes, later. */
			#into(writable) {
				const writer = writable.getWriter();
				return new WritableStream({ write: (bytes) => this.#pass().then(() => writer.write(bytes)) });
			}
		};
	}
}
