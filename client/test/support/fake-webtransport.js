/**
 * WebTransport in memory: one stream, and datagrams, between a client and the fake server.
 */
import { Deframer, frame } from '../../src/wire/varint.js';

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();
/** As Firefox has it. */
const DATAGRAM_BYTES_MAX = 1024;

export class FakeWebTransport {
	ready = Promise.resolve();
	closed;
	datagrams;
	#link;
	#end;
	/** What leads to the client: datagrams, and the stream. */
	#controllers = [];

	/** @param {(socket: object) => object} connect gives the server's end of a link */
	constructor(connect) {
		this.closed = new Promise((resolve, reject) => (this.#end = { resolve, reject }));
		this.closed.catch(() => {});
		const [datagrams, stream] = [this.#readable(), this.#readable()];
		const [toDatagrams, toStream] = this.#controllers;
		this.#link = connect({
			onmessage: ({ data }) => {
				const bytes = ENCODER.encode(data);
				const fits = JSON.parse(data).type === 'signal' && bytes.length <= DATAGRAM_BYTES_MAX;
				if (fits) toDatagrams.enqueue(bytes);
				else toStream.enqueue(frame(bytes));
			},
			onclose: ({ code, reason }) => {
				for (const controller of this.#controllers) controller.error(new Error('the session is closed'));
				// A server that is cut off says nothing.
				if (code === 1006) this.#end.reject(new Error('connection lost'));
				else this.#end.resolve({ closeCode: code, reason });
			},
		});
		this.datagrams = {
			maxDatagramSize: DATAGRAM_BYTES_MAX,
			readable: datagrams,
			writable: new WritableStream({
				write: (bytes) => {
					if (bytes.length > DATAGRAM_BYTES_MAX) throw new Error('a datagram is too large');
					this.#receive(bytes, 'datagram');
				},
			}),
		};
		this.createBidirectionalStream = async () => {
			const deframer = new Deframer();
			const writable = new WritableStream({
				write: (piece) => {
					for (const object of deframer.handle(piece)) this.#receive(object, 'stream');
				},
			});
			return { readable: stream, writable };
		};
	}

	close({ closeCode = 0, reason = '' } = {}) {
		this.#link.end(closeCode, reason);
	}

	#receive(bytes, way) {
		const said = JSON.parse(DECODER.decode(bytes));
		// Not at once: as if it travelled.
		queueMicrotask(() => this.#link.receive(said, way));
	}

	#readable() {
		return new ReadableStream({ start: (controller) => void this.#controllers.push(controller) });
	}
}
