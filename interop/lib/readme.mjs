/** What the READMEs promise, word for word, so that the tests can hold them to it. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const READMES = ['README.md', 'README.zh-CN.md'];

/** The address that the examples speak to. */
const ADDRESS = 'http://127.0.0.1:7007';

/**
 * The examples in one language, for another address than the usual one.
 * @param {string} readme
 * @param {string} language of the fenced block, such as `sh`
 * @param {string} url
 */
export function examples(readme, language, url) {
	const text = readFileSync(fileURLToPath(new URL(`../../${readme}`, import.meta.url)), 'utf8');
	const blocks = text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'));
	return Array.from(blocks, ([, block]) => String(block).replaceAll(ADDRESS, url));
}

/** The `curl` commands in a text. @param {string} text */
export const curls = (text) => Array.from(text.matchAll(/^\s*(curl .*)$/gm), ([, command]) => String(command));
