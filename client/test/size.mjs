/**
 * Checks what the client weighs: bundled, minified and gzipped with all its transports.
 *
 *     node client/test/size.mjs [path of the esbuild module]
 *
 * Without a path esbuild comes from npm (`npx`). Prints the bytes; exit code 1 above the limit, 2 if
 * there is no esbuild.
 */
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';

/** What is promised. */
const BYTES_MAX = 12 << 10;
const ENTRY = fileURLToPath(new URL('../src/client.js', import.meta.url));

/** @returns {Promise<Uint8Array>} */
async function bundle() {
	const module = process.argv[2];
	if (!module) {
		const esbuild = ['-y', 'esbuild@0.28', '--bundle', '--minify', '--format=esm', ENTRY];
		return execFileSync('npx', esbuild, { stdio: ['ignore', 'pipe', 'ignore'] });
	}
	const path = resolve(module);
	const { build } = await import(pathToFileURL(/\.m?js$/.test(path) ? path : `${path}/lib/main.js`).href);
	const { outputFiles } = await build({ entryPoints: [ENTRY], bundle: true, minify: true, format: 'esm', write: false });
	return outputFiles[0].contents;
}

// `node --test` runs whatever lies in this folder; there the network is not ours to use.
if (!process.env.NODE_TEST_CONTEXT) {
	let code;
	try {
		code = await bundle();
	} catch (error) {
		console.error(`client: esbuild cannot be had, so the size was not checked: ${error}`);
		process.exit(2);
	}
	const bytes = gzipSync(code, { level: 9 }).length;
	console.log(`client: ${bytes} bytes minified and gzipped (limit ${BYTES_MAX})`);
	if (bytes > BYTES_MAX) process.exit(1);
}
