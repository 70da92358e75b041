/**
 * Two buttons: the next language, the next theme.
 *
 * @import { Theme } from './context.js'
 */

import { LANGUAGE_NAMES } from '../i18n/words.js';
import { useSettings } from './context.js';
import { html } from './html.js';
import { icons } from './icons.js';

/** @type {Record<Theme, Theme>} */
const NEXT_THEME = { system: 'light', light: 'dark', dark: 'system' };

export function LanguageButton() {
	const { words, setLanguage } = useSettings();
	const next = words.language === 'en' ? 'zh-CN' : 'en';
	const label = words.t('settings.switchLanguage', { language: LANGUAGE_NAMES[next] });
	return html`<button
		type="button"
		class="ghost language"
		data-testid="language"
		data-value=${words.language}
		aria-label=${label}
		title=${label}
		onClick=${() => setLanguage(next)}
	>
		<span lang=${next} aria-hidden="true">${next === 'en' ? 'EN' : '中'}</span>
	</button>`;
}

export function ThemeButton() {
	const { words, theme, setTheme } = useSettings();
	const label = words.t('settings.theme', { theme: words.t(`settings.theme.${theme}`) });
	return html`<button
		type="button"
		class="ghost"
		data-testid="theme"
		data-value=${theme}
		aria-label=${label}
		title=${label}
		onClick=${() => setTheme(NEXT_THEME[theme])}
	>
		${icons[theme]()}
	</button>`;
}
