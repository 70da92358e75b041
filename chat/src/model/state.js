/**
 * What the page is drawn from: one value, replaced as a whole whenever something happened.
 *
 * @import { Link } from './link.js'
 * @import { People } from './people.js'
 * @import { Room } from './rooms.js'
 * @import { Timeline } from './timeline.js'
 * @import { Typists } from './typing.js'
 */

import { EMPTY } from './timeline.js';

/**
 * @typedef {object} Space what is known of one room
 * @property {Timeline} timeline
 * @property {boolean} isReady its newest messages are here
 * @property {boolean} isRefused the reader may not follow it
 * @property {"idle" | "loading" | "failed"} older whether earlier history is on its way
 * @property {number | null} readSeq the newest message that the reader has seen; null: not known yet
 * @property {Typists} typists
 * @property {string} draft
 */

/**
 * @typedef {object} ChatState
 * @property {string} me
 * @property {Link} link
 * @property {readonly Room[]} rooms
 * @property {string} room the open one
 * @property {ReadonlyMap<string, Space>} spaces by room
 * @property {People} people in the open room
 * @property {number} newAfter the "new" line stands behind this seq; 0: none
 */

/**
 * A room of which nothing is known yet.
 * @type {Space}
 */
export const NEW_SPACE = Object.freeze({
	timeline: EMPTY,
	isReady: false,
	isRefused: false,
	older: 'idle',
	readSeq: null,
	typists: new Map(),
	draft: '',
});
