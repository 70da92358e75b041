/** `fetch` for a server whose certificate nobody vouches for: Node's own trusts no file of ours. */

import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { text } from 'node:stream/consumers';

/**
 * @param {string} file with the certificate that is trusted
 * @returns {Promise<(url: URL | string, init?: RequestInit) => Promise<Response>>} of `fetch` what tests use: method,
 *   headers, a body of text and a signal
 */
export async function fetchTrusting(file) {
	const agent = new Agent({ ca: await readFile(file), keepAlive: true });
	return (url, { method = 'GET', headers = {}, body, signal } = {}) =>
		new Promise((resolve, reject) => {
			const options = { agent, method, headers: Object.fromEntries(new Headers(headers)), signal: signal ?? undefined };
			const asked = request(url, options, (answer) => {
				text(answer).then((said) => resolve(new Response(said, { status: answer.statusCode })), reject);
			});
			asked.on('error', reject);
			asked.end(body);
		});
}
