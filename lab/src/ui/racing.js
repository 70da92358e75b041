/**
 * The racers side by side: how late messages come to each, and what that takes.
 *
 * @import { Lab } from '../lab.js'
 * @import { Racer, Choice } from '../racer.js'
 */

import { classes, html } from '/chat/src/ui/html.js';
import { Chart } from './chart.js';
import { useWords } from './settings.js';

/** From when on silence is worth a word, in ms: longer than any but the quietest stream takes. */
const SILENCE_TOLD_FROM = 7000;

/**
 * @param {object} props
 * @param {Lab} props.lab
 * @param {Racer[]} props.racers
 * @param {(choice: Choice) => void} props.inspect
 */
export function Racing({ lab, racers, inspect }) {
	const { t } = useWords();
	if (racers.length === 0) return html`<p class="card">${t('racer.none')}</p>`;
	return html`<section class="racers">
		${racers.map((racer) => html`<${Card} key=${racer.choice} lab=${lab} racer=${racer} inspect=${inspect} />`)}
	</section>`;
}

/**
 * @param {object} props
 * @param {Lab} props.lab
 * @param {Racer} props.racer
 * @param {(choice: Choice) => void} props.inspect
 */
function Card({ lab, racer, inspect }) {
	const { t, span, number, transport, why } = useWords();
	const { ledger, tally, total } = racer;
	const sum = (/** @type {'up' | 'down' | 'connections' | 'open'} */ name) => (total ? total.tcp[name] + total.udp[name] : 0);
	const bytes = sum('up') + sum('down');
	const behind = ledger.behind(lab.stored);
	// What of QUIC is overhead, its encryption hides.
	const share = bytes > 0 && total?.udp.up === 0 ? Math.min(100, (100 * tally.overhead) / bytes) : 0;
	const name = t(`racer.${racer.choice}`);
	const over = racer.choice === 'auto' && racer.using ? t('racer.over', { transport: transport(racer.using) }) : '';
	return html`<article class="card racer" data-lane=${racer.choice} data-using=${racer.using ?? ''}>
		<header>
			<h2>${name}</h2>
			<span class=${classes('state', racer.isOpen && 'is-open')} title=${why(racer.reason)}
				>${racer.isOpen ? t('racer.open') : t('racer.connecting')} ${over}</span
			>
			<button class="link" onClick=${() => inspect(racer.choice)}>${t('racer.inspect')}</button>
		</header>
		<${Chart} racer=${racer} label=${t('racer.chart', { name })} />
		<dl>
			<${Figure}
				name=${t('racer.latency')}
				value=${`${t('racer.last')} ${span(ledger.recent.at(-1)?.took)}`}
				more=${`p50 ${span(ledger.quantile(0.5))} · p99 ${span(ledger.quantile(0.99))}`}
			/>
			<div class="figure" data-received=${ledger.received} data-behind=${behind} data-doubled=${ledger.doubled} data-disordered=${ledger.disordered}>
				<dt>${t('racer.messages')}</dt>
				<dd>
					${number(ledger.received)}${' '}
					<small class=${classes(behind > 0 && 'warn')}>${number(behind)} ${t('racer.behind')}</small>${' '}
					<small class=${classes(ledger.doubled > 0 && 'bad')}>${number(ledger.doubled)} ${t('racer.doubled')}</small>${' '}
					<small class=${classes(ledger.disordered > 0 && 'bad')}>${number(ledger.disordered)} ${t('racer.disordered')}</small>
				</dd>
			</div>
			<${Figure} name=${t('racer.requests')} value=${number(tally.requests)} more="" />
			<${Figure} name=${t('racer.connections')} value=${number(sum('connections'))} more=${t('racer.nowOpen', { n: number(sum('open')) })} />
			<${Figure} name=${t('racer.bytes')} value=${`${number(sum('up'))} / ${number(sum('down'))}`} more="" />
			<${Figure}
				name=${t('racer.perMessage')}
				value=${ledger.received > 0 ? number(bytes / ledger.received) : '–'}
				more=${share > 0 ? t('racer.overhead', { share: number(share) }) : ''}
			/>
		</dl>
		<${Silence} lab=${lab} racer=${racer} />
	</article>`;
}

/**
 * @param {object} props
 * @param {string} props.name
 * @param {string} props.value
 * @param {string} props.more
 */
function Figure({ name, value, more }) {
	return html`<div class="figure">
		<dt>${name}</dt>
		<dd>${value} ${more && html`<small>${more}</small>`}</dd>
	</div>`;
}

/**
 * How long nothing has come, and what the heartbeat makes of it.
 * @param {object} props
 * @param {Lab} props.lab
 * @param {Racer} props.racer
 */
function Silence({ lab, racer }) {
	const { t } = useWords();
	const silent = performance.now() - racer.heardAt;
	const { interval, timeout, tries } = lab.heartbeat;
	if (silent < SILENCE_TOLD_FROM || !racer.isOpen) return null;
	const seconds = (/** @type {number} */ ms) => Math.round(ms / 1000);
	return html`<p class="silence" role="status">
		${t('racer.silence', { s: seconds(silent), ask: seconds(interval), dead: seconds(interval + tries * timeout) })}
	</p>`;
}
