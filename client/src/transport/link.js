/**
 * The one shape of all transports: a link takes commands and gives frames until it is lost.
 *
 * @import { Command, Frame } from '../wire/frames.js'
 */

/**
 * @typedef {object} Link
 * @property {boolean} [isOnePath] whether everything takes the same path, so that an answer shows that the link lives
 * @property {number} window how many publishes may be unanswered at once and still keep their order
 * @property {(command: Command) => number | void} send may be called at once; a link that is not open yet keeps it. After
 *   a `ping` something comes soon, or the link is dead. How many characters are sent, where all takes one path
 * @property {(code?: number, reason?: string) => void} close gives it up; nothing is heard from it afterwards
 */

/**
 * What the client hears of a link. A `hello` says that it works, and may be said again.
 * @typedef {object} Ear
 * @property {(frame: Frame) => void} frame
 * @property {(loss: Loss) => void} lost said once; the link is then closed by the client
 */

/**
 * Why a link is gone.
 * @typedef {object} Loss
 * @property {string} reason
 * @property {number} [code] as in a WebSocket's close event
 * @property {number} [after] ms that the server wants to be left alone
 * @property {boolean} [isForGood] this server has no such transport
 */

/**
 * What a server says of itself, `/v1/info`, as far as it matters here.
 * @typedef {{ webtransport?: { certificate_hashes?: string[] } }} Info
 */

/**
 * What a link is made with: where to, who, and every constructor that it needs.
 * @typedef {object} Environment
 * @property {string} url of the server, http or https, without `/` at its end
 * @property {string} [token]
 * @property {string} session opaque id of this client for polls
 * @property {{ info?: Info }} told what the server has told before, to other links of this client
 * @property {number} wait seconds that the server may hold a long poll
 * @property {number} pollEvery ms between two short polls
 * @property {number} timeout ms after which something should have come: a link's hello; an answer over
 *   HTTP may take twice as long, but no longer than the heartbeat's interval and timeout
 * @property {typeof globalThis.fetch} fetch
 * @property {typeof globalThis.WebSocket} [WebSocket]
 * @property {typeof globalThis.WebTransport} [WebTransport]
 * @property {() => number} now monotonic, in ms
 * @property {(run: () => void, ms: number) => unknown} setTimeout
 * @property {(timer: unknown) => void} clearTimeout
 */

/** @typedef {(environment: Environment, ear: Ear) => Link} Transport */

export {};
