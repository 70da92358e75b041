/**
 * The lab in Chromium: everybody races, every way of breaking the network shows, and whatever was broken comes back with
 * every message, once and in order. With `TIDINGS_SCREENSHOTS` each state is a picture in that folder.
 */

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch } from '../lib/browser.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

/** @import { Page } from 'playwright-core' */

const wish = process.env.TIDINGS_SCREENSHOTS;
const folder = wish && fileURLToPath(new URL(wish.endsWith('/') ? wish : `${wish}/`, new URL('../../', import.meta.url)));

/** Short, so that a dead connection is given up in 3 s and not in 30. */
const HEARTBEAT = ['--heartbeat', '2s'];
/** A racer that has waited its longest after failures is back then, with what it missed. */
const RECOVERED_WITHIN_MS = 60_000;
/** What a racer is heard of within that is broken. */
const NOTICED_WITHIN_MS = 30_000;

const ALL = ['auto', 'webtransport', 'websocket', 'sse', 'long-poll', 'poll'];

/** The lab as a visitor sees it. */
class Lab {
	page;
	/** @type {string[]} */
	errors = [];

	/** @param {Page} page */
	constructor(page) {
		this.page = page;
		page.on('pageerror', (error) => this.errors.push(String(error)));
	}

	/** What the cards say. @returns {Promise<Record<string, { using: string, isOpen: boolean, last: string } & Record<'received' | 'behind' | 'doubled' | 'disordered', number>>>} */
	racers() {
		return this.page.evaluate(() =>
			Object.fromEntries(
				[...document.querySelectorAll('.racer')].map((card) => {
					const { lane = '', using = '' } = /** @type {HTMLElement} */ (card).dataset;
					const counts = /** @type {HTMLElement} */ (card.querySelector('[data-received]')).dataset;
					const number = (/** @type {string} */ name) => Number(counts[name]);
					return [
						lane,
						{
							using,
							isOpen: card.querySelector('.state.is-open') !== null,
							last: card.querySelector('dd')?.textContent ?? '',
							received: number('received'),
							behind: number('behind'),
							doubled: number('doubled'),
							disordered: number('disordered'),
						},
					];
				}),
			),
		);
	}

	/** The lines under the time line. */
	log() {
		return this.page.locator('.log li').allInnerTexts();
	}

	/** @param {string} what */
	async break(what) {
		await this.page.click(`[data-break="${what}"]`);
	}

	/**
	 * @param {string} what
	 * @param {(racers: Awaited<ReturnType<Lab['racers']>>) => boolean | undefined} holds
	 * @param {number} [within]
	 */
	async until(what, holds, within = NOTICED_WITHIN_MS) {
		/** @type {unknown} */
		let seen;
		await until(what, async () => holds(/** @type {any} */ ((seen = await this.racers()))), { within, seen: () => seen });
	}

	/** Waits until everybody has everything that was published until now, and something after it. */
	async recovered() {
		const before = await this.racers();
		const most = Math.max(...Object.values(before).map((racer) => racer.received + racer.behind));
		await this.until(
			'everybody to have everything again',
			(racers) => ALL.every((name) => (racers[name]?.isOpen ?? false) && (racers[name]?.received ?? 0) + 2 * slack > most),
			RECOVERED_WITHIN_MS,
		);
		// A poll is behind by what came since the last one, and so all are now and then: each has been level once.
		for (const name of ALL) await this.until(`${name} to be level`, (racers) => (racers[name]?.behind ?? 1) === 0, RECOVERED_WITHIN_MS);
		for (const [name, racer] of Object.entries(await this.racers())) {
			assert.deepEqual([racer.doubled, racer.disordered], [0, 0], name);
		}
		assert.deepEqual(this.errors, []);
	}

	/** @param {string} name of the picture */
	async picture(name) {
		if (!folder) return;
		await mkdir(folder, { recursive: true });
		await this.page.screenshot({ path: join(folder, `lab-${name}.png`), fullPage: true });
	}
}

/** Messages by which the first that came to two racers may differ: they do not begin at the same moment. */
const slack = 10;

const server = await Server.start({ after }, { args: HEARTBEAT });
const browser = await launch({ after });
const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1280, height: 900 } });
const lab = new Lab(await context.newPage());
await lab.page.goto(`${server.url}/lab`);

