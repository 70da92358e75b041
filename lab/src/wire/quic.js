/**
 * What can be read of a packet of QUIC from outside (RFC 9000, section 17; RFC 8999): the rest is encrypted, on purpose.
 */

/** Long headers by their type, in version 1 (section 17.2). */
const TYPES = ['Initial', '0-RTT', 'Handshake', 'Retry'];

/**
 * @typedef {object} QuicPacket
 * @property {boolean} isLong it has a long header: one of the handshake
 * @property {string} name
 * @property {string} version of a long header, in hexadecimal
 */

/**
 * The first packet of a datagram.
 * @param {Uint8Array} bytes
 * @returns {QuicPacket}
 */
export function packetOf(bytes) {
	const first = bytes[0] ?? 0;
	if ((first & 0x80) === 0) return { isLong: false, name: '1-RTT', version: '' };
	const version = [...bytes.subarray(1, 5)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
	const name = version === '00000000' ? 'Version Negotiation' : (TYPES[(first >> 4) & 3] ?? '');
	return { isLong: true, name, version };
}
