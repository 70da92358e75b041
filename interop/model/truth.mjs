/** What the logs really had, in each of their lives: a restart may have taken their end, or all of it. */

/** @import { Place } from './hub.mjs' */

/** Where a log leaves `seq`s out, the model stores messages of such channels instead. */
const GAP = 'gap:';

/**
 * @typedef {object} Life
 * @property {string} epoch with which those of its logs begin
 * @property {Map<string, number>} kept the newest `seq` of each channel when it began
 * @property {Map<string, { id: string, at: number }>} messages by channel and `seq`
 * @property {Map<string, number[]>} channels the `seq`s of each
 * @property {Map<string, string>} epochs of the logs that the channels are in
 * @property {Set<string>} gaps epochs, with the `seq`s that these logs leave out
 */

/** A message as somebody was given it. @typedef {{ channel: string, seq: number, id: string, at: number }} Given */

export class Truth {
	/** @type {Life[]} */
	lives = [];
	/** What the log did that it must not. @type {string[]} */
	faults = [];

	/** @param {string} epoch */
	begin(epoch) {
		this.lives.push({ epoch, kept: new Map(), messages: new Map(), channels: new Map(), epochs: new Map(), gaps: new Set() });
	}

	/** What was recorded up to now is what the present life began with. */
	settle() {
		for (const [channel, seqs] of this.now.channels) this.now.kept.set(channel, seqs.at(-1) ?? 0);
	}

	get now() {
		return /** @type {Life} */ (this.lives.at(-1));
	}

	/** @param {Place[]} places */
	record(places) {
		const { messages, channels, epochs, gaps } = this.now;
		for (const [seq, channel, id, at, epoch] of places) {
			for (const other of channels.get(channel) ?? []) {
				if (messages.get(`${channel} ${other}`)?.id === id) this.faults.push(`${id} is stored twice: ${other} and ${seq}`);
			}
			messages.set(`${channel} ${seq}`, { id, at });
			epochs.set(channel, epoch);
			if (channel.startsWith(GAP)) gaps.add(`${epoch} ${seq}`);
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
			const kept = life.kept.get(given.channel) ?? 0;
			return given.seq > kept && !seqs.some((seq) => seq > kept && seq < given.seq);
		});
	}

	/**
	 * Whether what somebody published in a channel stands in the log in the order of its numbers.
	 * @param {string} channel
	 * @param {string} user
	 */
	isInOrder(channel, user) {
		const ids = (this.now.channels.get(channel) ?? []).map((seq) => this.now.messages.get(`${channel} ${seq}`)?.id.split('/') ?? []);
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
			const epoch = life.epochs.get(given.channel) ?? '';
			if ('epoch' in before ? before.epoch !== epoch : !has(life, before) && !life.gaps.has(`${epoch} ${before.seq}`)) return false;
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
	const message = life.messages.get(`${channel} ${seq}`);
	return message?.id === id && message.at === at;
}
