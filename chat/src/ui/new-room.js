/**
 * The dialog that makes a room.
 *
 * @import { Key } from '../i18n/words.js'
 */

import { useEffect, useRef, useState } from '../../vendor/preact-hooks.js';
import { roomFrom } from '../model/rooms.js';
import { Tile } from './avatar.js';
import { useWords } from './context.js';
import { html } from './html.js';

/**
 * @param {object} props
 * @param {(title: string) => Promise<Key | null>} props.onMake answers with what went wrong
 * @param {() => void} props.onClose
 */
export function NewRoom({ onMake, onClose }) {
	const { t } = useWords();
	const [title, setTitle] = useState('');
	const [fault, setFault] = useState(/** @type {Key | null} */ (null));
	const [isBusy, setBusy] = useState(false);
	const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
	useEffect(() => dialog.current?.showModal(), []);

	/** @param {SubmitEvent} event */
	const make = async (event) => {
		event.preventDefault();
		if (isBusy) return;
		setBusy(true);
		const wrong = await onMake(title);
		setBusy(false);
		setFault(wrong);
		if (wrong === null) onClose();
	};

	const { room } = roomFrom(title);
	return html`<dialog
		class="dialog"
		ref=${dialog}
		aria-labelledby="new-room-title"
		onClose=${onClose}
		onClick=${(/** @type {MouseEvent} */ event) => event.target === dialog.current && onClose()}
	>
		<form onSubmit=${make} novalidate>
			<h2 id="new-room-title">${t('rooms.new')}</h2>
			<label for="new-room-name">${t('rooms.name')}</label>
			<div class="field">
				${room !== null && html`<${Tile} name=${room.name} title=${room.title} />`}
				<input
					id="new-room-name"
					data-testid="room-name-input"
					value=${title}
					placeholder=${t('rooms.namePlaceholder')}
					autocomplete="off"
					enterkeyhint="done"
					aria-describedby="new-room-hint"
					aria-invalid=${fault !== null}
					onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => {
						setTitle(event.currentTarget.value);
						setFault(null);
					}}
				/>
			</div>
			<p id="new-room-hint" class=${fault === null ? 'hint' : 'hint fault'} role=${fault === null ? null : 'alert'}>
				${t(fault ?? 'rooms.hint')}
			</p>
			<div class="dialog-actions">
				<button type="button" class="quiet" onClick=${onClose}>${t('rooms.cancel')}</button>
				<button type="submit" class="primary" data-testid="create-room" disabled=${isBusy}>${t('rooms.create')}</button>
			</div>
		</form>
	</dialog>`;
}
