/** The places in docs/ that a run writes anew: between two comments, what was measured. */

import { readFile, writeFile } from 'node:fs/promises';

const BEGIN = /<!-- measured.*-->\n/;
const END = '<!-- end of what was measured -->';

/**
 * @param {string} name of the page in docs/, which has one such place
 * @param {string} text Markdown
 */
export async function writeMeasured(name, text) {
	const file = new URL(`../../docs/${name}`, import.meta.url);
	const page = await readFile(file, 'utf8');
	const begin = BEGIN.exec(page);
	const end = page.indexOf(END);
	if (!begin || end < begin.index) throw new Error(`${file.pathname} has no place for what was measured`);
	await writeFile(file, `${page.slice(0, begin.index + begin[0].length)}\n${text}\n\n${page.slice(end)}`);
}
