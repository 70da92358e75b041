/** The HTTP doors with nothing but `fetch`: what any program can do. */

import assert from 'node:assert/strict';
import { until } from './until.mjs';

/** Longer than any poll of ours waits: an answer that takes as long will not come. */
const ANSWER_MS_MAX = 60_000;

/**
 * @typedef {{ type: string, channel: string, seq: number, prev: number, id: string, at: number,
 *   from: string, data: any }} Message
 * @typedef {{ cursor: string, events: any[], truncated: boolean, more: boolean }} Batch
 */

export class Api {
	/**
	 * @param {string} url of the server
	 * @param {string} [user] the guest's name
	 * @param {(url: URL | string, init?: RequestInit) => Promise<Response>} [fetch] default: Node's own
	 */
	constructor(url, user = 'api', fetch = globalThis.fetch) {
		this.url = url;
		this.fetch = fetch;
		// A header carries bytes, and a guest's name is any text: as UTF-8, byte by byte.
		this.headers = { authorization: `Bearer guest:${Buffer.from(user).toString('latin1')}` };
	}

	/**
	 * @param {string} channel
	 * @param {unknown} data
	 * @param {string} [id]
	 * @returns {Promise<{ seq: number, id: string, at: number }>}
	 */
	async publish(channel, data, id) {
		const response = await this.fetch(`${this.url}/v1/channels/${encodeURIComponent(channel)}/messages`, {
			method: 'POST',
			headers: { ...this.headers, 'content-type': 'application/json' },
			body: JSON.stringify({ data, id }),
			signal: AbortSignal.timeout(ANSWER_MS_MAX),
		});
		return json(response);
	}

	/**
	 * Publishes again and again, under one id, until it is acknowledged: for times when the server is
	 * being killed.
	 * @param {string} channel
	 * @param {unknown} data
	 * @param {string} id
	 */
	async publishWhatever(channel, data, id) {
		return until(
			`${id} to be published`,
			() =>
				this.publish(channel, data, id).catch((error) => {
					// A refusal will not get better; a server that is away comes back.
					if (error instanceof assert.AssertionError) return error;
					throw error;
				}),
			{ within: ANSWER_MS_MAX },
		).then((answer) => {
			if (answer instanceof Error) throw answer;
			return answer;
		});
	}

	/**
	 * @param {string | readonly string[]} channels
	 * @param {Record<string, string | number>} [query]
	 * @returns {Promise<Batch>}
	 */
	async poll(channels, query = {}) {
		const url = new URL('/v1/events', this.url);
		for (const channel of [channels].flat()) url.searchParams.append('channel', channel);
		for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value));
		return this.#read(url);
	}

	/**
	 * @param {string} channel
	 * @param {Record<string, string | number>} [query]
	 * @returns {Promise<{ messages: Message[], truncated: boolean }>}
	 */
	async history(channel, query = {}) {
		const url = new URL(`/v1/channels/${encodeURIComponent(channel)}/messages`, this.url);
		for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value));
		return this.#read(url);
	}

	/**
	 * @param {string} channel
	 * @returns {Promise<{ users: { user: string, since: number, connections: number }[], count: number }>}
	 */
	async presence(channel) {
		return this.#read(new URL(`/v1/channels/${encodeURIComponent(channel)}/presence`, this.url));
	}

	/** @param {URL} url */
	async #read(url) {
		return json(await this.fetch(url, { headers: this.headers, signal: AbortSignal.timeout(ANSWER_MS_MAX) }));
	}
}

/** @param {Response} response */
async function json(response) {
	const text = await response.text();
	// What is away comes back, and is no refusal.
	if (response.status === 503) throw new Error(`503 ${response.url}: ${text}`);
	assert.ok(response.ok, `${response.status} ${response.url}: ${text}`);
	return JSON.parse(text);
}
