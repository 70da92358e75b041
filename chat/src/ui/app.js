/**
 * Chooses between the door and the chat, and holds the reader's settings.
 *
 * @import { Chat } from '../chat.js'
 * @import { Key } from '../i18n/words.js'
 * @import { Theme } from './context.js'
 * @import { Memory } from '../storage.js'
 */

import { useEffect, useMemo, useState } from '../../vendor/preact-hooks.js';
import { localeOf, pickLanguage, wordsOf } from '../i18n/words.js';
import { SettingsContext } from './context.js';
import { Door } from './door.js';
import { html } from './html.js';
import { Shell } from './shell.js';

/** @typedef {{ name: string } | { token: string }} Credential */

/**
 * @param {object} props
 * @param {"guest" | "token"} props.auth what the server asks for
 * @param {boolean} props.hasLab whether there is a page that shows how messages travel
 * @param {Memory} props.memory
 * @param {(credential: Credential, onRefused: (why: Key) => void) => Chat} props.startChat
 */
export function App({ auth, hasLab, memory, startChat }) {
	const [language, setLanguage] = useState(() => pickLanguage(memory.recall('language'), navigator.languages));
	const [theme, setTheme] = useState(() => themeOf(memory.recall('theme')));
	const [name, setName] = useState(memory.recall('name') ?? '');
	const [refusal, setRefusal] = useState(/** @type {Key | null} */ (null));
	const [chat, setChat] = useState(/** @type {Chat | null} */ (null));
	const words = useMemo(() => wordsOf(language, localeOf(language, navigator.languages)), [language]);

	/** @param {Credential} credential */
	const enter = (credential) => {
		if ('name' in credential) {
			memory.remember('name', credential.name);
			setName(credential.name);
		}
		setRefusal(null);
		const started = startChat(credential, (why) => {
			started.stop();
			setRefusal(why);
			setChat(null);
		});
		setChat(started);
	};

	// Who was here before goes straight in; leaving is what brings the door back.
	useEffect(() => {
		if (auth === 'guest' && name !== '') enter({ name });
	}, []);

	useEffect(() => {
		document.documentElement.lang = language;
		document.documentElement.dataset['theme'] = theme;
	}, [language, theme]);

	useEffect(() => {
		if (chat === null) document.title = 'Tidings';
	}, [chat]);

	const leave = () => {
		chat?.stop();
		memory.remember('name', null);
		setChat(null);
	};

	const settings = {
		words,
		hasLab,
		theme,
		setLanguage: (/** @type {typeof language} */ next) => {
			memory.remember('language', next);
			setLanguage(next);
		},
		setTheme: (/** @type {Theme} */ next) => {
			memory.remember('theme', next);
			setTheme(next);
		},
	};

	return html`<${SettingsContext.Provider} value=${settings}>
		${chat === null
			? html`<${Door} auth=${auth} name=${name} refusal=${refusal} onEnter=${enter} />`
			: html`<${Shell} key=${chat.id} chat=${chat} onLeave=${leave} />`}
	</${SettingsContext.Provider}>`;
}

/**
 * @param {string | null} stored
 * @returns {Theme}
 */
function themeOf(stored) {
	return stored === 'light' || stored === 'dark' ? stored : 'system';
}
