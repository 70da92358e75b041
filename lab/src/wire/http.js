/**
 * Reads messages of HTTP/1.1 (RFC 9112) out of one direction of a connection, as far as it was seen.
 */

import { headTextOf, joined } from './bytes.js';

/**
 * @typedef {object} Head
 * @property {'head'} is
 * @property {string} start its first line
 * @property {[name: string, value: string][]} headers
 * @property {number} size bytes, the empty line included
 *
 * @typedef {object} Body
 * @property {'body'} is
 * @property {Uint8Array} bytes of the content; what marks chunks off is not in it
 * @property {number} size the same, those that were not told included
 * @property {number} framing bytes that mark chunks off
 *
 * @typedef {{ is: 'end' }} End of a message
 */

/** The longest head that is read, in bytes; browsers' have less than a thousand. */
const HEAD_BYTES_MAX = 16_384;

const CR_LF_CR_LF = [13, 10, 13, 10];

export class HttpReader {
	#isResponse;
	/** @type {Uint8Array} */
	#rest = new Uint8Array(0);
	/** What comes next. @type {'head' | 'length' | 'chunk-size' | 'chunk' | 'chunk-end' | 'close' | 'lost'} */
	#state = 'head';
	/** Bytes of the body, or of its chunk, that are still to come. */
	#left = 0;
	#isLastChunk = false;

	/** @param {'requests' | 'responses'} what */
	constructor(what) {
		this.#isResponse = what === 'responses';
	}

	/**
	 * Takes what passed.
	 * @param {Uint8Array} bytes
	 * @param {number} unseen so many bytes followed that were not told
	 * @returns {(Head | Body | End)[]}
	 */
	read(bytes, unseen = 0) {
		this.#rest = joined(this.#rest, bytes);
		const parts = [];
		for (let part = this.#next(unseen); part; part = this.#next(unseen)) {
			if (part === 'on') continue;
			// What was not told is the body's, wherever it ends.
			if (part.is === 'body') unseen = 0;
			parts.push(part);
		}
		if (unseen > 0) this.#state = 'lost';
		return parts;
	}

	/** Takes away what came behind the last message: of another protocol. */
	takeRest() {
		const rest = this.#rest;
		this.#rest = new Uint8Array(0);
		return rest;
	}

	/**
	 * @param {number} unseen
	 * @returns {Head | Body | End | 'on' | undefined}
	 */
	#next(unseen) {
		switch (this.#state) {
			case 'head':
				return this.#head();
			case 'length':
			case 'chunk':
				return this.#body(unseen);
			case 'close': {
				const bytes = this.takeRest();
				if (bytes.length + unseen === 0) return undefined;
				return { is: 'body', bytes, size: bytes.length + unseen, framing: 0 };
			}
			case 'chunk-size':
				return this.#chunkSize();
			case 'chunk-end':
				if (this.#rest.length < 2) return undefined;
				this.#rest = this.#rest.subarray(2);
				this.#state = this.#isLastChunk ? 'head' : 'chunk-size';
				return this.#isLastChunk ? { is: 'end' } : { is: 'body', bytes: new Uint8Array(0), size: 0, framing: 2 };
			case 'lost':
				this.#rest = new Uint8Array(0);
				return undefined;
		}
	}

	/** @returns {Head | undefined} */
	#head() {
		const end = this.#rest.findIndex((_, at) => CR_LF_CR_LF.every((byte, more) => this.#rest[at + more] === byte));
		if (end < 0) {
			if (this.#rest.length > HEAD_BYTES_MAX) this.#state = 'lost';
			return undefined;
		}
		const [start = '', ...lines] = headTextOf(this.#rest.subarray(0, end)).split('\r\n');
		this.#rest = this.#rest.slice(end + 4);
		const headers = lines.map(headerOf);
		this.#begin(start, headers);
		return { is: 'head', start, headers, size: end + 4 };
	}

	/**
	 * Which body follows (section 6.3).
	 * @param {string} start
	 * @param {[string, string][]} headers
	 */
	#begin(start, headers) {
		const value = (/** @type {string} */ name) => headers.find(([other]) => other.toLowerCase() === name)?.[1];
		const status = this.#isResponse ? Number(start.split(' ')[1]) : 0;
		const length = Number(value('content-length') ?? 0);
		this.#left = 0;
		if (status === 101) this.#state = 'head';
		else if (/\bchunked\b/i.test(value('transfer-encoding') ?? '')) this.#state = 'chunk-size';
		else if (status === 204 || status === 304) this.#state = 'head';
		else if (length > 0) [this.#state, this.#left] = ['length', length];
		else if (this.#isResponse && value('content-length') === undefined) this.#state = 'close';
	}

	/**
	 * @param {number} unseen
	 * @returns {Body | undefined}
	 */
	#body(unseen) {
		const bytes = this.#rest.slice(0, this.#left);
		const skipped = Math.min(unseen, this.#left - bytes.length);
		const size = bytes.length + skipped;
		if (size === 0) return undefined;
		this.#rest = this.#rest.subarray(bytes.length);
		this.#left -= size;
		if (unseen > skipped) this.#state = 'lost';
		else if (this.#left === 0) this.#state = this.#state === 'chunk' ? 'chunk-end' : 'head';
		return { is: 'body', bytes, size, framing: 0 };
	}

	/** @returns {Body | undefined} */
	#chunkSize() {
		const end = this.#rest.indexOf(10);
		if (end < 0) return undefined;
		const line = headTextOf(this.#rest.subarray(0, end));
		this.#left = Number.parseInt(line, 16);
		this.#rest = this.#rest.subarray(end + 1);
		if (Number.isNaN(this.#left)) this.#state = 'lost';
		else this.#state = this.#left > 0 ? 'chunk' : 'chunk-end';
		this.#isLastChunk = this.#left === 0;
		return { is: 'body', bytes: new Uint8Array(0), size: 0, framing: end + 1 };
	}
}

/**
 * @param {string} line
 * @returns {[string, string]}
 */
function headerOf(line) {
	const colon = line.indexOf(':');
	return colon < 0 ? [line, ''] : [line.slice(0, colon), line.slice(colon + 1).trim()];
}
