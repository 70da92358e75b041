/**
 * Something always carries, as far as the network lets it: the shell that makes links, tries others
 * beside the one in use, gives up what is dead and comes back.
 *
 * A link that is tried is told what is followed, and is taken when it has answered all of that: its
 * bytes are useful, whatever its opening said. Until then the one in use goes on, so that a change is
 * no gap. Both may bring a message; the session drops what it has.
 *
 * @import { Clock } from './alarm.js'
 * @import { Backoff } from './backoff.js'
 * @import { Environment, Link, Loss, Transport } from './transport/link.js'
 * @import { Command, Frame, Subscribe } from './wire/frames.js'
 */
import { Alarm } from './alarm.js';
import { Heartbeat, sendingTime } from './heartbeat.js';
import { Choice } from './transport/choose.js';
import { errorOf } from './wire/error.js';

/** The server's close codes that no other attempt would mend: policy, not authenticated. */
const REFUSED = [1008, 4001];
const TOKEN_EXPIRED = 4002;

/**
 * @template {string} Name
 * @typedef {object} Plan
 * @property {Record<Name, Transport>} transports
 * @property {readonly Name[]} order what to try, the best first
 * @property {Name} [first] what worked the last time
 * @property {readonly Name[]} [careful] what does not begin, unless it worked the last time
 */

/**
 * @typedef {object} Means
 * @property {Omit<Environment, 'token'> & Clock} environment
 * @property {string | (() => string | Promise<string>)} token
 * @property {() => number} random
 * @property {Backoff} backoff
 */

/**
 * Who uses the connection.
 * @template {string} Name
 * @typedef {object} Outlet
 * @property {() => Subscribe[]} greet what a new link is told first
 * @property {(frame: Frame, isInUse: boolean) => void} frame
 * @property {(use: { name: Name, window: number, told: Map<number, string>, reason: string }) => void} use another
 *   link carries from now on. It was told of these channels, by request, and takes so many publishes at once
 * @property {(reason: string) => void} lost nothing carries for now
 * @property {(loss: { code: number, reason: string }) => void} refused for good
 */

/**
 * A link in use, or tried.
 * @template {string} Name
 * @typedef {object} Carrier
 * @property {Name} name
 * @property {string} reason why it is tried
 * @property {number} deadline when it is given up, unless it has proven itself
 * @property {Link} [link] once there is a token
 * @property {Heartbeat} [heartbeat] once it said hello
 * @property {Map<number, string>} told channels that it was told to follow, by request
 * @property {Set<string>} awaited those of them that it has not answered
 */

/** @template {string} Name */
export class Connection {
	#transports;
	#means;
	#outlet;
	#choice;
	#alarm;
	/** @type {Carrier<Name> | undefined} */
	#used;
	/** @type {Set<Carrier<Name>>} */
	#tried = new Set();
	/** When to begin anew, while nothing carries and nothing is tried. */
	#startAt = 0;
	/** When the server, which ends, wants us back. */
	#returnAt = Infinity;
	/** Why there is, or will be, another link. */
	#reason = 'start';

	/**
	 * @param {Plan<Name>} plan
	 * @param {Means} means
	 * @param {Outlet<Name>} outlet
	 */
	constructor({ transports, order, first, careful }, means, outlet) {
		this.#transports = transports;
		this.#means = means;
		this.#outlet = outlet;
		this.#choice = new Choice(order, means.random, first, careful);
		this.#alarm = new Alarm(means.environment, () => this.#handleTimer());
		this.#handleTimer();
	}

