/** One line that says who is typing; it keeps its place so that nothing jumps. */

import { useWords } from './context.js';
import { html } from './html.js';
import { Dots } from './people.js';

/** @param {{ users: readonly string[] }} props */
export function TypingLine({ users }) {
	const { t } = useWords();
	const [a = '', b = ''] = users;
	const text =
		users.length === 1 ? t('typing.one', { a }) : users.length === 2 ? t('typing.two', { a, b }) : t('typing.many');
	return html`<p class="typing" data-testid="typing" role="status">
		${users.length > 0 && html`<${Dots} /><span>${text}</span>`}
	</p>`;
}
