/** Where a client under test lives: in this process, or in a page of a browser. */

import { readFile } from 'node:fs/promises';
import { Tidings } from '../../client/src/client.js';
import { launch, openPage } from '../lib/browser.mjs';
import { IN_NODE } from '../lib/client.mjs';
import { launchFirefox, openFirefoxPage } from '../lib/firefox.mjs';
import { soon } from '../lib/until.mjs';
import { Subject } from './subject.mjs';

/** @import { Scope } from '../lib/child.mjs' */
/** @import { Known, Report, Task } from './subject.mjs' */
/** @import { Place } from './faults.mjs' */

/**
 * @typedef {object} Home
 * @property {(task: Task) => Promise<void>} begin makes a client; the one before it is closed
 * @property {() => Promise<void>} pause it publishes nothing for now
 * @property {() => Promise<void>} publish
 * @property {(known: Known) => Promise<Report>} report
 * @property {(isOffline: boolean) => Promise<unknown>} [setOffline]
 * @property {(isFrozen: boolean) => Promise<unknown>} [setFrozen]
 */

/**
 * @typedef {object} Quarter where homes are to be had, for a file of tests: browsers are started once
 * @property {string} version
 * @property {(scope: Scope, origin: string) => Promise<Home>} open one, for a test
 */

/** @type {Record<Place, (scope: Scope) => Promise<Quarter>>} */
export const QUARTERS = {
	node: async () => ({
		version: process.version.slice(1),
		open: async (scope) => {
			const storage = new Shelf();
			/** @type {Subject | undefined} */
			let subject;
			scope.after(() => subject?.close());
			return {
				begin: async (task) => {
					subject?.close();
					const options = { ...IN_NODE, storage, ...task.options };
					subject = new Subject(Tidings, { ...task, options });
				},
				pause: async () => subject?.pause(),
				publish: async () => subject?.publish(),
				report: async (known) => /** @type {Subject} */ (subject).report(known),
			};
		},
	}),

	chromium: async (scope) => {
		const browser = await launch(scope);
		return {
			version: browser.version(),
			open: async (test, origin) => {
				const { page } = await openPage(test, browser, { ignoreHTTPSErrors: true });
				await page.goto(`${origin}/healthz`);
				const session = await page.context().newCDPSession(page);
				return {
					...(await inPage((run, argument) => page.evaluate(run, argument))),
					setOffline: (isOffline) => page.context().setOffline(isOffline),
					setFrozen: (isFrozen) => session.send('Page.setWebLifecycleState', { state: isFrozen ? 'frozen' : 'active' }),
				};
			},
		};
	},

	firefox: async (scope) => {
		const browser = await launchFirefox(scope, { acceptInsecureCerts: true });
		return {
			version: (await browser.version()).replace('firefox/', ''),
			open: async (test, origin) => {
				const page = await openFirefoxPage(test, browser);
				await page.goto(`${origin}/healthz`);
				return inPage((run, argument) => page.evaluate(run, argument));
			},
		};
	},
};

/**
 * How long a page may take to answer us, while dozens of windows are open on two cores. It is no part of what is
 * measured: that a page tells by its own clock.
 */
export const ANSWER_MS = 60_000;

/**
 * The client that the server gives to pages, in one that is open already: how a page itself comes over a
 * bad network is the browser's business.
 * @param {(run: (argument: any) => any, argument?: unknown) => Promise<any>} evaluate
 * @returns {Promise<Home>}
 */
async function inPage(evaluate) {
	const source = await readFile(new URL('subject.mjs', import.meta.url), 'utf8');
	const ask = (/** @type {string} */ what, /** @type {Promise<any>} */ answer) => soon(`a page to ${what}`, answer, ANSWER_MS);
	await ask(
		'load the client',
		evaluate(async (source) => {
			const { Subject } = await import(`data:text/javascript,${encodeURIComponent(source)}`);
			const { Tidings } = await import(/** @type {any} */ ('/client/client.js'));
			Object.assign(globalThis, { Subject, Tidings });
		}, source),
	);
	return {
		begin: (task) =>
			ask(
				'begin',
				evaluate((task) => {
					globalThis.subject?.close();
					const { Subject, Tidings } = /** @type {any} */ (globalThis);
					globalThis.subject = new Subject(Tidings, task);
				}, task),
			),
		pause: () => ask('pause', evaluate(() => globalThis.subject.pause())),
		publish: () => ask('publish', evaluate(() => globalThis.subject.publish())),
		report: (known) => ask('report', evaluate((known) => globalThis.subject.report(known), known)),
	};
}

/** What `localStorage` is to a page. */
class Shelf {
	/** @type {Map<string, string>} */
	#items = new Map();

	/** @param {string} key */
	getItem(key) {
		return this.#items.get(key) ?? null;
	}

	/**
	 * @param {string} key
	 * @param {string} value
	 */
	setItem(key, value) {
		this.#items.set(key, value);
	}

	/** @param {string} key */
	removeItem(key) {
		this.#items.delete(key);
	}
}
