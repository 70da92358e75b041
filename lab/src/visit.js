/**
 * A visit to the server's lab: its stream of lines, and what is asked of its lanes.
 *
 * @import { Network } from './model/breaks.js'
 */

/**
 * @typedef {object} Counts
 * @property {number} connections
 * @property {number} open
 * @property {number} up
 * @property {number} down
 * @property {number} lost
 *
 * @typedef {object} Line
 * @property {string} [visit] of the first one
 * @property {number} [now]
 * @property {number} [lane]
 * @property {number} [at]
 * @property {'tcp' | 'udp'} [wire]
 * @property {number} [connection]
 * @property {'open' | 'up' | 'down' | 'lost' | 'close' | 'refused'} [event]
 * @property {string} [bytes] base64
 * @property {number} [size]
 * @property {number} [missed]
 * @property {{ tcp: Counts, udp: Counts }} [total]
 */

export class Visit {
	#token;
	#name;

	/**
	 * @param {string} name
	 * @param {string} token
	 */
	constructor(name, token) {
		this.#name = name;
		this.#token = token;
	}

	/**
	 * Begins one; it lasts as long as the page.
	 * @param {string} token empty for a guest
	 * @param {(line: Line) => void} hear
	 * @param {() => void} over
	 */
	static async begin(token, hear, over) {
		const response = await fetch('/v1/lab', { headers: authorized(token), cache: 'no-store' });
		if (!response.ok || !response.body) throw new Error((await response.json()).detail);
		const lines = response.body.pipeThrough(new TextDecoderStream()).getReader();
		let rest = '';
		/** @type {string | undefined} */
		let name;
		const read = async () => {
			const { value, done } = await lines.read();
			if (done) return false;
			const all = (rest + value).split('\n');
			rest = all.pop() ?? '';
			for (const text of all) {
				/** @type {Line} */
				const line = JSON.parse(text);
				name ??= line.visit;
				hear(line);
			}
			return true;
		};
		while (name === undefined && (await read()));
		const reading = async () => {
			while (await read());
		};
		reading().catch(() => {}).finally(over);
		return new Visit(name ?? '', token);
	}

	/** @returns {Promise<{ lane: number, url: string }>} */
	async open() {
		return (await this.#ask('POST', '')).json();
	}

	/** @param {number} lane */
	close(lane) {
		return this.#ask('DELETE', `/${lane}`);
	}

	/**
	 * @param {number} lane
	 * @param {Network} network
	 */
	set(lane, network) {
		return this.#ask('PUT', `/${lane}/network`, network);
	}

	/** @param {number} lane */
	cut(lane) {
		return this.#ask('POST', `/${lane}/cut`, { how: 'reset' });
	}

	/**
	 * @param {string} method
	 * @param {string} path
	 * @param {object} [body]
	 */
	async #ask(method, path, body) {
		const url = `/v1/lab/${this.#name}/lanes${path}`;
		const response = await fetch(url, { method, headers: authorized(this.#token), body: body && JSON.stringify(body) });
		if (!response.ok) throw new Error((await response.json()).detail);
		return response;
	}
}

/**
 * @param {string} token
 * @returns {Record<string, string>}
 */
const authorized = (token) => (token ? { authorization: `Bearer ${token}` } : {});
