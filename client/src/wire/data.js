/**
 * Data on the wire: any JSON value as it is; bytes as base64 beside a null.
 *
 * @import { Data, Message, MessageFrame } from './frames.js'
 */

/**
 * @param {unknown} data
 * @returns {Data} a copy: what the caller changes later is not sent
 * @throws {TypeError} for what JSON cannot say (cycles, BigInt)
 */
export function encodeData(data) {
	if (data instanceof Uint8Array) {
		return { data: null, bytes: btoa(Array.from(data, (byte) => String.fromCharCode(byte)).join('')) };
	}
	return { data: JSON.parse(JSON.stringify(data) ?? 'null') };
}

/**
 * @param {Data} wire
 * @returns {unknown}
 */
export const decodeData = ({ data, bytes }) =>
	bytes == null ? data : Uint8Array.from(atob(bytes), (char) => char.charCodeAt(0));

/**
 * @param {MessageFrame} frame
 * @returns {Message}
 */
export function decodeMessage({ channel, seq, prev, id, at, from, ...wire }) {
	return { channel, seq, prev, id, at, from, data: decodeData(wire) };
}
