/**
 * Writes what the matrix found into docs/resilience.md:
 *
 *     node interop/resilience/write.mjs FINDINGS.json
 */

import { readFile, writeFile } from 'node:fs/promises';
import { render } from './table.mjs';

const PAGE = new URL('../../docs/resilience.md', import.meta.url);
const BEGIN = /<!-- measured.*-->\n/;
const END = '<!-- end of what was measured -->';

const [, , file] = process.argv;
if (!file) throw new Error('which findings? Give the file that TIDINGS_MATRIX named to matrix.test.mjs');
const page = await readFile(PAGE, 'utf8');
const begin = BEGIN.exec(page);
const end = page.indexOf(END);
if (!begin || end < begin.index) throw new Error(`${PAGE.pathname} has no place for a table`);
const table = render(JSON.parse(await readFile(file, 'utf8')));
await writeFile(PAGE, `${page.slice(0, begin.index + begin[0].length)}\n${table}\n\n${page.slice(end)}`);
