/** Pebble, Let's Encrypt's authority for tests, and the name server that it asks. */

import { spawnSync } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Child } from './child.mjs';
import { freePort, isFree, Server } from './server.mjs';
import { until } from './until.mjs';

/** @import { Scope } from './child.mjs' */

/** Why tests with Pebble are skipped; false: they are not. */
export const skip = spawnSync('pebble', ['-h']).error ? 'Pebble is not installed' : false;

/** How often ports are chosen anew: between the choice and their use others may take them. */
const ATTEMPTS = 3;

export class Pebble {
	/**
	 * @param {string} folder
	 * @param {number} management
	 * @param {number} port
	 * @param {number} names
	 */
	constructor(folder, management, port, names) {
		this.directory = `https://127.0.0.1:${port}/dir`;
		/** Whom to trust at its URL. */
		this.root = join(folder, 'own.pem');
		/** Whom to trust of whom it has certified. */
		this.issuer = join(folder, 'issuer.pem');
		this.#management = management;
		this.#names = names;
	}

	#management;
	#names;

	/**
	 * Starts one; it is gone when the test ends.
	 * @param {Scope} test
	 * @param {{ tlsPort: number, validSeconds?: number }} options where it looks for the hosts that it certifies, and for
	 *   how long its certificates are valid
	 */
	static async start(test, options) {
		for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
			const pebble = await Pebble.#try(test, options);
			if (pebble) return pebble;
		}
		throw new Error('others took every port that was free a moment before');
	}

	/**
	 * @param {Scope} test
	 * @param {{ tlsPort: number, validSeconds?: number }} options
	 * @returns {Promise<Pebble | undefined>} none: somebody took one of its ports before it did
	 */
	static async #try(test, { tlsPort, validSeconds = 3600 }) {
		const folder = await mkdtemp(join(tmpdir(), 'tidings-pebble-'));
		test.after(() => rm(folder, { recursive: true, force: true }));
		await makeCertificate(folder);
		const [port, management, dns, names] = [await freePort(), await freePort(), await freePort(), await freePort()];
		const config = {
			listenAddress: `127.0.0.1:${port}`,
			managementListenAddress: `127.0.0.1:${management}`,
			certificate: join(folder, 'own.pem'),
			privateKey: join(folder, 'own-key.pem'),
			httpPort: 1,
			tlsPort,
			certificateValidityPeriod: validSeconds,
		};
		await writeFile(join(folder, 'pebble.json'), JSON.stringify({ pebble: config }));
		const nameServer = new Child('pebble-challtestsrv', [
			...['-dns01', `127.0.0.1:${dns}`, '-management', `127.0.0.1:${names}`, '-defaultIPv6', ''],
			...['-http01', '', '-https01', '', '-tlsalpn01', ''],
		]);
		const env = { ...process.env, PEBBLE_VA_NOSLEEP: '1' };
		const child = new Child('pebble', ['-config', join(folder, 'pebble.json'), '-dnsserver', `127.0.0.1:${dns}`], { env });
		test.after(async () => {
			await Promise.all([child.end(), nameServer.end()]);
		});
		const said = () => child.stdout + child.stderr + nameServer.stdout + nameServer.stderr;
		const isTaken = () => said().includes('address already in use');
		for (const wanted of [port, management, names]) {
			await until('Pebble to listen', async () => isTaken() || !(await isFree(wanted)), { seen: said });
		}
		if (isTaken()) return;
		const pebble = new Pebble(folder, management, port, names);
		await writeFile(pebble.issuer, await pebble.#ask('/roots/0'));
		return pebble;
	}

	/**
	 * From now on a host has this address.
	 * @param {string} host
	 * @param {string} address
	 */
	async resolve(host, address) {
		const body = JSON.stringify({ host: `${host}.`, addresses: [address] });
		const answer = await fetch(`http://127.0.0.1:${this.#names}/add-a`, { method: 'POST', body });
		if (!answer.ok) throw new Error(await answer.text());
	}

	/** @param {string} path @returns {Promise<string>} */
	#ask(path) {
		return new Promise((resolve, reject) => {
			// Its certificate is for its other port, as far as Node is concerned.
			const asked = request({ port: this.#management, path, rejectUnauthorized: false }, (answer) => {
				let text = '';
				answer.setEncoding('utf8').on('data', (part) => (text += part)).on('end', () => resolve(text));
			});
			asked.on('error', reject).end();
		});
	}
}

/** A certificate for 127.0.0.1 in `own.pem` and its key: we have somebody who makes such.
 * @param {string} folder */
async function makeCertificate(folder) {
	/** @type {(() => void | Promise<void>)[]} */
	const ends = [];
	const server = await Server.start({ after: (end) => ends.push(end) }, { isTls: true });
	await cp(server.certificate, join(folder, 'own.pem'));
	await cp(join(dirname(server.certificate), 'self-signed-key.pem'), join(folder, 'own-key.pem'));
	for (const end of ends) await end();
}
