/**
 * The newest so many of something.
 * @template Item
 */
export class Ring {
	#most;
	/** Oldest first. @type {Item[]} */
	items = [];

	/** @param {number} most */
	constructor(most) {
		this.#most = most;
	}

	/** @param {Item} item */
	push(item) {
		this.items.push(item);
		if (this.items.length > this.#most) this.items.shift();
	}
}
