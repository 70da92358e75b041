/** What a process takes of the machine, as Linux tells it. */

import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';

const TICKS_A_SECOND = Number(execFileSync('getconf', ['CLK_TCK']));

/**
 * @typedef {object} Sample
 * @property {number} at seconds since the soak began
 * @property {number} rssKiB
 * @property {number} cpuSeconds of this process, which begins anew when the server does
 */

/**
 * @param {number} pid
 * @param {number} at
 * @returns {Promise<Sample | undefined>} undefined while there is none
 */
export async function sample(pid, at) {
	try {
		const [stat, status] = await Promise.all([readFile(`/proc/${pid}/stat`, 'utf8'), readFile(`/proc/${pid}/status`, 'utf8')]);
		// Its name, in brackets, may hold anything; user and system time are the 14th and 15th field.
		const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
		const cpuSeconds = (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
		const [, rss] = /^VmRSS:\s+(\d+) kB/m.exec(status) ?? [];
		return rss ? { at, rssKiB: Number(rss), cpuSeconds } : undefined;
	} catch {
		return undefined;
	}
}
