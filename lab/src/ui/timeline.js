/**
 * What happened in the last minute: a row for each racer, what was broken behind them, and the same in words.
 *
 * @import { Lab } from '../lab.js'
 * @import { Mark, Racer } from '../racer.js'
 * @import { Words } from '../i18n/words.js'
 * @import { Draw } from './canvas.js'
 */

import { html } from '/chat/src/ui/html.js';
import { Canvas } from './canvas.js';
import { useWords } from './settings.js';

/** How much of the past it shows, in ms. */
const SHOWN_MS = 60_000;
const ROW = 26;
/** Lines of the list: what a person reads. */
const LINES_MAX = 40;

/** How each mark looks: its colour, its width and how much of the row it takes. */
const LOOKS = /** @type {const} */ ({
	message: ['--lane', 1, 0.35],
	heartbeat: ['--lane-long-poll', 3, 0.5],
	open: ['--good', 2, 0.8],
	close: ['--ink-faint', 2, 0.8],
	lost: ['--warn', 2, 0.5],
	moved: ['--accent-ink', 4, 1],
	gone: ['--bad', 4, 1],
	back: ['--good', 4, 1],
});

/**
 * @param {object} props
 * @param {Lab} props.lab
 * @param {Racer[]} props.racers
 */
export function Timeline({ lab, racers }) {
	const words = useWords();
	const { t } = words;
	/** @type {Draw} */
	const draw = (pen, width, height, colour) => {
		const now = performance.now();
		const x = (/** @type {number} */ at) => width * (1 - (now - at) / SHOWN_MS);
		pen.font = '11px system-ui, sans-serif';
		let free = 0;
		for (const { from, to, what } of lab.stretches.items) {
			const [begin, end] = [Math.max(0, x(from)), x(to ?? now)];
			if (end < 0) continue;
			pen.fillStyle = colour('--broken');
			pen.fillRect(begin, 0, Math.max(2, end - begin), height);
			const name = t(`break.${what}`);
			const long = pen.measureText(name).width;
			const left = Math.min(begin + 3, width - long - 3);
			// Where another's name stands, the list tells.
			if (left < free) continue;
			pen.fillStyle = colour('--bad');
			pen.fillText(name, left, height - 4);
			free = left + long + 8;
		}
		racers.forEach((racer, row) => {
			const top = row * ROW;
			const lane = colour(`--lane-${racer.choice}`);
			for (const { at, kind } of racer.marks.items) {
				if (x(at) < 0) continue;
				const [name, thickness, part] = LOOKS[kind];
				pen.fillStyle = name === '--lane' ? lane : colour(name);
				const length = (ROW - 6) * part;
				pen.fillRect(x(at) - thickness, top + 3 + (ROW - 6 - length) / 2, thickness, length);
			}
			pen.fillStyle = colour('--line');
			pen.fillRect(0, top + ROW - 1, width, 1);
			pen.fillStyle = lane;
			pen.fillText(t(`racer.${racer.choice}`), 4, top + 12);
		});
	};
	return html`<section class="card timeline">
		<h2>${t('timeline.title')}</h2>
		<${Canvas} label=${t('timeline.label')} height=${Math.max(1, racers.length) * ROW + 18} draw=${draw} />
		<p class="legend">
			${/** @type {(keyof typeof LOOKS)[]} */ (Object.keys(LOOKS)).map(
				(kind) => html`<span data-mark=${kind}><i></i>${t(`legend.${kind}`)}</span>`,
			)}
		</p>
		<ol class="log">
			${said(lab, racers, words).map(
				({ at, who, choice, text }) =>
					html`<li key=${`${at} ${who} ${text}`}>
						<time>−${Math.round((performance.now() - at) / 1000)} s</time> <b data-lane=${choice}>${who}</b> ${text}
					</li>`,
			)}
		</ol>
	</section>`;
}

/**
 * What is worth a line, the newest first.
 * @param {Lab} lab
 * @param {Racer[]} racers
 * @param {Words} words
 */
function said(lab, racers, words) {
	const { t } = words;
	const ofRacers = racers.flatMap((racer) =>
		racer.marks.items.flatMap((mark) => {
			const text = sentence(mark, words);
			return text ? [{ at: mark.at, who: t(`racer.${racer.choice}`), choice: /** @type {string} */ (racer.choice), text }] : [];
		}),
	);
	const ofBreaks = lab.stretches.items.flatMap(({ what, from, to }) => {
		const line = (/** @type {number} */ at, /** @type {'log.broken' | 'log.mended'} */ key) => ({
			at,
			who: '',
			choice: '',
			text: t(key, { what: t(`break.${what}`) }),
		});
		const mended = to === undefined || what === 'cut' ? [] : [line(to, 'log.mended')];
		return [line(from, 'log.broken'), ...mended];
	});
	return [...ofRacers, ...ofBreaks].sort((a, b) => b.at - a.at).slice(0, LINES_MAX);
}

/**
 * @param {Mark} mark
 * @param {Words} words
 */
function sentence({ kind, name, reason = '' }, { t, transport, why }) {
	if (kind !== 'moved' && kind !== 'gone' && kind !== 'back') return '';
	const because = why(reason);
	const what = t(`log.${kind}`, { transport: name ? transport(name) : '' });
	return because ? `${what} (${because})` : what;
}
