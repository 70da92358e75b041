/**
 * Shows how messages travel just now, and lets the reader choose another way.
 *
 * @import { Choice, Link } from '../model/link.js'
 */

import { TRANSPORTS } from '../model/link.js';
import { useWords } from './context.js';
import { html } from './html.js';
import { icons } from './icons.js';
import { useMenu } from './menu.js';

/** @param {{ link: Link, onChoose: (choice: Choice) => void }} props */
export function TransportBadge({ link, onChoose }) {
	const { t } = useWords();
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
			<div role="menu" aria-labelledby="transport-title">
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
			<p class="panel-note">${t('link.note')}</p>
		</div>`}
	</div>`;
}
