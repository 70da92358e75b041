//! What a client commands over a framed link, and what it is answered.

use tidings_engine::{EngineError, Query};
use tidings_wire::{
    ChannelName, Code, Command, Reply, ReplyBody, Request, RequestError, StreamCursor,
};

use crate::effect::{Answered, Ask, Effect};
use crate::session::{Ending, Moment, Pending, Session, World};
use crate::subscription::Begin;
use crate::{Identity, Limits, Refusal};

/// What becomes of a command: an answer at once, or none, or none yet.
type Outcome = Result<Option<ReplyBody>, Refusal>;

impl Session {
    /// Takes a command that needs nothing but the session. `hello` and `refresh`, whose tokens are
    /// verified outside, are [`handle_hello`](Self::handle_hello) and
    /// [`handle_refresh`](Self::handle_refresh).
    pub(crate) fn handle(&mut self, request: Request, moment: &Moment, world: &mut World<'_>) {
        if !self.takes_command(request.req, &world.settings.limits) {
            return;
        }
        let req = request.req;
        let outcome = self.obey(req, request.command, moment, world);
        self.answer(req, outcome);
    }

    /// Takes a frame that was no command.
    pub(crate) fn handle_bad_frame(&mut self, error: RequestError, limits: &Limits) {
        if self.ending != Ending::No {
            return;
        }
        self.bad_frames += 1;
        let refusal = Refusal::new(RequestError::CODE, error.detail);
        self.answer(error.req, Err(refusal));
        if self.bad_frames >= limits.bad_frames {
            let reason = format!("{} bad frames in a row", self.bad_frames);
            self.ending = Ending::Soon(RequestError::CODE, reason);
        }
    }

    /// Takes the first command, with what its token proved. A session that it does not prove anything
    /// for ends.
    pub(crate) fn handle_hello(
        &mut self,
        req: Option<u64>,
        proof: Result<Identity, Refusal>,
        moment: &Moment,
        world: &World<'_>,
    ) {
        if !self.takes_command(req, &world.settings.limits) {
            return;
        }
        if let Some(user) = self.user() {
            if proof.as_ref().is_ok_and(|identity| identity.user == *user) {
                // Greeted already; once more only for who waits for an answer.
                if req.is_some() {
                    self.greet(req, moment, world.settings);
                }
                return;
            }
            let detail = "this connection is another user's already; connect anew with the token";
            return self.answer(req, Err(Refusal::new(Code::BadRequest, detail)));
        }
        match proof {
            Ok(identity) => {
                self.identify(identity, moment);
                self.greet(req, moment, world.settings);
            }
            Err(refusal) => {
                self.ending = Ending::Soon(refusal.code, refusal.detail.clone());
                self.answer(req, Err(refusal));
            }
        }
    }

    /// Takes a new token, with what it proved. Subscriptions that it does not allow any more end. A
    /// token that is refused changes nothing.
    pub(crate) fn handle_refresh(
        &mut self,
        req: Option<u64>,
        proof: Result<Identity, Refusal>,
        moment: &Moment,
        world: &mut World<'_>,
    ) {
        if !self.takes_command(req, &world.settings.limits) {
            return;
        }
        let outcome = proof.and_then(|identity| {
            if self.user() != Some(&identity.user) {
                let detail = "the new token is another user's; connect anew with it";
                return Err(Refusal::new(Code::Forbidden, detail));
            }
            Ok(Some(ReplyBody::Refreshed {
                expires: self.identify(identity, moment),
            }))
        });
        self.answer(req, outcome);
        self.end_forbidden(world);
    }

    /// Takes the answer to something that the session asked; one that it no longer waits for is
    /// ignored. Whether it was waited for.
    pub(crate) fn handle_answer(&mut self, ask: Ask, answer: Answered) -> bool {
        let Some(pending) = self.take_pending(ask) else {
            return false;
        };
        let (req, outcome) = match (pending, answer) {
            (Pending::Publish { req }, Answered::Published(result)) => {
                let body = |it: tidings_engine::Published| ReplyBody::Published {
                    seq: it.seq,
                    id: it.id,
                    at: it.at,
                };
                (req, result.map(body))
            }
            (Pending::History { req }, Answered::History(result)) => {
                let body = |page: tidings_engine::Page| ReplyBody::History {
                    messages: page.messages,
                    truncated: page.truncated,
                };
                (req, result.map(body))
            }
            (Pending::Presence { req }, Answered::Present(result)) => {
                (req, result.map(ReplyBody::Presence))
            }
            // The shell answers each question in kind.
            _ => return false,
        };
        self.answer(req, outcome.map(Some).map_err(Refusal::from));
        true
    }

