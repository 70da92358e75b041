import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hueOf, initials, NAME_BYTES_MAX, nameFault } from '../src/model/names.js';
import { meFirst, peopleOf, withoutPerson, withPerson } from '../src/model/people.js';
import { subjectOf } from '../src/model/token.js';

test('a name is 1 to 64 bytes without control characters', () => {
	assert.equal(nameFault('李雷'), null);
	assert.equal(nameFault(''), 'empty');
	assert.equal(nameFault('a\u0007b'), 'control');
	assert.equal(nameFault('a'.repeat(NAME_BYTES_MAX)), null);
	assert.equal(nameFault('a'.repeat(NAME_BYTES_MAX + 1)), 'long');
	assert.equal(nameFault('雷'.repeat(22)), 'long', '66 bytes');
});

test('initials stand for a name', () => {
	for (const [name, expected] of [['Ada Lovelace', 'AL'], ['bob', 'B'], ['李雷', '雷'], ['x_y-z', 'XZ'], ['🦀 crab', '🦀C'], ['-', '-']]) {
		assert.equal(initials(name ?? ''), expected);
	}
});

test('a colour follows from the name alone', () => {
	assert.equal(hueOf('ada'), hueOf('ada'));
	const hues = new Set(Array.from({ length: 200 }, (_, i) => hueOf(`user${i}`)));
	assert.equal(hues.size, 10, 'all of them are used');
});

test('those who join and leave change who is here', () => {
	const people = peopleOf(['theo', 'ada', 'theo']);
	assert.deepEqual(people, ['ada', 'theo']);
	assert.equal(withPerson(people, 'ada'), people);
	assert.deepEqual(withPerson(people, 'mira'), ['ada', 'mira', 'theo']);
	assert.deepEqual(withoutPerson(people, 'ada'), ['theo']);
	assert.deepEqual(meFirst(people, 'theo'), ['theo', 'ada']);
	assert.equal(meFirst(people, 'mira'), people);
});

test('a token says whom it is for', () => {
	const token = (/** @type {object} */ claims) => `x.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.y`;
	assert.equal(subjectOf(token({ sub: '李雷' })), '李雷');
	for (const bad of ['', 'x', 'x.y.z', token({}), token({ sub: 7 })]) assert.equal(subjectOf(bad), '');
});
