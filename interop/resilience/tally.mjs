/**
 * What came, held against what was sent: messages count up from 1, each is to come once and in order.
 *
 * @typedef {object} Tally
 * @property {number} checked how many were sent
 * @property {number} lost
 * @property {number} doubled
 * @property {number} disordered came after one that was sent later
 */

/**
 * @param {readonly number[]} numbers in the order in which they came
 * @param {number} total
 * @returns {Tally}
 */
export function tally(numbers, total) {
	const seen = new Set();
	let doubled = 0;
	let disordered = 0;
	let highest = 0;
	for (const n of numbers) {
		if (seen.has(n)) doubled++;
		else if (n < highest) disordered++;
		seen.add(n);
		highest = Math.max(highest, n);
	}
	return { checked: total, lost: total - seen.size, doubled, disordered };
}

/**
 * @param {readonly Tally[]} tallies
 * @returns {Tally}
 */
export function sum(tallies) {
	const total = { checked: 0, lost: 0, doubled: 0, disordered: 0 };
	for (const one of tallies) {
		for (const key of /** @type {(keyof Tally)[]} */ (Object.keys(total))) total[key] += one[key];
	}
	return total;
}
