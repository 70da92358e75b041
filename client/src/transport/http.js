/**
 * Frames over HTTP: what polls and SSE have in common.
 *
 * A command becomes a request and its answer a frame. The channels that are followed are read
 * together, from the lowest of their cursors on, by one `Reader`; when one is added or taken away
 * the reader is stopped and begins again.
 *
 * @import { Rhythm } from '../heartbeat.js'
 * @import { Command, Frame, Hello } from '../wire/frames.js'
 * @import { Ear, Environment, Link } from './link.js'
 * @import { Place } from './places.js'
 */
import { formatCursor } from '../cursor.js';
import { sendingTime } from '../heartbeat.js';
import { readProblem, TidingsError } from '../wire/error.js';
import { advance, begin, part, start } from './places.js';

/** How each command is asked, and the type of its answer. */
const REQUESTS = {
	publish: ['messages', 'published'],
	history: ['messages', 'history'],
	signal: ['signals', ''],
	presence: ['presence', 'presence'],
};

/**
 * @typedef {object} Stream what a reader is given
 * @property {Environment} environment
 * @property {string} path of the request, without parameters of the reader's own
 * @property {boolean} isProbe nothing is followed: it is only to be seen whether anything would come
 * @property {() => string} after the cursor to read from
 * @property {<Taken>(path: string, take: (response: Response) => Taken | Promise<Taken>,
 *   how?: { accept?: string, isHeld?: boolean }) => Promise<Taken>} get what is taken of the answer, in time; one that
 *   is held back until there is something may take any time
 * @property {(cursor: string, hello: Hello) => void} begin the server answers, from `cursor` on
 * @property {(frame: Frame) => void} frame
 * @property {(cursor: string) => void} advance everything up to `cursor` was given
 */

/**
 * Reads until it is stopped (`get` and bodies then reject) or throws because it cannot go on.
 * @typedef {(stream: Stream) => Promise<void>} Reader
 */

/** @param {Response} response */
export const json = (response) => response.json();

/**
 * Whether the server does not want this, whoever asks and whenever.
 * @param {unknown} error
 * @returns {error is TidingsError}
 */
const isRefusal = (error) =>
	error instanceof TidingsError && !error.later && !error.isForeign && error.status !== 401;

/**
 * What is read brings a sign of life at every interval, and may be a little late: only then is it asked
 * for again.
 * @param {Rhythm} rhythm
 */
const patient = ({ interval, timeout, tries, ...more }) => ({
	interval: interval + timeout,
	timeout,
	tries: Math.max(0, tries - 1),
	...more,
});

/**
 * @param {Environment} environment
 * @param {Ear} ear
 * @param {Reader} read
 * @returns {Link}
 */
