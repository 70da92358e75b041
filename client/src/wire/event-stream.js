/**
 * `text/event-stream`, as the HTML standard reads it, but for one thing: an event without data is
 * handed out too when it has an id, for that is how the server's heartbeat moves the cursor.
 *
 * @typedef {object} StreamEvent
 * @property {string} event its type; `''` where none was given
 * @property {string} [id]
 * @property {string} data
 */

/** Bound of what is kept while an event is unfinished, in UTF-16 units: far above a message. */
export const EVENT_UNITS_MAX = 1 << 24;

export class EventStream {
	#rest = '';
	#units = 0;
	/** @type {StreamEvent} */
	#event = { event: '', data: '' };

	/**
	 * Takes the next piece of the stream, cut anywhere, and gives the events that it finishes.
	 * @param {string} text
	 * @returns {StreamEvent[]}
	 * @throws {RangeError} when an event does not end
	 */
	push(text) {
		const events = [];
		// A CR at the end may be half of a CRLF, so it waits for what follows.
		const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
		this.#rest = lines.pop() ?? '';
		for (const line of lines) {
			this.#units += line.length;
			if (line) this.#field(line);
			else {
				const { data, id } = this.#event;
				if (data || id) events.push({ ...this.#event, data: data.slice(0, -1) });
				this.#event = { event: '', data: '' };
				this.#units = 0;
			}
		}
		if (this.#units + this.#rest.length > EVENT_UNITS_MAX) throw new RangeError('an endless event');
		return events;
	}

	/** @param {string} line */
	#field(line) {
		const [, name, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
		if (name === 'data') this.#event.data += value + '\n';
		else if (name === 'event' || name === 'id') this.#event[name] = value;
	}
}
