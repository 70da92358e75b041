/** Every door that a browser has, with and without TLS: whoever comes through one meets those of all others. */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { BROWSERS } from '../lib/browsers.mjs';
import { Server } from '../lib/server.mjs';
import { soon } from '../lib/until.mjs';

const DOORS = ['webtransport', 'websocket', 'sse', 'long-poll', 'poll'];
/** Messages that each says. */
const EACH = 20;

/**
 * In the page: a client at each door. Gives what each heard, in its order.
 * @param {{ doors: string[], each: number }} how
 */
async function meet({ doors, each }) {
	const { Tidings } = await import(/** @type {any} */ ('/client/client.js'));
	const heard = /** @type {Record<string, { seq: number, from: string, data: any }[]>} */ ({});
	const signals = /** @type {Record<string, Set<string>>} */ ({});
	let news = () => {};
	const until = async (/** @type {() => boolean} */ is) => {
		while (!is()) await new Promise((resolve) => (news = () => resolve(undefined)));
	};
	const all = doors.map((transport) => {
		const tidings = new Tidings(location.origin, { token: `guest:${transport}`, transport, share: false });
		const room = tidings.channel('chat:doors');
		heard[transport] = [];
		signals[transport] = new Set();
		room.addEventListener('message', (/** @type {any} */ { message }) => {
			heard[transport]?.push(message);
			news();
		});
		room.addEventListener('signal', (/** @type {any} */ { from }) => {
			signals[transport]?.add(from);
			news();
		});
		return { tidings, room };
	});
	await Promise.all(all.map(({ room }) => new Promise((resolve) => room.addEventListener('subscribed', resolve, { once: true }))));
	const publishing = all.flatMap(({ room }) => Array.from({ length: each }, (_, n) => room.publish({ n })));
	await Promise.all(publishing);
	await until(() => doors.every((door) => heard[door]?.length === doors.length * each));
	// Signals may be lost: they are said until all have heard of all.
	const timer = setInterval(() => all.forEach(({ room }) => room.signal('here')), 100);
	await until(() => doors.every((door) => signals[door]?.size === doors.length));
	clearInterval(timer);
	const transports = all.map(({ tidings }) => tidings.transport);
	for (const { tidings } of all) tidings.close();
	return { heard, transports };
}

/**
 * In the page: one goes from door to door while another speaks. Gives what was said, and what it heard.
 * @param {string[]} doors
 */
async function move(doors) {
	const { Tidings } = await import(/** @type {any} */ ('/client/client.js'));
	const client = (/** @type {string} */ name) =>
		new Tidings(location.origin, { token: `guest:${name}`, transport: doors.at(-1), share: false });
	const [speaker, mover] = [client('speaker'), client('mover')];
	const [speaking, hearing] = [speaker, mover].map((tidings) => tidings.channel('chat:moving'));
	const heard = /** @type {number[]} */ ([]);
	const complete = new Promise((resolve) => {
		hearing.addEventListener('message', (/** @type {any} */ { data }) => {
			heard.push(data.n);
			if (data.isLast) resolve(undefined);
		});
	});
	await new Promise((resolve) => hearing.addEventListener('subscribed', resolve, { once: true }));
	let isMoving = true;
	const moving = (async () => {
		for (const door of [...doors, ...doors]) {
			const moved = new Promise((resolve) => {
				mover.addEventListener('transport', (/** @type {any} */ { name }) => name === door && resolve(undefined));
			});
			mover.transport = door;
			await moved;
		}
		isMoving = false;
	})();
	let said = 1;
	for (; isMoving; said++) await speaking.publish({ n: said });
	await moving;
	await speaking.publish({ n: said, isLast: true });
	await complete;
	for (const tidings of [speaker, mover]) tidings.close();
	return { said, heard };
}

for (const [name, launch] of BROWSERS) {
	const opening = launch({ after }, { trustsAll: true });
	for (const isTls of [false, true]) {
		const over = isTls ? 'over TLS' : 'without TLS';

		test(`${name} meets those of all doors at each, ${over}`, async (t) => {
			const server = await Server.start(t, { isTls });
			const page = await (await opening)(t, `${server.url}/healthz`);
			const meeting = page.evaluate(meet, { doors: DOORS, each: EACH });
			const { heard, transports } = await soon('everything to be heard', meeting);
			assert.deepEqual(transports, DOORS);
			const [first] = Object.values(heard);
			const all = Array.from({ length: EACH }, (_, n) => n);
			for (const door of DOORS) {
				assert.deepEqual(heard[door], first, `${door} hears the same`);
				const said = first?.filter(({ from }) => from === door).map(({ data }) => data.n);
				assert.deepEqual(said, all, `${door} is heard in its order`);
			}
		});

		test(`${name} goes from door to door and misses nothing, ${over}`, async (t) => {
			const server = await Server.start(t, { isTls });
			const page = await (await opening)(t, `${server.url}/healthz`);
			const { said, heard } = await soon('the last message', page.evaluate(move, DOORS));
			assert.deepEqual(heard, Array.from({ length: said }, (_, n) => n + 1));
		});
	}
}
