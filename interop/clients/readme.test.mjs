/** The `curl` commands of the READMEs and of the start-up banner work as pasted. */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Api } from '../lib/api.mjs';
import { run } from '../lib/child.mjs';
import { curls, examples, READMES } from '../lib/readme.mjs';
import { Server } from '../lib/server.mjs';

/** curl's exit code when its time is up: a stream has no other end. */
const TIME_IS_UP = 28;

const server = await Server.start({ after });

const sources = [
	...READMES.map((readme) => /** @type {const} */ ([readme, examples(readme, 'sh', server.url).join('')])),
	/** @type {const} */ (['the banner', server.output]),
];

for (const [source, text] of sources) {
	test(`every curl command of ${source} is answered well`, async (t) => {
		const commands = curls(text);
		assert.ok(commands.length >= 2, `${source} shows ${commands.length}`);
		for (const command of commands) {
			t.diagnostic(command);
			const { cursor } = await new Api(server.url).poll('chat:lobby');
			// The reader pastes the cursor, and has more time than we have.
			const pasted = command.replace(/after=[^'&]+/, `after=${cursor}`).replace(/wait=\d+/, 'wait=1');
			const { code, stdout, stderr } = await run('bash', ['-c', `${pasted} -sS --max-time 3 --include`]);
			assert.match(stdout, /^HTTP\/1\.1 20[01] [^]*\r\n\r\n./, `${stdout}${stderr}`);
			assert.ok(code === 0 || (code === TIME_IS_UP && pasted.includes('text/event-stream')), `exit code ${code}`);
		}
	});
}
