/**
 * A room's messages, and where the reader is in them.
 *
 * Only the newest part is on the page; scrolling up brings more, first from what is
 * loaded, then from history. Whatever is added, what the reader looks at stays where it
 * is: at the bottom the page follows, elsewhere the first visible message is held.
 *
 * @import { Space } from '../model/state.js'
 * @import { Words } from '../i18n/words.js'
 */

import { Component } from '../../vendor/preact.js';
import { rowsOf } from '../model/rows.js';
import { unreadCount } from '../model/timeline.js';
import { classes, html } from './html.js';
import { Group } from './group.js';
import { icons } from './icons.js';
import { RoomBeginning } from './room-beginning.js';

/**
 * @typedef {object} MessagesProps
 * @property {Space} space
 * @property {string} room
 * @property {string} title
 * @property {string} me
 * @property {number} newAfter
 * @property {Words} words
 * @property {() => void} onOlder
 * @property {(isAtBottom: boolean) => void} onBottom
 * @property {(id: string) => void} onRetry
 * @property {(id: string) => void} onDiscard
 * @property {(text: string) => void} onSend
 */

/** @typedef {{ shown: number, isAtBottom: boolean }} MessagesState */
/** @typedef {{ key: string, top: number } | null} Anchor */

/** Messages on the page to begin with: some ten screens, drawn in one frame. */
const WINDOW = 120;

/** Pixels from the bottom that still count as the bottom. */
const BOTTOM_SLACK = 48;

/** Pixels from the top at which more is asked for: before the reader runs into it. */
const TOP_REACH = 600;

/** @extends {Component<MessagesProps, MessagesState>} */
export class Messages extends Component {
	/** @type {HTMLElement | null} */
	#scroller = null;
	/** @type {ResizeObserver | null} */
	#resized = null;
	#isPlaced = false;
	/** Whether the page follows what comes. The state has it too, for drawing. */
	#isAtBottom = true;
	#lastTop = 0;

	/** @param {MessagesProps} props */
	constructor(props) {
		super(props);
		this.state = { shown: WINDOW, isAtBottom: true };
	}

