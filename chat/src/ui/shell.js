/**
 * The page inside: rooms, the room, who is here. On a phone the sides are drawers.
 *
 * @import { Chat } from '../chat.js'
 * @import { LinkState } from '../model/link.js'
 */

import { useEffect, useRef, useState } from '../../vendor/preact-hooks.js';
import { Composer } from './composer.js';
import { useWords } from './context.js';
import { classes, html } from './html.js';
import { icons } from './icons.js';
import { Messages } from './messages.js';
import { PeoplePanel } from './people.js';
import { Sidebar, titleOf } from './sidebar.js';
import { TransportBadge } from './transport-badge.js';
import { TypingLine } from './typing-line.js';

/** @typedef {"rooms" | "people" | null} Drawer */

/** Narrower pages show one thing at a time. The style sheets have the same numbers. */
const PHONE = '(max-width: 760px)';
const NARROW = '(max-width: 1080px)';

/** How long a lost connection is kept to ourselves: most come back at once. */
const PATIENCE_MS = 1500;

/** @param {{ chat: Chat, onLeave: () => void }} props */
export function Shell({ chat, onLeave }) {
	const words = useWords();
	const { t, plural } = words;
	const state = useChat(chat);
	const isPhone = useMedia(PHONE);
	const isNarrow = useMedia(NARROW);
	const [drawer, setDrawer] = useState(/** @type {Drawer} */ (null));
	const [isPeopleWanted, setPeopleWanted] = useState(true);

	const room = state.rooms.find(({ name }) => name === state.room) ?? { name: state.room, title: '' };
	const title = titleOf(room, words);
	const space = chat.space(state.room);
	const typing = [...space.typists.keys()].filter((user) => user !== state.me);
	const isPeopleShown = isNarrow ? drawer === 'people' : isPeopleWanted;
	const isLive = state.link.state === 'live';
	const trouble = useTrouble(state.link.state);
	const unread = chat.unreadElsewhere();

	useEffect(() => {
		document.title = `${unread > 0 ? `(${unread}) ` : ''}${title} · Tidings`;
	}, [unread, title]);

	// The focus goes into a drawer with the reader, and back out.
	const opened = useRef(/** @type {Drawer} */ (null));
	useEffect(() => {
		const target = drawer !== null ? `.${drawer === 'rooms' ? 'sidebar' : 'people'} button` : opened.current && `.${opened.current}-button`;
		const element = target === null ? null : document.querySelector(target);
		if (element instanceof HTMLElement) element.focus();
		opened.current = drawer;
	}, [drawer]);

	useEffect(() => {
		/** @param {KeyboardEvent} event */
		const onKeyDown = (event) => {
			if (event.key === 'Escape') setDrawer(null);
			if (!event.altKey || (event.key !== 'ArrowDown' && event.key !== 'ArrowUp')) return;
			event.preventDefault();
			chat.openNext(event.key === 'ArrowDown' ? 1 : -1);
		};
		document.addEventListener('keydown', onKeyDown);
		return () => document.removeEventListener('keydown', onKeyDown);
	}, [chat]);

	return html`<div class=${classes('shell', isPeopleShown && !isNarrow && 'with-people')} data-drawer=${drawer}>
		<a class="skip" href="#messages" onClick=${focusMessages}>${t('app.skip')}</a>
		<${Sidebar}
			chat=${chat}
			state=${state}
			isHidden=${isPhone && drawer !== 'rooms'}
			onClose=${() => setDrawer(null)}
			onLeave=${onLeave}
		/>
		<main class="room" inert=${drawer !== null && isNarrow}>
			<header class="room-head">
				<button
					type="button"
					class="ghost only-phone rooms-button"
					data-testid="open-rooms"
					aria-label=${t('rooms.open')}
					aria-expanded=${drawer === 'rooms'}
					onClick=${() => setDrawer('rooms')}
				>
					${icons.menu()}${unread > 0 && html`<span class="pip"></span>`}
				</button>
				<div class="room-name">
					<h1>${title}</h1>
					<p>${isLive && state.people.length > 0 ? plural('people.count', state.people.length) : t(`link.state.${state.link.state}`)}</p>
				</div>
				<${TransportBadge} link=${state.link} onChoose=${chat.choose} />
				<button
					type="button"
					class="ghost people-button"
					data-testid="open-people"
					aria-label=${t(isPeopleShown ? 'people.hide' : 'people.open')}
					title=${t(isPeopleShown ? 'people.hide' : 'people.open')}
					aria-expanded=${isPeopleShown}
					onClick=${() => (isNarrow ? setDrawer('people') : setPeopleWanted(!isPeopleWanted))}
				>
					${icons.people()}
				</button>
			</header>
			${trouble !== null && html`<p class="banner" role="status"><span class="spinner"></span>${t(`link.banner.${trouble}`)}</p>`}
			<${Messages}
				key=${state.room}
				space=${space}
				room=${state.room}
				title=${title}
				me=${state.me}
				newAfter=${state.newAfter}
				words=${words}
				onOlder=${chat.older}
				onBottom=${chat.attendBottom}
				onRetry=${chat.retry}
				onDiscard=${chat.discard}
				onSend=${chat.send}
			/>
			<div class="foot">
				<${TypingLine} users=${typing} />
				<${Composer} key=${state.room} title=${title} draft=${space.draft} onDraft=${chat.write} onSend=${chat.send} />
			</div>
		</main>
		<${PeoplePanel}
			people=${state.people}
			typing=${new Set(typing)}
			me=${state.me}
			isLive=${isLive}
			isHidden=${!isPeopleShown}
			onClose=${() => setDrawer(null)}
		/>
		<div class="scrim" onClick=${() => setDrawer(null)}></div>
	</div>`;
}

/** @param {MouseEvent} event */
function focusMessages(event) {
	// The address's fragment names the room: it must stay.
	event.preventDefault();
	document.getElementById('messages')?.focus();
}

/** @param {Chat} chat */
function useChat(chat) {
	const [state, setState] = useState(chat.state);
	useEffect(() => chat.watch(setState), [chat]);
	return state;
}

/** @param {string} query */
function useMedia(query) {
	const [matches, setMatches] = useState(() => matchMedia(query).matches);
	useEffect(() => {
		const list = matchMedia(query);
		const onChange = () => setMatches(list.matches);
		list.addEventListener('change', onChange);
		return () => list.removeEventListener('change', onChange);
	}, [query]);
	return matches;
}

/**
 * The trouble worth telling: only what has lasted a moment.
 * @param {LinkState} state
 */
function useTrouble(state) {
	const trouble = state === 'reconnecting' || state === 'offline' ? state : null;
	const [told, setTold] = useState(/** @type {"reconnecting" | "offline" | null} */ (null));
	useEffect(() => {
		if (trouble === null) return setTold(null);
		const timer = setTimeout(() => setTold(trouble), PATIENCE_MS);
		return () => clearTimeout(timer);
	}, [trouble]);
	return told;
}