	/**
	 * Says it on the link in use, if there is one.
	 * @param {Command} command
	 * @returns {boolean} whether there is
	 */
	send(command) {
		const { link, heartbeat } = this.#used ?? {};
		const length = link?.send(command);
		if (link?.isOnePath && command.type !== 'signal') {
			heartbeat?.handleAsked(command.req, sendingTime(length), this.#now);
			this.#arm();
		}
		return Boolean(link);
	}

	/**
	 * Other transports are wanted, from now on.
	 * @param {readonly Name[]} order the best first
	 */
	choose(order) {
		for (const carrier of this.#tried) this.#drop(carrier);
		this.#reason = 'chosen';
		this.#choice.handleWish(order, this.#now);
		this.#handleTimer();
	}

	/**
	 * The network is back, or the user: no waiting, no trusting.
	 * @param {boolean} isOther whether the network may be another one
	 */
	handleReturn(isOther) {
		const { backoff } = this.#means;
		const now = this.#now;
		const used = this.#used;
		backoff.reset();
		if (!used) this.#startAt = Math.min(this.#startAt, now);
		else if (!this.#tried.size) {
			// After a sleep nobody knows what became of the link: another one begins beside it.
			if (isOther || now > (used.heartbeat?.due ?? 0)) this.#try(used.name, 'return');
			else used.heartbeat?.handleDoubt(now);
		}
		this.#handleTimer();
	}

	/**
	 * @param {number} [code]
	 * @param {string} [reason]
	 */
	close(code, reason) {
		for (const carrier of this.#tried) this.#drop(carrier);
		const used = this.#used;
		this.#used = undefined;
		this.#startAt = Infinity;
		this.#alarm.clear();
		used?.link?.close(code, reason);
	}

	get #now() {
		return this.#means.environment.now();
	}

	/**
	 * @param {Name} name
	 * @param {string} reason
	 */
	async #try(name, reason) {
		const { environment, token } = this.#means;
		/** @type {Carrier<Name>} */
		const carrier = { name, reason, deadline: this.#now + environment.timeout, told: new Map(), awaited: new Set() };
		this.#tried.add(carrier);
		let bearer;
		try {
			bearer = await (typeof token === 'function' ? token() : token);
		} catch (error) {
			return this.#handleNoToken(carrier, String(error));
		}
		if (!this.#tried.has(carrier)) return;
		try {
			const link = this.#transports[name]({ ...environment, token: bearer }, {
				frame: (frame) => this.#isAlive(carrier) && this.#handleFrame(carrier, frame),
				lost: (loss) => this.#isAlive(carrier) && this.#handleLoss(carrier, loss),
			});
			carrier.link = link;
			for (const command of this.#outlet.greet()) {
				carrier.told.set(command.req, command.channel);
				carrier.awaited.add(command.channel);
				link.send(command);
			}
		} catch (error) {
			if (this.#tried.has(carrier)) this.#handleLoss(carrier, { reason: String(error) });
		}
	}

	/** @param {Carrier<Name>} carrier */
	#isAlive(carrier) {
		return carrier === this.#used || this.#tried.has(carrier);
	}

	/** @param {Carrier<Name>} carrier */
	#drop(carrier) {
		this.#tried.delete(carrier);
		carrier.link?.close();
	}

	/**
	 * @param {Carrier<Name>} carrier
	 * @param {Frame} frame
	 */
	#handleFrame(carrier, frame) {
		const now = this.#now;
		const isInUse = carrier === this.#used;
		const req = 'req' in frame ? frame.req : undefined;
		if (frame.type === 'reconnect') {
			// The server ends, and has told each of its clients another time.
			if (isInUse) this.#returnAt = now + frame.after_ms;
		} else if (frame.type === 'hello') {
			carrier.heartbeat = new Heartbeat(frame.heartbeat, now);
		} else if (frame.type === 'pong') {
			carrier.heartbeat?.handleHeard(now, 0);
		} else if (frame.type !== 'measured' && (carrier.link?.isOnePath || !req)) {
			// On HTTP an answer says nothing of the stream, and it is the stream that may be dead.
			carrier.heartbeat?.handleHeard(now, req);
		}
		if (!['hello', 'measured', 'error'].includes(frame.type)) this.#means.backoff.reset();
		const { told, awaited } = carrier;
		if (frame.type === 'subscribed') awaited.delete(frame.channel);
		else if (!isInUse && frame.type === 'error' && req) {
			// What may not be followed now is asked for again when the link is used; until then the other has it.
			awaited.delete(told.get(req) ?? '');
			told.delete(req);
		}
		if (isInUse || frame.type !== 'error' || !errorOf(frame).later) this.#outlet.frame(frame, isInUse);
		if (!isInUse && this.#tried.has(carrier)) this.#prove(carrier);
		this.#arm();
	}

