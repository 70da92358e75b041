/**
 * Finds the words, dates and times of the reader's language.
 *
 * A language is one dictionary; everything else (plurals, dates, times) is left to the
 * browser's `Intl`.
 */

import { dayOf } from '../model/rows.js';
import { en } from './en.js';
import { zhCN } from './zh-CN.js';

/** @typedef {"en" | "zh-CN"} Language */
/** @typedef {keyof typeof en} Key */

/**
 * @typedef {object} Words
 * @property {Language} language
 * @property {(key: Key, values?: Record<string, string | number>) => string} t
 * @property {(stem: string, n: number) => string} plural words for a number of things
 * @property {(ms: number) => string} span whole milliseconds, at least one: 23 ms
 * @property {(at: number) => string} time 14:05, or 2:05 PM
 * @property {(at: number, now: number) => string} day Today, Yesterday, Monday 3 March
 * @property {(at: number, now: number) => string} brief a time today, else a short date
 * @property {(at: number) => string} full date and time
 */

/** @type {Record<Language, typeof en>} */
export const DICTIONARIES = { en, 'zh-CN': zhCN };

/** What each language calls itself. */
export const LANGUAGE_NAMES = /** @type {const} */ ({ en: 'English', 'zh-CN': '简体中文' });

/**
 * The first language that both the reader and the chat know; English if there is none.
 * @param {string | null} chosen what the reader chose before
 * @param {readonly string[]} preferred the browser's languages, best first
 * @returns {Language}
 */
export function pickLanguage(chosen, preferred) {
	for (const tag of chosen === null ? preferred : [chosen, ...preferred]) {
		if (/^zh\b/i.test(tag)) return 'zh-CN';
		if (/^en\b/i.test(tag)) return 'en';
	}
	return 'en';
}

/**
 * The reader's own variant of a language, for dates and times: `en-GB` says 14:05 and 3 March.
 * @param {Language} language
 * @param {readonly string[]} preferred the browser's languages, best first
 */
export function localeOf(language, preferred) {
	return (language === 'en' && preferred.find((tag) => /^en-/i.test(tag))) || language;
}

/**
 * @param {Language} language
 * @param {string} [locale] for dates and times
 * @returns {Words}
 */
export function wordsOf(language, locale = language) {
	/** @type {Record<string, string | undefined>} */
	const dictionary = DICTIONARIES[language];
	const plurals = new Intl.PluralRules(language);
	const numbers = new Intl.NumberFormat(language);
	const millis = new Intl.NumberFormat(language, { style: 'unit', unit: 'millisecond', maximumFractionDigits: 0 });
	const time = new Intl.DateTimeFormat(locale, { hour: 'numeric', minute: '2-digit' });
	const day = new Intl.DateTimeFormat(locale, { weekday: 'long', month: 'long', day: 'numeric' });
	const dayAndYear = new Intl.DateTimeFormat(locale, { year: 'numeric', month: 'long', day: 'numeric' });
	const date = new Intl.DateTimeFormat(locale, { month: 'short', day: 'numeric' });
	const full = new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeStyle: 'short' });

	/** @type {Words["t"]} */
	const t = (key, values) => filled(dictionary[key] ?? key, values);
	return {
		language,
		t,
		plural: (stem, n) =>
			filled(dictionary[`${stem}.${plurals.select(n)}`] ?? dictionary[`${stem}.other`] ?? stem, { n: numbers.format(n) }),
		span: (ms) => millis.format(Math.max(1, ms)),
		time: (at) => time.format(at),
		day: (at, now) => {
			if (dayOf(at) === dayOf(now)) return t('messages.today');
			const yesterday = new Date(now);
			yesterday.setDate(yesterday.getDate() - 1);
			if (dayOf(at) === dayOf(yesterday.getTime())) return t('messages.yesterday');
			return (new Date(at).getFullYear() === new Date(now).getFullYear() ? day : dayAndYear).format(at);
		},
		brief: (at, now) => (dayOf(at) === dayOf(now) ? time.format(at) : date.format(at)),
		full: (at) => full.format(at),
	};
}

/**
 * @param {string} text
 * @param {Record<string, string | number> | undefined} values
 */
function filled(text, values) {
	if (values === undefined) return text;
	return text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}
