/**
 * Server-sent events, read by a streaming `fetch` and not by `EventSource`: so it can carry a token,
 * see why it is refused, and notice that nothing comes any more.
 *
 * @import { Reader } from './http.js'
 * @import { Transport } from './link.js'
 */
import { EventStream } from '../wire/event-stream.js';
import { http } from './http.js';

const TYPE = 'text/event-stream';
/**
 * The server writes a little, one second after its hello. Where that has not come by now, in ms, somebody
 * on the way holds back what is small.
 */
const LITTLE_WITHIN_MS = 3000;

/** @type {Reader} */
async function read({ path, after, get, frame, begin, advance }) {
	const response = await get(`${path}&after=${after()}`, (response) => response, { accept: TYPE });
	if (!response.body || !response.headers.get('content-type')?.startsWith(TYPE)) {
		throw new TypeError('the answer is not an event stream');
	}
	const bytes = response.body.getReader();
	const decoder = new TextDecoder();
	const stream = new EventStream();
	for (;;) {
		const { done, value } = await bytes.read();
		if (done) throw new Error('the stream ended');
		// Whatever it is, it shows that the stream lives.
		frame({ type: 'pong' });
		for (const { event, id, data } of stream.push(decoder.decode(value, { stream: true }))) {
			if (event === 'hello') {
				const hello = JSON.parse(data);
				begin(id ?? '', { ...hello, heartbeat: { ...hello.heartbeat, within: LITTLE_WITHIN_MS } });
				continue;
			}
			if (data) frame(JSON.parse(data));
			if (id) advance(id);
		}
	}
}

/** @type {Transport} */
export const sse = (environment, ear) => http(environment, ear, read);