	/** @override */
	componentDidMount() {
		// The list grows without us too: fonts, a turned phone, the keyboard, a taller composer.
		this.#resized = new ResizeObserver(() => this.#isAtBottom && this.#toBottom());
		if (this.#scroller !== null) {
			this.#resized.observe(this.#scroller);
			if (this.#scroller.firstElementChild !== null) this.#resized.observe(this.#scroller.firstElementChild);
		}
		this.#place();
	}

	/** @override */
	componentWillUnmount() {
		this.#resized?.disconnect();
	}

	/**
	 * @param {MessagesProps} next
	 * @param {MessagesState} state
	 * @override
	 */
	shouldComponentUpdate(next, state) {
		const { space, words, newAfter, title, me } = this.props;
		return (
			state !== this.state ||
			next.space !== space ||
			next.words !== words ||
			next.newAfter !== newAfter ||
			next.title !== title ||
			next.me !== me
		);
	}

	/**
	 * @returns {Anchor}
	 * @override
	 */
	getSnapshotBeforeUpdate() {
		return this.#isAtBottom ? null : firstVisible(this.#scroller);
	}

	/**
	 * @param {MessagesProps} before
	 * @param {MessagesState} _state
	 * @param {Anchor} anchor
	 * @override
	 */
	componentDidUpdate(before, _state, anchor) {
		const wrote = this.props.space.timeline.outbox.length > before.space.timeline.outbox.length;
		if (!this.#isPlaced) this.#place();
		else if (this.#isAtBottom || wrote) this.#toBottom();
		else hold(this.#scroller, anchor);
		this.#onScroll();
	}

	/** When the messages come for the first time: begin at what is new, else at the end. */
	#place() {
		const { space } = this.props;
		if (!space.isReady) return;
		this.#isPlaced = true;
		this.#toBottom();
		const line = this.#scroller?.querySelector('.new-line');
		if (!(line instanceof HTMLElement) || this.#scroller === null) return;
		const above = line.getBoundingClientRect().top - this.#scroller.getBoundingClientRect().top;
		if (above < 0) this.#scroller.scrollTop += above - 24;
		this.#onScroll();
	}

	#toBottom() {
		if (this.#scroller === null) return;
		this.#scroller.scrollTop = this.#scroller.scrollHeight;
		this.#lastTop = this.#scroller.scrollTop;
	}

	#onScroll = () => {
		const scroller = this.#scroller;
		if (scroller === null || !this.#isPlaced) return;
		const { scrollTop, scrollHeight, clientHeight } = scroller;
		// Growth below is not the reader leaving: groups get their true size only when they come into view.
		const hasLeft = scrollTop < this.#lastTop - 1;
		const isAtBottom = scrollHeight - clientHeight - scrollTop <= BOTTOM_SLACK || (this.#isAtBottom && !hasLeft);
		const hasReturned = isAtBottom && !this.#isAtBottom;
		this.#lastTop = scrollTop;
		this.#isAtBottom = isAtBottom;
		this.props.onBottom(isAtBottom);
		if (isAtBottom !== this.state.isAtBottom) this.setState({ isAtBottom });
		// Who is back at the bottom needs no long past on the page.
		if (hasReturned && this.state.shown > WINDOW) this.setState({ shown: WINDOW });
		else if (scrollTop < TOP_REACH) this.#reachUp();
	};

	#reachUp() {
		const { space, onOlder } = this.props;
		const loaded = space.timeline.stored.length;
		if (this.state.shown < loaded) this.setState({ shown: Math.min(this.state.shown + WINDOW, loaded) });
		else if (!space.timeline.complete && space.older === 'idle') onOlder();
	}

	#jump = () => {
		const scroller = this.#scroller;
		if (scroller === null) return;
		const { scrollTop, scrollHeight, clientHeight } = scroller;
		const isFar = scrollHeight - scrollTop > 4 * clientHeight || matchMedia('(prefers-reduced-motion: reduce)').matches;
		if (isFar) this.#toBottom();
		else scroller.scrollTo({ top: scrollHeight, behavior: 'smooth' });
	};

	/** @override */
	render() {
		const { space, room, title, me, newAfter, words, onOlder, onRetry, onDiscard, onSend } = this.props;
		const { t, plural } = words;
		const { timeline, older, isReady, isRefused } = space;
		const { shown, isAtBottom } = this.state;
		const entries = [...timeline.stored.slice(-shown), ...timeline.outbox];
		const isWhole = timeline.complete && timeline.stored.length <= shown;
		const unseen = isAtBottom ? 0 : unreadCount(timeline, space.readSeq ?? Infinity, me);
		const now = Date.now();

		return html`<div class="messages-frame">
			<div
				class="messages"
				id="messages"
				data-testid="messages"
				role="log"
				aria-live="polite"
				aria-relevant="additions"
				aria-busy=${!isReady || older === 'loading'}
				aria-label=${t('messages.label', { room: title })}
				tabindex="0"
				ref=${(/** @type {HTMLElement | null} */ element) => (this.#scroller = element)}
				onScroll=${this.#onScroll}
			>
				<div class="messages-inner">
					${!isReady && entries.length === 0 && html`<${Skeleton} label=${t('messages.loading')} />`}
					${isRefused && html`<p class="older">${t('messages.refused')}</p>`}
					${isReady &&
					!isRefused &&
					isWhole &&
					html`<${RoomBeginning}
						room=${room}
						title=${title}
						isEmpty=${entries.length === 0}
						isTruncated=${timeline.truncated}
						onSend=${onSend}
					/>`}
					${isReady &&
					!isRefused &&
					!isWhole &&
					html`<p class="older">
						${older === 'failed'
							? html`${t('messages.olderFailed')} <button type="button" class="link" onClick=${onOlder}>${t('messages.retry')}</button>`
							: older === 'loading' && t('messages.older')}
					</p>`}
					<ol class="rows">
						${rowsOf(entries, { me, newAfter }).map((row) => {
							switch (row.kind) {
								case 'day':
									return html`<li key=${row.key} class="day"><span>${words.day(row.at, now)}</span></li>`;
								case 'new':
									return html`<li key=${row.key} class="new-line"><span>${t('messages.new')}</span></li>`;
								case 'group':
									return html`<${Group} key=${row.key} row=${row} words=${words} onRetry=${onRetry} onDiscard=${onDiscard} />`;
							}
						})}
					</ol>
				</div>
			</div>
			${!isAtBottom &&
			html`<button
				type="button"
				class=${classes('jump', unseen > 0 && 'has-unseen')}
				data-testid="jump"
				aria-label=${unseen > 0 ? null : t('messages.jump')}
				onClick=${this.#jump}
			>
				${icons.down()}${unseen > 0 && html`<span>${plural('messages.unseen', unseen)}</span>`}
			</button>`}
		</div>`;
	}
}

/** @param {{ label: string }} props */
function Skeleton({ label }) {
	return html`<div class="skeleton" role="status">
		<span class="unseen">${label}</span>
		${[38, 62, 46].map((width) => html`<div class="skeleton-row"><i></i><b style=${{ width: `${width}%` }}></b></div>`)}
	</div>`;
}

/**
 * The first message in view, and how far it is from the top of the view.
 * @param {HTMLElement | null} scroller
 * @returns {Anchor}
 */
function firstVisible(scroller) {
	if (scroller === null) return null;
	const { top, left, width } = scroller.getBoundingClientRect();
	// Asking the page what stands at a point costs the same for ten messages and for thousands.
	for (let y = 8; y < 400; y += 24) {
		for (const element of document.elementsFromPoint(left + width / 2, top + y)) {
			const found = element.closest('.group')?.querySelector('[data-key]');
			if (found instanceof HTMLElement) return { key: found.dataset['key'] ?? '', top: found.getBoundingClientRect().top - top };
		}
	}
	return null;
}

/**
 * @param {HTMLElement | null} scroller
 * @param {Anchor} anchor
 */
function hold(scroller, anchor) {
	if (scroller === null || anchor === null) return;
	const held = scroller.querySelector(`[data-key="${CSS.escape(anchor.key)}"]`);
	if (held === null) return;
	const moved = held.getBoundingClientRect().top - scroller.getBoundingClientRect().top - anchor.top;
	if (Math.abs(moved) >= 1) scroller.scrollTop += moved;
}
