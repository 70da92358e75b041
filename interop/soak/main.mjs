/**
 * The soak: thousands of real clients over all transports, behind middleboxes in bad weather, and a server
 * that is killed every minute, or a cluster in which everything is; a checker of its own judges what everybody was told.
 *
 *     node interop/soak/main.mjs [--engine nats] [--minutes 15] [--clients 2000] [--rate 40] [--seed 1] [--out target/soak]
 *
 * Exit code: 0 all good, 1 something was lost, doubled, out of order or never came, 2 not understood.
 */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Api } from '../lib/api.mjs';
import { Middlebox } from '../lib/middlebox.mjs';
import { Cluster } from './cluster.mjs';
import { LineWriter } from './lines.mjs';
import { sample } from './meter.mjs';
import { parse, USAGE } from './options.mjs';
import { beaconId, CROWD_MAX, HALLS, MIDDLEBOXES, nameOf } from './plan.mjs';
import { start, tell } from './process.mjs';
import { asText, judgeKill } from './report.mjs';
import { Single } from './single.mjs';
import { Weather } from './weather.mjs';

/** @import { ChildProcess } from 'node:child_process' */
/** @import { Scope } from '../lib/child.mjs' */
/** @import { Verdict } from './checker.mjs' */
/** @import { Options } from './options.mjs' */
/** @import { Sample } from './meter.mjs' */

/**
 * What is put to the test.
 * @typedef {object} Subject
 * @property {number} everyMs how often it is disturbed
 * @property {string} url
 * @property {readonly number[]} ports of its servers
 * @property {(number | undefined)[]} pids of its servers
 * @property {() => Promise<string>} disturb has something fail and come back, and says what
 */

/** How often it is looked at what the server takes, and whether everybody has everything, in ms. */
const GLANCE_MS = 1_000;

/** Good weather after which everybody must have everything, in ms: a long pause of the backoff, and a dead path. */
const CALM_MS_MAX = 120_000;

/** Nothing may be gone before the end, and an id be known for as long as a client may have been away. */
const CONFIG = `
dedup_window = "1h"
[heartbeat]
interval = "5s"
timeout = "1250ms"
tries = 2
[retention]
messages = "unlimited"
age = "unlimited"
bytes = "unlimited"
[nats]
shards = 3
`;

/** Everything that was started, to be ended in the opposite order. */
class Ends {
	/** @type {(() => void | Promise<void>)[]} */
	#ends = [];

	/** @param {() => void | Promise<void>} end */
	after(end) {
		this.#ends.push(end);
	}

