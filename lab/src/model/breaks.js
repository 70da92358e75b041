/**
 * The ways in which a visitor breaks the network, and what of the lanes' networks that makes.
 */

/**
 * @typedef {'delay' | 'loss' | 'silence' | 'websocket' | 'udp' | 'buffer'} Break one that lasts until it is mended
 *
 * @typedef {object} Network as `PUT …/network` takes it
 * @property {number} [latency_ms]
 * @property {number} [loss]
 * @property {'both'} [black_hole]
 * @property {'block'} [websocket]
 * @property {'block'} [udp]
 * @property {boolean} [buffer]
 */

/** @type {Record<Break, Network>} */
const NETWORKS = {
	// A third of the way around the world, there and back.
	delay: { latency_ms: 100 },
	// A bad mobile network.
	loss: { loss: 0.1 },
	silence: { black_hole: 'both' },
	websocket: { websocket: 'block' },
	udp: { udp: 'block' },
	buffer: { buffer: true },
};

export const BREAKS = /** @type {Break[]} */ (Object.keys(NETWORKS));

/** Rules of a firewall or a proxy: what stands when they come is cut, for it would not notice else. @type {Break[]} */
export const CUTTING = ['websocket', 'buffer'];

/**
 * @param {ReadonlySet<Break>} breaks
 * @returns {Network}
 */
export const networkOf = (breaks) => Object.assign({}, ...[...breaks].map((it) => NETWORKS[it]));
