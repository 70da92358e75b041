/**
 * One connection of TCP as it was tapped: what passed becomes things that have a name, requests, answers, frames,
 * events.
 *
 * @import { Head } from './http.js'
 * @import { WebSocketFrame } from './frames.js'
 */

import { textOf } from './bytes.js';
import { FrameReader } from './frames.js';
import { HttpReader } from './http.js';

/** @typedef {'up' | 'down'} Direction */

/**
 * @typedef {object} Seen
 * @property {'request' | 'answer' | 'body' | 'frame' | 'event' | 'comment'} kind
 * @property {Direction} direction
 * @property {number} size bytes on the wire
 * @property {number} overhead those of them that are none of what was to be said
 * @property {Head} [head] of a request or an answer
 * @property {WebSocketFrame} [frame]
 * @property {string} [text] of a body, or the lines of an event
 */

/** How much of a body is kept to be looked at, in characters. */
const TEXT_MAX = 2000;
/** The longest event that is put together, in characters. */
const EVENT_MAX = 16_384;

export class Connection {
	#http = { up: new HttpReader('requests'), down: new HttpReader('responses') };
	/** Of a WebSocket, once its handshake is done. @type {Record<Direction, FrameReader> | undefined} */
	#frames;
	/** Whether the answer that comes is a stream of events; its text that is no whole event yet. */
	#events = { isStream: false, text: '' };

	/**
	 * @param {Direction} direction
	 * @param {Uint8Array} bytes
	 * @param {number} size with those that were not told
	 * @returns {Seen[]}
	 */
	read(direction, bytes, size) {
		const unseen = size - bytes.length;
		if (this.#frames) return this.#readFrames(direction, bytes, unseen);
		/** @type {Seen[]} */
		const seen = [];
		for (const part of this.#http[direction].read(bytes, unseen)) {
			if (part.is === 'end') continue;
			if (part.is === 'body') {
				seen.push(...this.#body(direction, part.bytes, part.size, part.framing));
				continue;
			}
			seen.push({ kind: direction === 'up' ? 'request' : 'answer', direction, size: part.size, overhead: part.size, head: part });
			if (direction === 'down') this.#begin(part);
			if (this.#frames) seen.push(...this.#readFrames('down', this.#http.down.takeRest(), 0));
		}
		return seen;
	}

	/** @param {Head} answer */
	#begin(answer) {
		const type = answer.headers.find(([name]) => name.toLowerCase() === 'content-type')?.[1] ?? '';
		this.#events = { isStream: type.startsWith('text/event-stream'), text: '' };
		if (/^HTTP\/1\.1 101\b/.test(answer.start)) this.#frames = { up: new FrameReader(), down: new FrameReader() };
	}

	/**
	 * @param {Direction} direction
	 * @param {Uint8Array} bytes
	 * @param {number} unseen
	 * @returns {Seen[]}
	 */
	#readFrames(direction, bytes, unseen) {
		const frames = this.#frames?.[direction].read(bytes, unseen) ?? [];
		return frames.map((frame) => ({
			kind: 'frame',
			direction,
			size: frame.headerSize + frame.size,
			overhead: frame.opcode < 8 ? frame.headerSize : frame.headerSize + frame.size,
			frame,
		}));
	}

	/**
	 * @param {Direction} direction
	 * @param {Uint8Array} bytes
	 * @param {number} size
	 * @param {number} framing
	 * @returns {Seen[]}
	 */
	#body(direction, bytes, size, framing) {
		if (direction === 'down' && this.#events.isStream) return this.#readEvents(textOf(bytes));
		if (size === 0) return [];
		return [{ kind: 'body', direction, size: size + framing, overhead: framing, text: textOf(bytes).slice(0, TEXT_MAX) }];
	}

	/**
	 * Events end with an empty line; a line that begins with a colon is a comment.
	 * @param {string} text
	 * @returns {Seen[]}
	 */
	#readEvents(text) {
		const blocks = (this.#events.text + text).split('\n\n');
		this.#events.text = (blocks.pop() ?? '').slice(-EVENT_MAX);
		return blocks.map((block) => {
			const data = block.split('\n').filter((line) => line.startsWith('data:'));
			const said = data.reduce((sum, line) => sum + line.length - 'data: '.length, 0);
			const isComment = block.split('\n').every((line) => line.startsWith(':') || line === '');
			const size = block.length + 2;
			return {
				kind: isComment ? 'comment' : 'event',
				direction: 'down',
				size,
				overhead: size - said,
				text: block.slice(0, TEXT_MAX),
			};
		});
	}
}
