/** What was tapped is read as RFCs 6455, 9112 and 9000 have it, however it was cut. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { textOf } from '../src/wire/bytes.js';
import { Connection } from '../src/wire/connection.js';
import { FrameReader } from '../src/wire/frames.js';
import { HttpReader } from '../src/wire/http.js';
import { packetOf } from '../src/wire/quic.js';

const bytesOf = (/** @type {string} */ text) => new TextEncoder().encode(text);

/**
 * @template Part
 * @param {Uint8Array} bytes
 * @param {number} size of the pieces
 * @param {(piece: Uint8Array) => Part[]} read
 */
function inPieces(bytes, size, read) {
	const parts = [];
	for (let at = 0; at < bytes.length; at += size) parts.push(...read(bytes.slice(at, at + size)));
	return parts;
}

test('the frames of RFC 6455, section 5.7, are read in pieces of any size', () => {
	const hello = [0x48, 0x65, 0x6c, 0x6c, 0x6f];
	const masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
	const stream = Uint8Array.from([0x81, 0x05, ...hello, ...masked, 0x01, 0x03, ...hello.slice(0, 3), 0x80, 0x02, ...hello.slice(3), 0x89, 0x05, ...hello]);
	for (let size = 1; size <= stream.length; size++) {
		const reader = new FrameReader();
		const frames = inPieces(stream, size, (piece) => reader.read(piece));
		assert.deepEqual(
			frames.map(({ fin, opcode, isMasked, payload }) => [fin, opcode, isMasked, textOf(payload)]),
			[
				[true, 1, false, 'Hello'],
				[true, 1, true, 'Hello'],
				[false, 1, false, 'Hel'],
				[true, 0, false, 'lo'],
				[true, 9, false, 'Hello'],
			],
		);
		assert.deepEqual([...(frames[1]?.mask ?? [])], [0x37, 0xfa, 0x21, 0x3d]);
		assert.deepEqual(frames.map((frame) => frame.headerSize), [2, 6, 2, 2, 2]);
	}
});

test('a long frame is read past what was not told of it', () => {
	const reader = new FrameReader();
	const head = Uint8Array.from([0xc2, 0x7e, 0x01, 0x00, 7, 7]);
	assert.deepEqual(reader.read(head), []);
	const [frame] = reader.read(new Uint8Array(0), 254);
	assert.deepEqual([frame?.size, frame?.payload.length, frame?.rsv[0], frame?.headerSize], [256, 2, true, 4]);
	assert.equal(reader.read(Uint8Array.from([0x8a, 0x00])).length, 1);
	// Where a header is within what was not told, nothing more is made up.
	reader.read(Uint8Array.from([0x81]), 3);
	assert.deepEqual(reader.read(Uint8Array.from([0x8a, 0x00])), []);
});

test('requests and answers are read in pieces of any size', () => {
	const requests = bytesOf('GET /a HTTP/1.1\r\nHost: x\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 2\r\n\r\nhiGET /c HTTP/1.1\r\n\r\n');
	const answers = bytesOf(
		'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 204 No Content\r\n\r\n' +
			'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
	);
	for (const size of [1, 2, 3, 7, 1000]) {
		const up = new HttpReader('requests');
		const starts = inPieces(requests, size, (piece) => up.read(piece)).flatMap((part) => (part.is === 'head' ? part.start : []));
		assert.deepEqual(starts, ['GET /a HTTP/1.1', 'POST /b HTTP/1.1', 'GET /c HTTP/1.1']);
		const down = new HttpReader('responses');
		const parts = inPieces(answers, size, (piece) => down.read(piece));
		const text = parts.map((part) => (part.is === 'body' ? textOf(part.bytes) : part.is === 'head' ? '|' : '')).join('');
		assert.equal(text, '|{}||abcde|');
		const framing = parts.reduce((sum, part) => sum + (part.is === 'body' ? part.framing : 0), 0);
		assert.equal(framing, '3\r\n\r\n2\r\n\r\n0\r\n'.length);
	}
});

test('a body is read past what was not told of it', () => {
	const reader = new HttpReader('responses');
	const [, body] = reader.read(bytesOf('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'), 7);
	assert.ok(body?.is === 'body' && body.size === 10);
	assert.equal(reader.read(bytesOf('HTTP/1.1 204 No\r\n\r\n')).length, 1);
});

test('a connection becomes a WebSocket with its 101, and frames behind it in the same piece are seen', () => {
	const connection = new Connection();
	const request = 'GET /v1/connect HTTP/1.1\r\nUpgrade: websocket\r\n\r\n';
	const [asked] = connection.read('up', bytesOf(request), request.length);
	assert.deepEqual([asked?.kind, asked?.overhead], ['request', request.length]);
	const answer = 'HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x02hi';
	const seen = connection.read('down', Uint8Array.from(answer, (c) => c.charCodeAt(0)), answer.length);
	assert.deepEqual(seen.map(({ kind, size, overhead }) => [kind, size, overhead]), [['answer', answer.length - 4, answer.length - 4], ['frame', 4, 2]]);
	const [pong] = connection.read('up', Uint8Array.from([0x8a, 0x80, 1, 2, 3, 4]), 6);
	assert.deepEqual([pong?.frame?.opcode, pong?.frame?.isMasked, pong?.overhead], [10, true, 6]);
});

test('events and the comments between them are told apart', () => {
	const connection = new Connection();
	const head = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n';
	const chunk = (/** @type {string} */ text) => `${text.length.toString(16)}\r\n${text}\r\n`;
	const stream = head + chunk(': padding\n\nevent: hello\ndata: {}\n') + chunk('\nid: E-1\ndata: {"a":1}\n\n') + chunk(':\n\n');
	const seen = connection.read('down', bytesOf(stream), stream.length).slice(1);
	assert.deepEqual(seen.map(({ kind, text }) => [kind, text]), [
		['comment', ': padding'],
		['event', 'event: hello\ndata: {}'],
		['event', 'id: E-1\ndata: {"a":1}'],
		['comment', ':'],
	]);
	assert.equal(seen[2]?.overhead, 'id: E-1\ndata: \n\n'.length);
});

test('packets of QUIC are known by their first byte', () => {
	assert.deepEqual(packetOf(Uint8Array.from([0xc3, 0, 0, 0, 1])), { isLong: true, name: 'Initial', version: '00000001' });
	assert.equal(packetOf(Uint8Array.from([0xe0, 0, 0, 0, 1])).name, 'Handshake');
	assert.deepEqual(packetOf(Uint8Array.from([0x43])), { isLong: false, name: '1-RTT', version: '' });
});
