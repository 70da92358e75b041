/** Certificates that the server orders by itself, from Pebble. */

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { Child, run } from '../lib/child.mjs';
import { Pebble, skip } from '../lib/pebble.mjs';
import { ENV, freePort, TIDINGS } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

/** @import { Scope } from '../lib/child.mjs' */

const HOSTS = ['chat.tidings.test', 'www.tidings.test'];

/** A server for them, with a folder of its own. */
class House {
	/** @type {Child | undefined} */
	#child;

	/** @param {string} folder @param {number} port @param {Pebble} pebble */
	constructor(folder, port, pebble) {
		this.folder = folder;
		this.port = port;
		this.pebble = pebble;
	}

	/** @param {Scope} scope @param {{ validSeconds?: number }} [options] */
	static async build(scope, options) {
		const folder = await mkdtemp(join(tmpdir(), 'tidings-acme-'));
		const port = await freePort();
		const house = new House(folder, port, await Pebble.start(scope, { tlsPort: port, ...options }));
		scope.after(async () => {
			await house.end();
			await rm(folder, { recursive: true, force: true });
		});
		return house;
	}

	async start() {
		const { directory, root } = this.pebble;
		const lines = [
			...['[tls.acme]', `domains = ${JSON.stringify(HOSTS)}`, 'contact = ["mailto:admin@tidings.test"]'],
			...[`directory = ${JSON.stringify(directory)}`, `root = ${JSON.stringify(root)}`],
		];
		await writeFile(join(this.folder, 'tidings.toml'), lines.join('\n'));
		const args = ['serve', '--listen', `127.0.0.1:${this.port}`, '--data', join(this.folder, 'data'), '--insecure'];
		const env = { ...ENV, TIDINGS_LOG: 'info' };
		const child = new Child(TIDINGS, [...args, '--config', join(this.folder, 'tidings.toml')], { env });
		this.#child = child;
		await until('the server', async () => child.stdout.includes('Ctrl-C ends it'), { seen: () => child.stderr });
	}

	async end() {
		await this.#child?.end();
	}

	get said() {
		return this.#child?.stderr ?? '';
	}

	/** What curl says that trusts nobody but the authority. @param {string} host */
	async curl(host) {
		const place = ['--resolve', `${host}:${this.port}:127.0.0.1`, `https://${host}:${this.port}/healthz`];
		return run('curl', ['-sS', '--cacert', this.pebble.issuer, ...place]);
	}

	/** Waits until every host is served with a certificate that the authority vouches for. */
	async isCertified() {
		for (const host of HOSTS) {
			await until(`${host} to be certified`, async () => (await this.curl(host)).stdout === 'ok\n', { seen: () => this.said });
		}
	}

	/** The number of the certificate that is shown. @returns {Promise<string>} */
	async serial() {
		return new Promise((resolve, reject) => {
			const socket = connect({ port: this.port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
				const { raw } = socket.getPeerCertificate();
				resolve(new X509Certificate(raw).serialNumber);
				socket.destroy();
			});
			socket.on('error', reject);
		});
	}
}

test('a certificate is ordered, kept for whoever owns it only, and there after a restart', { skip }, async (t) => {
	const house = await House.build(t);
	await house.start();
	await house.isCertified();
	const serial = await house.serial();

	const tls = join(house.folder, 'data/tls');
	const [kept] = await readdir(tls);
	for (const name of ['account.json', 'certificate-and-key.pem']) {
		const { mode } = await stat(join(tls, String(kept), name));
		assert.equal(mode & 0o777, 0o600, name);
	}
	assert.match(await readFile(join(tls, String(kept), 'certificate-and-key.pem'), 'utf8'), /PRIVATE KEY/);

	await house.end();
	await house.start();
	assert.equal((await house.curl(HOSTS[0] ?? '')).stdout, 'ok\n');
	assert.equal(await house.serial(), serial);
	assert.doesNotMatch(house.said, /ordering/);
});

test('a certificate is renewed before it ends', { skip }, async (t) => {
	const house = await House.build(t, { validSeconds: 15 });
	await house.start();
	await house.isCertified();
	const first = await house.serial();
	await until('another certificate', async () => (await house.serial()) !== first, { seen: () => house.said });
	await house.isCertified();
});

test('a host that is somewhere else is told of, with what to look at', { skip }, async (t) => {
	const house = await House.build(t);
	await house.pebble.resolve(HOSTS[1] ?? '', '127.0.0.9');
	await house.start();
	await until('an error', async () => house.said.includes('ERROR'), { seen: () => house.said });
	assert.match(house.said, /cannot see that www\.tidings\.test is this server/);
	assert.match(house.said, /A and AAAA/);
	// It serves all the same, and has no certificate to show.
	assert.notEqual((await house.curl(HOSTS[0] ?? '')).code, 0);
});
