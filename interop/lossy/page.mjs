/**
 * In a page: two clients of one page hear the same messages, each over its transport, and note when. It imports nothing.
 *
 * @import { Tidings as Client } from '../../client/src/client.js'
 * @import { Heard, Kind } from './report.mjs'
 */

/**
 * @param {{ Tidings: typeof Client, url: string, transports: readonly ('websocket' | 'webtransport')[], channel: string, kind: Kind }} how
 * @returns {Promise<{ heard: Record<string, Heard[]>, close: () => void }>} when all have subscribed
 */
export async function listen({ Tidings, url, transports, channel, kind }) {
	/** @type {Record<string, Heard[]>} */
	const heard = {};
	const clients = transports.map((transport) => new Tidings(url, { transport, token: `guest:${transport}`, share: false }));
	const subscribed = clients.map((client, index) => {
		/** @type {Heard[]} */
		const mine = (heard[String(transports[index])] = []);
		const room = client.channel(channel);
		const take = (/** @type {{ data: unknown }} */ { data }) => {
			const { n, at } = /** @type {{ n: number, at: number }} */ (data);
			mine.push({ n, ms: performance.timeOrigin + performance.now() - at });
		};
		if (kind === 'messages') room.addEventListener('message', take);
		else room.addEventListener('signal', take);
		return new Promise((resolve) => room.addEventListener('subscribed', resolve, { once: true }));
	});
	await Promise.all(subscribed);
	return { heard, close: () => clients.forEach((client) => client.close()) };
}
