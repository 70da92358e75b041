/** What was found, as tables to read: one for each place, a row for each fault. */

import { COLUMNS, FAULTS, PLACES, WAYS } from './faults.mjs';
import { sum } from './tally.mjs';

/** @import { Result } from './cell.mjs' */
/** @import { Place } from './faults.mjs' */

/**
 * @typedef {object} Findings
 * @property {string} made when and on what
 * @property {Partial<Record<Place, string>>} versions of what was run
 * @property {Result[]} results
 */

/** @type {Record<Place, string>} */
const TITLES = { chromium: 'Chromium', firefox: 'Firefox', node: 'Node' };

/**
 * @param {Findings} findings
 * @returns {string} Markdown
 */
export function render({ made, versions, results }) {
	const lines = [made, ''];
	for (const place of PLACES) {
		const here = results.filter((result) => result.place === place);
		if (here.length === 0) continue;
		lines.push(`### ${TITLES[place]} ${versions[place] ?? ''}`.trim(), '');
		const columns = COLUMNS.filter((column) => (WAYS[column].places ?? PLACES).includes(place));
		lines.push(`| | ${columns.join(' | ')} |`, `|---${'|---'.repeat(columns.length)}|`);
		for (const { name } of FAULTS) {
			const row = here.filter(({ fault }) => fault === name);
			if (row.length === 0) continue;
			const cells = columns.map((column) => cell(row.find((result) => result.column === column)));
			lines.push(`| ${name} | ${cells.join(' | ')} |`);
		}
		lines.push('', totals(here), '');
	}
	return lines.join('\n').trimEnd();
}

/** @param {Result | undefined} result */
function cell(result) {
	if (!result) return '';
	const { noticed, useful, lifted, cold, again, transport, column, broken } = result;
	const parts = [];
	if (!cold) parts.push(noticed === undefined ? '–' : tenths(noticed), '/');
	parts.push(useful === undefined ? 'never' : `${lifted ? '+' : ''}${tenths(useful)}`);
	if (again !== undefined) parts.push(`(${hundredths(again)})`);
	const { transport: wished, climbs = 'websocket' } = WAYS[column];
	if (wished === 'auto' && transport !== climbs) parts.push(`→ ${transport}`);
	if (broken.length > 0) parts.push('✗');
	return parts.join(' ');
}

/** @param {Result[]} results */
function totals(results) {
	const { checked, lost, doubled, disordered } = sum(results.map(({ tally }) => tally));
	const broken = results.filter((result) => result.broken.length > 0).length;
	const repeats = results.filter(({ isRepeat }) => isRepeat).length;
	const kept = broken === 0 ? 'every promise kept' : `${broken} with a promise not kept (✗)`;
	const messages = `${checked.toLocaleString('en')} messages: ${lost} lost, ${doubled} doubled, ${disordered} out of order`;
	const late = repeats ? `, ${repeats} of them late at first and tried again alone` : '';
	return `${results.length} cells${late}: ${kept}. ${messages}.`;
}

/** @param {number} seconds */
const tenths = (seconds) => seconds.toFixed(1);

/** @param {number} seconds */
const hundredths = (seconds) => seconds.toFixed(2);
