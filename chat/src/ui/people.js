/**
 * The right side: who is here.
 *
 * @import { People } from '../model/people.js'
 */

import { meFirst } from '../model/people.js';
import { Avatar } from './avatar.js';
import { useWords } from './context.js';
import { classes, html } from './html.js';
import { icons } from './icons.js';

/** Names drawn; of a larger crowd the count is told. */
const SHOWN_MAX = 200;

/**
 * @param {object} props
 * @param {People} props.people
 * @param {ReadonlySet<string>} props.typing
 * @param {string} props.me
 * @param {boolean} props.isLive what is shown is true now
 * @param {boolean} props.isHidden
 * @param {() => void} props.onClose
 */
export function PeoplePanel({ people, typing, me, isLive, isHidden, onClose }) {
	const { t } = useWords();
	return html`<aside class=${classes('people', 'drawer', !isLive && 'stale')} aria-labelledby="people-title" inert=${isHidden}>
		<header class="people-head">
			<h2 id="people-title">${t('people.title')} <span class="tally">${people.length > 0 ? people.length : ''}</span></h2>
			<button type="button" class="ghost only-phone" aria-label=${t('rooms.close')} onClick=${onClose}>${icons.close()}</button>
		</header>
		${people.length === 0 && html`<p class="people-none">${t('people.none')}</p>`}
		<ul class="people-list" data-testid="members">
			${meFirst(people, me)
				.slice(0, SHOWN_MAX)
				.map(
					(user) => html`<li key=${user} data-user=${user}>
						<span class="present"><${Avatar} name=${user} size="small" /></span>
						<span class="person">
							<span class="person-name" title=${user}>${user}</span>
							${user === me && html`<span class="you">${t('people.you')}</span>`}
						</span>
						${typing.has(user) && html`<${Dots} />`}
					</li>`,
				)}
		</ul>
	</aside>`;
}

/** Three dots that move while somebody types. */
export function Dots() {
	return html`<span class="dots" aria-hidden="true"><i></i><i></i><i></i></span>`;
}
