/**
 * Chromium, and pages in it that are watched: what they complain about and whom they talk to.
 *
 * `CHROMIUM_BIN` names the browser; without it Debian's package is taken.
 */

import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { PATIENCE_MS } from './until.mjs';

/** @import { Browser, BrowserContextOptions, Page } from 'playwright-core' */
/** @import { Scope } from './child.mjs' */

const CHROMIUM = process.env.CHROMIUM_BIN ?? '/usr/bin/chromium';

const ARGS = [
	// CI runs as root, whom Chromium's sandbox does not serve; only our own pages are opened.
	'--no-sandbox',
	'--disable-gpu',
	'--no-first-run',
	// The browser's own errands would be mistaken for the page's.
	'--disable-background-networking',
	'--disable-component-update',
	'--disable-sync',
	// Pages that are not in front keep their timers: two of them chat with each other.
	'--disable-background-timer-throttling',
	'--disable-renderer-backgrounding',
	'--disable-backgrounding-occluded-windows',
];

/**
 * What Chromium says of a server that is away: refused or cut, before, in or after an answer. A kept
 * connection that is found dead when it is used again is a socket that is not connected.
 */
const OUTAGE = /net::ERR_(CONNECTION|INCOMPLETE|EMPTY|NETWORK|SOCKET_NOT_CONNECTED)|WebSocket connection to .* failed/;

/**
 * A browser for a test, or a file of tests.
 * @param {Scope} scope
 */
export async function launch(scope) {
	const browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: ARGS });
	scope.after(() => browser.close());
	return browser;
}

/**
 * A page with storage of its own.
 * @param {Scope} scope
 * @param {Browser} browser
 * @param {BrowserContextOptions} [options]
 */
export async function openPage(scope, browser, options = {}) {
	const context = await browser.newContext({ locale: 'en-GB', ...options });
	context.setDefaultTimeout(PATIENCE_MS);
	scope.after(() => context.close());
	const page = await context.newPage();
	return { page, watch: new Watch(page) };
}

/** What a page complained about, and whom it talked to. */
export class Watch {
	/** @type {string[]} */
	#complaints = [];
	/** @type {Set<string>} */
	#addresses = new Set();

	/** @param {Page} page */
	constructor(page) {
		page.on('console', (message) => {
			// An icon is the browser's own wish where a page names none.
			if (message.location().url.endsWith('/favicon.ico')) return;
			if (['error', 'warning'].includes(message.type())) this.#complaints.push(message.text());
		});
		page.on('pageerror', (error) => this.#complaints.push(String(error.stack ?? error)));
		page.on('request', (request) => this.#addresses.add(request.url()));
		page.on('websocket', (socket) => this.#addresses.add(socket.url()));
	}

	/** The page had nothing to complain about, and talked to nobody but its own server. */
	assertQuiet() {
		assert.deepEqual(this.#complaints, []);
		this.assertAtHome();
	}

	/** The page complained of nothing but a server that was away for a while. */
	assertQuietButForOutages() {
		assert.deepEqual(this.#complaints.filter((complaint) => !OUTAGE.test(complaint)), []);
		this.assertAtHome();
	}

	/** The page talked to nobody but its own server. */
	assertAtHome() {
		const foreign = [...this.#addresses].filter((address) => {
			const { protocol, hostname } = new URL(address);
			return !['data:', 'blob:', 'about:'].includes(protocol) && hostname !== '127.0.0.1';
		});
		assert.deepEqual(foreign, []);
	}
}
