/** What holds for the files as they lie here: colours, sizes, and what must not be in them. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

const CHAT = new URL('..', import.meta.url).pathname;
const served = ['index.html', 'icon.svg', 'theme.js', ...filesIn('src'), ...filesIn('style')];
const read = (/** @type {string} */ path) => readFileSync(join(CHAT, path), 'utf8');

/** @param {string} folder @returns {string[]} */
function filesIn(folder) {
	return readdirSync(join(CHAT, folder), { withFileTypes: true }).flatMap((entry) => {
		const path = join(folder, entry.name);
		return entry.isDirectory() ? filesIn(path) : [path];
	});
}

test('the whole chat is small: comments aside below 120 KB, and half of that on the way', () => {
	const texts = served.map((path) => read(path).replace(/\/\*.*?\*\//gs, '').replace(/^\s*\/\/.*\n/gm, ''));
	const bytes = Buffer.byteLength(texts.join(''));
	assert.ok(bytes < 120_000, `${bytes} bytes`);
	const packed = served.reduce((sum, path) => sum + gzipSync(read(path)).length, 0);
	assert.ok(packed < 60_000, `${packed} bytes, gzipped file by file`);
});

test('nothing is fetched from elsewhere, and no markup is made of text', () => {
	for (const path of served) {
		const text = read(path).replaceAll('http://www.w3.org/2000/svg', '').replace(/\/\*.*?\*\//gs, '');
		if (path.startsWith('style') || path.endsWith('.html')) assert.doesNotMatch(text, /https?:\/\/|url\(|@import/, path);
		assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|dangerouslySet|document\.write|\beval\(/, path);
	}
});

test('every style sheet and script that the page names is there', () => {
	for (const [, path] of read('index.html').matchAll(/(?:href|src)="\/chat\/([^"]+)"/g)) assert.ok(statSync(join(CHAT, path ?? '')));
});

test('the page asks for every module at once', () => {
	const named = [...read('index.html').matchAll(/modulepreload" href="\/chat\/([^"]+)"/g)].map(([, path]) => path);
	const modules = [...filesIn('vendor'), ...filesIn('src')].filter((path) => path.endsWith('.js') && path !== 'src/main.js');
	assert.deepEqual(named.sort(), modules.sort());
});

const tokens = new Map(
	[...read('style/tokens.css').matchAll(/--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)/g)].map(([, name, light, dark]) => [name, [light, dark]]),
);

/** @param {string} hex */
function luminance(hex) {
	const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
		const channel = parseInt(hex.slice(at, at + 2), 16) / 255;
		return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
	});
	return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** @param {string} a @param {string} b */
function contrast(a, b) {
	const [low = 0, high = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
	return (high + 0.05) / (low + 0.05);
}

test('words can be read on every surface, in both themes (WCAG 2.2 AA)', () => {
	const words = {
		ink: ['canvas', 'surface', 'raised', 'bubble', 'hover', 'selected'],
		'ink-soft': ['canvas', 'surface', 'raised', 'bubble', 'hover', 'selected'],
		'ink-faint': ['canvas', 'surface', 'raised', 'bubble', 'hover', 'selected'],
		'accent-ink': ['surface', 'raised', 'bubble'],
		'on-accent': ['accent', 'accent-strong'],
		bad: ['surface', 'raised'],
		warn: ['warn-surface'],
	};
	for (const [ink, surfaces] of Object.entries(words)) {
		for (const surface of surfaces) {
			for (const theme of [0, 1]) {
				const ratio = contrast(tokens.get(ink)?.[theme] ?? '', tokens.get(surface)?.[theme] ?? '');
				assert.ok(ratio >= 4.5, `${ink} on ${surface}, ${theme === 0 ? 'light' : 'dark'}: ${ratio.toFixed(2)}`);
			}
		}
	}
});
