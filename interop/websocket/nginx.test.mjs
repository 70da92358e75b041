/** `tidings-websocket` behind nginx, as operators put it there. */

import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { hearEcho, hearFragments, open } from '../lib/echo.mjs';
import { Child } from '../lib/child.mjs';
import { ECHOES, serve } from '../lib/example.mjs';
import { freePort, isFree } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

/** @import { TestContext } from 'node:test' */

// Debian keeps it where only root looks.
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
const skip = spawnSync('nginx', ['-v'], { env }).status === 0 ? false : 'nginx is not installed';

for (const { server, args } of ECHOES) {
	test(`messages of all sizes pass through nginx to ${server} and back`, { skip }, async (t) => {
		const url = await nginx(t, await serve(t, 'echo', [...args, '--deflate']));
		for (const perMessageDeflate of [false, { threshold: 0 }]) {
			const { socket } = await open(t, url, perMessageDeflate);
			await hearEcho(socket);
			await hearFragments(socket);
		}
	});
}

/**
 * nginx before a WebSocket server.
 * @param {TestContext} t
 * @param {string} behind the server's URL
 */
async function nginx(t, behind) {
	const folder = await mkdtemp(join(tmpdir(), 'tidings-nginx-'));
	const port = await freePort();
	await writeFile(join(folder, 'nginx.conf'), configuration(port, behind.replace('ws://', 'http://')));
	const child = new Child('nginx', ['-p', folder, '-e', 'error.log', '-c', 'nginx.conf'], { env });
	t.after(async () => {
		await child.end('SIGTERM'); // it ends its workers
		await rm(folder, { recursive: true, force: true });
	});
	await until('nginx to listen', async () => !child.isRunning || !(await isFree(port)), { seen: () => child.stderr });
	return `ws://127.0.0.1:${port}/`;
}

/** @param {number} port @param {string} behind */
const configuration = (port, behind) => `
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
	server {
		listen 127.0.0.1:${port};
		location / {
			proxy_pass ${behind};
			proxy_http_version 1.1;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection "upgrade";
			proxy_set_header Host $host;
		}
	}
}
`;
