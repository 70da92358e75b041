/** `tidings-websocket` behind nginx, as operators put it there. */

import { test } from 'node:test';
import { hearEcho, hearFragments, open } from '../lib/echo.mjs';
import { ECHOES, serve } from '../lib/example.mjs';
import { nginx, skip } from '../lib/nginx.mjs';

for (const { server, args } of ECHOES) {
	test(`messages of all sizes pass through nginx to ${server} and back`, { skip }, async (t) => {
		const echo = await serve(t, 'echo', [...args, '--deflate']);
		const port = await nginx(t, (port) => upgrading(port, echo.replace('ws://', 'http://')));
		for (const perMessageDeflate of [false, { threshold: 0 }]) {
			const { socket } = await open(t, `ws://127.0.0.1:${port}/`, perMessageDeflate);
			await hearEcho(socket);
			await hearFragments(socket);
		}
	});
}

/**
 * @param {number} port
 * @param {string} behind the server's URL
 */
const upgrading = (port, behind) => `
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
`;
