/** Where messages are written. */

import { useEffect, useLayoutEffect, useRef, useState } from '../../vendor/preact-hooks.js';
import { TEXT_LENGTH_MAX } from '../model/text.js';
import { useWords } from './context.js';
import { html } from './html.js';
import { icons } from './icons.js';
import { useMenu } from './menu.js';

/** From here on the writer is told how much room is left. */
const LEFT_SHOWN_FROM = 200;

const EMOJI =
	'😀 😄 😂 🤣 😊 😍 😘 😎 🤔 😅 😭 😢 😡 😱 😴 🤗 🙄 😏 🥳 🤩 👍 👎 👏 🙏 💪 👋 🤝 👌 ✌️ 🤞 ❤️ 💔 🔥 🎉 ✨ ⭐ ☕ 🍻 🍰 🍜 🌞 🌙 🌧️ 🚀 💡 ✅ ❓ 💯'.split(' ');

/**
 * @param {object} props
 * @param {string} props.title the room's
 * @param {string} props.draft what was begun here before
 * @param {(text: string) => void} props.onDraft every change
 * @param {(text: string) => void} props.onSend
 */
export function Composer({ title, draft, onDraft, onSend }) {
	const { t } = useWords();
	const [text, setText] = useState(draft);
	const area = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
	const left = TEXT_LENGTH_MAX - text.length;
	const isBlank = text.trim() === '';

	useLayoutEffect(() => {
		const element = area.current;
		if (element === null) return;
		element.style.height = 'auto';
		element.style.height = `${element.scrollHeight}px`;
	}, [text]);

	// A keyboard on the screen is not opened unasked.
	useEffect(() => {
		if (matchMedia('(pointer: fine)').matches) area.current?.focus();
	}, []);

	/** @param {string} next */
	const write = (next) => {
		setText(next);
		onDraft(next);
	};

	const send = () => {
		if (isBlank || left < 0) return;
		onSend(text.trim());
		write('');
		area.current?.focus();
	};

	/** @param {KeyboardEvent} event */
	const onKeyDown = (event) => {
		// 229: Safari ends a composition before it reports the Enter that ended it.
		const isComposing = event.isComposing || event.keyCode === 229;
		if (event.key !== 'Enter' || event.shiftKey || isComposing) return;
		event.preventDefault();
		send();
	};

	/** @param {string} emoji */
	const insert = (emoji) => {
		const element = area.current;
		if (element === null) return;
		element.setRangeText(emoji, element.selectionStart, element.selectionEnd, 'end');
		write(element.value);
		element.focus();
	};

	return html`<form
		class="composer"
		onSubmit=${(/** @type {SubmitEvent} */ event) => {
			event.preventDefault();
			send();
		}}
	>
		<${EmojiButton} onPick=${insert} />
		<textarea
			ref=${area}
			data-testid="message-input"
			rows="1"
			value=${text}
			placeholder=${t('compose.placeholder', { room: title })}
			aria-label=${t('compose.label', { room: title })}
			aria-describedby="compose-hint"
			aria-invalid=${left < 0}
			enterkeyhint="send"
			autocomplete="off"
			onInput=${(/** @type {{ currentTarget: HTMLTextAreaElement }} */ event) => write(event.currentTarget.value)}
			onKeyDown=${onKeyDown}
		></textarea>
		${left < LEFT_SHOWN_FROM && html`<span class=${left < 0 ? 'left fault' : 'left'} role="status">${t('compose.left', { n: left })}</span>`}
		<button
			type="submit"
			class="send"
			data-testid="send"
			aria-label=${t('compose.send')}
			title=${t('compose.send')}
			disabled=${isBlank || left < 0}
			onPointerDown=${(/** @type {PointerEvent} */ event) => event.preventDefault()}
		>
			${icons.send()}
		</button>
		<p id="compose-hint" class="unseen">${t('compose.hint')}</p>
	</form>`;
}

/** @param {{ onPick: (emoji: string) => void }} props */
function EmojiButton({ onPick }) {
	const { t } = useWords();
	const menu = useMenu();
	return html`<div class="menu" ref=${menu.root} onKeyDown=${menu.onKeyDown}>
		<button
			type="button"
			class="ghost"
			data-testid="emoji"
			aria-haspopup="menu"
			aria-expanded=${menu.isOpen}
			aria-label=${t('compose.emoji')}
			title=${t('compose.emoji')}
			onClick=${menu.toggle}
		>
			${icons.smile()}
		</button>
		${menu.isOpen &&
		html`<div class="panel emoji-panel" role="menu" aria-label=${t('compose.emoji')}>
			${EMOJI.map(
				(emoji) => html`<button
					type="button"
					role="menuitem"
					tabindex="-1"
					onClick=${() => {
						menu.close();
						onPick(emoji);
					}}
				>
					${emoji}
				</button>`,
			)}
		</div>`}
	</div>`;
}
