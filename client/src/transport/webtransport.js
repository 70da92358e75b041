/**
 * WebTransport: frames both ways on one stream, and small signals beside it as datagrams.
 *
 * The server tells first whether it has it, and by which hashes its certificate is known where nobody vouches for it.
 *
 * @import { Transport } from './link.js'
 */
import { Deframer, frame as frameOf } from '../wire/varint.js';
import { framed } from './framed.js';

/** @type {Transport} */
export function webtransport(environment, ear) {
	const { url, fetch, WebTransport } = environment;
	const encoder = new TextEncoder();
	const decoder = new TextDecoder();
	let isClosed = false;
	/** @type {WebTransport | undefined} */
	let session;
	/** Both are there when the first frame is written. @type {WritableStreamDefaultWriter<Uint8Array>} */
	let stream;
	/** @type {WritableStreamDefaultWriter<Uint8Array>} */
	let datagrams;

	const { begin, hear, ...link } = framed(environment, ear, (text, isSignal) => {
		const bytes = encoder.encode(text);
		const fits = isSignal && bytes.length <= (session?.datagrams.maxDatagramSize ?? 0);
		// What cannot be written is told by the session's end.
		(fits ? datagrams.write(bytes) : stream.write(frameOf(bytes))).catch(() => {});
	});

	/**
	 * @param {ReadableStream<Uint8Array>} readable
	 * @param {(bytes: Uint8Array) => void} take
	 */
	async function read(readable, take) {
		const reader = readable.getReader();
		for (let piece; !(piece = await reader.read()).done; ) take(piece.value);
	}

	async function open() {
		const response = await fetch(`${url}/v1/info`, { cache: 'no-store' });
		const { webtransport } = await response.json();
		if (!webtransport) return ear.lost({ reason: 'the server has no WebTransport', isForGood: true });
		if (isClosed) return;
		const hashes = /** @type {string[] | undefined} */ (webtransport.certificate_hashes);
		const Session = /** @type {typeof globalThis.WebTransport} */ (WebTransport);
		session = new Session(`${url.replace(/^http:/, 'https:')}/v1/connect`, {
			serverCertificateHashes: hashes?.map((hash) => ({
				algorithm: 'sha-256',
				value: Uint8Array.from(hash.match(/../g) ?? [], (digits) => parseInt(digits, 16)),
			})),
		});
		session.closed.then(
			({ closeCode: code = 0, reason = '' }) => ear.lost({ code, reason: reason || `closed with ${code}` }),
			(error) => ear.lost({ reason: String(error) }),
		);
		await session.ready;
		const { readable, writable } = await session.createBidirectionalStream();
		stream = writable.getWriter();
		datagrams = session.datagrams.writable.getWriter();
		begin();
		// Nobody misses datagrams.
		read(session.datagrams.readable, (bytes) => hear(decoder.decode(bytes))).catch(() => {});
		const deframer = new Deframer();
		await read(readable, (piece) => {
			for (const object of deframer.handle(piece)) hear(decoder.decode(object));
		});
		// We have read everything; now the server closes, and says why.
		await stream.close();
	}
	// Once there is a session, its end says why.
	open().catch((error) => session || ear.lost({ reason: String(error) }));

	return {
		...link,
		close(closeCode, reason) {
			isClosed = true;
			session?.close({ closeCode, reason });
		},
	};
}
