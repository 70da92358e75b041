import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEmojiOnly, pieces, textOf } from '../src/model/text.js';

const links = (/** @type {string} */ text) => pieces(text).flatMap(({ href }) => href ?? []);

test('the pieces are the text, whole', () => {
	for (const text of ['', 'plain', 'see https://a.example/x, and (http://b.example/y(z)).', 'https://a.example https://b.example']) {
		assert.equal(pieces(text).map((piece) => piece.text).join(''), text);
	}
});

test('links end where the sentence goes on', () => {
	assert.deepEqual(links('see https://a.example/x, or (https://b.example/y).'), ['https://a.example/x', 'https://b.example/y']);
	assert.deepEqual(links('https://en.example/wiki/Tide_(sea)!'), ['https://en.example/wiki/Tide_(sea)']);
	assert.deepEqual(links('看https://a.example/x。谢谢'), ['https://a.example/x']);
});

test('only web addresses become links', () => {
	for (const text of ['javascript:alert(1)', 'data:text/html,x', 'https://', 'http:///', 'xhttps://a.example', 'ftp://a.example']) {
		assert.deepEqual(links(text), [], text);
	}
	assert.deepEqual(links('https://a.example/"onload=x'), ['https://a.example/']);
});

test('one to three emoji and nothing else are shown large', () => {
	for (const text of ['🎉', '👏👏', '👍🏽', '👩‍👩‍👧', '❤️ 🔥 ✨', '🇨🇳']) assert.equal(isEmojiOnly(text), true, text);
	for (const text of ['', ' ', 'a', '7', '#', '🎉!', '👏👏👏👏', '😀'.repeat(100)]) assert.equal(isEmojiOnly(text), false, text);
});

test('whatever is published into a room can be shown', () => {
	assert.equal(textOf({ text: 'hi' }), 'hi');
	assert.equal(textOf('from curl'), 'from curl');
	assert.equal(textOf({ celsius: 21 }), '{"celsius":21}');
	assert.equal(textOf(null), 'null');
	assert.equal(textOf(undefined), '');
});
