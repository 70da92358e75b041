import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DICTIONARIES, localeOf, pickLanguage, wordsOf } from '../src/i18n/words.js';

const { en, 'zh-CN': zhCN } = DICTIONARIES;

test('every language has the same keys, and words for each', () => {
	assert.deepEqual(Object.keys(zhCN).sort(), Object.keys(en).sort());
	for (const dictionary of Object.values(DICTIONARIES)) {
		for (const [key, text] of Object.entries(dictionary)) assert.notEqual(text.trim(), '', key);
	}
});

test('every language fills in the same values', () => {
	const holes = (/** @type {string} */ text) => [...new Set(text.match(/\{\w+\}/g))].sort();
	for (const key of /** @type {(keyof typeof en)[]} */ (Object.keys(en))) assert.deepEqual(holes(zhCN[key]), holes(en[key]), key);
});

test('the language is the chosen one, else the first that is known, else English', () => {
	assert.equal(pickLanguage(null, ['fr', 'zh-TW', 'en']), 'zh-CN');
	assert.equal(pickLanguage(null, ['de', 'en-GB', 'zh']), 'en');
	assert.equal(pickLanguage('zh-CN', ['en']), 'zh-CN');
	assert.equal(pickLanguage('klingon', ['fr']), 'en');
});

test('dates and times follow the reader’s own variant of the language', () => {
	assert.equal(localeOf('en', ['zh', 'en-GB', 'en-US']), 'en-GB');
	assert.equal(localeOf('en', ['zh']), 'en');
	assert.equal(localeOf('zh-CN', ['zh-TW']), 'zh-CN');
	const noon = new Date(2026, 10, 22, 14, 5).getTime();
	assert.equal(wordsOf('en', 'en-GB').time(noon), '14:05');
	assert.match(wordsOf('en', 'en-US').time(noon), /^2:05\sPM$/);
});

test('numbers of things have their own words', () => {
	const { plural } = wordsOf('en');
	assert.equal(plural('messages.unseen', 1), '1 new message');
	assert.equal(plural('messages.unseen', 1200), '1,200 new messages');
	assert.equal(wordsOf('zh-CN').plural('messages.unseen', 1), '1 条新消息');
});

test('a span is told in whole milliseconds, and is never none', () => {
	const { span } = wordsOf('en');
	assert.deepEqual([0.2, 1.4, 23.5, 1200].map(span), ['1 ms', '1 ms', '24 ms', '1,200 ms']);
	assert.equal(wordsOf('zh-CN').span(23.4), '23毫秒');
});

test('days close by have names', () => {
	const { day } = wordsOf('en');
	const now = new Date(2026, 2, 1, 0, 30).getTime();
	assert.equal(day(now - 20 * 60_000, now), 'Today');
	assert.equal(day(now - 40 * 60_000, now), 'Yesterday');
	assert.match(day(new Date(2026, 0, 5).getTime(), now), /^Monday, January 5$/);
	assert.match(day(new Date(2025, 0, 5).getTime(), now), /2025/);
});
