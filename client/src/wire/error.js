/**
 * What the server, or the client itself, refuses.
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
}

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
