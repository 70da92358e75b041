/**
 * A canvas that is drawn again whenever the page is, as sharp as the screen.
 */

import { html } from '/chat/src/ui/html.js';
import { useLayoutEffect, useRef } from '/chat/vendor/preact-hooks.js';

/**
 * @typedef {(pen: CanvasRenderingContext2D, width: number, height: number, colour: (name: string) => string) => void} Draw
 *   in CSS pixels; `colour` gives that of a custom property
 */

/**
 * @param {object} props
 * @param {string} props.label what it shows, for those who do not see it
 * @param {number} props.height in CSS pixels
 * @param {Draw} props.draw
 */
export function Canvas({ label, height, draw }) {
	const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
	useLayoutEffect(() => {
		const pen = canvas.current?.getContext('2d');
		if (!canvas.current || !pen) return;
		const width = canvas.current.clientWidth;
		const sharpness = devicePixelRatio || 1;
		canvas.current.width = width * sharpness;
		canvas.current.height = height * sharpness;
		pen.scale(sharpness, sharpness);
		draw(pen, width, height, palette(canvas.current));
	});
	return html`<canvas ref=${canvas} role="img" aria-label=${label} height=${height}></canvas>`;
}

/**
 * The colours of custom properties as they are here and now: a property's own text may be a `light-dark()`, which no
 * canvas knows.
 * @param {HTMLCanvasElement} canvas
 */
function palette(canvas) {
	const style = getComputedStyle(canvas);
	/** @type {Map<string, string>} */
	const known = new Map();
	return (/** @type {string} */ name) => {
		let colour = known.get(name);
		if (colour === undefined) {
			canvas.style.setProperty('color', `var(${name})`);
			known.set(name, (colour = style.color));
		}
		return colour;
	};
}
