/**
 * The example programs of the crate `tidings-websocket`: what foreign clients and servers meet.
 *
 * `TIDINGS_EXAMPLES` names the folder that cargo builds them into; without it the workspace's debug
 * build is taken.
 */

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child, run } from './child.mjs';
import { until } from './until.mjs';

/** @import { Scope } from './child.mjs' */

const EXAMPLES = process.env.TIDINGS_EXAMPLES ?? fileURLToPath(new URL('../../target/debug/examples', import.meta.url));

/**
 * Starts an example that serves, for a test or a file of tests. It listens where the system likes, and
 * says so in its first line.
 * @param {Scope} scope
 * @param {string} name
 * @param {readonly string[]} [args] after the address
 * @returns {Promise<string>} its URL
 */
export async function serve(scope, name, args = []) {
	const child = new Child(join(EXAMPLES, name), ['127.0.0.1:0', ...args]);
	scope.after(() => child.end());
	await until(`${name} to listen`, () => child.lines.length > 0 || !child.isRunning);
	const [url] = child.stdout.match(/\w+:\/\/\S+/) ?? [];
	if (!url) throw new Error(`${name} ${args.join(' ')} did not say where it listens: ${child.stdout}${child.stderr}`);
	return url;
}

/**
 * Runs an example to its end, which must be a good one.
 * @param {string} name
 * @param {readonly string[]} args
 * @returns {Promise<string>} what it has printed
 */
export async function example(name, args) {
	const { code, stdout, stderr } = await run(join(EXAMPLES, name), args);
	if (code !== 0) throw new Error(`${name} ${args.join(' ')} ended with ${code}: ${stdout}${stderr}`);
	return stdout;
}

/** The two servers of the example `echo`: a loop over all sockets, and a task for each. */
export const ECHOES = [
	{ server: 'the server loop', args: [] },
	{ server: 'the comfortable server', args: ['--comfortable'] },
];
