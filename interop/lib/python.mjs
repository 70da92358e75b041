/** A Python of our own with the packages that `clients/python/requirements.txt` pins. */

import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './child.mjs';
import { TIDINGS } from './server.mjs';

const SOURCES = fileURLToPath(new URL('../clients/python/', import.meta.url));
/** Beside what cargo builds, so that it is kept between runs and thrown away with the rest. */
const VENV = join(dirname(TIDINGS), '..', 'interop-python');

/** Installing may wait for a slow registry. */
const INSTALL_MS_MAX = 180_000;

/**
 * @typedef {{ python: string, why?: undefined } | { python?: undefined, why: string }} Python `why` there
 *   is none: then the tests that need it are skipped, and say so
 */

/** @returns {Promise<Python>} */
export async function python() {
	const interpreter = join(VENV, 'bin', 'python');
	const requirements = join(SOURCES, 'requirements.txt');
	const stamp = join(VENV, 'stamp');
	if ((await modified(stamp)) > (await modified(requirements))) return { python: interpreter };
	for (const [program, ...args] of [
		['python3', '-c', 'import sys; sys.exit(sys.version_info < (3, 9))'],
		['python3', '-m', 'venv', VENV],
		[interpreter, '-m', 'pip', 'install', '--quiet', '--requirement', requirements],
		['touch', stamp],
	]) {
		try {
			const { code, stderr } = await run(/** @type {string} */ (program), args, { within: INSTALL_MS_MAX });
			if (code !== 0) return { why: `${program} ${args.join(' ')}: ${stderr.trim() || `exit code ${code}`}` };
		} catch (error) {
			return { why: `${program} ${args.join(' ')}: ${error}` };
		}
	}
	return { python: interpreter };
}

/** @param {string} name of a script in `clients/python` */
export const script = (name) => join(SOURCES, name);

/** @param {string} path */
const modified = (path) => stat(path).then(({ mtimeMs }) => mtimeMs, () => 0);
