/**
 * A message that is compressed once and shared by all is understood by every follower, whatever it agreed
 * on, and so are the messages of its own in between (`examples/broadcast`).
 */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, test } from 'node:test';
import { WebSocket as Ws } from 'ws';
import { launch, openPage } from '../lib/browser.mjs';
import { Child } from '../lib/child.mjs';
import { open } from '../lib/echo.mjs';
import { serve } from '../lib/example.mjs';
import { noise, text } from '../lib/payloads.mjs';
import { python, script } from '../lib/python.mjs';
import { until } from '../lib/until.mjs';

/** @import { TestContext } from 'node:test' */
/** @import { PerMessageDeflateOptions } from 'ws' */

const browser = await launch({ after });
const { python: interpreter, why } = await python();

/** As a channel has them: much alike, then one that fits no small window, then ones that hardly compress. */
const TEXTS = [
	...Array.from({ length: 20 }, (_, n) => JSON.stringify({ type: 'message', channel: 'chat:lobby', seq: n, id: `0123456789abcdef-${n}`, from: 'alice', data: { text: `早安 ${n}`, language: 'zh', emoji: '🎈' } })),
	'',
	'short',
	...[200, 255, 256, 257, 500, 4000, 32_768, 32_769].map(text),
	...[150, 1000].map((bytes) => noise(bytes).toString('base64')),
	text(300),
];

/** @type {{ name: string, perMessageDeflate: PerMessageDeflateOptions | boolean }[]} */
const OFFERS = [
	{ name: 'no compression', perMessageDeflate: false },
	{ name: 'compression', perMessageDeflate: true },
	{ name: 'no context takeover', perMessageDeflate: { serverNoContextTakeover: true, clientNoContextTakeover: true } },
	{ name: 'a window of 9 bits', perMessageDeflate: { serverMaxWindowBits: 9 } },
	{ name: 'a window of 12 bits', perMessageDeflate: { serverMaxWindowBits: 12 } },
];

for (const [how, args] of /** @type {const} */ ([
	['with context takeover', ['--takeover']],
	['without context takeover', []],
	['with windows of 10 bits', ['--takeover', '--window-bits', '10']],
])) {
	test(`whoever follows hears the same, ${how}`, { skip: why }, async (t) => {
		const url = await serve(t, 'broadcast', args);
		const followers = await Promise.all([
			...OFFERS.map(({ name, perMessageDeflate }) => followWithWs(t, url, name, perMessageDeflate)),
			followWithChromium(t, url),
			followWithPython(t, url),
		]);

		const { socket: publisher } = await open(t, url, { threshold: 0 });
		for (const message of [...TEXTS, 'end']) publisher.send(message);

		/** @type {Told[]} */
		const told = (await Promise.all(followers.map((heard) => heard()))).flat();
		assert.equal(told.length, OFFERS.length + 1 + 15);
		for (const { name, heard } of told) {
			const [greeting, ...rest] = heard.slice(0, heard.indexOf('end'));
			assert.match(String(greeting), /^you are follower \d+$/, name);
			const number = String(greeting).split(' ').at(-1);
			// Each text is followed by one to this follower alone.
			const expected = TEXTS.flatMap((said, n) => [said, `to follower ${number} alone, number ${n + 1}: ${said}`]);
			assert.deepEqual(rest, expected.map(brief), name);
		}

		// It was one and the same to all, and compressed, wherever the window allows that.
		const wires = told.flatMap(({ wire }) => (wire ? [wire.filter((_, at) => at % 2 === 1)] : []));
		const [widest] = wires;
		assert.ok(widest && widest.filter(Boolean).length > TEXTS.length / 2, 'hardly anything was compressed');
		for (const wire of wires) {
			wire.forEach((hash, at) => assert.ok(hash === null || hash === widest[at], 'a shared message was compressed anew'));
			assert.ok(wire.slice(0, 20).every(Boolean), 'a shared message was not compressed');
		}
	});
}

/** What is said, or of a long text its digest, as `follow.py` tells it. @param {string} said */
const brief = (said) => (Buffer.byteLength(said) > 200 ? createHash('sha256').update(said).digest('hex') : said);

/**
 * @typedef {{ name: string, heard: string[], wire?: (string | null)[] }} Told what a follower heard, in brief, and, where
 *   it knows, a digest of each compressed message as it was on the wire
 */

/**
 * @param {TestContext} t
 * @param {string} url
 * @param {string} name
 * @param {PerMessageDeflateOptions | boolean} perMessageDeflate
 */
async function followWithWs(t, url, name, perMessageDeflate) {
	/** @type {string[]} */
	const heard = [];
	const socket = new Ws(url, { perMessageDeflate });
	t.after(() => socket.terminate());
	/** @type {unknown[]} */
	const ends = [];
	socket.on('error', (error) => ends.push(String(error)));
	socket.on('close', (code) => ends.push(code));
	socket.on('message', (data) => void heard.push(String(data)));
	await until(`${name} to be greeted`, () => heard.length > 0);
	return async () => {
		await until(`the end to reach ws with ${name}`, () => heard.includes('end'), { seen: () => [heard.length, ...ends] });
		return [{ name: `ws with ${name}`, heard: heard.map(brief) }];
	};
}

/**
 * @param {TestContext} t
 * @param {string} url
 */
async function followWithChromium(t, url) {
	const { page } = await openPage(t, browser);
	const heard = await page.evaluateHandle(async (url) => {
		/** @type {string[]} */
		const heard = [];
		const socket = new WebSocket(url);
		await new Promise((resolve) => {
			socket.onmessage = ({ data }) => resolve(heard.push(data));
		});
		socket.onmessage = ({ data }) => heard.push(data);
		return { heard, socket };
	}, url);
	assert.match(await heard.evaluate(({ socket }) => socket.extensions), /^permessage-deflate/);
	return async () => {
		await until('the end to reach Chromium', () => heard.evaluate(({ heard }) => heard.includes('end')));
		return [{ name: 'Chromium', heard: (await heard.evaluate(({ heard }) => heard)).map(brief) }];
	};
}

/**
 * @param {TestContext} t
 * @param {string} url
 */
async function followWithPython(t, url) {
	const child = new Child(String(interpreter), [script('websocket/python/follow.py'), url]);
	t.after(() => child.end());
	const words = () => child.stderr;
	await until('Python to follow', () => child.lines.length > 0 || !child.isRunning, { seen: words });
	assert.deepEqual(child.lines, ['ready'], child.stderr);
	return async () => {
		await until('the end to reach Python', () => !child.isRunning, { seen: words });
		assert.equal(await child.exited, 0, child.stderr);
		return child.lines.slice(1).map((line) => /** @type {Told} */ (JSON.parse(line)));
	};
}
