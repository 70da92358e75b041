/**
 * What one author wrote in one go.
 *
 * @import { GroupRow } from '../model/rows.js'
 * @import { Entry } from '../model/timeline.js'
 * @import { Words } from '../i18n/words.js'
 */

import { Component } from '../../vendor/preact.js';
import { hueOf } from '../model/names.js';
import { isEmojiOnly, pieces } from '../model/text.js';
import { Avatar } from './avatar.js';
import { classes, html } from './html.js';
import { icons } from './icons.js';

/**
 * @typedef {object} GroupProps
 * @property {GroupRow} row
 * @property {Words} words
 * @property {(id: string) => void} onRetry
 * @property {(id: string) => void} onDiscard
 */

/**
 * Drawn anew only when one of its messages changed: with thousands of messages on the
 * page a new one costs one group.
 * @extends {Component<GroupProps>}
 */
export class Group extends Component {
	/**
	 * @param {GroupProps} next
	 * @override
	 */
	shouldComponentUpdate({ row, words }) {
		const { row: drawn, words: spoken } = this.props;
		return words !== spoken || row.own !== drawn.own || !sameEntries(row.entries, drawn.entries);
	}

	/** @override */
	render() {
		const { row, words, onRetry, onDiscard } = this.props;
		const { t } = words;
		const first = row.entries[0];
		const last = row.entries[row.entries.length - 1];
		if (first === undefined || last === undefined) return null;

		return html`<li class=${classes('group', row.own && 'own')}>
			${!row.own && html`<${Avatar} name=${row.from} />`}
			<div class="stack">
				<p class=${classes('byline', row.own && 'unseen')}>
					<span class="author" style=${{ '--hue': hueOf(row.from) }}>${row.own ? t('people.you') : row.from}</span>
					<time datetime=${new Date(first.at).toISOString()} title=${words.full(first.at)}>${words.time(first.at)}</time>
				</p>
				${row.entries.map(
					(entry) => html`<div
						key=${entry.key}
						class=${classes('message', entry.delivery, isEmojiOnly(entry.text) && 'emoji-only')}
						data-testid="message"
						data-seq=${entry.seq}
						data-key=${entry.key}
						data-delivery=${entry.delivery}
					>
						<div class="bubble" title=${words.full(entry.at)}>${textOf(entry.text)}</div>
						${entry.delivery === 'failed' &&
						html`<p class="failure" role="alert">
							${icons.alert()}<span>${t('messages.failed')}</span>
							<button type="button" class="link" data-testid="retry" onClick=${() => onRetry(entry.id)}>${t('messages.retry')}</button>
							<button type="button" class="link" data-testid="discard" onClick=${() => onDiscard(entry.id)}>${t('messages.discard')}</button>
						</p>`}
					</div>`,
				)}
				${row.own && last.delivery !== 'failed' && html`<${Receipt} entry=${last} words=${words} />`}
			</div>
		</li>`;
	}
}

/** @param {{ entry: Entry, words: Words }} props */
function Receipt({ entry, words }) {
	const isSent = entry.delivery === 'sent';
	return html`<p class=${classes('receipt', entry.delivery)}>
		<time>${words.time(entry.at)}</time>
		${isSent ? icons.check() : icons.clock()}
		<span class="unseen">${words.t(isSent ? 'messages.sent' : 'messages.sending')}</span>
	</p>`;
}

/** @param {string} text */
function textOf(text) {
	return pieces(text).map(({ text: run, href }) =>
		href === undefined ? run : html`<a href=${href} target="_blank" rel="noopener noreferrer nofollow">${run}</a>`,
	);
}

/**
 * @param {Entry[]} a
 * @param {Entry[]} b
 */
function sameEntries(a, b) {
	return a.length === b.length && a.every((entry, i) => entry === b[i]);
}
