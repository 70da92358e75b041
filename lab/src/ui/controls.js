/**
 * Who races, how much is said, and what is broken.
 *
 * @import { Lab } from '../lab.js'
 * @import { Break } from '../model/breaks.js'
 */

import { classes, html } from '/chat/src/ui/html.js';
import { useState } from '/chat/vendor/preact-hooks.js';
import { CHOICES, RATE } from '../lab.js';
import { BREAKS } from '../model/breaks.js';
import { useWords } from './settings.js';

/** Steps of the slider, which is a logarithm: from the least rate to the highest. */
const STEPS = 20;

/** @param {number} step */
const rateAt = (step) => RATE.least * (RATE.most / RATE.least) ** (step / STEPS);
/** @param {number} rate */
const stepOf = (rate) => Math.round((Math.log(rate / RATE.least) / Math.log(RATE.most / RATE.least)) * STEPS);

/**
 * @param {object} props
 * @param {Lab} props.lab
 */
export function Controls({ lab }) {
	const { t, language } = useWords();
	const [explained, setExplained] = useState(/** @type {Break | 'cut' | null} */ (null));
	const { interval, timeout, tries } = lab.heartbeat;
	const patience = { ask: interval / 1000, dead: (interval + tries * timeout) / 1000 };
	const rate = new Intl.NumberFormat(language, { maximumSignificantDigits: 2 }).format(lab.rate);
	return html`<section class="card controls" aria-label=${t('controls.break')}>
		<fieldset>
			<legend>${t('controls.race')}</legend>
			<div class="choices">
				${CHOICES.map(
					(choice) =>
						html`<label class="chip" data-lane=${choice}
							><input
								type="checkbox"
								checked=${lab.wanted.has(choice)}
								onChange=${(/** @type {{ currentTarget: HTMLInputElement }} */ { currentTarget }) =>
									lab.race(choice, currentTarget.checked)}
							/>${t(`racer.${choice}`)}</label
						>`,
				)}
			</div>
		</fieldset>
		<label class="rate"
			><span>${t('controls.rate')}: <output>${rate}</output></span
			><input
				type="range"
				min="0"
				max=${STEPS}
				value=${stepOf(lab.rate)}
				onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ { currentTarget }) =>
					lab.setRate(rateAt(Number(currentTarget.value)))}
		/></label>
		<fieldset class="breaks">
			<legend>${t('controls.break')}</legend>
			<div class="choices">
				<button
					class="button"
					data-break="cut"
					onClick=${() => {
						setExplained('cut');
						lab.cut();
					}}
				>
					${t('break.cut')}
				</button>
				${BREAKS.map(
					(what) =>
						html`<button
							class=${classes('button', lab.breaks.has(what) && 'is-broken')}
							data-break=${what}
							aria-pressed=${lab.breaks.has(what)}
							onClick=${() => {
								setExplained(what);
								lab.break(what, !lab.breaks.has(what));
							}}
						>
							${t(`break.${what}`)}
						</button>`,
				)}
				<button class="button mend" data-break="mend" disabled=${lab.breaks.size === 0} onClick=${() => lab.mend()}>
					${t('controls.mend')}
				</button>
			</div>
			${explained && html`<p class="why" role="status">${t(`break.${explained}.why`, patience)}</p>`}
		</fieldset>
	</section>`;
}
