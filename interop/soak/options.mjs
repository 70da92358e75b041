/** What a soak is asked for. */

import { parseArgs } from 'node:util';

/**
 * @typedef {object} Options
 * @property {number} minutes of bad weather
 * @property {number} clients
 * @property {number} rate messages published in a second, by all of them
 * @property {number} seed of the weather
 * @property {number} every seconds something fails; 0: as usual
 * @property {'embedded' | 'nats'} engine one server with a log of its own, or three on a NATS cluster of three
 * @property {string} out folder of the report
 */

/** Each option: its default, its bounds, and what it is. */
const NUMBERS = {
	minutes: { usual: 15, least: 0.5, most: 24 * 60, about: 'of bad weather' },
	clients: { usual: 2000, least: 20, most: 20_000, about: 'over all transports' },
	rate: { usual: 40, least: 1, most: 10_000, about: 'messages published in a second, by all of them' },
	every: { usual: 0, least: 0, most: 3600, about: 'seconds between two failures; 0: 60, with NATS 30' },
	seed: { usual: 1, least: 0, most: 2 ** 31, about: "of the weather's dice" },
};

/**
 * @param {string[]} words
 * @returns {Options}
 * @throws {TypeError} for what cannot be understood
 */
export function parse(words) {
	const names = /** @type {(keyof typeof NUMBERS)[]} */ (Object.keys(NUMBERS));
	const options = Object.fromEntries([...names, 'engine', 'out'].map((name) => [name, { type: /** @type {const} */ ('string') }]));
	const values = /** @type {Record<string, string | undefined>} */ (parseArgs({ args: words, options }).values);
	const number = (/** @type {keyof typeof NUMBERS} */ name) => {
		const { usual, least, most } = NUMBERS[name];
		const value = Number(values[name] ?? usual);
		if (!(value >= least && value <= most)) throw new TypeError(`--${name} is ${least} to ${most}, not ${values[name]}`);
		return value;
	};
	const engine = values['engine'] ?? 'embedded';
	if (engine !== 'embedded' && engine !== 'nats') throw new TypeError(`--engine is embedded or nats, not ${engine}`);
	return {
		engine,
		minutes: number('minutes'),
		clients: Math.round(number('clients')),
		rate: number('rate'),
		seed: number('seed'),
		every: number('every'),
		out: values['out'] ?? 'target/soak',
	};
}

/** How it is called. */
export const USAGE = Object.entries(NUMBERS)
	.map(([name, { usual, about }]) => `  --${name} N`.padEnd(16) + `${about}; default ${usual}\n`)
	.concat('  --engine NAME  '.padEnd(16) + 'embedded, or nats: three servers on three of NATS; default embedded\n')
	.concat(`  --out FOLDER`.padEnd(16) + 'of the report; default target/soak\n')
	.join('');