    /// Takes the answer to how far the log of a channel goes, and begins the subscription that asked, unless it was
    /// left. Whether it was waited for.
    pub(crate) fn handle_reached(
        &mut self,
        ask: Ask,
        head: Result<u64, EngineError>,
        world: &mut World<'_>,
    ) -> bool {
        let Some(Pending::Subscribe { req }) = self.take_pending(ask) else {
            return false;
        };
        let Some(slot) = self.waiting(ask) else {
            return true; // it was left meanwhile
        };
        let subscription = &mut self.subscriptions[slot];
        let Begin::Beyond { seq } = subscription.begin else {
            return true;
        };
        subscription.read = None;
        let outcome = match head {
            Ok(head) => {
                let truncated = seq > head;
                if !truncated {
                    subscription.own = Some(seq);
                }
                let start = subscription.own.unwrap_or(seq);
                subscription.begin = Begin::of(truncated);
                let channel = world.channels.channel(subscription.channel);
                Ok(Some(ReplyBody::Subscribed {
                    channel: channel.name.clone(),
                    cursor: world.settings.logs.cursor(channel.log, start),
                    truncated,
                }))
            }
            // Nobody knows whether the cursor means something.
            Err(error) => {
                self.unfollow(slot, world);
                Err(Refusal::from(error))
            }
        };
        self.answer(req, outcome);
        true
    }

    /// What an answer is for, if that is still waited for.
    fn take_pending(&mut self, ask: Ask) -> Option<Pending> {
        let mut numbers = self.pending.iter().map(|(number, _)| *number);
        let place = numbers.position(|number| number == ask.number)?;
        let (_, pending) = self.pending.swap_remove(place);
        if self.pending.is_empty() {
            self.pending.shrink_to_fit();
        }
        Some(pending)
    }

    /// Whether one more command can be taken; if not, it has been refused.
    fn takes_command(&mut self, req: Option<u64>, limits: &Limits) -> bool {
        if self.ending != Ending::No {
            return false;
        }
        self.bad_frames = 0;
        let waiting = self.pending.len() + self.replies.len();
        if waiting < limits.commands {
            return true;
        }
        let detail = format!(
            "{} commands wait for their answers to be made or read; send the same again later",
            limits.commands
        );
        // Refusals are answers as well: somebody who reads none of them is not served for ever.
        if waiting >= 2 * limits.commands {
            self.ending = Ending::Soon(Code::Busy, detail);
        } else {
            self.answer(req, Err(Refusal::new(Code::Busy, detail)));
        }
        false
    }

    fn answer(&mut self, req: Option<u64>, outcome: Outcome) {
        let reply = match outcome {
            Ok(None) => return,
            Ok(Some(body)) => Reply { req, body },
            Err(refusal) => Reply::error(req, refusal.code, refusal.detail),
        };
        self.replies.push_back(reply);
    }

    fn obey(
        &mut self,
        req: Option<u64>,
        command: Command,
        moment: &Moment,
        world: &mut World<'_>,
    ) -> Outcome {
        let Some(identity) = self.identity.clone() else {
            let detail = "nobody is known here yet; say hello with a token first";
            return Err(Refusal::new(Code::Unauthenticated, detail));
        };
        let limits = &world.settings.limits;
        match command {
            Command::Subscribe {
                channel,
                after,
                history,
            } => {
                identity.check_read(&channel)?;
                return self.subscribe(req, &channel, after, history, moment, world);
            }
            Command::Unsubscribe { channel } => {
                if let Some(slot) = self.subscription_to(&channel, world.channels) {
                    self.unfollow(slot, world);
                }
                return Ok(Some(ReplyBody::Unsubscribed {
                    channel,
                    code: None,
                }));
            }
            Command::Publish { channel, data, id } => {
                identity.check_write(&channel)?;
                limits.check_data(&data)?;
                let ask = self.ask(Pending::Publish { req }, world);
                world.effects.push(Effect::Publish {
                    ask,
                    channel,
                    from: identity.user,
                    data,
                    id,
                });
            }
            Command::Signal { channel, data } => {
                identity.check_write(&channel)?;
                limits.check_data(&data)?;
                world.effects.push(Effect::Signal {
                    channel,
                    from: identity.user,
                    data,
                });
            }
            Command::Presence { channel } => {
                identity.check_read(&channel)?;
                let ask = self.ask(Pending::Presence { req }, world);
                world.effects.push(Effect::Presence { ask, channel });
            }
            Command::History {
                channel,
                before,
                after,
                limit,
            } => {
                identity.check_read(&channel)?;
                let limit = limits.history_limit(limit)?;
                self.check_histories(limits)?;
                let ask = self.ask(Pending::History { req }, world);
                let query = Query {
                    channel,
                    after,
                    before,
                    limit,
                };
                world.effects.push(Effect::History { ask, query });
            }
            Command::Ping => return Ok(Some(ReplyBody::Pong { at: moment.at })),
            Command::Hello { .. } | Command::Refresh { .. } => {
                unreachable!("the shell verifies tokens and calls what takes them")
            }
        }
        Ok(None)
    }

