/**
 * TLS in front of a server that has none of its own: ALPN says which HTTP is spoken behind it, and the bytes are
 * passed on as they are.
 */

import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { run } from './child.mjs';

/** @import { AddressInfo } from 'node:net' */
/** @import { Scope } from './child.mjs' */

/**
 * Starts one, with a certificate that nobody trusts: it ends with the scope.
 * @param {Scope} scope
 * @param {number} port where the server is
 * @returns {Promise<string>} where it listens: `https://…`
 */
export async function front(scope, port) {
	const server = createServer({ ...(await certificate()), ALPNProtocols: ['h2', 'http/1.1'] }, (client) => {
		const target = connect(port, '127.0.0.1');
		// The end of one is the end of the other, both ways.
		client.on('error', () => target.destroy()).on('close', () => target.destroy());
		target.on('error', () => client.destroy()).on('close', () => client.destroy());
		client.pipe(target).pipe(client);
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	scope.after(() => void server.close());
	return `https://127.0.0.1:${/** @type {AddressInfo} */ (server.address()).port}`;
}

async function certificate() {
	const dir = await mkdtemp(join(tmpdir(), 'tidings-front-'));
	try {
		const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
		const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'];
		const names = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
		const { code, stderr } = await run('openssl', [...args, ...names, '-keyout', key, '-out', cert]);
		if (code !== 0) throw new Error(`no certificate: ${stderr}`);
		return { key: await readFile(key), cert: await readFile(cert) };
	} finally {
		await rm(dir, { recursive: true, force: true });
	}
}
