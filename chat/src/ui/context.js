/**
 * What every part of the page may need: the reader's words and ways to change the settings.
 *
 * @import { Language, Words } from '../i18n/words.js'
 */

import { createContext } from '../../vendor/preact.js';
import { useContext } from '../../vendor/preact-hooks.js';
import { wordsOf } from '../i18n/words.js';

/** @typedef {"system" | "light" | "dark"} Theme */

/**
 * @typedef {object} Settings
 * @property {Words} words
 * @property {boolean} hasLab whether the server has a page that shows how messages travel
 * @property {Theme} theme
 * @property {(language: Language) => void} setLanguage
 * @property {(theme: Theme) => void} setTheme
 */

export const SettingsContext = createContext(
	/** @type {Settings} */ ({ words: wordsOf('en'), hasLab: false, theme: 'system', setLanguage() {}, setTheme() {} }),
);

/** @returns {Settings} */
export const useSettings = () => useContext(SettingsContext);

/** @returns {Words} */
export const useWords = () => useSettings().words;
