/** Somebody who uses the web chat: does what a person does, and tells what a person sees. */

import { openPage } from './browser.mjs';
import { until } from './until.mjs';

/** @import { Browser, BrowserContextOptions } from 'playwright-core' */
/** @import { Scope } from './child.mjs' */
/** @import { TransportName } from '../../client/src/client.js' */

/** Shortly polling pages hear of things by and by. */
const WITHIN_MS = 30_000;

export class Person {
	/**
	 * @param {string} name
	 * @param {Awaited<ReturnType<typeof openPage>>} opened
	 */
	constructor(name, { page, watch }) {
		this.name = name;
		this.page = page;
		this.watch = watch;
	}

	/**
	 * Comes in by the door.
	 * @param {Scope} scope
	 * @param {Browser} browser
	 * @param {string} url of the server, perhaps with a room
	 * @param {string} name
	 * @param {BrowserContextOptions} [options]
	 */
	static async enter(scope, browser, url, name, options) {
		const person = new Person(name, await openPage(scope, browser, options));
		await person.page.goto(url);
		await person.#at('name-input').fill(name);
		await person.#at('enter').click();
		await person.isConnected();
		return person;
	}

	/** @param {string} id */
	#at(id) {
		return this.page.getByTestId(id);
	}

	/**
	 * Chooses another transport, live, and sees it in use.
	 * @param {TransportName} transport
	 */
	async choose(transport) {
		await this.#at('transport-badge').click();
		await this.#at(`transport-option-${transport}`).click();
		await this.isConnected(transport);
	}

	/**
	 * Sees that the connection stands.
	 * @param {TransportName} [transport] over this one
	 */
	async isConnected(transport) {
		const over = transport ? `[data-transport="${transport}"]` : '';
		await this.page
			.locator(`[data-testid="transport-badge"][data-state="live"]${over}`)
			.waitFor({ timeout: WITHIN_MS });
	}

	/** @param {string} text */
	async say(text) {
		await this.#at('message-input').fill(text);
		await this.#at('send').click();
	}

	/**
	 * Begins to write, and does not send.
	 * @param {string} text
	 */
	async write(text) {
		await this.#at('message-input').pressSequentially(text);
	}

	/** What stands on the page, in its order, without what is still on its way. */
	async read() {
		const messages = await this.#at('message').evaluateAll((elements) =>
			elements.map((element) => ({
				seq: Number(element.dataset['seq']),
				delivery: element.dataset['delivery'],
				text: element.querySelector('.bubble')?.textContent ?? '',
			})),
		);
		return messages.filter(({ delivery }) => delivery === 'sent').map(({ seq, text }) => ({ seq, text }));
	}

	/**
	 * Sees these messages, last and in this order.
	 * @param {...string} texts
	 */
	async sees(...texts) {
		/** @type {string[]} */
		let seen = [];
		await until(
			`${this.name} to see ${JSON.stringify(texts)}`,
			async () => {
				seen = (await this.read()).map(({ text }) => text);
				return JSON.stringify(seen.slice(-texts.length)) === JSON.stringify(texts);
			},
			{ within: WITHIN_MS, seen: () => seen },
		);
	}

	/**
	 * Sees these people, in any order.
	 * @param {...string} names
	 */
	async seesPeople(...names) {
		/** @type {(string | undefined)[]} */
		let seen = [];
		await until(
			`${this.name} to see ${names.join(', ')}`,
			async () => {
				seen = await this.#at('members').locator('[data-user]').evaluateAll((items) => items.map((item) => item.dataset['user']));
				return JSON.stringify(seen.toSorted()) === JSON.stringify(names.toSorted());
			},
			{ within: WITHIN_MS, seen: () => seen },
		);
	}

	/** @param {string} name */
	async seesTyping(name) {
		await this.#at('typing').getByText(name).waitFor({ timeout: WITHIN_MS });
	}

	/** @param {string} title */
	async makeRoom(title) {
		await this.#at('new-room').click();
		await this.#at('room-name-input').fill(title);
		await this.#at('room-name-input').press('Enter');
		await this.page.getByRole('heading', { level: 1, name: title }).waitFor();
	}

	/** @param {string} title as it stands in the list of rooms */
	async openRoom(title) {
		await this.#at('room-list').getByRole('link', { name: title }).click();
		await this.page.getByRole('heading', { level: 1, name: title }).waitFor();
	}
}
