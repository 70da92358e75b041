/** Who is in a room: one snapshot, kept true by those who join and leave. */

/** @typedef {readonly string[]} People sorted, without doubles */

/**
 * @param {Iterable<string>} users
 * @returns {People}
 */
export function peopleOf(users) {
	return [...new Set(users)].sort((a, b) => a.localeCompare(b));
}

/**
 * @param {People} people
 * @param {string} user
 * @returns {People}
 */
export function withPerson(people, user) {
	return people.includes(user) ? people : peopleOf([...people, user]);
}

/**
 * @param {People} people
 * @param {string} user
 * @returns {People}
 */
export function withoutPerson(people, user) {
	return people.includes(user) ? people.filter((one) => one !== user) : people;
}

/**
 * The reader first, then everybody else.
 * @param {People} people
 * @param {string} me
 * @returns {People}
 */
export function meFirst(people, me) {
	return people.includes(me) ? [me, ...people.filter((one) => one !== me)] : people;
}
