/**
 * Starts the page: asks the server how it lets people in, makes the lab, and draws it.
 */

import { h, render } from '/chat/vendor/preact.js';
import { CHOICES, Lab } from './lab.js';
import { App } from './ui/app.js';

/** Who races at first where nothing else is said: one of each kind. */
const FIRST = CHOICES.filter((choice) => choice !== 'webtransport' || 'WebTransport' in globalThis);

// WebTransport goes to the address, and `localhost` may be the other one of two.
if (location.hostname === 'localhost') location.hostname = '127.0.0.1';
else await begin();

async function begin() {
	const page = document.getElementById('lab');
	if (page === null) return;
	const { auth } = await (await fetch('/v1/info')).json();
	/** @type {Lab | null} */
	let lab = null;
	const draw = () => render(h(App, { lab, enter, first: FIRST }), page);
	/** @param {string} token */
	const enter = (token) => {
		lab = new Lab(token, draw);
		const begun = lab;
		begun.begin(FIRST).catch((error) => {
			begun.trouble = error instanceof Error ? error.message : String(error);
			draw();
		});
		draw();
	};
	if (auth === 'token') draw();
	else enter('');
}
