/** What goes over the loopback, seen by somebody else: tshark's own count of bytes and connections by port. */

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Child } from '../lib/child.mjs';
import { until } from '../lib/until.mjs';

/** @import { Scope } from '../lib/child.mjs' */

/** Enough of a packet for its headers, in bytes: IPv4's and TCP's with all their options, and the first of QUIC's. */
const SNAPSHOT_BYTES = 160;
/** What the kernel may hold for us, in MiB: a minute of many clients. */
const BUFFER_MIB = 64;
/** How much tshark's list may be, in bytes: some 100 a packet. */
const LIST_BYTES_MAX = 1 << 30;

/**
 * @typedef {object} Count
 * @property {number} up bytes of payload towards the port; what TCP, UDP and IP add is not in it
 * @property {number} down bytes from it
 * @property {number} connections that TCP opened there
 * @property {number} packets of either way
 */

/** Whether the system lets us capture. */
export async function mayCapture() {
	const listing = promisify(execFile)('tshark', ['-D']);
	const found = await listing.catch(() => ({ stdout: '' }));
	return /^\d+\. lo\b/mu.test(found.stdout);
}

export class Capture {
	#child;
	#file;

	/**
	 * @param {Child} child
	 * @param {string} file
	 */
	constructor(child, file) {
		this.#child = child;
		this.#file = file;
	}

	/**
	 * Begins; what is sent from now on is counted.
	 * @param {Scope} t
	 * @param {string} file where it is kept until it is counted
	 */
	static async begin(t, file) {
		const words = ['-q', '-i', 'lo', '-s', SNAPSHOT_BYTES, '-B', BUFFER_MIB, '-f', 'tcp or udp', '-w', file];
		const child = new Child('dumpcap', words.map(String));
		t.after(() => child.end());
		// It says so before it is ready, and the file's header is written when it is.
		await until('dumpcap to capture', () => /Capturing on/u.test(child.stderr) && /File:/u.test(child.stderr), {
			seen: () => child.stderr,
		});
		return new Capture(child, file);
	}

	/** Ends it; gives what went to and from each port that was connected to, and how many packets were not seen. */
	async end() {
		await this.#child.end('SIGINT');
		const dropped = Number(/packets dropped[^:]*: \d+\/(\d+)/u.exec(this.#child.stderr)?.[1] ?? 0);
		const fields = ['tcp.srcport', 'tcp.dstport', 'tcp.len', 'tcp.flags.syn', 'tcp.flags.ack'];
		fields.push('tcp.analysis.retransmission', 'udp.srcport', 'udp.dstport', 'udp.length');
		const words = ['-r', this.#file, '-T', 'fields', '-E', 'separator=,', ...fields.flatMap((it) => ['-e', it])];
		const { stdout } = await promisify(execFile)('tshark', words, { maxBuffer: LIST_BYTES_MAX });
		return { dropped, ports: count(stdout) };
	}
}

/** What the header of UDP has, in bytes, which is part of its length. */
const UDP_HEADER_BYTES = 8;

/**
 * @param {string} list a line a packet
 * @returns {(port: number) => Count} of a server's port
 */
function count(list) {
	/** @type {Map<string, { bytes: number, packets: number, opened: number }>} */
	const flows = new Map();
	for (const line of list.split('\n')) {
		const [from, to, length, syn, ack, again, udpFrom, udpTo, udpLength] = line.split(',');
		if (again) continue;
		const bytes = udpLength ? Number(udpLength) - UDP_HEADER_BYTES : Number(length);
		const opened = isSet(syn) && !isSet(ack) ? 1 : 0;
		for (const key of [`from ${from || udpFrom}`, `to ${to || udpTo}`]) {
			const flow = flows.get(key) ?? { bytes: 0, packets: 0, opened: 0 };
			flow.bytes += bytes;
			flow.packets += 1;
			flow.opened += opened;
			flows.set(key, flow);
		}
	}
	const none = { bytes: 0, packets: 0, opened: 0 };
	return (port) => {
		const [up, down] = [flows.get(`to ${port}`) ?? none, flows.get(`from ${port}`) ?? none];
		return { up: up.bytes, down: down.bytes, connections: up.opened, packets: up.packets + down.packets };
	};
}

/** @param {string | undefined} flag as tshark of either generation writes it */
const isSet = (flag) => flag === '1' || flag === 'True';
