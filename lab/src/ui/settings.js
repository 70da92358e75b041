/**
 * What every part of the page needs: words, and what to look at.
 *
 * @import { Words } from '../i18n/words.js'
 */

import { createContext } from '/chat/vendor/preact.js';
import { useContext } from '/chat/vendor/preact-hooks.js';
import { wordsOf } from '../i18n/words.js';

export const WordsContext = createContext(/** @type {Words} */ (wordsOf('en')));

export const useWords = () => useContext(WordsContext);
