/** Processes of our own, which talk with the one that started them, and end when it is gone. */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** @import { ChildProcess } from 'node:child_process' */
/** @import { Scope } from '../lib/child.mjs' */

/**
 * Starts a module as a process.
 * @param {Scope} scope
 * @param {string} module beside this one
 * @returns {ChildProcess}
 */
export function start(scope, module) {
	const child = fork(fileURLToPath(new URL(module, import.meta.url)), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
	scope.after(async () => {
		if (child.exitCode !== null || child.signalCode !== null) return;
		const ended = once(child, 'exit');
		child.kill('SIGKILL');
		await ended;
	});
	return child;
}

/**
 * What a process says next of a kind.
 * @template T
 * @param {ChildProcess} child
 * @param {string} kind
 * @returns {Promise<T>}
 */
export function hear(child, kind) {
	return new Promise((resolve, reject) => {
		const message = (/** @type {{ kind: string, value: T }} */ said) => {
			if (said.kind !== kind) return;
			child.off('message', message).off('exit', exit);
			resolve(said.value);
		};
		const exit = (/** @type {number | null} */ code) => reject(new Error(`${child.spawnargs.at(-1)} ended (${code}) before it said "${kind}"`));
		child.on('message', message).on('exit', exit);
	});
}

/**
 * In such a process: says something.
 * @param {string} kind
 * @param {unknown} [value]
 */
export function say(kind, value) {
	process.send?.({ kind, value });
}

/**
 * In such a process: does what it is told. Ctrl-C is for the one that started it, whose end is also ours.
 * @param {Record<string, (value: never) => unknown>} deeds by kind
 */
export function obey(deeds) {
	process.on('SIGINT', () => {});
	process.on('disconnect', () => process.exit());
	process.on('message', async (/** @type {{ kind: string, value: never }} */ { kind, value }) => {
		say(`${kind}: done`, await deeds[kind]?.(value));
	});
}

/**
 * Tells a process to do something, and waits for what comes of it.
 * @template T
 * @param {ChildProcess} child
 * @param {string} kind
 * @param {unknown} [value]
 * @returns {Promise<T>}
 */
export async function tell(child, kind, value) {
	const done = hear(child, `${kind}: done`);
	child.send({ kind, value });
	return /** @type {Promise<T>} */ (done);
}
