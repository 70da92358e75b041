/**
 * The browsers that a test is for, each with one way to open a page.
 *
 * @import { Scope } from './child.mjs'
 */
import { launch, openPage } from './browser.mjs';
import { launchFirefox, openFirefoxPage } from './firefox.mjs';

/** @typedef {{ evaluate: <Given, Gives>(run: (given: Given) => Gives, given: Given) => Promise<Awaited<Gives>> }} Page */

/** @typedef {(scope: Scope, url: string) => Promise<Page>} Open opens a page there, with storage of its own */

/**
 * By name: launches one that ends with the scope. `trustsAll` makes it take any certificate, as a click would.
 * @type {[name: string, launch: (scope: Scope, how?: { trustsAll?: boolean }) => Promise<Open>][]}
 */
export const BROWSERS = [
	[
		'Chromium',
		async (scope, { trustsAll = false } = {}) => {
			const browser = await launch(scope);
			return async (scope, url) => {
				const { page } = await openPage(scope, browser, { ignoreHTTPSErrors: trustsAll });
				await page.goto(url);
				return /** @type {Page} */ (page);
			};
		},
	],
	[
		'Firefox',
		async (scope, { trustsAll = false } = {}) => {
			const browser = await launchFirefox(scope, { acceptInsecureCerts: trustsAll });
			return async (scope, url) => {
				const page = await openFirefoxPage(scope, browser);
				await page.goto(url);
				return /** @type {Page} */ (page);
			};
		},
	],
];
