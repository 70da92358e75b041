/**
 * How long messages are under way where packets get lost: WebTransport beside WebSocket, in one page of Chromium, for the
 * same messages at the same time, over a link that loses IP packets, TCP's and UDP's alike (`link.py`).
 *
 *     unshare --net node interop/lossy/main.mjs [--seconds 60] [--seed 5] [--out target/lossy] [--docs]
 *
 * Linux, as root, and in a network namespace of its own, so that nobody else's packets are lost. `cargo xtask lossy`
 * does all that. With `--docs` what was measured goes into docs/webtransport.md as well.
 */

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, networkInterfaces, release, type } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { WebSocket } from 'ws';
import { Tidings } from '../../client/src/client.js';
import { launch, openPage } from '../lib/browser.mjs';
import { follow } from '../lib/client.mjs';
import { writeMeasured } from '../lib/measured.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';
import { ADDRESS, Link, PEER } from './link.mjs';
import { plot, table } from './report.mjs';

/** @import { CpuInfo } from 'node:os' */
/** @import { Page } from 'playwright-core' */
/** @import { Heard, Kind, Run } from './report.mjs' */

const TRANSPORTS = /** @type {const} */ (['websocket', 'webtransport']);
/** What an access line and a city nearby take, each way. */
const DELAY_MS = 20;
/** One message at a time, as people and cursors make them. */
const EVERY_MS = 20;
/** How long what is under way at the end may take. */
const LAST_MS = 3000;
/** How TCP answers to loss: as Linux does where nobody has chosen. */
const CONGESTION = 'cubic';
/** Comparable between processes and pages on one machine. */
const now = () => performance.timeOrigin + performance.now();
/** Asks for no certificate: in the namespace there is nobody else. */
const Trusting = class extends WebSocket {
	/** @param {string} url @param {string[]} protocols */
	constructor(url, protocols) {
		super(url, protocols, { rejectUnauthorized: false });
	}
};
/** @type {readonly [Kind, loss: number][]} */
const PLAN = [
	['messages', 0],
	['messages', 0.01],
	['messages', 0.05],
	['signals', 0.05],
];

const { values } = parseArgs({
	options: {
		seconds: { type: 'string', default: '60' },
		seed: { type: 'string', default: '5' },
		out: { type: 'string', default: 'target/lossy' },
		docs: { type: 'boolean', default: false },
	},
});
const seconds = Number(values.seconds);
if (!(seconds > 0)) throw new Error('--seconds is a number above 0');
if (Object.values(networkInterfaces()).flat().some((one) => !one?.internal)) {
	throw new Error('there is a network here: run it in a namespace of its own, unshare --net');
}

/** @type {(() => void | Promise<void>)[]} */
const ends = [];
const scope = { after: (/** @type {() => void | Promise<void>} */ end) => void ends.push(end) };
try {
	const link = await Link.open(scope, CONGESTION);
	const server = await Server.start(scope, { address: ADDRESS, isTls: true, args: ['--insecure'] });
	const browser = await launch(scope);
	const { page } = await openPage(scope, browser, { ignoreHTTPSErrors: true });
	const url = `https://${PEER}:${server.port}`;
	await page.goto(`${url}/healthz`);
	// It stands beside the server, with no link between.
	const publisher = new Tidings(server.url, { WebSocket: /** @type {any} */ (Trusting), transport: 'websocket', token: 'guest:publisher' });
	scope.after(() => publisher.close());

	const runs = [];
	for (const [kind, loss] of PLAN) {
		const run = await measure({ link, page, url, publisher, kind, loss });
		console.log(`${table(`${kind}, ${loss * 100} % lost:`, [run])}\n`);
		runs.push(run);
	}
	const minute = new Date().toISOString().slice(0, 16).replace('T', ' ');
	const [{ model }] = /** @type {[CpuInfo]} */ (cpus());
	const made = `Measured ${minute} UTC on ${cpus().length} cores of ${model}, ${type()} ${release()}, TCP ${CONGESTION}, Chromium ${browser.version()}; ${1000 / EVERY_MS} messages a second for ${seconds} s, ${2 * DELAY_MS} ms of round trip, seed ${values.seed}.`;
	const [text, picture] = [table(made, runs), plot(`From publish to page, ${2 * DELAY_MS} ms of round trip`, runs)];
	await mkdir(values.out, { recursive: true });
	await writeFile(join(values.out, 'lossy.md'), `${text}\n`);
	await writeFile(join(values.out, 'lossy.svg'), picture);
	await writeFile(join(values.out, 'lossy.json'), JSON.stringify({ made, runs }));
	if (values.docs) {
		await writeMeasured('webtransport.md', text);
		await writeFile(new URL('../../docs/benchmarks/lossy.svg', import.meta.url), picture);
	}
	console.log(text);
} finally {
	for (const end of ends.reverse()) await end();
}

/**
 * @param {{ link: Link, page: Page, url: string, publisher: Tidings, kind: Kind, loss: number }} how
 * @returns {Promise<Run>}
 */
async function measure({ link, page, url, publisher, kind, loss }) {
	const channel = `lossy:${kind}-${loss}`;
	const weather = { delay_ms: DELAY_MS, loss: 0, seed: Number(values.seed) };
	await link.set(weather);
	const source = await readFile(new URL('page.mjs', import.meta.url), 'utf8');
	await page.evaluate(
		async ({ source, ...how }) => {
			const { listen } = await import(`data:text/javascript,${encodeURIComponent(source)}`);
			const { Tidings } = await import(/** @type {any} */ ('/client/client.js'));
			Object.assign(globalThis, { lossy: await listen({ Tidings, ...how }) });
		},
		{ source, url, transports: TRANSPORTS, channel, kind },
	);
	const room = await follow(publisher, channel, () => {});
	await link.set({ ...weather, loss });

	let made = 0;
	const begin = now();
	for (let next = begin; next < begin + seconds * 1000; next += EVERY_MS) {
		await pause(Math.max(0, next - now()));
		const message = { n: ++made, at: now() };
		if (kind === 'signals') room.signal(message);
		else void room.publish(message);
	}
	const heard = async () => /** @type {Record<string, Heard[]>} */ (await page.evaluate(() => /** @type {any} */ (globalThis).lossy.heard));
	// Signals may be lost; a message comes.
	if (kind === 'signals') await pause(LAST_MS);
	else await until('all to come', async () => Object.values(await heard()).every((list) => new Set(list.map(({ n }) => n)).size >= made), { within: LAST_MS * 10 });
	const packets = await link.set(weather);
	const run = { kind, loss, made, packets, heard: await heard() };
	await page.evaluate(() => /** @type {any} */ (globalThis).lossy.close());
	return run;
}
