/** The top of a room: how it begins, and what to do where nobody has spoken yet. */

import { useState } from '../../vendor/preact-hooks.js';
import { Tile } from './avatar.js';
import { useWords } from './context.js';
import { classes, html } from './html.js';
import { icons } from './icons.js';

/** How long a button says that it has done its work. */
const DONE_SHOWN_MS = 2000;

/**
 * @param {object} props
 * @param {string} props.room
 * @param {string} props.title
 * @param {boolean} props.isEmpty
 * @param {boolean} props.isTruncated
 * @param {(text: string) => void} props.onSend
 */
export function RoomBeginning({ room, title, isEmpty, isTruncated, onSend }) {
	const { t } = useWords();
	const [isCopied, setCopied] = useState(false);

	const copyLink = async () => {
		try {
			await navigator.clipboard.writeText(location.href);
			setCopied(true);
			setTimeout(() => setCopied(false), DONE_SHOWN_MS);
		} catch {
			// The address bar still has it.
		}
	};

	return html`<div class=${classes('beginning', isEmpty && 'empty')}>
		<${Tile} name=${room} title=${title} size="large" />
		${isEmpty
			? html`<h2>${t('messages.emptyTitle', { room: title })}</h2>
					<p>${t('messages.emptyHint')}</p>
					<div class="beginning-actions">
						<button type="button" class="primary" data-testid="wave" onClick=${() => onSend(t('messages.waveText'))}>${t('messages.wave')}</button>
						<button type="button" class="quiet" onClick=${copyLink}>
							${isCopied ? icons.check() : icons.link()}<span role="status">${t(isCopied ? 'messages.linkCopied' : 'messages.copyLink')}</span>
						</button>
					</div>`
			: html`<p>${isTruncated ? t('messages.truncated') : t('messages.beginning', { room: title })}</p>`}
	</div>`;
}
