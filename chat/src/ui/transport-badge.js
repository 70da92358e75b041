/**
 * Shows how messages travel just now, and lets the reader choose another way.
 *
 * @import { Choice, Link } from '../model/link.js'
 */

import { explain, TRANSPORTS } from '../model/link.js';
import { useSettings, useWords } from './context.js';
import { html } from './html.js';
import { icons } from './icons.js';
import { useMenu } from './menu.js';

/** @param {{ link: Link, onChoose: (choice: Choice) => void }} props */
export function TransportBadge({ link, onChoose }) {
	const { t } = useWords();
	const { hasLab } = useSettings();
	const menu = useMenu();
	const name = link.transport === null ? t('link.choosing') : t(`transport.${link.transport}`);
	const state = t(`link.state.${link.state}`);

	return html`<div class="menu" ref=${menu.root} onKeyDown=${menu.onKeyDown}>
		<button
			type="button"
			class="badge"
			data-testid="transport-badge"
			data-transport=${link.transport ?? ''}
			data-state=${link.state}
			aria-haspopup="menu"
			aria-expanded=${menu.isOpen}
			aria-label=${t('link.menu', { transport: name, state })}
			onClick=${menu.toggle}
		>
			<span class="dot"></span><span class="badge-name">${name}</span>${icons.chevron()}
		</button>
		${menu.isOpen &&
		html`<div class="panel transport-panel">
			<p class="panel-title" id="transport-title">${t('link.title')}</p>
			<p class="panel-state" data-state=${link.state}><span class="dot"></span>${link.transport !== null && `${name} · `}${state}</p>
			${link.state === 'live' && html`<${Facts} link=${link} />`}
			<div role="menu" aria-labelledby="transport-title" aria-describedby="transport-facts">
				${TRANSPORTS.map(
					(choice) => html`<button
						type="button"
						role="menuitemradio"
						tabindex="-1"
						class="option"
						data-testid=${`transport-option-${choice}`}
						aria-checked=${choice === link.choice}
						onClick=${() => {
							onChoose(choice);
							menu.close();
						}}
					>
						<span class="option-text">
							<span class="option-name">${t(`transport.${choice}`)}</span>
							<span class="option-hint">${t(`transport.${choice}.hint`)}</span>
						</span>
						${choice === link.choice && icons.check()}
					</button>`,
				)}
			</div>
			<p class="panel-note">
				${t('link.note')} ${hasLab && html`<a href="/lab" target="_blank">${t('link.lab')}</a>`}
			</p>
		</div>`}
	</div>`;
}

/**
 * How quick the way is, and why it is this one. It is read out with the menu, and not at each change.
 * @param {{ link: Link }} props
 */
function Facts({ link: { roundTripTime, reason } }) {
	const { t, span } = useWords();
	const why = explain(reason);
	const words = why === null ? reason : t(why.key, { transport: why.of === null ? '' : t(`transport.${why.of}`) });

	return html`<dl class="panel-facts" id="transport-facts">
		${roundTripTime !== null && html`<div><dt>${t('link.roundTrip')}</dt><dd data-testid="round-trip">${span(roundTripTime)}</dd></div>`}
		${words !== '' && html`<div><dt>${t('link.why')}</dt><dd data-testid="transport-reason">${words}</dd></div>`}
	</dl>`;
}
