/**
 * One thing on the wire, and how to read it.
 *
 * @import { Entry } from '../racer.js'
 * @import { WebSocketFrame } from '../wire/frames.js'
 * @import { Head } from '../wire/http.js'
 */

import { html } from '/chat/src/ui/html.js';
import { hexOf, textOf } from '../wire/bytes.js';
import { OPCODES } from '../wire/frames.js';
import { useWords } from './settings.js';

/** How many bytes are shown one by one. */
const HEX_BYTES_MAX = 64;

/**
 * @param {object} props
 * @param {Entry} props.entry
 */
export function Detail({ entry }) {
	const { t, maybe, number } = useWords();
	const { seen, packet } = entry;
	return html`<div class="detail">
		${explanations(entry).map((key) => html`<p>${maybe(key)}</p>`)}
		${seen && seen.overhead > 0 && html`<p class="overhead">${t('wire.overhead', { n: number(seen.overhead) })}</p>`}
		${seen?.head && html`<${Headers} head=${seen.head} />`} ${seen?.frame && html`<${Frame} frame=${seen.frame} text=${entry.text} />`}
		${seen?.text !== undefined && html`<pre>${seen.text}</pre>`}
		${packet && entry.bytes && html`<${Bytes} name=${t('wire.hex')} bytes=${entry.bytes} />`}
		<p class="quiet">${t('wire.connection', { n: entry.connection })}, ${entry.wire.toUpperCase()}</p>
	</div>`;
}

/**
 * The keys of what there is to say of it.
 * @param {Entry} entry
 */
function explanations({ kind, wire, seen, packet, text = '' }) {
	const { head, frame } = seen ?? {};
	const says = (/** @type {string} */ name) => head?.headers.find(([other]) => other.toLowerCase() === name)?.[1] ?? '';
	if (kind === 'open') return [wire === 'udp' ? 'explain.openUdp' : 'explain.open'];
	if (kind === 'request') return [says('upgrade') ? 'explain.handshake' : 'explain.request'];
	if (kind === 'answer') {
		if (head?.start.startsWith('HTTP/1.1 101')) return ['explain.switched'];
		return [says('content-type').startsWith('text/event-stream') ? 'explain.stream' : 'explain.answer'];
	}
	if (kind === 'datagram') return ['explain.datagram', packet?.isLong ? 'explain.long' : 'explain.short'];
	if (kind === 'event') return [/^id:/m.test(seen?.text ?? '') ? 'explain.event' : 'explain.event.passing'];
	if (!frame) return [`explain.${kind}`];
	const name = OPCODES[frame.opcode] ?? '';
	const own = /^\{"type":"p[io]ng"/.test(text) ? ['explain.pingJson'] : [];
	return [name === 'close' ? 'explain.close.frame' : `explain.${name}`, ...own, ...(frame.isMasked ? ['explain.mask'] : [])];
}

/**
 * @param {object} props
 * @param {Head} props.head
 */
function Headers({ head }) {
	const { t, maybe } = useWords();
	return html`<pre class="start">${head.start}</pre>
		<table>
			<thead>
				<tr>
					<th scope="col">${t('wire.header')}</th>
					<th scope="col">${t('wire.value')}</th>
				</tr>
			</thead>
			<tbody>
				${head.headers.map(
					([name, value]) =>
						html`<tr>
							<th scope="row">${name}</th>
							<td><code>${value}</code> <small>${maybe(`header.${name.toLowerCase()}`)}</small></td>
						</tr>`,
				)}
			</tbody>
		</table>`;
}

/**
 * The bits of RFC 6455's picture.
 * @param {object} props
 * @param {WebSocketFrame} props.frame
 * @param {string} [props.text] what it says, where that is known
 */
function Frame({ frame, text }) {
	const { t } = useWords();
	const bit = (/** @type {boolean} */ is) => (is ? '1' : '0');
	/** @type {[name: string, bits: string, meaning: string][]} */
	const fields = [
		['FIN', bit(frame.fin), ''],
		['RSV1', bit(frame.rsv[0]), ''],
		['RSV2', bit(frame.rsv[1]), ''],
		['RSV3', bit(frame.rsv[2]), ''],
		['opcode', frame.opcode.toString(2).padStart(4, '0'), OPCODES[frame.opcode] ?? '?'],
		['MASK', bit(frame.isMasked), ''],
		['length', String(frame.size), ''],
		...(frame.isMasked ? [/** @type {[string, string, string]} */ (['masking key', hexOf(frame.mask), ''])] : []),
	];
	const close = frame.opcode === 8 && frame.payload.length >= 2 ? ((frame.payload[0] ?? 0) << 8) | (frame.payload[1] ?? 0) : 0;
	return html`<dl class="bits">
			${fields.map(
				([name, bits, meaning]) =>
					html`<div>
						<dt>${name}</dt>
						<dd><code>${bits}</code>${meaning && html` <small>${meaning}</small>`}</dd>
					</div>`,
			)}
		</dl>
		${frame.rsv[0] && html`<p>${t('wire.compressed')}</p>`}
		${frame.isMasked && frame.size > 0 && html`<${Bytes} name=${t('wire.masked')} bytes=${frame.wire} />`}
		${frame.size > 0 && html`<${Bytes} name=${t('wire.hex')} bytes=${frame.payload} />`}
		${frame.opcode === 1 && text !== undefined && html`<h3>${t('wire.text')}</h3><pre>${text}</pre>`}
		${close > 0 && html`<pre>${close} ${textOf(frame.payload.subarray(2))}</pre>`}`;
}

/**
 * @param {object} props
 * @param {string} props.name
 * @param {Uint8Array} props.bytes
 */
function Bytes({ name, bytes }) {
	const more = bytes.length > HEX_BYTES_MAX ? ' …' : '';
	return html`<h3>${name}</h3>
		<pre class="hex">${hexOf(bytes.subarray(0, HEX_BYTES_MAX))}${more}</pre>`;
}
