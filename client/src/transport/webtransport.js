/**
 * WebTransport: frames both ways on one stream, and small signals beside it as datagrams.
 *
 * The server tells first whether it has it, and by which hashes its certificate is known where nobody vouches for it.
 * What it told before does where no answer comes: requests may be stuck in an HTTP/2 connection that is dead, until
 * the browser gives it up after a minute, while UDP passes.
 *
 * @import { Environment, Info, Transport } from './link.js'
 */
import { Deframer, frame as frameOf } from '../wire/varint.js';
import { framed } from './framed.js';

/** How long to wait for an answer that is known already, in ms: a round trip of a slow network, and little of a link's time. */
const ANSWER_MS = 1000;

/** @param {Environment} environment @returns {Promise<Info>} */
async function ask({ url, fetch, setTimeout, told }) {
	const answer = fetch(`${url}/v1/info`, { cache: 'no-store' })
		.then((response) => response.json())
		.then((info) => (told.info = info));
	const { info } = told;
	return info ? Promise.race([answer.catch(() => info), new Promise((resolve) => setTimeout(() => resolve(info), ANSWER_MS))]) : answer;
}

/** @type {Transport} */
export function webtransport(environment, ear) {
	const { url, WebTransport } = environment;
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
		const { webtransport } = await ask(environment);
		if (!webtransport) return ear.lost({ reason: 'the server has no WebTransport', isForGood: true });
		if (isClosed) return;
		const hashes = webtransport.certificate_hashes;
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