export function http(environment, ear, read) {
	const life = new AbortController();
	let reading = new AbortController();
	let restarting = false;
	/** How long an answer may take, in ms. */
	let limit = environment.timeout * 2;
	/** @type {Map<string, Place>} */
	const places = new Map();

	/**
	 * Asks, and takes the answer: all of that has its time, unless the server may hold the answer back.
	 * @template Taken
	 * @param {string} path
	 * @param {AbortSignal} signal
	 * @param {(response: Response) => Taken | Promise<Taken>} take
	 * @param {{ accept?: string, body?: object, isHeld?: boolean }} [how]
	 */
	async function call(path, signal, take, { accept = 'application/json', body, isHeld } = {}) {
		const { url, token, fetch, now, setTimeout, clearTimeout } = environment;
		/** @type {Record<string, string>} */
		const headers = { accept };
		// A header carries bytes, and a guest's name is any text: as UTF-8, byte by byte.
		if (token) headers.authorization = `Bearer ${String.fromCharCode(...new TextEncoder().encode(token))}`;
		if (body) headers['content-type'] = 'application/json';
		const askedAt = now();
		const text = body && JSON.stringify(body);
		const late = () => signal.aborted || lose(new Error('no answer in time'));
		const timer = isHeld ? undefined : setTimeout(late, limit + sendingTime(text?.length));
		try {
			const response = await fetch(url + path, {
				method: body ? 'POST' : 'GET',
				body: text,
				headers,
				signal,
				cache: 'no-store',
			});
			if (!response.ok) throw await readProblem(response);
			if (!isHeld) ear.frame({ type: 'measured', roundTripTime: now() - askedAt });
			return await take(response);
		} finally {
			clearTimeout(timer);
		}
	}

	/** @param {unknown} error */
	function lose(error) {
		if (life.signal.aborted) return;
		const problem = error instanceof TidingsError ? error : undefined;
		// The close codes say what the statuses said: come with another token, not at all, or again.
		let code = isRefusal(error) ? 1008 : 1006;
		if (problem?.status === 401 && !problem.isForeign) code = problem.code === 'token_expired' ? 4002 : 4001;
		ear.lost({ code, reason: String(error), after: problem?.after });
	}

	/** @param {Command} command */
	async function request(command) {
		const { type, req, channel, id, data, bytes, ...range } = /** @type {Record<string, string>} */ (command);
		const [resource, answer] = REQUESTS[/** @type {keyof typeof REQUESTS} */ (type)];
		const query = String(new URLSearchParams(JSON.parse(JSON.stringify(range))));
		try {
			const path = `/v1/channels/${encodeURIComponent(channel ?? '')}/${resource}${query && `?${query}`}`;
			const body = data === undefined ? undefined : { id, data, bytes };
			const said = await call(path, life.signal, answer ? json : () => undefined, { body });
			if (answer) ear.frame({ ...said, type: answer, req });
		} catch (error) {
			if (life.signal.aborted) return;
			if (!(error instanceof TidingsError) || error.status === 401 || (error.isForeign && !error.later)) lose(error);
			else ear.frame({ type: 'error', req: Number(req), code: error.code, message: error.message, error });
		}
	}

	/** @param {Place[]} of */
	const path = (of) => `/v1/events?${new URLSearchParams(of.map(({ channel }) => [channel ? 'channel' : 'probe', channel]))}`;

	/**
	 * Asks for the "now" of channels, which also tells which of them are refused: those are left out.
	 * @param {Place[]} of
	 * @param {AbortSignal} signal
	 * @returns {Promise<boolean>} whether one was refused
	 */
	async function vet(of, signal) {
		try {
			const { cursor, epochs } = await call(path(of), signal, json);
			for (const place of of) place.after ??= formatCursor(part(cursor, place.channel, epochs));
			return false;
		} catch (error) {
			if (!isRefusal(error) || !of[0]?.channel) throw error;
			const [{ channel, req }, ...others] = /** @type {[Place, ...Place[]]} */ (of);
			if (others.length) {
				let refused = false;
				for (const place of of) refused = (await vet([place], signal)) || refused;
				return refused;
			}
			places.delete(channel);
			ear.frame({ type: 'error', req, code: error.code, message: error.message, error });
			return true;
		}
	}

	/** @param {AbortSignal} signal */
	async function follow(signal) {
		/** @type {Place} */
		const probe = { channel: '', req: 0 };
		try {
			for (;;) {
				const of = places.size ? [...places.values()] : [probe];
				const fresh = of.filter(({ after }) => !after);
				try {
					if (fresh.length) await vet(fresh, signal);
					else await read(stream(of, signal));
				} catch (error) {
					if (!isRefusal(error) || !(await vet(of, signal))) throw error;
				}
			}
		} catch (error) {
			if (!signal.aborted) lose(error);
		}
	}

	/**
	 * @param {Place[]} of
	 * @param {AbortSignal} signal
	 * @returns {Stream}
	 */
	function stream(of, signal) {
		/**
		 * What a stream brings after it was stopped, the next one was asked for as well.
		 * @param {Frame} frame
		 */
		const frame = (frame) => {
			signal.throwIfAborted();
			ear.frame(frame);
		};
		return {
			environment,
			path: path(of),
			isProbe: !of[0]?.channel,
			after: () => start(of),
			get: (path, take, how) => call(path, signal, take, how),
			frame,
			begin(cursor, hello) {
				const { interval, timeout } = hello.heartbeat;
				limit = Math.min(limit, interval + timeout);
				frame({ ...hello, heartbeat: patient(hello.heartbeat) });
				begin(of, cursor, hello.newest, hello.epochs).forEach(frame);
			},
			advance: (cursor) => frame(advance(of, cursor)),
		};
	}

	function restart() {
		if (restarting) return;
		restarting = true;
		// Channels that are subscribed together are read together.
		queueMicrotask(() => {
			restarting = false;
			reading.abort();
			reading = new AbortController();
			if (!life.signal.aborted) follow(reading.signal);
		});
	}

	restart();
	return {
		// Requests may overtake one another on their way.
		window: 1,
		send(command) {
			if (command.type === 'subscribe') {
				const { channel, req, after } = command;
				places.set(channel, { channel, req, after });
				restart();
			} else if (command.type === 'unsubscribe') {
				places.delete(command.channel);
				restart();
				ear.frame({ ...command, type: 'unsubscribed' });
			} else if (command.type === 'ping') {
				restart();
			} else {
				request(command);
			}
		},
		close() {
			life.abort();
			reading.abort();
		},
	};
}