	/**
	 * Takes a link into use that has answered everything.
	 * @param {Carrier<Name>} carrier
	 */
	#prove(carrier) {
		const { name, link, heartbeat, awaited, told, reason } = carrier;
		if (!link || !heartbeat || awaited.size) return;
		this.#tried.delete(carrier);
		if (!this.#choice.handleProven(name, this.#now)) return link.close();
		const before = this.#used;
		this.#used = carrier;
		this.#reason = '';
		before?.link?.close();
		for (const other of this.#tried) if (!this.#choice.wants(other.name)) this.#drop(other);
		this.#outlet.use({ name, window: link.window, told, reason });
		this.#arm();
	}

	/**
	 * @param {Carrier<Name>} carrier
	 * @param {Loss & { isSilent?: boolean }} loss
	 */
	#handleLoss(carrier, { reason, code = 1006, after = 0, isForGood, isSilent = false }) {
		const now = this.#now;
		const { backoff, token } = this.#means;
		const isInUse = carrier === this.#used;
		this.#drop(carrier);
		const isRefused = REFUSED.includes(code) || (code === TOKEN_EXPIRED && typeof token !== 'function');
		// What another link may do is not refused for good.
		if (isRefused && (isInUse || !this.#used)) return this.#outlet.refused({ code, reason });
		if (isInUse) {
			const isAsked = this.#returnAt < Infinity;
			this.#used = undefined;
			this.#reason = reason;
			this.#choice.handleLost(now, isAsked ? 'asked' : isSilent ? 'silent' : 'ended');
			// Silence is one client's; an end may be everybody's, who shall not come back together.
			if (isAsked) this.#startAt = this.#returnAt;
			else this.#startAt = now + (isSilent ? 0 : Math.max(backoff.next(), after));
			this.#returnAt = Infinity;
			this.#outlet.lost(reason);
		} else {
			if (!this.#used) this.#reason = `${carrier.name}: ${reason}`;
			this.#choice.handleFailed(carrier.name, now, isForGood);
			if (this.#choice.isExhausted && this.#startAt === Infinity) this.#startAt = now + Math.max(backoff.next(), after);
		}
		this.#arm();
	}

	/**
	 * It is no transport's fault that the application has no token now.
	 * @param {Carrier<Name>} carrier
	 * @param {string} reason
	 */
	#handleNoToken(carrier, reason) {
		if (!this.#tried.has(carrier)) return;
		if (this.#used) return this.#handleLoss(carrier, { reason });
		for (const carrier of this.#tried) this.#drop(carrier);
		this.#choice.handlePause();
		this.#reason = reason;
		this.#startAt = this.#now + this.#means.backoff.next();
		this.#arm();
	}

	#handleTimer() {
		const now = this.#now;
		for (const carrier of this.#tried) {
			if (now >= carrier.deadline) this.#handleLoss(carrier, { reason: 'no answer in time' });
		}
		if (!this.#used && now >= this.#startAt) {
			this.#startAt = Infinity;
			this.#choice.handleStart(now);
		}
		for (let name; (name = this.#choice.poll(now)); ) this.#try(name, this.#why());
		const used = this.#used;
		if (used && now >= this.#returnAt) {
			this.#returnAt = Infinity;
			this.#try(used.name, 'drain');
		}
		const due = used?.heartbeat?.handleTick(now);
		if (due === 'ping') used?.link?.send({ type: 'ping', req: 0 });
		else if (used && (due === 'dead' || due === 'buffered')) {
			this.#handleLoss(used, { reason: due === 'dead' ? 'silence' : due, isSilent: true });
		}
		this.#arm();
	}

	/** Why the next link is tried. */
	#why() {
		if (this.#used) return this.#reason === 'chosen' ? 'chosen' : 'better';
		const [slow] = this.#tried;
		return slow ? `${slow.name}: no answer yet` : this.#reason;
	}

	#arm() {
		const deadlines = [...this.#tried].map(({ deadline }) => deadline);
		const used = this.#used ? (this.#used.heartbeat?.due ?? Infinity) : this.#startAt;
		this.#alarm.set(...deadlines, used, this.#returnAt, this.#choice.pollTimeout());
	}
}
