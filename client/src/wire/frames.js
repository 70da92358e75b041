/**
 * What client and server say to each other: the frames of docs/protocol.md, as types.
 *
 * Every transport speaks them. On HTTP they are made from requests and answers; `cursor` and `pong`
 * (the stream moved on, the stream is alive) are made there only.
 *
 * @import { TransportName } from '../client.js'
 * @import { Rhythm } from '../heartbeat.js'
 * @import { TidingsError } from './error.js'
 */

/**
 * A stored message, as the application gets it.
 * @typedef {object} Message
 * @property {string} channel
 * @property {number} seq its place in the log
 * @property {number} prev seq of the message before it in the channel, 0: none
 * @property {string} id its idempotency key
 * @property {number} at when the log took it, in ms since the Unix epoch
 * @property {string} from the authenticated user
 * @property {unknown} data a JSON value, or a `Uint8Array`
 */

/**
 * The log has it.
 * @typedef {object} Receipt
 * @property {number} seq
 * @property {string} id
 * @property {number} at
 */

/**
 * @typedef {object} Page
 * @property {Message[]} messages oldest first
 * @property {boolean} truncated whether older ones that were asked for are gone
 */

/**
 * @typedef {object} Range
 * @property {number} [before] only messages before this seq
 * @property {number} [after] only messages after this seq, the oldest of them
 * @property {number} [limit]
 */

/**
 * @typedef {object} Presence
 * @property {{ user: string, since: number, connections: number }[]} users
 * @property {number} count
 */

/** @typedef {{ data: unknown, bytes?: string }} Data base64 in `bytes` where the data is bytes */
/** @typedef {{ type: 'subscribe', req: number, channel: string, after?: string }} Subscribe */
/** @typedef {{ type: 'publish', req: number, channel: string, id: string } & Data} Publish */
/** @typedef {{ type: 'history', req: number, channel: string } & Range} History */
/** @typedef {{ type: 'signal', channel: string } & Data} Signal */

/**
 * Client to server.
 * @typedef {Subscribe | Publish | History | Signal
 *   | { type: 'unsubscribe' | 'presence', req: number, channel: string }
 *   | { type: 'ping', req: number }} Command
 */

/** @typedef {Message & Data & { type: 'message' }} MessageFrame */
/**
 * @typedef {{ type: 'hello', user?: string, newest?: number | string, epochs?: Record<string, string>, heartbeat: Rhythm, transport?: TransportName, reason?: string }} Hello
 */
/** @typedef {{ type: 'error', req?: number, code: string, message: string, error?: TidingsError }} ErrorFrame */

/**
 * Server to client. Two are a link's own words: `measured`, how long the server took to answer, in ms; and
 * `transport`, by which a connection that is shared with other tabs says what carries it and why, as does its `hello`.
 * @typedef {MessageFrame | Hello | ErrorFrame
 *   | { type: 'subscribed', req?: number, channel: string, cursor: string, truncated: boolean }
 *   | { type: 'unsubscribed', req?: number, channel: string, code?: string }
 *   | { type: 'truncated', channel: string, oldest: number }
 *   | { type: 'cursor', channels: string[], cursor: string }
 *   | ({ type: 'signal', channel: string, from: string } & Data)
 *   | { type: 'join' | 'leave', channel: string, user: string, at: number }
 *   | { type: 'published', req: number } & Receipt
 *   | { type: 'history', req: number, truncated: boolean, messages: MessageFrame[] }
 *   | { type: 'presence', req: number } & Presence
 *   | { type: 'reconnect', after_ms: number }
 *   | { type: 'measured', roundTripTime: number }
 *   | { type: 'transport', name: TransportName, reason: string }
 *   | { type: 'pong' }} Frame
 */

export {};
