/** Child processes that are ended by their own id, and whose words are at hand when a test fails. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { soon } from './until.mjs';

/**
 * Whose end is the end of what was started for it: a test, or a file of tests.
 * @typedef {{ after: (end: () => void | Promise<void>) => void }} Scope
 */

/** How much of a child's output is kept: the end of it tells what went wrong. */
const OUTPUT_LENGTH_MAX = 1 << 20;

export class Child {
	#process;
	#exited;
	/** @type {Set<() => void>} */
	#watchers = new Set();
	stdout = '';
	stderr = '';

	/**
	 * @param {string} program
	 * @param {readonly string[]} args
	 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
	 */
	constructor(program, args, options = {}) {
		this.#process = spawn(program, args, { ...options, stdio: ['pipe', 'pipe', 'pipe'] });
		this.#exited = Promise.race([
			once(this.#process, 'close').then(([code, signal]) => code ?? signal),
			once(this.#process, 'error').then(([error]) => Promise.reject(error)),
		]);
		this.#exited.catch(() => {});
		// A child that is gone before it has read everything is judged by its exit code.
		this.#process.stdin.on('error', () => {});
		for (const name of /** @type {const} */ (['stdout', 'stderr'])) {
			this.#process[name].setEncoding('utf8').on('data', (/** @type {string} */ text) => {
				this[name] = (this[name] + text).slice(-OUTPUT_LENGTH_MAX);
				for (const watcher of this.#watchers) watcher();
			});
		}
	}

	/** Its exit code, or the name of the signal that ended it. */
	get exited() {
		return this.#exited;
	}

	/** Undefined if it could not be started. */
	get pid() {
		return this.#process.pid;
	}

	get isRunning() {
		return this.#process.exitCode === null && this.#process.signalCode === null;
	}

	get stdin() {
		return this.#process.stdin;
	}

	/** The complete lines it has written so far. */
	get lines() {
		return this.stdout.split('\n').slice(0, -1);
	}

	/** @param {() => void} watcher called after each piece of output */
	watch(watcher) {
		this.#watchers.add(watcher);
	}

	/**
	 * Ends it and waits for its end.
	 * @param {NodeJS.Signals} [signal]
	 */
	async end(signal = 'SIGKILL') {
		if (this.isRunning) this.#process.kill(signal);
		return soon(`${this.#process.spawnfile} to end after ${signal}`, this.#exited.catch(() => 'never ran'));
	}
}

/**
 * Runs a program to its end.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, input?: string | Buffer, within?: number }} [options]
 */
export async function run(program, args, { input = '', within, ...options } = {}) {
	const child = new Child(program, args, options);
	child.stdin.end(input);
	try {
		const code = await soon(`${program} to end`, child.exited, within);
		return { code, stdout: child.stdout, stderr: child.stderr };
	} finally {
		await child.end();
	}
}
