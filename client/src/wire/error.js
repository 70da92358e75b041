/**
 * What the server, or the client itself, refuses.
 *
 * @import { ErrorFrame } from './frames.js'
 */

/** Codes after which the same again can do: docs/protocol.md, "Codes". */
const LATER = /^(busy|draining|unavailable|storage_full|rate_limited|internal)$/;

/** Why something was refused. */
export class TidingsError extends Error {
	/** A stable code, such as `forbidden` or `queue_full`. */
	code;
	/** The HTTP status that said so, where one did. */
	status;
	/** Whether the same again can do later; the client then tries by itself. */
	later;
	/** At least so many ms later, where the server said. */
	after;

	/**
	 * @param {string} code
	 * @param {string} message
	 * @param {number} [status]
	 * @param {number} [after]
	 */
	constructor(code, message, status, after) {
		super(message);
		this.code = code;
		this.status = status;
		this.later = status ? status >= 500 || status === 429 || status === 408 : LATER.test(code);
		this.after = after;
	}

	/** @override */
	get name() {
		return 'TidingsError';
	}

	/**
	 * Whether somebody on the way said so who knows nothing of the server: a proxy, a hotel. That our
	 * request is too large for them (413, 414, 431) is for good all the same.
	 */
	get isForeign() {
		return this.code === `http_${this.status}` && ![413, 414, 431].includes(this.status ?? 0);
	}
}

/**
 * What an `error` frame says.
 * @param {ErrorFrame} frame
 */
export const errorOf = ({ error, code, message }) => error ?? new TidingsError(code, message);

/**
 * Reads an RFC 9457 problem; takes what is there when a proxy answered instead.
 * @param {Response} response
 * @returns {Promise<TidingsError>}
 */
export async function readProblem(response) {
	const { status, headers } = response;
	const { code, title, detail } = await response.json().catch(() => ({}));
	const after = Number(headers.get('retry-after')) * 1000 || undefined;
	return new TidingsError(code ?? `http_${status}`, detail ?? title ?? `HTTP ${status}`, status, after);
}
