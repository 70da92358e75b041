/** nginx, as operators put it before a server. */

import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from './child.mjs';
import { freePort, isFree } from './server.mjs';
import { until } from './until.mjs';

/** @import { Scope } from './child.mjs' */

// Debian keeps it where only root looks.
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };

/** Why tests with nginx are skipped; false: they are not. */
export const skip = spawnSync('nginx', ['-v'], { env }).status === 0 ? false : 'nginx is not installed';

/**
 * Starts one on a port of its own; it is gone when the test ends.
 * @param {Scope} test
 * @param {(port: number) => string} configure gives what stands in `http { … }` and listens on this port of 127.0.0.1
 * @returns {Promise<number>} the port
 */
export async function nginx(test, configure) {
	const folder = await mkdtemp(join(tmpdir(), 'tidings-nginx-'));
	// Started by root its workers are somebody else, who keeps large bodies in here.
	await chmod(folder, 0o755);
	const port = await freePort();
	await writeFile(join(folder, 'nginx.conf'), around(configure(port)));
	const child = new Child('nginx', ['-p', folder, '-e', 'error.log', '-c', 'nginx.conf'], { env });
	test.after(async () => {
		await child.end('SIGTERM'); // it ends its workers
		await rm(folder, { recursive: true, force: true });
	});
	await until('nginx to listen', async () => !child.isRunning || !(await isFree(port)), { seen: () => child.stderr });
	if (!child.isRunning) throw new Error(`nginx ended at once (${await child.exited}): ${child.stderr}`);
	return port;
}

/** @param {string} http */
const around = (http) => `
daemon off;
worker_processes 1;
pid nginx.pid;
events {}
http {
	access_log off;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	${http}
}
`;
