/**
 * Finds the lab's words; those for transports, and for why one is in use, are the chat's.
 *
 * @import { Language } from '/chat/src/i18n/words.js'
 */

import { wordsOf as chatWordsOf } from '/chat/src/i18n/words.js';
import { explain } from '/chat/src/model/link.js';
import { en } from './en.js';
import { zhCN } from './zh-CN.js';

export { LANGUAGE_NAMES, pickLanguage } from '/chat/src/i18n/words.js';

/** @typedef {keyof typeof en} Key */

/**
 * @typedef {object} Words
 * @property {Language} language
 * @property {(key: Key, values?: Record<string, string | number>) => string} t
 * @property {(key: string) => string} maybe words, or nothing
 * @property {(name: string) => string} transport what it is called
 * @property {(reason: string) => string} why in the client's words, a transport is in use; empty: it does not say
 * @property {(value: number) => string} number
 * @property {(ms: number | undefined) => string} span
 */

/** @type {Record<Language, Record<string, string | undefined>>} */
const DICTIONARIES = { en, 'zh-CN': zhCN };

/**
 * @param {Language} language
 * @returns {Words}
 */
export function wordsOf(language) {
	const dictionary = DICTIONARIES[language];
	const chat = chatWordsOf(language);
	const numbers = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
	const exact = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
	return {
		language,
		t: (key, values = {}) => (dictionary[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole)),
		maybe: (key) => dictionary[key] ?? '',
		transport: (name) => chat.t(/** @type {import('/chat/src/i18n/words.js').Key} */ (`transport.${name}`)),
		why: (reason) => {
			const known = explain(reason);
			const transport = known?.of ? chat.t(`transport.${known.of}`) : '';
			return known ? chat.t(/** @type {import('/chat/src/i18n/words.js').Key} */ (known.key), { transport }) : '';
		},
		number: (value) => numbers.format(value),
		span: (ms) => (ms === undefined ? '–' : ms < 10 ? `${exact.format(ms)} ms` : ms < 10_000 ? `${numbers.format(ms)} ms` : `${exact.format(ms / 1000)} s`),
	};
}
