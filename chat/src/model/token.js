/** Reads who a token is for. Whether it is good is for the server to say. */

/**
 * The `sub` of a JWT; empty where there is none.
 * @param {string} token
 * @returns {string}
 */
export function subjectOf(token) {
	try {
		const payload = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
		const bytes = Uint8Array.from(atob(payload), (char) => char.charCodeAt(0));
		const { sub } = JSON.parse(new TextDecoder().decode(bytes));
		return typeof sub === 'string' ? sub : '';
	} catch {
		return '';
	}
}
