import assert from 'node:assert/strict';
import { test } from 'node:test';

import { formatCursor, parseCursor } from '../src/cursor.js';
import { decodeData, encodeData } from '../src/wire/data.js';
import { readProblem, TidingsError } from '../src/wire/error.js';
import { EVENT_UNITS_MAX, EventStream } from '../src/wire/event-stream.js';
import { Deframer, frame } from '../src/wire/varint.js';
import { seeded } from './support/network.js';

test('a cursor survives its text', () => {
	assert.deepEqual(parseCursor('k3f9-48213'), { epoch: 'k3f9', seq: 48213 });
	assert.equal(formatCursor({ epoch: 'k3f9', seq: 0 }), 'k3f9-0');
});

test('other texts are no cursors', () => {
	for (const text of ['', '-', 'a-', '-1', 'a-+1', 'a--1', 'a-1 ', 'é-1', 'undefined']) {
		assert.throws(() => parseCursor(text), TypeError, text);
	}
});

test('data survives the wire, bytes as bytes', () => {
	const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
	for (const data of [{ a: [1, 'ü', null] }, null, 0, '', bytes]) {
		assert.deepEqual(decodeData(JSON.parse(JSON.stringify(encodeData(data)))), data);
	}
	assert.deepEqual(encodeData(undefined), { data: null });
	assert.throws(() => encodeData(1n), TypeError);
});

test('data is what it was when it was given', () => {
	const data = { text: 'before' };
	const wire = encodeData(data);
	data.text = 'after';
	assert.deepEqual(wire, { data: { text: 'before' } });
});

const STREAM = [
	`:${' '.repeat(2048)}\nretry: 1000\n\n`,
	'event: hello\nid: e-1\ndata: {"type":"hello"}\n\n',
	'id: e-2\ndata: {"text":"ü🙂"}\n\n',
	':\nid: e-3\n\n',
	'data:two\ndata: lines\n\n',
	'data\n\n',
	'unknown: field\n\n',
].join('');
const EVENTS = [
	{ event: 'hello', id: 'e-1', data: '{"type":"hello"}' },
	{ event: '', id: 'e-2', data: '{"text":"ü🙂"}' },
	{ event: '', id: 'e-3', data: '' },
	{ event: '', data: 'two\nlines' },
	{ event: '', data: '' },
];

test('an event stream is read the same wherever it is cut', () => {
	for (const newline of ['\n', '\r\n', '\r']) {
		// A CR alone at the very end may be half of a CRLF: something follows it.
		const text = STREAM.replaceAll('\n', newline) + ':';
		for (let cut = 0; cut <= text.length; cut++) {
			const stream = new EventStream();
			const events = [...stream.push(text.slice(0, cut)), ...stream.push(text.slice(cut))];
			assert.deepEqual(events, EVENTS, `cut at ${cut}`);
		}
	}
});

test('an event that does not end is given up at its bound', () => {
	const stream = new EventStream();
	stream.push('data: ');
	stream.push('x'.repeat(EVENT_UNITS_MAX - 6));
	assert.throws(() => stream.push('x'), RangeError);
	const lines = new EventStream();
	const line = `data: ${'x'.repeat(1 << 20)}\n`;
	assert.throws(() => {
		for (let count = 0; count < 20; count++) lines.push(line);
	}, RangeError);
});

test('a problem says what, why, and when to come again', async () => {
	const body = { type: 'about:blank', title: 'Busy', status: 503, detail: 'too much', code: 'busy' };
	const problem = await readProblem(Response.json(body, { status: 503, headers: { 'retry-after': '2' } }));
	assert.ok(problem instanceof TidingsError);
	const { name, code, message, status, later, after } = problem;
	assert.deepEqual(
		{ name, code, message, status, later, after },
		{ name: 'TidingsError', code: 'busy', message: 'too much', status: 503, later: true, after: 2000 },
	);
});

test("a proxy's own page is a problem too", async () => {
	const problem = await readProblem(new Response('<html>', { status: 403 }));
	assert.equal(problem.code, 'http_403');
	assert.equal(problem.later, false);
});

test('what may do later is known by status over HTTP and by code in frames', () => {
	for (const status of [408, 429, 500, 503, 507]) assert.ok(new TidingsError('x', '', status).later, `${status}`);
	for (const status of [400, 401, 403, 404, 413]) assert.ok(!new TidingsError('x', '', status).later, `${status}`);
	for (const code of ['busy', 'draining', 'unavailable', 'storage_full']) assert.ok(new TidingsError(code, '').later, code);
	for (const code of ['forbidden', 'too_large', 'bad_request']) assert.ok(!new TidingsError(code, '').later, code);
});

test('frames come whole however their stream is cut, and whatever their lengths are written with', () => {
	for (let seed = 0; seed < 200; seed++) {
		const random = seeded(seed);
		const below = (bound) => Math.floor(random() * bound);
		const objects = Array.from({ length: below(6) }, () => Uint8Array.from({ length: below(300) }, () => below(256)));
		const stream = objects.flatMap((object) => {
			const { length } = object;
			const headers = [
				...(length < 64 ? [[length]] : []),
				[0x40 + (length >> 8), length & 0xff],
				[0xc0, 0, 0, 0, 0, 0, length >> 8, length & 0xff],
			];
			const own = frame(object);
			return [[...own], ...headers.map((header) => [...header, ...object])][below(headers.length + 1)];
		});
		const deframer = new Deframer();
		const came = [];
		while (stream.length) {
			const piece = Uint8Array.from(stream.splice(0, 1 + below(150)));
			for (const object of deframer.handle(piece)) came.push(Uint8Array.from(object));
		}
		assert.deepEqual(came, objects, `seed ${seed}`);
	}
});

test('a large frame comes whole from many pieces', () => {
	const object = new Uint8Array(1 << 20).fill(7);
	const bytes = frame(object);
	const deframer = new Deframer();
	const came = [];
	for (let at = 0; at < bytes.length; at += 1200) came.push(...deframer.handle(bytes.subarray(at, at + 1200)));
	assert.deepEqual(came, [object]);
});
