/**
 * The list of rooms: the few that are always there, and those that people have made.
 *
 * A room `NAME` is the channel `chat:NAME`. Who makes one publishes `{name, title}` into
 * the channel `rooms:index`, whose history is the list that everybody shares.
 */

import { bytesOf } from './names.js';

/** @typedef {{ name: string, title: string }} Room */

/** The channel whose history is the list of rooms. */
export const INDEX_CHANNEL = 'rooms:index';

/** Rooms in the list; each is followed live, so this bounds what one page subscribes to. */
export const ROOMS_MAX = 40;

/** Bytes in a room's name: with its namespace well below a channel's 255. */
export const ROOM_BYTES_MAX = 64;

/**
 * Rooms that need no making. Their titles are translated (`room.NAME`).
 * @type {readonly Room[]}
 */
export const START_ROOMS = ['lobby', 'ideas', 'random'].map((name) => ({ name, title: '' }));

/** @param {string} name */
export function channelOf(name) {
	return `chat:${name}`;
}

/** @typedef {"empty" | "long" | "symbols"} RoomFault */

/**
 * Turns what was typed as a room's title into a room, or says what is wrong with it.
 * "Weekend Plans!" gives `weekend-plans`; letters of every script are kept.
 * @param {string} typed
 * @returns {{ room: Room, fault: null } | { room: null, fault: RoomFault }}
 */
export function roomFrom(typed) {
	const title = typed.trim().replace(/^#+\s*/u, '').replace(/\s+/gu, ' ');
	if (title === '') return { room: null, fault: 'empty' };
	const name = title
		.normalize('NFC')
		.toLowerCase()
		.replace(/[^\p{Letter}\p{Mark}\p{Number}\p{Extended_Pictographic}]+/gu, '-')
		.replace(/^-+|-+$/gu, '');
	if (name === '') return { room: null, fault: 'symbols' };
	if (bytesOf(title) > ROOM_BYTES_MAX || bytesOf(name) > ROOM_BYTES_MAX) return { room: null, fault: 'long' };
	return { room: { name, title }, fault: null };
}

/**
 * Whether a name that came from outside (the index, the address bar) can be a room.
 * @param {unknown} name
 * @returns {name is string}
 */
export function isRoomName(name) {
	return typeof name === 'string' && name !== '' && !/[\p{Cc}*]/u.test(name) && bytesOf(name) <= ROOM_BYTES_MAX;
}

/**
 * The list with what was said in the index; what is no room, or known, changes nothing.
 * @param {readonly Room[]} rooms
 * @param {unknown} data
 * @returns {readonly Room[]}
 */
export function withRoom(rooms, data) {
	if (typeof data !== 'object' || data === null || !('name' in data) || !isRoomName(data.name)) return rooms;
	const { name } = data;
	if (rooms.some((room) => room.name === name) || rooms.length >= ROOMS_MAX) return rooms;
	const said = 'title' in data && typeof data.title === 'string' ? data.title.trim() : '';
	const title = said !== '' && bytesOf(said) <= ROOM_BYTES_MAX ? said : name;
	return [...rooms, { name, title }];
}

/**
 * The room that an address's fragment asks for: `#/weekend-plans`.
 * @param {string} hash
 * @returns {string | null}
 */
export function roomInHash(hash) {
	if (!hash.startsWith('#/')) return null;
	try {
		const name = decodeURIComponent(hash.slice(2));
		return isRoomName(name) ? name : null;
	} catch {
		return null;
	}
}

/** @param {string} name */
export function hashOf(name) {
	return `#/${encodeURIComponent(name)}`;
}
