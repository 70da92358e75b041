/** Line icons on a 24-unit grid, drawn here so that no font or file is fetched. */

import { html } from './html.js';

/** @param {string} path */
const icon = (path) => html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d=${path} /></svg>`;

export const icons = {
	menu: () => icon('M4 7h16M4 12h16M4 17h10'),
	people: () => icon('M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM2.5 20c.4-3.6 3-5.5 6.5-5.5s6.1 1.9 6.5 5.5M16 4.300a3.5 3.5 0 0 1 0 6.400M18 14.800c2 .7 3.3 2.5 3.5 5.2'),
	plus: () => icon('M12 5v14M5 12h14'),
	close: () => icon('M6 6l12 12M18 6 6 18'),
	send: () => icon('M12 19V5M5.5 11.5 12 5l6.5 6.5'),
	down: () => icon('M12 5v14M5.5 12.5 12 19l6.5-6.5'),
	chevron: () => icon('m7 10 5 5 5-5'),
	check: () => icon('m5 12.5 4.5 4.500L19 7.5'),
	clock: () => icon('M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM12 7.500V12l3 2'),
	alert: () => icon('M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM12 7.500v5M12 16.200v.1'),
	smile: () => icon('M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM8.5 14c.8 1.3 2 2 3.5 2s2.7-.7 3.5-2M9 9.500v.100M15 9.500v.1'),
	light: () => icon('M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM12 2.500v2M12 19.500v2M2.5 12h2M19.5 12h2M5.3 5.300l1.4 1.400M17.3 17.300l1.4 1.400M5.3 18.700l1.4-1.400M17.3 6.700l1.4-1.4'),
	dark: () => icon('M20 14.500A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.500Z'),
	system: () => icon('M4 5h16v11H4ZM9 20h6M12 16v4'),
	leave: () => icon('M14 4h4a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2h-4M9.5 8 5.5 12l4 4M6 12h9'),
	link: () => icon('M10 14a4 4 0 0 0 5.7 0l3.1-3.100a4 4 0 0 0-5.7-5.700L12 6.300M14 10a4 4 0 0 0-5.7 0l-3.1 3.100a4 4 0 0 0 5.7 5.700L12 17.7'),
};

/** The mark of Tidings: a speech bubble with the tide coming in. */
export function Mark() {
	return html`<svg class="mark" viewBox="0 0 48 48" aria-hidden="true" focusable="false">
		<path class="mark-bubble" d="M24 4c11.6 0 20 7.8 20 18s-8.4 18-20 18c-2.3 0-4.5-.3-6.5-.900L8 43.500l1.7-8.600C6.1 31.6 4 27.1 4 22 4 11.8 12.4 4 24 4Z" />
		<path class="mark-wave" d="M12 20c3-3 6-3 9 0s6 3 9 0 4.5-3 6.5-1.600M12 28c3-3 6-3 9 0s6 3 9 0 4.5-3 6.5-1.6" />
	</svg>`;
}

/** Two waves along the foot of the door, wider than the page so that they can move. */
export function Tide() {
	return html`<svg class="tide" viewBox="0 0 1200 240" preserveAspectRatio="none" aria-hidden="true" focusable="false">
		<path d="M0 120c110-60 220-60 330 0s220 60 330 0 220-60 330 0 220 60 330 0V240H0Z" />
		<path d="M0 165c90-44 180-44 270 0s180 44 270 0 180-44 270 0 180 44 270 0 180-44 270 0V240H0Z" />
	</svg>`;
}