// One visit, broken and mended again and again.
describe('the lab', () => {
	test('everybody races, each by its own transport', async () => {
		await lab.until('six racers with messages', (racers) => ALL.every((name) => (racers[name]?.received ?? 0) > 3));
		await lab.until('automatic to find the best', (racers) => racers.auto?.using === 'webtransport');
		const racers = await lab.racers();
		for (const name of ALL.slice(1)) assert.equal(racers[name]?.using, name);
		await lab.recovered();
		await lab.picture('race');
	});

	test('the wire is readable: the handshake, frames with and without a mask, heads, events, datagrams', async () => {
		const { page } = lab;
		await page.click('[data-step="1"]');
		await page.selectOption('.wire select[data-filter]', 'http');
		const switched = page.locator('.entry', { hasText: '101 Switching Protocols' });
		await switched.locator('button').first().click();
		const detail = page.locator('.detail');
		assert.match(await detail.innerText(), /Sec-WebSocket-Accept[^]*proof that the server speaks WebSocket/i);
		await lab.picture('handshake');
		await page.selectOption('.wire select[data-filter]', 'frames');
		for (const [direction, bit] of /** @type {const} */ ([['up', '1'], ['down', '0']])) {
			await page.locator(`.entry.is-${direction}[data-opcode="1"] button`).first().click();
			const bits = await page.locator('.bits').innerText();
			assert.match(bits.replaceAll(/\s+/g, ' '), new RegExp(`FIN 1 RSV1 [01] RSV2 0 RSV3 0 opcode 0001 text MASK ${bit} length \\d+`));
			await lab.picture(`frame-${direction}`);
			await page.locator(`.entry.is-${direction}[data-opcode="1"] button[aria-expanded="true"]`).click();
		}
		await page.selectOption('.wire select >> nth=0', 'sse');
		// That somebody came or went is an event as well, without an id, and may be the newest.
		await page.locator('.entry[data-kind="event"]', { hasText: /id: / }).locator('button').first().click();
		assert.match(await detail.innerText(), /id: [^]*data: \{/);
		await page.selectOption('.wire select >> nth=0', 'webtransport');
		await page.locator('.entry[data-kind="datagram"] button').first().click();
		assert.match(await detail.innerText(), /encrypted/);
		await lab.picture('quic');
		await page.selectOption('.wire select >> nth=0', 'websocket');
		await page.selectOption('.wire select[data-filter]', 'heartbeats');
		await page.locator('.entry').first().waitFor();
		await page.selectOption('.wire select[data-filter]', 'all');
		await lab.recovered();
	});

	test('all connections are cut', async () => {
		await lab.break('cut');
		for (const name of ['WebSocket', 'SSE']) {
			await until(`${name} to be back`, async () => (await lab.log()).some((line) => line.includes(`${name} is back`)));
		}
		await lab.picture('cut');
		await lab.recovered();
	});

	test('everything takes longer', async () => {
		await lab.break('delay');
		await lab.until('100 ms more', (racers) => milliseconds(racers.websocket?.last) >= 100);
		await lab.picture('delay');
		await lab.break('mend');
		await lab.until('no more of it', (racers) => milliseconds(racers.websocket?.last) < 100);
		await lab.recovered();
	});

	test('packets get lost', async () => {
		await lab.break('loss');
		// One message in ten, of two a second: in half a minute there may be none.
		await lab.until('TCP to wait for a time-out', (racers) => milliseconds(racers.websocket?.last) >= 200, RECOVERED_WITHIN_MS);
		await lab.picture('loss');
		await lab.break('mend');
		await lab.recovered();
	});

	test('WebSocket and UDP are blocked, and automatic takes another way, and comes back', async () => {
		await lab.break('udp');
		await lab.break('websocket');
		await lab.until('fallback', (racers) => racers.auto?.isOpen && racers.auto.using === 'sse');
		await lab.until('those without another way to be stuck', (racers) => !racers.websocket?.isOpen && !racers.webtransport?.isOpen);
		await lab.picture('blocked');
		await lab.break('mend');
		await lab.recovered();
		await lab.until('automatic to move back', (racers) => racers.auto?.using === 'webtransport' || racers.auto?.using === 'websocket', RECOVERED_WITHIN_MS);
	});

	test('a proxy hoards', async () => {
		await lab.break('buffer');
		await lab.until('the event stream to be given up', (racers) => !racers.sse?.isOpen);
		await lab.picture('buffer');
		await lab.break('mend');
		await lab.recovered();
	});

	test('silence is noticed by the heartbeat', async () => {
		await lab.break('silence');
		await lab.until('everybody to notice', (racers) => ALL.every((name) => !racers[name]?.isOpen));
		const told = 'WebSocket has lost its connection (The way before it went silent)';
		await until('the log to tell', async () => (await lab.log()).some((line) => line.includes(told)));
		await lab.picture('silence');
		await lab.break('mend');
		await lab.recovered();
		await lab.picture('recovered');
	});

	test('it is read in Chinese, in the dark, and on a phone', async () => {
		const { page } = lab;
		await page.selectOption('.top select >> nth=0', 'zh-CN');
		await page.getByText('五分钟看懂').waitFor();
		assert.equal(await page.title(), 'Tidings 实验室');
		const latin = await page.evaluate(() =>
			[...document.querySelectorAll('h2, .racer dt, button.step, button.button, legend')].map((element) => element.textContent ?? '').filter((text) => /[a-z]{6,}/.test(text) && !/WebTransport|WebSocket/.test(text)),
		);
		assert.deepEqual(latin, [], 'words that nobody has translated');
		await lab.picture('zh-CN');
		await page.selectOption('.top select >> nth=1', 'dark');
		await page.setViewportSize({ width: 390, height: 844 });
		const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
		assert.ok(wider <= 0, `${wider} px wider than a phone`);
		await lab.picture('phone');
		await page.setViewportSize({ width: 1280, height: 900 });
		await page.selectOption('.top select >> nth=0', 'en');
		await lab.picture('dark');
	});
});

/** @param {string | undefined} text such as `last 8.7 ms` or `last 1.2 s` */
function milliseconds(text = '') {
	const [, number = '', unit] = /([\d.,]+) (ms|s)\b/.exec(text) ?? [];
	return Number(number.replaceAll(',', '')) * (unit === 's' ? 1000 : 1);
}
