/**
 * A button that opens a panel, and the keyboard's way through it: arrows move between
 * the items, Home and End jump, Escape closes and gives the focus back.
 */

import { useLayoutEffect, useRef, useState } from '../../vendor/preact-hooks.js';

/** Holds the state of one open-or-closed panel; `root` goes on the element around both. */
export function useMenu() {
	const [isOpen, setOpen] = useState(false);
	const root = useRef(/** @type {HTMLElement | null} */ (null));

	useLayoutEffect(() => {
		if (!isOpen) return;
		const items = itemsOf(root.current);
		(items.find((item) => item.getAttribute('aria-checked') === 'true') ?? items[0])?.focus();

		/** @param {Event} event */
		const outside = (event) => {
			if (event.target instanceof Node && root.current?.contains(event.target)) return;
			setOpen(false);
		};
		document.addEventListener('pointerdown', outside);
		document.addEventListener('focusin', outside);
		return () => {
			document.removeEventListener('pointerdown', outside);
			document.removeEventListener('focusin', outside);
		};
	}, [isOpen]);

	const close = () => {
		setOpen(false);
		root.current?.querySelector('button')?.focus();
	};

	/** @param {KeyboardEvent} event */
	const onKeyDown = (event) => {
		if (!isOpen) return;
		if (event.key === 'Escape') {
			event.stopPropagation();
			close();
			return;
		}
		const items = itemsOf(root.current);
		const next = nextItem(event.key, items, document.activeElement);
		if (next === undefined) return;
		event.preventDefault();
		next.focus();
	};

	return { isOpen, root, onKeyDown, toggle: () => setOpen(!isOpen), close };
}

/**
 * @param {HTMLElement | null} root
 * @returns {HTMLElement[]}
 */
function itemsOf(root) {
	return root === null ? [] : [...root.querySelectorAll('[role^="menuitem"]')].filter((item) => item instanceof HTMLElement);
}

/**
 * @param {string} key
 * @param {HTMLElement[]} items
 * @param {Element | null} focused
 */
function nextItem(key, items, focused) {
	const at = items.findIndex((item) => item === focused);
	switch (key) {
		case 'ArrowDown':
		case 'ArrowRight':
			return items[(at + 1) % items.length];
		case 'ArrowUp':
		case 'ArrowLeft':
			return items[(at - 1 + items.length) % items.length];
		case 'Home':
			return items[0];
		case 'End':
			return items[items.length - 1];
	}
	return undefined;
}
