/**
 * Firefox, as it is: driven by WebDriver BiDi.
 *
 * `FIREFOX_BIN` names the browser; without it Debian's package is taken.
 */

import puppeteer from 'puppeteer-core';
import { PATIENCE_MS } from './until.mjs';

/** @import { Browser } from 'puppeteer-core' */
/** @import { Scope } from './child.mjs' */

const FIREFOX = process.env.FIREFOX_BIN ?? '/usr/bin/firefox-esr';

/**
 * A browser for a test, or a file of tests.
 * @param {Scope} scope
 * @param {{ acceptInsecureCerts?: boolean }} [options]
 */
export async function launchFirefox(scope, options = {}) {
	const browser = await puppeteer.launch({ browser: 'firefox', executablePath: FIREFOX, headless: true, ...options });
	scope.after(() => browser.close());
	return browser;
}

/**
 * A page with storage of its own, and a window: several are at work side by side, and timers are late in those behind.
 * @param {Scope} scope
 * @param {Browser} browser
 */
export async function openFirefoxPage(scope, browser) {
	const context = await browser.createBrowserContext();
	scope.after(() => context.close());
	const page = await context.newPage({ type: 'window' });
	page.setDefaultTimeout(PATIENCE_MS);
	return page;
}