    fn ask(&mut self, pending: Pending, world: &mut World<'_>) -> Ask {
        let ask = world.effects.ask(world.key);
        self.pending.push((ask.number, pending));
        ask
    }

    fn subscribe(
        &mut self,
        req: Option<u64>,
        channel: &ChannelName,
        after: Option<StreamCursor>,
        history: Option<u32>,
        moment: &Moment,
        world: &mut World<'_>,
    ) -> Outcome {
        let limits = &world.settings.limits;
        if self.subscription_to(channel, world.channels).is_some() {
            let detail = format!("{channel:?} is followed already; unsubscribe first");
            return Err(Refusal::new(Code::BadRequest, detail));
        }
        if self.subscriptions.len() >= limits.subscriptions {
            let detail = format!(
                "a session follows at most {} channels; unsubscribe from one",
                limits.subscriptions
            );
            return Err(Refusal::new(Code::LimitReached, detail));
        }
        if after.is_some() && history.is_some() {
            let detail = "\"after\" and \"history\" exclude each other";
            return Err(Refusal::new(Code::BadRequest, detail));
        }
        if let Some(count) = history.filter(|count| *count > 0) {
            let count = limits.history_limit(Some(count))?;
            // Where it starts, and so the answer, is known when the messages are.
            self.follow(channel, Some(0), Begin::Newest { req, count }, world);
            return Ok(None);
        }
        let logs = &world.settings.logs;
        let log = logs.of(channel);
        let now = moment.heads.of(log);
        let known = after.as_ref().and_then(|after| after.seq(logs.epoch(log)));
        if let Some(seq) = known.filter(|seq| *seq > now) {
            // The channel is taken from now on, so that what is said next finds it as if it had begun.
            let slot = self.follow(channel, Some(now), Begin::Beyond { seq }, world);
            let ask = self.ask(Pending::Subscribe { req }, world);
            self.subscriptions[slot].read = Some(ask.number);
            world.effects.push(Effect::Reach { ask, log, seq });
            return Ok(None);
        }
        let seq = known.unwrap_or(now);
        let truncated = after.is_some() && known.is_none();
        self.follow(channel, Some(seq), Begin::of(truncated), world);
        Ok(Some(ReplyBody::Subscribed {
            channel: channel.clone(),
            cursor: logs.cursor(log, seq),
            truncated,
        }))
    }

    /// Refuses one more history than may be read or wait to be sent.
    fn check_histories(&self, limits: &Limits) -> Result<(), Refusal> {
        let asked = self.pending.iter().map(|(_, pending)| pending);
        let asked = asked.filter(|pending| matches!(pending, Pending::History { .. }));
        let answered = self.replies.iter().map(|reply| &reply.body);
        let answered = answered.filter(|body| matches!(body, ReplyBody::History { .. }));
        if asked.count() + answered.count() < limits.histories {
            return Ok(());
        }
        let detail = "too many histories at a time; ask again when one has come";
        Err(Refusal::new(Code::Busy, detail))
    }

    /// Ends the subscriptions that the user may not have any more, and says so.
    fn end_forbidden(&mut self, world: &mut World<'_>) {
        let Some(permissions) = self.identity.as_ref().map(|it| it.permissions.clone()) else {
            return;
        };
        let name = |channel| &world.channels.channel(channel).name;
        let forbidden: Vec<(usize, ChannelName)> = self
            .subscriptions
            .iter()
            .map(|(slot, subscription)| (slot, name(subscription.channel)))
            .filter(|(_, channel)| !permissions.may_read(channel))
            .map(|(slot, channel)| (slot, channel.clone()))
            .collect();
        for (slot, channel) in forbidden {
            self.unfollow(slot, world);
            self.replies
                .push_back(Reply::unasked(ReplyBody::Unsubscribed {
                    channel,
                    code: Some(Code::Forbidden),
                }));
        }
    }
}
