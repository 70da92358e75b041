/**
 * The real `tidings` binary on a port and a data directory of its own, to be killed and started again.
 *
 * `TIDINGS_BIN` names the binary; without it the workspace's debug build is taken.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child } from './child.mjs';
import { until } from './until.mjs';

/** @import { Scope } from './child.mjs' */

export const TIDINGS =
	process.env.TIDINGS_BIN ?? fileURLToPath(new URL('../../target/debug/tidings', import.meta.url));

/**
 * Ports for servers lie below those that the kernel gives to outgoing connections (32768 and up on
 * Linux): while a server is down nobody else can get its port.
 */
const PORTS = { first: 20_000, count: 10_000 };

/** Settings of whoever runs the tests are not the tests'. */
export const ENV = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TIDINGS_')));

export class Server {
	/** @type {Child | undefined} */
	#child;
	#data;
	#args;
	#env;
	#isTls;
	#address;

	/**
	 * @param {number} port
	 * @param {string} data
	 * @param {readonly string[]} args
	 * @param {NodeJS.ProcessEnv} env
	 * @param {boolean} isTls
	 * @param {string} address
	 */
	constructor(port, data, args, env, isTls, address) {
		this.#address = address;
		this.port = port;
		this.#isTls = isTls;
		this.#data = data;
		this.#args = args;
		this.#env = env;
	}

	/**
	 * Starts one for a test, or a file of tests; it is gone when that ends.
	 * @param {Scope} test
	 * @param {{ args?: readonly string[], env?: NodeJS.ProcessEnv, isTls?: boolean, address?: string }} [options] more
	 *   arguments for `tidings serve`, variables, whether it speaks TLS, with a certificate that it makes itself, and where it
	 *   listens
	 */
	static async start(test, { args = [], env = {}, isTls = false, address = '127.0.0.1' } = {}) {
		const data = await mkdtemp(join(tmpdir(), 'tidings-interop-'));
		const all = isTls ? [...args, '--tls', 'self-signed'] : args;
		const server = new Server(await freePort(), data, all, env, isTls, address);
		test.after(async () => {
			await server.kill();
			await rm(data, { recursive: true, force: true });
		});
		await server.start();
		return server;
	}

	get url() {
		return `${this.#isTls ? 'https' : 'http'}://${this.#address}:${this.port}`;
	}

	/** The file of the certificate that it has made itself. */
	get certificate() {
		return join(this.#data, 'tls', 'self-signed.pem');
	}

	/** Starts it again, on the same port, with the same data. */
	async start() {
		const args = ['serve', '--listen', `${this.#address}:${this.port}`, '--data', this.#data, ...this.#args];
		const child = new Child(TIDINGS, args, { env: { ...ENV, ...this.#env } });
		this.#child = child;
		const words = () => `${child.stdout}${child.stderr}`;
		await until(
			`${TIDINGS} to be ready`,
			async () => {
				if (!child.isRunning) return true;
				// It is said at last, when somebody listens already; Node's own fetch trusts no file of ours.
				if (this.#isTls) return child.stdout.includes('Ctrl-C ends it');
				return (await fetch(`${this.url}/readyz`)).ok;
			},
			{ seen: words },
		);
		if (!child.isRunning) throw new Error(`${TIDINGS} ended at once (${await child.exited}): ${words()}`);
	}

	/** As a power cut would: no goodbye to anybody. */
	async kill() {
		await this.#child?.end('SIGKILL');
	}

	/** As an operator would: it may say goodbye. */
	async stop() {
		return this.#child?.end('SIGTERM');
	}

	/** The number of its process, the newest one. */
	get pid() {
		return this.#child?.pid;
	}

	/** What it has written for its operator. */
	get output() {
		return `${this.#child?.stdout}${this.#child?.stderr}`;
	}
}

/** Those that were tried here: they may be somebody's who does not listen yet. @type {Set<number>} */
const given = new Set();

/** A port that a server can go away from and come back to. */
export async function freePort() {
	for (;;) {
		const port = PORTS.first + Math.floor(Math.random() * PORTS.count);
		if (given.has(port)) continue;
		given.add(port);
		if (await isFree(port)) return port;
	}
}

/** @param {number} port */
export function isFree(port) {
	return new Promise((resolve) => {
		const probe = createServer();
		probe.once('error', () => resolve(false));
		probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
	});
}
