/**
 * Five minutes, step by step: each sets the lab up, and says what to look at.
 *
 * @import { Lab } from '../lab.js'
 * @import { Choice } from '../racer.js'
 */

import { html } from '/chat/src/ui/html.js';
import { useState } from '/chat/vendor/preact-hooks.js';
import { useWords } from './settings.js';

/**
 * @typedef {object} Step
 * @property {(lab: Lab) => Promise<void>} begin
 * @property {Choice} watched
 */

/** @type {Step[]} */
const STEPS = [
	{
		// Anew, so that the handshake is seen.
		begin: async (lab) => {
			await lab.race('websocket', false);
			await lab.race('websocket', true);
		},
		watched: 'websocket',
	},
	{ begin: async (lab) => lab.setRate(1), watched: 'poll' },
	{ begin: (lab) => lab.cut(), watched: 'sse' },
	{ begin: (lab) => lab.break('silence', true), watched: 'websocket' },
	{
		begin: async (lab) => {
			await lab.break('udp', true);
			await lab.break('websocket', true);
		},
		watched: 'auto',
	},
	{
		begin: async (lab) => {
			lab.setRate(20);
			await lab.break('loss', true);
		},
		watched: 'webtransport',
	},
];

/**
 * @param {object} props
 * @param {Lab} props.lab
 * @param {Choice[]} props.first
 * @param {(choice: Choice) => void} props.watch
 */
export function Tour({ lab, first, watch }) {
	const { t } = useWords();
	const [step, setStep] = useState(-1);
	/** @param {number} next */
	const go = async (next) => {
		const { begin, watched } = STEPS[next] ?? {};
		setStep(next);
		await lab.mend();
		for (const choice of first) await lab.race(choice, true);
		await begin?.(lab);
		if (watched) watch(watched);
	};
	const key = (/** @type {number} */ at, /** @type {'title' | 'text'} */ what) =>
		t(/** @type {import('../i18n/words.js').Key} */ (`tour.${at + 1}.${what}`));
	return html`<section class="card tour">
		<h2>${t('tour.title')}</h2>
		<ol>
			${STEPS.map(
				(_, at) =>
					html`<li key=${at} class=${at === step ? 'is-on' : ''}>
						<button class="step" aria-expanded=${at === step} data-step=${at + 1} onClick=${() => go(at)}>
							<span>${at + 1}</span>${key(at, 'title')}
						</button>
					</li>`,
			)}
		</ol>
		${step >= 0 && html`<p role="status">${key(step, 'text')}</p>`}
	</section>`;
}
