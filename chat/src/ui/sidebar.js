/**
 * The left side: the rooms with what was said last, and the reader with the settings.
 *
 * @import { Chat } from '../chat.js'
 * @import { ChatState } from '../model/state.js'
 * @import { Room } from '../model/rooms.js'
 * @import { Words } from '../i18n/words.js'
 */

import { useState } from '../../vendor/preact-hooks.js';
import { newestSeq, unreadCount } from '../model/timeline.js';
import { Avatar, Tile } from './avatar.js';
import { useWords } from './context.js';
import { classes, html } from './html.js';
import { icons, Mark } from './icons.js';
import { NewRoom } from './new-room.js';
import { LanguageButton, ThemeButton } from './settings.js';

/** From here on an unread count says nothing more. */
const UNREAD_SHOWN_MAX = 99;

/**
 * A room's title in the reader's language.
 * @param {Room} room
 * @param {Words} words
 */
export function titleOf(room, { t }) {
	switch (room.name) {
		case 'lobby':
		case 'ideas':
		case 'random':
			return t(`room.${room.name}`);
	}
	return room.title === '' ? room.name : room.title;
}

/**
 * @param {object} props
 * @param {Chat} props.chat
 * @param {ChatState} props.state
 * @param {boolean} props.isHidden on a phone, while the drawer is closed
 * @param {() => void} props.onClose
 * @param {() => void} props.onLeave
 */
export function Sidebar({ chat, state, isHidden, onClose, onLeave }) {
	const words = useWords();
	const { t } = words;
	const [isMaking, setMaking] = useState(false);
	// A room that the reader may not follow is of no use in the list.
	const rooms = state.rooms.filter(({ name }) => name === state.room || !state.spaces.get(name)?.isRefused);

	return html`<nav class="sidebar drawer" aria-label=${t('rooms.title')} inert=${isHidden}>
		<header class="sidebar-head">
			<span class="brand"><${Mark} /><span>Tidings</span></span>
			<button type="button" class="ghost only-phone" aria-label=${t('rooms.close')} onClick=${onClose}>${icons.close()}</button>
		</header>
		<div class="sidebar-title">
			<h2>${t('rooms.title')}</h2>
			<button
				type="button"
				class="ghost"
				data-testid="new-room"
				aria-label=${t('rooms.new')}
				title=${t('rooms.new')}
				onClick=${() => setMaking(true)}
			>
				${icons.plus()}
			</button>
		</div>
		<ul class="rooms" data-testid="room-list" onKeyDown=${moveBetweenLinks}>
			${rooms.map(
				(room) => html`<li key=${room.name}>
					<${RoomLink} room=${room} state=${state} onOpen=${onClose} />
				</li>`,
			)}
		</ul>
		<footer class="me">
			<${Avatar} name=${state.me} />
			<span class="me-name" title=${state.me}>${state.me}</span>
			<${LanguageButton} /><${ThemeButton} />
			<button type="button" class="ghost" data-testid="leave" aria-label=${t('settings.leave')} title=${t('settings.leave')} onClick=${onLeave}>
				${icons.leave()}
			</button>
		</footer>
		${isMaking &&
		html`<${NewRoom}
			onMake=${async (/** @type {string} */ title) => {
				const fault = await chat.makeRoom(title);
				if (fault === null) onClose();
				return fault;
			}}
			onClose=${() => setMaking(false)}
		/>`}
	</nav>`;
}

/** @param {{ room: Room, state: ChatState, onOpen: () => void }} props */
function RoomLink({ room, state, onOpen }) {
	const words = useWords();
	const { t } = words;
	const title = titleOf(room, words);
	const space = state.spaces.get(room.name);
	const last = space?.timeline.stored[space.timeline.stored.length - 1];
	const unread = space === undefined ? 0 : unreadCount(space.timeline, space.readSeq ?? Infinity, state.me);
	const isCurrent = room.name === state.room;

	return html`<a
		class=${classes('room-link', isCurrent && 'current', unread > 0 && 'unread')}
		href=${`#/${encodeURIComponent(room.name)}`}
		data-room=${room.name}
		data-seq=${space === undefined ? 0 : newestSeq(space.timeline)}
		aria-current=${isCurrent ? 'page' : null}
		onClick=${onOpen}
	>
		<${Tile} name=${room.name} title=${title} />
		<span class="room-text">
			<span class="room-title">${title}</span>
			<span class="room-last">
				${last === undefined
					? t('rooms.quiet')
					: last.from === state.me
						? t('rooms.you', { text: last.text })
						: `${last.from}: ${last.text}`}
			</span>
		</span>
		<span class="room-side">
			${last !== undefined && html`<time class="room-time">${words.brief(last.at, Date.now())}</time>`}
			${unread > 0 &&
			html`<span class="count" data-testid="unread">
				<span aria-hidden="true">${unread > UNREAD_SHOWN_MAX ? `${UNREAD_SHOWN_MAX}+` : unread}</span>
				<span class="unseen">${words.plural('rooms.unread', unread)}</span>
			</span>`}
		</span>
	</a>`;
}

/** @param {KeyboardEvent & { currentTarget: HTMLElement }} event */
function moveBetweenLinks(event) {
	const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
	if (step === 0) return;
	const links = [...event.currentTarget.querySelectorAll('a')];
	const next = links[links.findIndex((link) => link === document.activeElement) + step];
	if (next === undefined) return;
	event.preventDefault();
	next.focus();
}
