/**
 * Starts the page: asks the server how it lets people in, then hands over to the app.
 *
 * @import { Credential } from './ui/app.js'
 * @import { Key } from './i18n/words.js'
 */

import { Tidings } from '/client/client.js';
import { h, render } from '../vendor/preact.js';
import { Chat, choiceOf } from './chat.js';
import { hashOf, roomInHash } from './model/rooms.js';
import { subjectOf } from './model/token.js';
import { memoryOf } from './storage.js';
import { App } from './ui/app.js';

const memory = memoryOf(() => localStorage);

/**
 * @param {Credential} credential
 * @param {(why: Key) => void} onRefused
 */
function startChat(credential, onRefused) {
	const token = 'token' in credential ? credential.token : `guest:${credential.name}`;
	const choice = choiceOf(memory);
	const chat = new Chat({
		tidings: new Tidings(location.origin, { token, transport: choice }),
		me: 'name' in credential ? credential.name : subjectOf(credential.token),
		room: roomInHash(location.hash) ?? memory.recall('room') ?? 'lobby',
		choice,
		memory,
		onRefused,
	});
	chat.attendPage(!document.hidden);
	chat.attendNetwork(navigator.onLine);
	chat.watch(({ room }) => {
		if (roomInHash(location.hash) !== room) history.replaceState(null, '', hashOf(room));
	});
	visit = chat;
	return chat;
}

/** @type {Chat | null} */
let visit = null;
document.addEventListener('visibilitychange', () => visit?.attendPage(!document.hidden));
addEventListener('online', () => visit?.attendNetwork(true));
addEventListener('offline', () => visit?.attendNetwork(false));
addEventListener('hashchange', () => {
	const room = roomInHash(location.hash);
	if (room !== null) visit?.open(room);
});

/** @returns {Promise<{ auth: "guest" | "token", hasLab: boolean }>} */
async function serverOf() {
	try {
		const response = await fetch('/v1/info');
		const { auth, lab } = await response.json();
		return { auth: auth === 'token' ? 'token' : 'guest', hasLab: lab === true };
	} catch {
		// The server can't be asked just now: the door is shown, and it will say no if it must.
		return { auth: 'guest', hasLab: false };
	}
}

// Keyboards on phones cover the page without telling its layout; what is left is told here.
visualViewport?.addEventListener('resize', () => {
	// Who zooms in looks closer at the same page.
	if (visualViewport !== null && visualViewport.scale > 1) return;
	document.documentElement.style.setProperty('--page-height', `${visualViewport?.height ?? innerHeight}px`);
});

const app = document.getElementById('app');
if (app !== null) render(h(App, { ...(await serverOf()), memory, startChat }), app);
