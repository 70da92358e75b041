import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashOf, isRoomName, ROOM_BYTES_MAX, roomFrom, roomInHash, ROOMS_MAX, START_ROOMS, withRoom } from '../src/model/rooms.js';

test('a title becomes a name that fits into a channel and an address', () => {
	assert.deepEqual(roomFrom('  Weekend   Plans! ').room, { name: 'weekend-plans', title: 'Weekend Plans!' });
	assert.deepEqual(roomFrom('#general').room, { name: 'general', title: 'general' });
	assert.deepEqual(roomFrom('周末爬山').room, { name: '周末爬山', title: '周末爬山' });
	assert.deepEqual(roomFrom('a * b').room, { name: 'a-b', title: 'a * b' });
});

test('a title that can not be a room is refused with the reason', () => {
	assert.equal(roomFrom('   ').fault, 'empty');
	assert.equal(roomFrom('!!!').fault, 'symbols');
	assert.equal(roomFrom('a'.repeat(ROOM_BYTES_MAX)).fault, null);
	assert.equal(roomFrom('a'.repeat(ROOM_BYTES_MAX + 1)).fault, 'long');
});

test('the index adds rooms once, in the order of their making', () => {
	let rooms = START_ROOMS;
	rooms = withRoom(rooms, { name: 'tea', title: 'Tea' });
	rooms = withRoom(rooms, { name: 'tea', title: 'Another tea' });
	rooms = withRoom(rooms, { name: 'cake', title: '' });
	assert.deepEqual(rooms.slice(START_ROOMS.length), [
		{ name: 'tea', title: 'Tea' },
		{ name: 'cake', title: 'cake' },
	]);
});

test('what is no room changes nothing', () => {
	for (const data of [null, 'tea', 7, [], {}, { name: 7 }, { name: '' }, { name: 'a*' }, { name: 'a\nb' }, { name: 'x'.repeat(65) }]) {
		assert.equal(withRoom(START_ROOMS, data), START_ROOMS, JSON.stringify(data));
	}
});

test('the list has a bound', () => {
	let rooms = START_ROOMS;
	for (let i = 0; i < 100; i++) rooms = withRoom(rooms, { name: `r${i}`, title: '' });
	assert.equal(rooms.length, ROOMS_MAX);
});

test('an address leads to its room and back', () => {
	for (const name of ['lobby', '周末爬山', 'a b/c#d']) assert.equal(roomInHash(hashOf(name)), name);
	for (const hash of ['', '#', '#lobby', '#/', '#/%', '#/a%00b', '#/a*']) assert.equal(roomInHash(hash), null, hash);
	assert.equal(isRoomName('lobby'), true);
});
