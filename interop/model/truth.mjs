/** What the log really had, in each of its lives: a restart may have taken its end, or all of it. */

/** @import { Place } from './hub.mjs' */

/** Where a log leaves `seq`s out, the model stores messages of this channel instead. */
const GAP = 'gap';

/**
 * @typedef {object} Life
 * @property {string} epoch
 * @property {number} kept the newest `seq` that it had when it began
 * @property {Map<number, { channel: string, id: string, at: number }>} messages
 * @property {Map<string, number[]>} channels the `seq`s of each
 */

/** A message as somebody was given it. @typedef {{ channel: string, seq: number, id: string, at: number }} Given */

export class Truth {
	/** @type {Life[]} */
	lives = [];
	/** What the log did that it must not. @type {string[]} */
	faults = [];

	/** @param {string} epoch */
	begin(epoch) {
		this.lives.push({ epoch, kept: 0, messages: new Map(), channels: new Map() });
	}

	/** What was recorded up to now is what the present life began with. */
	settle() {
		this.now.kept = Math.max(0, ...this.now.messages.keys());
	}

	get now() {
		return /** @type {Life} */ (this.lives.at(-1));
	}

	/** @param {Place[]} places */
	record(places) {
		const { messages, channels } = this.now;
		for (const [seq, channel, id, at] of places) {
			for (const other of channels.get(channel) ?? []) {
				if (messages.get(other)?.id === id) this.faults.push(`${id} is stored twice: ${other} and ${seq}`);
			}
			messages.set(seq, { channel, id, at });
			channels.set(channel, [...(channels.get(channel) ?? []), seq]);
		}
	}

	/**
	 * The newest message of a channel.
	 * @param {string} channel
	 */
	newest(channel) {
		return this.now.channels.get(channel)?.at(-1) ?? 0;
	}

	/**
	 * Whether the log has ever had a message.
	 * @param {Given} given
	 */
	knows(given) {
		return this.lives.some((life) => has(life, given));
	}

	/**
	 * Whether a message is the first of its channel that came to be in a life of the log.
	 * @param {Given} given
	 */
	isFirst(given) {
		return this.lives.some((life) => {
			if (!has(life, given)) return false;
			const seqs = life.channels.get(given.channel) ?? [];
			return given.seq > life.kept && !seqs.some((seq) => seq > life.kept && seq < given.seq);
		});
	}

	/**
	 * Whether what somebody published in a channel stands in the log in the order of its numbers.
	 * @param {string} channel
	 * @param {string} user
	 */
	isInOrder(channel, user) {
		const ids = (this.now.channels.get(channel) ?? []).map((seq) => this.now.messages.get(seq)?.id.split('/') ?? []);
		const numbers = ids.filter(([, name]) => name === user).map(([, , number]) => Number(number));
		return numbers.every((number, at) => at === 0 || number > /** @type {number} */ (numbers[at - 1]));
	}

	/**
	 * Whether a log was once so that nothing of the channel was missing between a place and a message:
	 * the one that was given before it, or a cursor.
	 * @param {Given | { epoch: string, seq: number }} before
	 * @param {Given} given
	 */
	follows(before, given) {
		return this.lives.some((life) => {
			if (!has(life, given) || before.seq >= given.seq) return false;
			if ('epoch' in before ? before.epoch !== life.epoch : !has(life, before) && !leavesOut(life, before.seq)) return false;
			const seqs = life.channels.get(given.channel) ?? [];
			return !seqs.some((seq) => seq > before.seq && seq < given.seq);
		});
	}
}

/**
 * @param {Life} life
 * @param {Given} given
 */
function has(life, { channel, seq, id, at }) {
	const message = life.messages.get(seq);
	return message?.channel === channel && message.id === id && message.at === at;
}

/**
 * A message that a loss of power took: its `seq` is nobody's.
 * @param {Life} life
 * @param {number} seq
 */
function leavesOut(life, seq) {
	return life.messages.get(seq)?.channel === GAP;
}
