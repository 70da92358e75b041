/**
 * The latency of a racer as it moves by: a point for each message, higher the later it came, on a logarithm's scale.
 *
 * @import { Racer } from '../racer.js'
 * @import { Draw } from './canvas.js'
 */

import { html } from '/chat/src/ui/html.js';
import { Canvas } from './canvas.js';

/** How much of the past it shows, in ms. */
const SHOWN_MS = 30_000;
const HEIGHT = 96;
/** From the lowest line to the highest, in ms: from an idle machine to a heartbeat's patience. */
const LEAST_MS = 0.5;
const MOST_MS = 60_000;
/** Lines that are drawn and named. */
const LINES = /** @type {const} */ ([
	[1, '1 ms'],
	[10, '10 ms'],
	[100, '100 ms'],
	[1000, '1 s'],
	[10_000, '10 s'],
]);

/** @param {number} ms */
const heightOf = (ms) => Math.log(Math.min(MOST_MS, Math.max(LEAST_MS, ms)) / LEAST_MS) / Math.log(MOST_MS / LEAST_MS);

/**
 * @param {object} props
 * @param {Racer} props.racer
 * @param {string} props.label
 */
export function Chart({ racer, label }) {
	/** @type {Draw} */
	const draw = (pen, width, height, colour) => {
		const now = performance.now();
		const y = (/** @type {number} */ ms) => height - 4 - heightOf(ms) * (height - 8);
		pen.font = '10px system-ui, sans-serif';
		for (const [ms, name] of LINES) {
			pen.fillStyle = colour('--line');
			pen.fillRect(0, Math.round(y(ms)), width, 1);
			pen.fillStyle = colour('--ink-faint');
			pen.fillText(name, 2, y(ms) - 2);
		}
		pen.fillStyle = colour('--lane');
		for (const { at, took } of racer.ledger.recent) {
			const x = width * (1 - (now - at) / SHOWN_MS);
			if (x > 0) pen.fillRect(x - 1.5, y(took) - 1.5, 3, 3);
		}
	};
	return html`<${Canvas} label=${label} height=${HEIGHT} draw=${draw} />`;
}
