/**
 * Pictures of the chat for the README, taken into the folder that `TIDINGS_SCREENSHOTS` names:
 *
 *     TIDINGS_SCREENSHOTS=docs/images cargo xtask test --only browser
 */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Api } from '../lib/api.mjs';
import { launch } from '../lib/browser.mjs';
import { Person } from '../lib/person.mjs';
import { Server } from '../lib/server.mjs';

const wish = process.env.TIDINGS_SCREENSHOTS;
/** Relative to the workspace, as it was typed there. */
const folder = wish && fileURLToPath(new URL(wish.endsWith('/') ? wish : `${wish}/`, new URL('../../', import.meta.url)));
const skip = folder ? false : 'TIDINGS_SCREENSHOTS names no folder';

/** The pixels of a README that is read on a good screen. */
const SHARP = { deviceScaleFactor: 2 };
const DESKTOP = { ...SHARP, viewport: { width: 1280, height: 800 } };
const PHONE = { ...SHARP, viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

const TALKS = {
	'en-GB': [
		['Mira', 'The bridge is open again, I cycled over it this morning 🚲'],
		['Jonas', 'Finally! Shall we take the long way on Saturday?'],
		['Mira', 'Yes. Picnic at the old mill?'],
		['Ada', 'I’ll bring the bread'],
		['Ada', 'My train goes through the tunnel now, so I’ll be gone for a moment…'],
		['Jonas', 'Then you’ll miss how Mira promises to bring cake 🍰'],
		['Mira', 'I did no such thing. Two cakes.'],
		['Ada', 'Back, and I have read every word. Two cakes!'],
	],
	'zh-CN': [
		['美玲', '桥又通了,我今天早上骑车过去的 🚲'],
		['建国', '终于!周六我们走远路吧?'],
		['美玲', '好。去老磨坊野餐?'],
		['小雅', '我带面包'],
		['小雅', '火车要进隧道了,我会断线一会儿……'],
		['建国', '那你就听不到美玲答应带蛋糕了 🍰'],
		['美玲', '我可没说。带两个。'],
		['小雅', '我回来了,一个字都没漏。两个蛋糕!'],
	],
};


for (const [file, locale, options] of /** @type {const} */ ([
	['chat-desktop-light', 'en-GB', { ...DESKTOP, colorScheme: 'light' }],
	['chat-desktop-dark', 'en-GB', { ...DESKTOP, colorScheme: 'dark' }],
	['chat-phone-light', 'en-GB', { ...PHONE, colorScheme: 'light' }],
	['chat-phone-dark', 'en-GB', { ...PHONE, colorScheme: 'dark' }],
	['chat-desktop-light.zh-CN', 'zh-CN', { ...DESKTOP, colorScheme: 'light' }],
	['chat-phone-dark.zh-CN', 'zh-CN', { ...PHONE, colorScheme: 'dark' }],
])) {
	test(`a picture: ${file}`, { skip }, async (t) => {
		const server = await Server.start(t);
		const browser = await launch(t);
		const talk = TALKS[locale];
		for (const [user, text] of talk) await new Api(server.url, user).publish('chat:lobby', { text });
		const [[first], [second], , [me]] = talk;
		for (const user of [first, second]) await Person.enter(t, browser, server.url, String(user), { locale });
		const { page } = await Person.enter(t, browser, server.url, String(me), { ...options, locale });
		await page.getByTestId('message').nth(talk.length - 1).waitFor();
		await page.getByTestId('members').locator('[data-user]').nth(2).waitFor({ state: 'attached' });
		await mkdir(String(folder), { recursive: true });
		await page.screenshot({ path: join(String(folder), `${file}.png`) });
	});
}
