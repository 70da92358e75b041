/**
 * What one subscriber was given, and whether it is what was published: every message once, in order.
 *
 * Messages count up from 1 in `data.n`, so that the ledger knows by itself what is missing.
 */

import assert from 'node:assert/strict';

export class Ledger {
	/** @type {number[]} */
	#numbers = [];
	#seq = 0;
	/** @type {string[]} */
	#faults = [];

	/** @param {string} name of the subscriber, for the report */
	constructor(name) {
		this.name = name;
	}

	/** @param {{ seq: number, data: { n: number } }} message */
	add({ seq, data: { n } }) {
		const last = this.#numbers.at(-1) ?? 0;
		if (n !== last + 1) this.#fault(`after ${last} came ${n}`);
		if (seq <= this.#seq) this.#fault(`after seq ${this.#seq} came seq ${seq}`);
		this.#numbers.push(n);
		this.#seq = Math.max(this.#seq, seq);
	}

	/** The number of the newest message. */
	get newest() {
		return this.#numbers.at(-1) ?? 0;
	}

	get count() {
		return this.#numbers.length;
	}

	/** @param {number} total as many were published */
	assertComplete(total) {
		assert.deepEqual(this.#faults, [], `${this.name} was given something lost, doubled or out of order`);
		assert.equal(this.count, total, `${this.name} has another number of messages than were published`);
	}

	/** @param {string} fault */
	#fault(fault) {
		const FAULTS_MAX = 10;
		if (this.#faults.length < FAULTS_MAX) this.#faults.push(fault);
	}
}
