/** A person as initials on their colour; a room as its first letter on a tile. */

import { hueOf, initials } from '../model/names.js';
import { classes, html } from './html.js';

/**
 * Always beside the name it stands for, hence hidden from screen readers.
 * @param {{ name: string, size?: "small" | "large" }} props
 */
export function Avatar({ name, size }) {
	return html`<span class=${classes('avatar', size)} style=${{ '--hue': hueOf(name) }} aria-hidden="true">${initials(name)}</span>`;
}

/** @param {{ name: string, title: string, size?: "large" }} props */
export function Tile({ name, title, size }) {
	const [letter] = new Intl.Segmenter().segment(title);
	return html`<span class=${classes('avatar', 'tile', size)} style=${{ '--hue': hueOf(name) }} aria-hidden="true">
		${(letter?.segment ?? '#').toUpperCase()}
	</span>`;
}
