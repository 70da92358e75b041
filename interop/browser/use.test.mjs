/** The chat for everybody: by keyboard, on a phone, in the dark, in Chinese, and talking to nobody else. */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { launch, openPage } from '../lib/browser.mjs';
import { Middlebox } from '../lib/middlebox.mjs';
import { Person } from '../lib/person.mjs';
import { Server } from '../lib/server.mjs';
import { soon, until } from '../lib/until.mjs';

/** @import { Page } from 'playwright-core' */

const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

const server = await Server.start({ after });
const browser = await launch({ after });

test('the keyboard alone is enough to come in and to send a message', async (t) => {
	const { page, watch } = await openPage(t, browser);
	await page.goto(server.url);
	await tabTo(page, 'name-input');
	await page.keyboard.type('Ada');
	await page.keyboard.press('Enter');
	await page.getByTestId('message-input').waitFor();
	await tabTo(page, 'message-input');
	await page.keyboard.type('by hand');
	await page.keyboard.press('Enter');
	await new Person('Ada', { page, watch }).sees('by hand');
	watch.assertQuiet();
});

test('the keyboard alone is enough to make a room and to change the transport', async (t) => {
	const ada = await Person.enter(t, browser, server.url, 'Ada');
	const { page } = ada;
	await tabTo(page, 'new-room');
	await page.keyboard.press('Enter');
	await page.locator('[data-testid="room-name-input"]:focus').waitFor();
	await page.keyboard.type('Keys');
	await page.keyboard.press('Enter');
	await page.getByRole('heading', { level: 1, name: 'Keys' }).waitFor();

	await tabTo(page, 'transport-badge');
	await page.keyboard.press('Enter');
	await until('the menu to go down to long polling', async () => {
		if (await page.getByTestId('transport-option-long-poll').evaluate((option) => option === document.activeElement)) return true;
		await page.keyboard.press('ArrowDown');
		return false;
	});
	await page.keyboard.press('Enter');
	await ada.isConnected('long-poll');
	ada.watch.assertQuiet();
});

test('how quick the way is, and why it is this one, is told in plain words and kept current', async (t) => {
	const middlebox = await Middlebox.open(t, server.port, { upgrade: 403 });
	const ada = await Person.enter(t, browser, middlebox.url, 'Ada');
	const { page } = ada;
	const badge = page.getByTestId('transport-badge');
	const reason = page.getByTestId('transport-reason');
	await badge.click();
	await reason.getByText('WebSocket does not get through').waitFor();
	// Whoever does not see it hears it with the menu.
	await page.getByRole('menu', { description: /Round trip.*ms.*WebSocket does not get through/ }).waitFor();
	await page.keyboard.press('Escape');
	await page.getByTestId('language').click();
	await badge.click();
	await reason.getByText('WebSocket 无法连通').waitFor();

	await page.getByTestId('transport-option-poll').click();
	await ada.isConnected('poll');
	await badge.click();
	await reason.getByText('按你的选择').waitFor();
	const roundTrip = async () => parseInt(await page.getByTestId('round-trip').innerText());
	assert.ok((await roundTrip()) > 0);
	await middlebox.set({ latency_ms: 300 });
	await until('the round trip to be longer', async () => (await roundTrip()) >= 600);
});

test('a reason that nobody foresaw is told as it is', async (t) => {
	const { page } = await openPage(t, browser);
	await page.addInitScript(() => {
		const eclipsed = class {
			/** @type {((event: object) => void) | null} */
			onclose = null;
			constructor() {
				setTimeout(() => this.onclose?.({ code: 1006, reason: 'the moon is in the way' }));
			}
			close() {}
		};
		Object.assign(window, { WebSocket: eclipsed });
	});
	await page.goto(server.url);
	await page.getByTestId('name-input').fill('Ada');
	await page.getByTestId('enter').click();
	await page.locator('[data-testid="transport-badge"][data-state="live"]').click();
	await page.getByTestId('transport-reason').getByText('websocket: the moon is in the way').waitFor();
});

test('everything that can be used has a name for those who do not see it', async (t) => {
	for (const options of [{}, PHONE]) {
		const { page } = await openPage(t, browser, options);
		await page.goto(server.url);
		await page.getByTestId('name-input').waitFor();
		assert.deepEqual(await nameless(page), []);
		await page.getByTestId('name-input').fill('Ada');
		await page.getByTestId('enter').click();
		await page.getByTestId('message-input').waitFor();
		await page.getByRole('log').waitFor();
		assert.deepEqual(await nameless(page), []);
	}
});

test('on a phone nothing sticks out, and a message can be sent', async (t) => {
	const ada = await Person.enter(t, browser, server.url, 'Ada', PHONE);
	await ada.say(`a word that is long: ${'tidings'.repeat(40)}`);
	await ada.say('short');
	await ada.sees('short');
	const { page } = ada;
	assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false);
	await page.getByTestId('open-rooms').click();
	await ada.openRoom('Ideas');
	ada.watch.assertQuiet();
});

test('language and theme are chosen, and remembered', async (t) => {
	const { page, watch } = await Person.enter(t, browser, server.url, 'Ada');
	const root = page.locator('html');
	assert.equal(await root.getAttribute('lang'), 'en');
	await page.getByTestId('language').click();
	await page.locator('html[lang="zh-CN"]').waitFor();
	await page.getByText('大厅').first().waitFor();
	const theme = page.getByTestId('theme');
	await until('dark', async () => {
		if ((await theme.getAttribute('data-value')) === 'dark') return true;
		await theme.click();
		return false;
	});
	const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
	const dark = await background();
	await page.reload();
	await page.getByTestId('message-input').waitFor();
	assert.equal(await root.getAttribute('lang'), 'zh-CN');
	assert.equal(await background(), dark);
	watch.assertQuiet();
});

test('the page obeys a content security policy', async (t) => {
	const { page } = await Person.enter(t, browser, server.url, 'Ada');
	const refusal = page.evaluate(async () => {
		const violation = new Promise((resolve) => document.addEventListener('securitypolicyviolation', resolve, { once: true }));
		const script = document.createElement('script');
		script.textContent = 'window.injected = true';
		document.head.append(script);
		await violation;
		return !('injected' in window);
	});
	assert.ok(await soon('the refusal of a script', refusal));
});

/**
 * Presses Tab until the element has the focus.
 * @param {Page} page
 * @param {string} id
 */
async function tabTo(page, id) {
	const STOPS_MAX = 60;
	for (let stop = 0; stop <= STOPS_MAX; stop++) {
		if (await page.getByTestId(id).evaluate((element) => element === document.activeElement)) return;
		await page.keyboard.press('Tab');
	}
	assert.fail(`${STOPS_MAX} presses of Tab do not lead to ${id}`);
}

/**
 * What the accessibility tree holds for use and cannot name.
 * @param {Page} page
 */
async function nameless(page) {
	const roles = ['button', 'link', 'textbox', 'menuitem', 'menuitemradio', 'combobox', 'checkbox', 'dialog'];
	const session = await page.context().newCDPSession(page);
	const { nodes } = await session.send('Accessibility.getFullAXTree');
	return nodes
		.filter(({ ignored, role }) => !ignored && roles.includes(role?.value))
		.filter(({ name }) => !name?.value)
		.map(({ role, properties }) => ({ role: role?.value, properties }));
}
