/**
 * What the page remembers between visits: small strings under one prefix.
 *
 * Storage can be missing, full or forbidden (private windows, blocked cookies); the
 * chat then works and forgets.
 */

/** @typedef {"name" | "room" | "language" | "theme" | "transport" | "read" | "people"} Remembered */

/** @typedef {{ recall(key: Remembered): string | null, remember(key: Remembered, value: string | null): void }} Memory */

/**
 * @param {() => Storage} open throws where storage is forbidden
 * @returns {Memory}
 */
export function memoryOf(open) {
	return {
		recall(key) {
			try {
				return open().getItem(`tidings.chat.${key}`);
			} catch {
				return null;
			}
		},
		remember(key, value) {
			try {
				if (value === null) open().removeItem(`tidings.chat.${key}`);
				else open().setItem(`tidings.chat.${key}`, value);
			} catch {
				// Forgetting is the agreed way to fail here.
			}
		},
	};
}
