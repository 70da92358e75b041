/** A Python of our own with the packages that `clients/python/requirements.txt` pins. */

import { createHash } from 'node:crypto';
import { access, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './child.mjs';
import { TIDINGS } from './server.mjs';

const INTEROP = fileURLToPath(new URL('..', import.meta.url));
const REQUIREMENTS = join(INTEROP, 'clients/python/requirements.txt');

/** Installing may wait for a slow registry. */
const INSTALL_MS_MAX = 180_000;

/**
 * @typedef {{ python: string, why?: undefined } | { python?: undefined, why: string }} Python `why` there
 *   is none: then the tests that need it are skipped, and say so
 */

/** @returns {Promise<Python>} */
export async function python() {
	const wanted = createHash('sha256').update(await readFile(REQUIREMENTS)).digest('hex').slice(0, 12);
	// Beside what cargo builds, so that it is kept between runs and thrown away with the rest.
	const home = join(dirname(TIDINGS), '..', `interop-python-${wanted}`);
	const interpreter = join(home, 'bin', 'python');
	if (await exists(interpreter)) return { python: interpreter };

	// Files of tests run side by side: each makes one, and the first to be done gives it the name.
	const made = `${home}-${process.pid}`;
	try {
		for (const [program, ...args] of [
			['python3', '-c', 'import sys; sys.exit(sys.version_info < (3, 9))'],
			['python3', '-m', 'venv', made],
			[join(made, 'bin', 'python'), '-m', 'pip', 'install', '--quiet', '--requirement', REQUIREMENTS],
		]) {
			const { code, stderr } = await run(/** @type {string} */ (program), args, { within: INSTALL_MS_MAX });
			if (code !== 0) return { why: `${program} ${args.join(' ')}: ${stderr.trim() || `exit code ${code}`}` };
		}
		await rename(made, home).catch(() => {});
	} catch (error) {
		return { why: String(error) };
	} finally {
		await rm(made, { recursive: true, force: true });
	}
	return (await exists(interpreter)) ? { python: interpreter } : { why: `${interpreter} was not made` };
}

/** @param {string} path of a script, below `interop` */
export const script = (path) => join(INTEROP, path);

/** @param {string} path */
const exists = (path) => access(path).then(() => true, () => false);
