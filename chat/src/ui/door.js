/**
 * The way in: a name, or a token where the server asks for one.
 *
 * @import { Key } from '../i18n/words.js'
 */

import { useEffect, useRef, useState } from '../../vendor/preact-hooks.js';
import { nameFault } from '../model/names.js';
import { Avatar } from './avatar.js';
import { useWords } from './context.js';
import { html } from './html.js';
import { Mark, Tide } from './icons.js';
import { LanguageButton, ThemeButton } from './settings.js';

/**
 * @param {object} props
 * @param {"guest" | "token"} props.auth
 * @param {string} props.name the name used last
 * @param {Key | null} props.refusal why the reader is at the door again
 * @param {(credential: { name: string } | { token: string }) => void} props.onEnter
 */
export function Door({ auth, name: lastName, refusal, onEnter }) {
	const { t } = useWords();
	const [typed, setTyped] = useState(auth === 'guest' ? lastName : '');
	const [fault, setFault] = useState(/** @type {Key | null} */ (refusal));
	const input = useRef(/** @type {HTMLInputElement | null} */ (null));
	useEffect(() => input.current?.select(), []);

	/** @param {SubmitEvent} event */
	const enter = (event) => {
		event.preventDefault();
		const value = typed.trim();
		if (auth === 'token') {
			if (value === '') setFault('door.fault.token');
			else onEnter({ token: value });
		} else {
			const wrong = nameFault(value);
			if (wrong === null) onEnter({ name: value });
			else setFault(`door.fault.${wrong}`);
		}
		input.current?.focus();
	};

	const kind = auth === 'token' ? 'token' : 'name';
	return html`<main class="door">
		<${Tide} />
		<div class="door-settings"><${LanguageButton} /><${ThemeButton} /></div>
		<form class="door-card" onSubmit=${enter} novalidate>
			<div class="door-brand"><${Mark} /><span>Tidings</span></div>
			<h1>${t('door.title')}</h1>
			<p class="door-tagline">${t('app.tagline')}</p>
			<label for="door-input">${t(`door.${kind}`)}</label>
			<div class="field">
				${kind === 'name' && typed.trim() !== '' && html`<${Avatar} name=${typed.trim()} size="small" />`}
				<input
					id="door-input"
					ref=${input}
					data-testid=${`${kind}-input`}
					type="text"
					value=${typed}
					placeholder=${t(`door.${kind}Placeholder`)}
					autocomplete=${kind === 'name' ? 'nickname' : 'off'}
					autocapitalize=${kind === 'name' ? 'words' : 'off'}
					spellcheck=${false}
					enterkeyhint="go"
					aria-describedby="door-hint"
					aria-invalid=${fault !== null}
					autofocus
					onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => {
						setTyped(event.currentTarget.value);
						setFault(null);
					}}
				/>
			</div>
			<p id="door-hint" class=${fault === null ? 'hint' : 'hint fault'} role=${fault === null ? null : 'alert'}>
				${t(fault ?? `door.${kind}Hint`)}
			</p>
			<button type="submit" class="primary" data-testid="enter">${t('door.enter')}</button>
		</form>
	</main>`;
}
