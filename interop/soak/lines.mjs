/** Lines of JSON from many processes to the checker, over a socket of this machine. */

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

/** @import { Line } from './ledger.mjs' */

/** How long lines are gathered before they are sent together, in ms. */
const GATHER_MS = 100;

/** Takes lines from whoever comes. */
export class LineReader {
	#server;

	/** @param {(line: Line) => void} take */
	constructor(take) {
		this.#server = createServer((socket) => {
			createInterface({ input: socket }).on('line', (line) => take(JSON.parse(line)));
		});
	}

	/** @param {string} path */
	async listen(path) {
		this.#server.listen(path);
		await once(this.#server, 'listening');
	}
}

/** Sends lines. */
export class LineWriter {
	/** @type {string[]} */
	#lines = [];
	#socket;

	/** @param {string} path */
	constructor(path) {
		this.#socket = connect(path);
		setInterval(() => this.flush(), GATHER_MS).unref();
	}

	/** @param {Line} line */
	write(line) {
		this.#lines.push(JSON.stringify(line));
	}

	flush() {
		if (this.#lines.length) this.#socket.write(`${this.#lines.splice(0).join('\n')}\n`);
	}
}
