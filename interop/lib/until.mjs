/**
 * Waiting for things to happen, never for time to pass: every wait has a condition and a deadline.
 */

/** How long anything may take that happens at once on an idle machine: two busy cores are slow. */
export const PATIENCE_MS = 20_000;

/** How often a condition is looked at that cannot tell us by itself. */
const GLANCE_MS = 15;

/** @param {number} ms */
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Waits until `condition` gives something truthy, and gives that.
 * @template T
 * @param {string} what completes "waited in vain for …"
 * @param {() => T | Promise<T>} condition may throw as long as it does not hold
 * @param {{ within?: number, seen?: () => unknown }} [options] `seen`: what to show when it never held
 * @returns {Promise<NonNullable<T>>}
 */
export async function until(what, condition, { within = PATIENCE_MS, seen } = {}) {
	const deadline = performance.now() + within;
	/** @type {unknown} */
	let problem;
	for (let left = within; left > 0; left = deadline - performance.now()) {
		try {
			const value = await soon(what, Promise.resolve(condition()), left);
			if (value) return value;
			problem = undefined;
		} catch (error) {
			problem = error;
		}
		await pause(GLANCE_MS);
	}
	const last = seen === undefined ? '' : `; seen: ${JSON.stringify(seen())}`;
	throw new Error(`waited ${within} ms in vain for ${what}${last}`, { cause: problem });
}

/**
 * A promise with a deadline.
 * @template T
 * @param {string} what
 * @param {Promise<T>} promise
 * @param {number} [within]
 * @returns {Promise<T>}
 */
export async function soon(what, promise, within = PATIENCE_MS) {
	/** @type {NodeJS.Timeout | undefined} */
	let timer;
	const late = new Promise((_, reject) => {
		timer = setTimeout(() => reject(new Error(`waited ${within} ms in vain for ${what}`)), within);
	});
	try {
		return await /** @type {Promise<T>} */ (Promise.race([promise, late]));
	} finally {
		clearTimeout(timer);
	}
}
