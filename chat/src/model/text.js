/**
 * A message's text, cut into plain runs and links.
 *
 * Nothing here makes markup: the pieces become text nodes and `href`s of `http:` and
 * `https:` only, so a message can't bring a script.
 */

/** @typedef {{ text: string, href?: string }} Piece */

/** Characters in one message; a page of prose, and far below the server's body limit. */
export const TEXT_LENGTH_MAX = 4000;

// Chinese text has no space after a link: stop at CJK punctuation and characters as well.
const LINK = /\bhttps?:\/\/[^\s<>"'`\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]+/gi;

/**
 * @param {string} text
 * @returns {Piece[]}
 */
export function pieces(text) {
	/** @type {Piece[]} */
	const out = [];
	let done = 0;
	for (const match of text.matchAll(LINK)) {
		const link = withoutTail(match[0]);
		if (!isWebAddress(link)) continue;
		if (match.index > done) out.push({ text: text.slice(done, match.index) });
		out.push({ text: link, href: link });
		done = match.index + link.length;
	}
	if (done < text.length) out.push({ text: text.slice(done) });
	return out;
}

/**
 * A sentence's full stop and an unopened bracket are not part of its last link.
 * @param {string} link
 */
function withoutTail(link) {
	let end = link.length;
	while (end > 0) {
		const last = link[end - 1] ?? '';
		if ('.,;:!?*_~'.includes(last)) end--;
		else if (last === ')' && count(link.slice(0, end), ')') > count(link.slice(0, end), '(')) end--;
		else if (last === ']' && count(link.slice(0, end), ']') > count(link.slice(0, end), '[')) end--;
		else break;
	}
	return link.slice(0, end);
}

/**
 * @param {string} text
 * @param {string} char
 */
function count(text, char) {
	return text.split(char).length - 1;
}

/** @param {string} link */
function isWebAddress(link) {
	try {
		const url = new URL(link);
		return (url.protocol === 'http:' || url.protocol === 'https:') && url.hostname !== '';
	} catch {
		return false;
	}
}

const EMOJI_ONLY =
	/^(?:(?:\p{Emoji_Presentation}|\p{Extended_Pictographic}\ufe0f?)[\p{Emoji_Modifier}\ufe0f]*(?:\u200d\p{Extended_Pictographic}[\p{Emoji_Modifier}\ufe0f]*)*|\p{Regional_Indicator}{2}|\s)+$/u;

/**
 * Whether a message is one to three emoji and nothing else: it is then shown large.
 * @param {string} text
 */
export function isEmojiOnly(text) {
	if (text.length > 40 || !EMOJI_ONLY.test(text)) return false;
	const graphemes = [...new Intl.Segmenter().segment(text)].filter((part) => part.segment.trim() !== '');
	return graphemes.length >= 1 && graphemes.length <= 3;
}

/**
 * What to show for a message's `data`: the chat writes `{"text"}`, but anybody may
 * publish into a room with `curl`, and what they say is shown too.
 * @param {unknown} data
 * @returns {string}
 */
export function textOf(data) {
	if (typeof data === 'string') return data;
	if (typeof data === 'object' && data !== null && 'text' in data && typeof data.text === 'string') return data.text;
	return JSON.stringify(data) ?? '';
}
