/**
 * A bridge from HTTP/1.1 to HTTP/2: lets whatever opens WebSockets as RFC 6455 says meet a server
 * as RFC 8441 says.
 *
 * It does the handshake over again as an extended CONNECT, on a stream of Node's own HTTP/2, and passes
 * the frames through untouched: masks and extensions are a matter between the two ends. Alone:
 *
 *     node interop/lib/http2.mjs http://127.0.0.1:PORT
 */

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, constants } from 'node:http2';
import { fileURLToPath } from 'node:url';

/** @import { AddressInfo } from 'node:net' */
/** @import { ClientHttp2Session, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2' */
/** @import { Scope } from './child.mjs' */

/** RFC 6455, 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** What belongs to a connection or to the other kind of handshake, and not to a request (RFC 8441, 5; RFC 9113, 8.2.2). */
const LEFT_OUT = ['connection', 'upgrade', 'host', 'sec-websocket-key'];

/** What the answer says of the WebSocket. */
const PASSED_ON = ['sec-websocket-extensions', 'sec-websocket-protocol'];

/**
 * Starts one: it ends with the scope.
 * @param {Scope} scope
 * @param {string} target `http://…`, which speaks HTTP/2 without TLS
 * @returns {Promise<string>} where it listens
 */
export async function bridge(scope, target) {
	const session = connect(target);
	scope.after(() => session.destroy());
	await speaksWebSocket(session);

	const server = createServer();
	scope.after(() => void server.close());
	server.on('upgrade', async (request, socket, head) => {
		socket.on('error', () => {});
		const stream = session.request(extendedConnect(target, String(request.url), request.headers), { endStream: false });
		stream.on('error', () => socket.destroy());
		socket.on('close', () => stream.close(constants.NGHTTP2_CANCEL));
		const [headers] = await once(stream, 'response');
		const status = headers[':status'];
		if (status !== 200) return void socket.end(`HTTP/1.1 ${status} Refused\r\nConnection: close\r\n\r\n`);
		const accept = createHash('sha1').update(request.headers['sec-websocket-key'] + GUID).digest('base64');
		const agreed = PASSED_ON.filter((name) => headers[name]).map((name) => `${name}: ${headers[name]}\r\n`);
		socket.write(
			'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
				`Sec-WebSocket-Accept: ${accept}\r\n${agreed.join('')}\r\n`,
		);
		stream.write(head);
		// The end of one is the end of the other, both ways.
		stream.pipe(socket);
		socket.pipe(stream);
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	return `ws://127.0.0.1:${/** @type {AddressInfo} */ (server.address()).port}/`;
}

/**
 * The server has to allow the method before anybody may use it (RFC 8441, 3).
 * @param {ClientHttp2Session} session
 */
async function speaksWebSocket(session) {
	const [settings] = await once(session, 'remoteSettings');
	if (!settings.enableConnectProtocol) throw new Error('the server does not allow the extended CONNECT');
}

/**
 * The request over again (RFC 8441, 4).
 * @param {string} target
 * @param {string} path
 * @param {IncomingHttpHeaders} headers
 * @returns {OutgoingHttpHeaders}
 */
function extendedConnect(target, path, headers) {
	const kept = Object.entries(headers).filter(([name]) => !LEFT_OUT.includes(name));
	return {
		':method': 'CONNECT',
		':protocol': 'websocket',
		':scheme': 'http',
		':authority': new URL(target).host,
		':path': path,
		...Object.fromEntries(kept),
	};
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	console.log(`bridging at ${await bridge({ after: () => {} }, String(process.argv[2]))}`);
}
