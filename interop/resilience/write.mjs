/**
 * Writes what the matrix found into docs/resilience.md:
 *
 *     node interop/resilience/write.mjs FINDINGS.json
 */

import { readFile } from 'node:fs/promises';
import { writeMeasured } from '../lib/measured.mjs';
import { render } from './table.mjs';

const [, , file] = process.argv;
if (!file) throw new Error('which findings? Give the file that TIDINGS_MATRIX named to matrix.test.mjs');
await writeMeasured('resilience.md', render(JSON.parse(await readFile(file, 'utf8'))));
