import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DICTIONARIES } from '../src/i18n/words.js';
import { explain } from '../src/model/link.js';

test('there are words for why the client changed', () => {
	for (const reason of ['start', 'chosen', 'better', 'return', 'drain', 'silence', 'buffered']) {
		assert.deepEqual(explain(reason), { key: `link.why.${reason}`, of: null });
	}
});

test('there are words for what became of the transport before, and of those that were tried', () => {
	for (const [said, end] of [
		['no answer in time', 'late'],
		['Error: no answer in time', 'late'],
		['no answer yet', 'slow'],
		['nothing came, not even an answer to a ping', 'silence'],
		['another tab', 'tab'],
		['closed with 1006', 'broken'],
		['Error: the stream ended', 'broken'],
		['WebTransportError: Opening handshake failed.', 'broken'],
		['TypeError: Failed to fetch', 'broken'],
		['TypeError: network error', 'broken'],
		['TypeError: NetworkError when attempting to fetch resource.', 'broken'],
		['TypeError: Load failed', 'broken'],
		['TypeError: the answer is not an event stream', 'foreign'],
	]) {
		assert.deepEqual(explain(`${said}`), { key: `link.why.${end}`, of: null });
		for (const of of ['webtransport', 'websocket', 'sse', 'long-poll', 'poll', 'shared']) {
			assert.deepEqual(explain(`${of}: ${said}`), { key: `link.why.of.${end}`, of });
		}
	}
});

test('every language has them all', () => {
	for (const dictionary of Object.values(DICTIONARIES)) {
		for (const reason of ['start', 'another tab', 'sse: no answer yet', 'poll: closed with 1006', 'closed with 1012']) {
			const why = explain(reason);
			assert.ok(why && dictionary[why.key], reason);
		}
	}
});

test('for what nobody foresaw there are no words', () => {
	for (const reason of ['', 'started', 'the moon', 'pigeon: no answer yet', 'websocket: the moon', 'websocket: start']) {
		assert.equal(explain(reason), null, reason);
	}
});
