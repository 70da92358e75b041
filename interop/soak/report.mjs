/** What a soak found, as text for people. Pure. */

/** @import { Verdict } from './checker.mjs' */
/** @import { Sample } from './meter.mjs' */
/** @import { Options } from './options.mjs' */

/**
 * @typedef {object} Kill
 * @property {string} what has failed
 * @property {number} at seconds since the soak began
 * @property {number} downMs until it was over
 * @property {number} back clients that were current again before the end
 * @property {number | undefined} halfMs from the kill until half of the clients were
 * @property {number | undefined} mostMs 99 of a hundred
 * @property {number | undefined} allMs all
 */

/**
 * @typedef {object} Report
 * @property {string} begun
 * @property {Options} options
 * @property {Omit<Verdict, 'returns'>} verdict
 * @property {Kill[]} kills
 * @property {Record<string, { count: number, ms: number }>} faults
 * @property {Record<string, Record<string, number>>} tallies
 * @property {Sample[][]} servers of each
 * @property {number} cpuSeconds of all lives of all servers
 * @property {number} seconds in all
 * @property {number | undefined} calmMs from good weather until everybody had everything
 */

/**
 * @param {string} what
 * @param {number} downMs
 * @param {number} at
 * @param {number[]} times of those who are back, in ms since the kill
 * @param {number} clients
 * @returns {Kill}
 */
export function judgeKill(what, downMs, at, times, clients) {
	const sorted = times.toSorted((a, b) => a - b);
	const when = (/** @type {number} */ share) => sorted[Math.ceil(share * clients) - 1];
	return { what, at, downMs, back: sorted.length, halfMs: when(0.5), mostMs: when(0.99), allMs: when(1) };
}

/** @param {Report} report */
export function asText({ begun, options, verdict, kills, faults, tallies, servers, cpuSeconds, seconds, calmMs }) {
	const { counts } = verdict;
	const lines = [
		`Tidings soak, ${begun}: ${options.clients} clients, ${options.minutes} min of bad weather, seed ${options.seed}`,
		'',
		`verdict        ${verdict.isGood ? 'GOOD' : 'BAD'}`,
		`lost ${counts.lost}, doubled ${counts.doubled}, out of order ${counts.disordered}, acknowledged and not in the log ${counts.unstored}, ` +
			`in the log twice ${counts.restored}, other than told ${counts.foreign}, else wrong ${counts.other}`,
		...verdict.faults.map((fault) => `  ${fault}`),
		'',
		`published      ${verdict.published} (${verdict.acknowledged} acknowledged)`,
		`delivered      ${verdict.delivered}, ${Math.round(verdict.delivered / seconds)} a second`,
		`checked        ${verdict.checked}, of ${verdict.followers} followers`,
		`calm           everybody had everything ${inSeconds(calmMs)} after the weather had cleared`,
		'',
		`${kills.length} times something failed; of the clients were current again, counted from then:`,
		'   at     over    50 %     99 %    100 %',
		...kills.map(({ what, at, downMs, back, halfMs, mostMs, allMs }) => {
			const whole = allMs === undefined ? `  ${back} of ${options.clients}` : inSeconds(allMs);
			return `${`${Math.round(at)} s`.padStart(6)} ${[downMs, halfMs, mostMs].map(inSeconds).join(' ')} ${whole}   ${what}`;
		}),
		'',
		'faults of the network',
		...table(Object.entries(faults).map(([name, { count, ms }]) => [name, `${count}, ${Math.round(ms / 1000)} s in all`])),
		...Object.entries(tallies).flatMap(([name, counts]) => ['', name, ...table(sorted(counts))]),
		'',
		`write gap      ${inSeconds(verdict.gapMs).trim()}: the longest time in which nothing was acknowledged`,
		`CPU            ${Math.round(cpuSeconds)} s, ${Math.round((100 * cpuSeconds) / seconds)} % of a core`,
		...servers.map((samples) => `resident       ${span(samples.map(({ rssKiB }) => rssKiB / 1024))} MiB`),
	];
	return `${lines.join('\n')}\n`;
}

/** @param {number | undefined} ms */
const inSeconds = (ms) => (ms === undefined ? 'never' : `${(ms / 1000).toFixed(1)} s`).padStart(8);

/** @param {number[]} values */
function span(values) {
	const [first = 0, last = 0] = [values[0], values.at(-1)];
	return `${Math.round(first)} at first, ${Math.round(Math.max(0, ...values))} at most, ${Math.round(last)} in the end`;
}

/** @param {Record<string, number>} counts @returns {[string, string][]} */
const sorted = (counts) =>
	Object.entries(counts)
		.sort(([, a], [, b]) => b - a)
		.map(([name, count]) => [name, String(count)]);

/** @param {[string, string][]} rows */
const table = (rows) => rows.map(([name, value]) => `  ${name.padEnd(60)} ${value}`);
