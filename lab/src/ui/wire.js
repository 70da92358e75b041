/**
 * What is on the wire of a racer, the newest first; each thing opens to what can be read of it.
 *
 * @import { Choice, Entry, Racer } from '../racer.js'
 */

import { classes, html } from '/chat/src/ui/html.js';
import { useState } from '/chat/vendor/preact-hooks.js';
import { isHeartbeat } from '../model/tally.js';
import { OPCODES } from '../wire/frames.js';
import { Detail } from './detail.js';
import { useWords } from './settings.js';

/** Rows that are shown: some screens. */
const ROWS_MAX = 80;

const FILTERS = /** @type {const} */ (['all', 'http', 'frames', 'heartbeats', 'connections']);
/** @typedef {(typeof FILTERS)[number]} Filter */

/** @type {Record<Filter, (entry: Entry) => boolean>} */
const PASSES = {
	all: () => true,
	http: ({ kind }) => kind === 'request' || kind === 'answer' || kind === 'body',
	frames: ({ kind }) => kind === 'frame' || kind === 'event' || kind === 'datagram',
	heartbeats: ({ seen, text = '' }) => seen !== undefined && isHeartbeat(seen, text),
	connections: ({ kind }) => kind === 'open' || kind === 'close' || kind === 'refused' || kind === 'lost',
};

/**
 * @param {object} props
 * @param {Racer[]} props.racers
 * @param {Choice} props.watched
 * @param {(choice: Choice) => void} props.watch
 */
export function Wire({ racers, watched, watch }) {
	const { t } = useWords();
	const [filter, setFilter] = useState(/** @type {Filter} */ ('all'));
	const [open, setOpen] = useState(/** @type {Entry | null} */ (null));
	const [held, setHeld] = useState(/** @type {Entry[] | null} */ (null));
	const racer = racers.find(({ choice }) => choice === watched) ?? racers[0];
	const entries = held ?? (racer ? racer.entries.items.filter(PASSES[filter]).slice(-ROWS_MAX).reverse() : []);
	return html`<section class="card wire" id="wire">
		<header>
			<h2>${t('wire.title')}</h2>
			<label
				>${t('wire.of')}
				<select
					value=${racer?.choice}
					onChange=${(/** @type {{ currentTarget: HTMLSelectElement }} */ { currentTarget }) => {
						setHeld(null);
						watch(/** @type {Choice} */ (currentTarget.value));
					}}
				>
					${racers.map(({ choice }) => html`<option value=${choice}>${t(`racer.${choice}`)}</option>`)}
				</select></label
			>
			<label
				>${t('wire.only')}
				<select
					value=${filter}
					data-filter
					onChange=${(/** @type {{ currentTarget: HTMLSelectElement }} */ { currentTarget }) => {
						setHeld(null);
						setFilter(/** @type {Filter} */ (currentTarget.value));
					}}
				>
					${FILTERS.map((name) => html`<option value=${name}>${t(`wire.${name}`)}</option>`)}
				</select></label
			>
			<button class="button" aria-pressed=${held !== null} onClick=${() => setHeld(held ? null : entries)}>
				${held ? t('wire.go') : t('wire.pause')}
			</button>
		</header>
		${entries.length === 0 && html`<p>${t('wire.nothing')}</p>`}
		<ol class="entries">
			${entries.map(
				(entry) =>
					html`<${Row}
						key=${`${racer?.choice} ${entry.id}`}
						entry=${entry}
						isOpen=${open === entry}
						toggle=${() => {
							// What is looked at does not run away.
							setHeld(open === entry ? held : entries);
							setOpen(open === entry ? null : entry);
						}}
					/>`,
			)}
		</ol>
	</section>`;
}

/**
 * @param {object} props
 * @param {Entry} props.entry
 * @param {boolean} props.isOpen
 * @param {() => void} props.toggle
 */
function Row({ entry, isOpen, toggle }) {
	const { t, number } = useWords();
	const direction = entry.direction ? t(`wire.${entry.direction}`) : '';
	return html`<li class=${classes('entry', entry.direction && `is-${entry.direction}`)} data-kind=${entry.kind} data-opcode=${entry.seen?.frame?.opcode}>
		<button aria-expanded=${isOpen} onClick=${toggle}>
			<time>−${((performance.now() - entry.at) / 1000).toFixed(1)} s</time>
			<span class="arrow" title=${direction}>${entry.direction === 'up' ? '↑' : entry.direction === 'down' ? '↓' : '·'}</span>
			<b>${titleOf(entry, t)}</b>
			<span class="preview">${previewOf(entry)}</span>
			<small>${entry.size > 0 ? t('wire.size', { n: number(entry.size) }) : ''}</small>
		</button>
		${isOpen && html`<${Detail} entry=${entry} />`}
	</li>`;
}

/**
 * @param {Entry} entry
 * @param {import('../i18n/words.js').Words['t']} t
 */
function titleOf({ kind, seen, packet, size }, t) {
	switch (kind) {
		case 'request':
		case 'answer':
			return seen?.head?.start ?? '';
		case 'frame':
			return OPCODES[seen?.frame?.opcode ?? -1] ?? '?';
		case 'datagram':
			return t('kind.datagram', { name: packet?.name ?? '' });
		case 'lost':
			return t('kind.lost', { n: size });
		default:
			return t(`kind.${kind}`);
	}
}

/** @param {Entry} entry */
function previewOf({ kind, seen, text = '' }) {
	if (kind === 'frame') return seen?.frame?.opcode === 1 ? text.slice(0, 160) : '';
	return kind === 'body' || kind === 'event' || kind === 'comment' ? (seen?.text ?? '').slice(0, 160) : '';
}
