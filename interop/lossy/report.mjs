/** What was measured, to read and as a picture. Pure. */

/** @typedef {'messages' | 'signals'} Kind */

/** @typedef {{ n: number, ms: number }} Heard a message, and how long after it was made it was there */

/**
 * @typedef {object} Run
 * @property {Kind} kind
 * @property {number} loss the share of packets that were to be lost, each way
 * @property {number} made how many were published
 * @property {{ passed: number, lost: number }} packets
 * @property {Record<string, Heard[]>} heard by transport
 */

/** @typedef {{ p50: number, p90: number, p99: number, max: number, missing: number }} Summary in ms */

/** @type {Record<string, string>} */
const NAMES = { websocket: 'WebSocket', webtransport: 'WebTransport' };

/**
 * @param {readonly Heard[]} heard
 * @param {number} made
 * @returns {Summary}
 */
export function summarize(heard, made) {
	const sorted = heard.map(({ ms }) => ms).toSorted((one, other) => one - other);
	// The least that so many are no slower than.
	const quantile = (/** @type {number} */ share) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
	const missing = made - new Set(heard.map(({ n }) => n)).size;
	return { p50: quantile(0.5), p90: quantile(0.9), p99: quantile(0.99), max: quantile(1), missing };
}

/** @param {number} share */
const percent = (share) => `${Math.round(share * 1000) / 10} %`;

/** @param {Kind} kind @param {string} transport */
const nameOf = (kind, transport) =>
	kind === 'messages' ? NAMES[transport] : transport === 'webtransport' ? 'WebTransport, datagrams' : `${NAMES[transport]}, signals`;

/**
 * @param {string} title when it was measured, and on what
 * @param {readonly Run[]} runs
 * @returns {string} Markdown
 */
export function table(title, runs) {
	const lines = [title, '', '| packets lost, each way | | p50 | p90 | p99 | max | not come |', '|---|---|---|---|---|---|---|'];
	for (const { kind, loss, made, packets, heard } of runs) {
		for (const [transport, list] of Object.entries(heard)) {
			const { p50, p90, p99, max, missing } = summarize(list, made);
			const times = [p50, p90, p99, max].map((ms) => `${ms.toFixed(0)} ms`).join(' | ');
			const dealt = packets.lost / (packets.lost + packets.passed);
			lines.push(`| ${percent(loss)} (${percent(dealt)}) | ${nameOf(kind, transport)} | ${times} | ${missing} of ${made.toLocaleString('en')} |`);
		}
	}
	return lines.join('\n');
}

const WIDTH = 760;
const TOP = 64;
const ROW = 28;
const BAR = 16;
/** Names stand to the left of this. */
const LEFT = 240;
/** The longest line ends here; its figures stand to the right. */
const RIGHT = 590;

/** As the plots of docs/benchmarks: black on white or white on black, as the reader's page is. */
const STYLE =
	'text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-size:15px;font-weight:600}.note{fill:#59636e}' +
	'.bar{fill:#9aa7b4}.ours{fill:#2563eb}.range{stroke:#1f2328;stroke-width:1.5;fill:none}.axis{stroke:#d1d9e0}' +
	'@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.note{fill:#9198a1}.bar{fill:#59636e}.ours{fill:#60a5fa}' +
	'.range{stroke:#f0f6fc}.axis{stroke:#3d444d}}';

/**
 * Medians as bars, and a line from each to its p99.
 * @param {string} title
 * @param {readonly Run[]} runs
 * @returns {string} SVG
 */
export function plot(title, runs) {
	const rows = runs.flatMap(({ kind, loss, made, heard }) =>
		Object.entries(heard).map(([transport, list]) => ({
			name: `${nameOf(kind, transport)}, ${percent(loss)}`,
			isOurs: transport === 'webtransport',
			...summarize(list, made),
		})),
	);
	const most = Math.max(1, ...rows.map(({ p99 }) => p99));
	const x = (/** @type {number} */ ms) => LEFT + ((RIGHT - LEFT) * ms) / most;
	const height = TOP + ROW * rows.length + 12;
	const lines = [
		`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${title}">`,
		`<style>${STYLE}</style>`,
		`<text class="title" x="8" y="22">${title}</text>`,
		`<text class="note" x="8" y="44">bar: the median; line: to the 99th percentile; by the share of packets that is lost each way</text>`,
		`<path class="axis" d="M${LEFT} ${TOP - 6}V${height - 8}"/>`,
	];
	rows.forEach(({ name, isOurs, p50, p99 }, row) => {
		const top = TOP + ROW * row;
		const [middle, baseline] = [top + ROW / 2, top + ROW / 2 + 4.5];
		lines.push(
			`<text x="${LEFT - 8}" y="${baseline}" text-anchor="end">${name}</text>` +
				`<rect class="bar${isOurs ? ' ours' : ''}" x="${LEFT}" y="${top + (ROW - BAR) / 2}" width="${(x(p50) - LEFT).toFixed(1)}" height="${BAR}" rx="2"/>` +
				`<path class="range" d="M${x(p50).toFixed(1)} ${middle}H${x(p99).toFixed(1)}"/>` +
				`<text x="${(x(p99) + 8).toFixed(1)}" y="${baseline}">${p50.toFixed(0)} / ${p99.toFixed(0)} ms</text>`,
		);
	});
	return [...lines, '</svg>', ''].join('\n');
}