	async all() {
		for (let end; (end = this.#ends.pop()); ) await end();
	}
}

/** Server, middleboxes, crowds and checker of one soak. */
class Soak {
	#options;
	#scope;
	#begun = performance.now();
	/** @type {Weather[]} */
	#weathers = [];
	/** @type {ChildProcess[]} */
	#crowds = [];
	/** @type {{ what: string, wall: number, at: number, downMs: number }[]} */
	#kills = [];
	/** Of each server. @type {Sample[][]} */
	#samples = [];
	#subject;
	#checker;
	/** Where the checker listens. */
	#path;
	#lines;

	/**
	 * @param {Options} options
	 * @param {Scope} scope
	 * @param {{ subject: Subject, checker: ChildProcess, lines: string }} started
	 */
	constructor(options, scope, { subject, checker, lines }) {
		this.#options = options;
		this.#scope = scope;
		this.#subject = subject;
		this.#checker = checker;
		this.#path = lines;
		this.#lines = new LineWriter(lines);
	}

	/**
	 * @param {Options} options
	 * @param {Scope} scope
	 */
	static async open(options, scope) {
		const folder = await mkdtemp(join(tmpdir(), 'tidings-soak-'));
		scope.after(() => rm(folder, { recursive: true, force: true }));
		const config = join(folder, 'tidings.toml');
		await writeFile(config, CONFIG);
		const subject = await (options.engine === 'nats' ? Cluster : Single).start(scope, config);
		const checker = start(scope, './checker.mjs');
		const lines = join(folder, 'lines');
		await tell(checker, 'listen', lines);
		return new Soak(options, scope, { subject, checker, lines });
	}

	/** @returns {Promise<boolean>} whether all was good */
	async run() {
		const { minutes, clients, out } = this.#options;
		const begun = new Date().toISOString();
		const glances = setInterval(() => this.#glance(), GLANCE_MS);
		this.#scope.after(() => clearInterval(glances));
		await this.#gather();
		note(`${clients} clients follow; ${minutes} min of bad weather begin`);
		await this.#storm(minutes * 60_000);
		const calmMs = await this.#calm();
		/** @type {Verdict} */
		const judged = await tell(this.#checker, 'judge', this.#where);
		const { returns, ...verdict } = judged;
		const back = new Map(returns);
		const report = {
			begun,
			options: this.#options,
			verdict,
			kills: this.#kills.map(({ what, wall, at, downMs }, kill) => judgeKill(what, downMs, at, (back.get(kill) ?? []).map(([, when]) => when - wall), clients)),
			faults: merge(this.#weathers.map(({ faults }) => faults)),
			tallies: await this.#tallies(),
			servers: this.#samples,
			cpuSeconds: sum(this.#samples.map(lives)),
			seconds: this.#seconds,
			calmMs,
		};
		const text = asText(report);
		await mkdir(out, { recursive: true });
		await writeFile(join(out, 'soak.json'), JSON.stringify(report, null, '\t'));
		await writeFile(join(out, 'soak.txt'), text);
		process.stdout.write(`\n${text}`);
		return verdict.isGood && calmMs !== undefined;
	}

	/** Middleboxes, and the clients behind them, in good weather. */
	async #gather() {
		const { clients, rate, seed } = this.#options;
		const middleboxes = await Promise.all(Array.from({ length: MIDDLEBOXES }, () => Middlebox.open(this.#scope, this.#subject.ports)));
		this.#weathers = middleboxes.map((middlebox, number) => new Weather(middlebox, seed * MIDDLEBOXES + number));
		const urls = middleboxes.map(({ url }) => url);
		const crowds = Math.ceil(clients / CROWD_MAX);
		const share = Math.ceil(clients / crowds);
		this.#crowds = Array.from({ length: crowds }, () => start(this.#scope, './crowd.mjs'));
		await this.#all('open', (number) => {
			const first = number * share;
			return { first, count: Math.min(share, clients - first), clients, rate: rate / crowds, urls, lines: this.#path };
		});
	}

	/**
	 * Bad weather, and something fails again and again.
	 * @param {number} ms
	 */
	async #storm(ms) {
		for (const weather of this.#weathers) weather.begin();
		await this.#all('publish');
		const end = performance.now() + ms;
		const everyMs = this.#options.every * 1000 || this.#subject.everyMs;
		// The first time is half a period after the beginning, the last one as long before the end.
		for (let next = performance.now() + everyMs / 2; next < end; next += everyMs) {
			await pause(Math.max(0, next - performance.now()));
			await this.#kill();
		}
		await pause(end - performance.now());
	}

	async #kill() {
		const kill = this.#kills.length;
		const { wall, at } = { wall: Date.now(), at: this.#seconds };
		const what = await this.#subject.disturb();
		const downMs = Date.now() - wall;
		this.#kills.push({ what, wall, at, downMs });
		note(`${kill}: ${what}, over after ${downMs} ms; ${await tell(this.#checker, 'delivered')} delivered so far`);
		const api = new Api(this.#subject.url, 'beacon');
		for (let hall = 0; hall < HALLS; hall++) {
			const { seq, id } = await api.publishWhatever(nameOf(hall), { kill }, beaconId(kill, hall));
			this.#lines.write(['ack', hall, seq, id, Date.now()]);
		}
	}

	/**
	 * Good weather, until everybody has everything.
	 * @returns {Promise<number | undefined>} how long that took, in ms; undefined: they never had
	 */
	async #calm() {
		await this.#all('hush');
		await Promise.all(this.#weathers.map((weather) => weather.clear()));
		note('the weather has cleared');
		const begun = performance.now();
		for (let passed = 0; passed < CALM_MS_MAX; passed = performance.now() - begun) {
			const unanswered = sum(await this.#all('unanswered'));
			/** @type {number | undefined} */
			const lacking = await tell(this.#checker, 'lacking', this.#where);
			if (unanswered === 0 && lacking === 0) return passed;
			await pause(GLANCE_MS);
		}
		note('somebody still lacks something');
		return undefined;
	}

	async #tallies() {
		/** @type {Record<string, Record<string, number>>} */
		const all = {};
		/** @type {Record<string, Record<string, number>>[]} */
		const each = await this.#all('tallies');
		for (const tallies of each) {
			for (const [tally, counts] of Object.entries(tallies)) {
				const into = (all[tally] ??= {});
				for (const [name, count] of Object.entries(counts)) into[name] = (into[name] ?? 0) + count;
			}
		}
		return all;
	}

	async #glance() {
		const { pids } = this.#subject;
		const seconds = this.#seconds;
		for (const [server, pid] of pids.entries()) {
			const taken = pid ? await sample(pid, seconds) : undefined;
			if (taken) (this.#samples[server] ??= []).push(taken);
		}
	}

	/**
	 * Tells all crowds.
	 * @template T
	 * @param {string} kind
	 * @param {(number: number) => unknown} [value]
	 * @returns {Promise<T[]>}
	 */
	#all(kind, value = () => undefined) {
		return Promise.all(this.#crowds.map((crowd, number) => /** @type {Promise<T>} */ (tell(crowd, kind, value(number)))));
	}

	get #where() {
		return { url: this.#subject.url, clients: this.#options.clients };
	}

	get #seconds() {
		return (performance.now() - this.#begun) / 1000;
	}
}

/** @param {string} words */
const note = (words) => console.log(`${new Date().toISOString().slice(11, 19)} ${words}`);

/** @param {number[]} numbers */
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

/** @param {Record<string, { count: number, ms: number }>[]} all */
function merge(all) {
	/** @type {Record<string, { count: number, ms: number }>} */
	const merged = {};
	for (const [name, { count, ms }] of all.flatMap((faults) => Object.entries(faults))) {
		const { count: before, ms: passed } = merged[name] ?? { count: 0, ms: 0 };
		merged[name] = { count: before + count, ms: passed + ms };
	}
	return merged;
}

/**
 * The CPU time of a process that was started again and again.
 * @param {Sample[]} samples
 */
function lives(samples) {
	const since = samples.map(({ cpuSeconds }, at) => {
		const before = samples[at - 1]?.cpuSeconds ?? 0;
		return cpuSeconds < before ? cpuSeconds : cpuSeconds - before;
	});
	return sum(since);
}

const ends = new Ends();
let isEnding = false;
/** @param {number} code */
async function end(code) {
	if (isEnding) return;
	isEnding = true;
	await ends.all();
	process.exit(code);
}
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.on(signal, () => end(130));

/** @type {Options | undefined} */
let options;
try {
	options = parse(process.argv.slice(2));
} catch (error) {
	console.error(`${error}\n\n${USAGE}`);
	await end(2);
}
if (options) {
	try {
		const soak = await Soak.open(options, ends);
		await end((await soak.run()) ? 0 : 1);
	} catch (error) {
		if (!isEnding) console.error(error);
		await end(1);
	}
}
