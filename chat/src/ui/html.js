/**
 * The one place where Preact and htm meet.
 */

import htm from '../../vendor/htm.js';
import { h } from '../../vendor/preact.js';

export const html = htm.bind(h);

/**
 * Class names that hold, as one string.
 * @param {...(string | false | null | undefined)} names
 */
export function classes(...names) {
	return names.filter(Boolean).join(' ');
}
