/**
 * The whole page, from its head to the wire.
 *
 * @import { Lab } from '../lab.js'
 * @import { Choice } from '../racer.js'
 */

import { html } from '/chat/src/ui/html.js';
import { memoryOf } from '/chat/src/storage.js';
import { useEffect, useMemo, useState } from '/chat/vendor/preact-hooks.js';
import { CHOICES } from '../lab.js';
import { LANGUAGE_NAMES, pickLanguage, wordsOf } from '../i18n/words.js';
import { Controls } from './controls.js';
import { Racing } from './racing.js';
import { WordsContext } from './settings.js';
import { Timeline } from './timeline.js';
import { Tour } from './tour.js';
import { Wire } from './wire.js';

/** Kept where the chat keeps its own: who has chosen there has chosen here. */
const memory = memoryOf(() => localStorage);

const THEMES = /** @type {const} */ (['system', 'light', 'dark']);

/**
 * @param {object} props
 * @param {Lab | null} props.lab null: a token is asked for
 * @param {(token: string) => void} props.enter
 * @param {Choice[]} props.first who races where nothing else is said
 */
export function App({ lab, enter, first }) {
	const [language, setLanguage] = useState(() => pickLanguage(memory.recall('language'), navigator.languages));
	const [theme, setTheme] = useState(() => memory.recall('theme') ?? 'system');
	const [watched, setWatched] = useState(/** @type {Choice} */ ('websocket'));
	const words = useMemo(() => wordsOf(language), [language]);
	const { t } = words;

	useEffect(() => {
		document.documentElement.lang = language;
		document.documentElement.dataset['theme'] = theme;
		document.title = t('title');
	}, [language, theme]);

	/** @param {Choice} choice */
	const inspect = (choice) => {
		setWatched(choice);
		document.getElementById('wire')?.scrollIntoView({ behavior: 'smooth', block: 'start' });
	};
	const racers = lab ? CHOICES.flatMap((choice) => lab.racers.get(choice) ?? []) : [];
	return html`<${WordsContext.Provider} value=${words}>
		<header class="top">
			<div>
				<h1>${t('title')}</h1>
				<p>${t('lead')}</p>
			</div>
			<nav>
				<a href="/">${t('toChat')}</a>
				<label
					><span class="unseen">${t('language')}</span
					><select
						value=${language}
						onChange=${(/** @type {{ currentTarget: HTMLSelectElement }} */ { currentTarget }) => {
							const chosen = /** @type {typeof language} */ (currentTarget.value);
							memory.remember('language', chosen);
							setLanguage(chosen);
						}}
					>
						${Object.entries(LANGUAGE_NAMES).map(([tag, name]) => html`<option value=${tag}>${name}</option>`)}
					</select></label
				>
				<label
					><span class="unseen">${t('theme')}</span
					><select
						value=${theme}
						onChange=${(/** @type {{ currentTarget: HTMLSelectElement }} */ { currentTarget }) => {
							memory.remember('theme', currentTarget.value);
							setTheme(currentTarget.value);
						}}
					>
						${THEMES.map((name) => html`<option value=${name}>${t(`theme.${name}`)}</option>`)}
					</select></label
				>
			</nav>
		</header>
		${lab === null
			? html`<${Door} enter=${enter} />`
			: html`${lab.trouble && html`<p class="trouble" role="alert">${lab.trouble}</p>`}
					${lab.isOver && html`<p class="trouble" role="alert">${t('over')}</p>`}
					<${Tour} lab=${lab} first=${first} watch=${setWatched} />
					<${Controls} lab=${lab} />
					<${Racing} lab=${lab} racers=${racers} inspect=${inspect} />
					<${Timeline} lab=${lab} racers=${racers} />
					<${Wire} racers=${racers} watched=${watched} watch=${setWatched} />`}
	<//>`;
}

/**
 * Asks for a token.
 * @param {object} props
 * @param {(token: string) => void} props.enter
 */
function Door({ enter }) {
	const [token, setToken] = useState('');
	const { t } = useMemo(() => wordsOf(pickLanguage(memory.recall('language'), navigator.languages)), []);
	return html`<section class="card">
		<form
			onSubmit=${(/** @type {Event} */ event) => {
				event.preventDefault();
				enter(token.trim());
			}}
		>
			<label
				>${t('token')}
				<input
					type="password"
					value=${token}
					onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ { currentTarget }) => setToken(currentTarget.value)}
			/></label>
			<button class="button">${t('token.enter')}</button>
		</form>
	</section>`;
}
