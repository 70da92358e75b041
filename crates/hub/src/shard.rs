//! A shard: one thread's sessions, channels and tails, and the task that hears the engine.
//!
//! The shell around [`Fanout`]: it reads the clock and the engine's head, carries out effects, brings
//! back the answers, and wakes links. Notices are taken until there are none before anybody is woken, so
//! that under load a link is woken once for many messages.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn, ready};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tidings_engine::{Answer, Draft, Engine, EngineError, Notice, Page, Query, Responder, Watch};
use tidings_wire::{ChannelName, MessageId, StreamCursor};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::spawn_local;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::census::{Census, Lags};
use crate::effect::{Answered, Ask, Effect};
use crate::fanout::{Fanout, Fresh};
use crate::logs::{Heads, Logs};
use crate::session::{Moment, Settings};
use crate::waiting::Waiting;
use crate::{Hub, Identity, Link, Refusal, Room, Stretch, auth, clock, random};

/// How exactly ends of tokens, leases and graces are kept: four looks a second cost nothing and are as good as
/// a timer for each.
const TICK: Duration = Duration::from_millis(250);

/// Notices taken before links are woken: enough for a burst, little enough that nobody waits long.
const NOTICES_AT_A_TIME: usize = 256;

/// Sessions that wait at a time for what was told up to their coming to be heard; more wait for their turn.
const ASKED_MAX: usize = 64;

/// Pauses before a read that failed for now is tried again: from a moment to a second, doubling.
const RETRY_AFTER: Duration = Duration::from_millis(20);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(1);

/// One thread's share of the hub. Cheap to clone; stays on its thread.
#[derive(Clone)]
pub struct Shard(pub(crate) Rc<Inner>);

pub(crate) struct Inner {
    pub(crate) hub: Arc<Hub>,
    pub(crate) fanout: RefCell<Fanout>,
    pub(crate) waiting: RefCell<Waiting>,
    /// For whoever waits until everything that was told up to now has been heard.
    hears: mpsc::Sender<oneshot::Sender<()>>,
    /// What this turn publishes; bounded by what the sessions may have under way.
    drafts: RefCell<Vec<(Ask, Draft)>>,
    /// Reads for those who are behind take turns.
    reads: Semaphore,
    /// Who waits to know whether a log goes as far as some `seq`: whoever came with the same cursor waits for one answer.
    reaches: RefCell<HashMap<LogPlace, Vec<Responder<u64>>>>,
    /// Kept for its room.
    marked: RefCell<Vec<u32>>,
    lags: RefCell<Lags>,
    /// How often notices were missed.
    missed: Cell<u64>,
}

/// A log, and a `seq` in it.
type LogPlace = (usize, u64);

/// What a poll or an SSE stream wants.
#[derive(Clone, Debug)]
pub struct StreamRequest {
    /// Which channels; fixed for the stream's life. Naming one twice is the same as once. None: it brings
    /// nothing, and shows that it would.
    pub channels: Vec<ChannelName>,
    /// From behind this cursor on; absent: from now.
    pub after: Option<StreamCursor>,
    /// A poller's own id: it holds a lease of presence, and what passes between two polls.
    pub session: Option<MessageId>,
    /// Whether the stream is seen in its channels for as long as it is open. SSE: yes; polls: no,
    /// for with a `session` they hold a lease instead.
    pub presence: bool,
}

impl Shard {
    /// A shard on this thread. Must be called inside a `LocalSet`, where its task then lives until
    /// the engine ends or the last `Shard` and [`Link`] are dropped.
    pub fn start(hub: Arc<Hub>) -> Self {
        // First the watch, then the heads: what is committed in between is heard twice, not never.
        let watch = hub.engine().watch();
        let heads = heads(&**hub.engine());
        let engine = hub.engine().clone();
        let config = hub.config();
        let settings = Settings {
            logs: Logs::new(hub.engine().epochs(), move |it| engine.log_of(it)),
            limits: config.limits.clone(),
            namespaces: config.namespaces.clone(),
            heartbeat: config.heartbeat,
        };
        let (hears, asked) = mpsc::channel(ASKED_MAX);
        let inner = Rc::new(Inner {
            hears,
            drafts: RefCell::default(),
            reaches: RefCell::default(),
            reads: Semaphore::new(config.limits.reads),
            fanout: RefCell::new(Fanout::new(settings, &heads)),
            waiting: RefCell::default(),
            marked: RefCell::default(),
            lags: RefCell::new(Lags::new()),
            missed: Cell::new(0),
            hub,
        });
        spawn_local(pump(Rc::downgrade(&inner), watch, asked));
        Self(inner)
    }

    /// What it shares with the other shards.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.0.hub
    }

    /// What it holds and how it does. It walks through all sessions and channels, within the 1 to 2 ms that
    /// a scrape takes with 10,000: for whoever asks every few seconds.
    pub fn census(&self) -> Census {
        let lags = self.0.lags.borrow().spread().clone();
        let fanout = self.0.fanout.borrow();
        fanout.census(lags, self.0.missed.get())
    }

    /// A session over a framed transport (WebSocket, WebTransport). Without an identity its first
    /// command must be `hello`. `busy` when the node has all the sessions it may have.
    pub fn connect(&self, identity: Option<Identity>) -> Result<Link, Refusal> {
        let connection = self.0.hub.admit()?;
        let fresh = Fresh {
            id: random::id(),
            connection,
        };
        let moment = self.0.moment();
        let key = self
            .0
            .act(|fanout| fanout.connect(identity, fresh, &moment));
        Ok(Link::framed(self.clone(), key))
    }

    /// A poll or an SSE stream: channels fixed now, messages of all of them that are in one log in the order of `seq`,
    /// one cursor. At once, unless the cursor is from beyond what is known here, as a cursor of another node may be. Refusals:
    /// `forbidden`, `limit_reached`, `busy`, `unavailable`. Dropping the future asks for nothing.
    pub async fn stream(
        &self,
        identity: Identity,
        request: StreamRequest,
    ) -> Result<Link, Refusal> {
        let heads = self.0.heads();
        let arrival = self
            .0
            .fanout
            .borrow_mut()
            .arrive(identity, request, &heads)?;
        let reach = |(log, seq): (&usize, &u64)| self.0.reach(*log, *seq);
        let answers: Vec<_> = arrival.beyond.iter().map(reach).collect();
        for answer in answers {
            answer.await?;
        }
        let connection = self.0.hub.admit()?;
        let fresh = Fresh {
            id: random::id(),
            connection,
        };
        let moment = self.0.moment();
        let key = self
            .0
            .act(|fanout| fanout.stream(arrival, fresh, &moment))?;
        Ok(Link::stream(self.clone(), key, &moment.heads))
    }
}

/// For whoever holds many links of the shard in one task.
impl Shard {
    /// Waits until a link that is [listed](Link::list_as) may have something. One task of the shard at a
    /// time; of two that wait the later one is woken. Cancel safe.
    pub async fn listed(&self) {
        poll_fn(|context| {
            // Those that were taken before have been given what there was.
            self.0.end_lags();
            self.0.waiting.borrow_mut().poll_listed(context)
        })
        .await;
    }

    /// Goes through at most `count` of the links that may have something, each of which comes once until
    /// it was given something.
    ///
    /// Those in step, which are to be given nothing but what comes next in one channel, are given it here:
    /// `give` gets the link's token and a [`Stretch`] that is the same for all in the same place, and says
    /// whether it was taken. If not, or if the stretch has more, [poll](Link::poll) the link when there is
    /// room. The tokens of all others, which are to be polled now, are moved to the end of `others`.
    ///
    /// Whether some are left. `give` must not use the shard or a link.
    #[inline] // once for each follower of a batch
    pub fn give_listed(
        &self,
        count: usize,
        room: Room,
        others: &mut Vec<u64>,
        mut give: impl FnMut(u64, &Stretch) -> bool,
    ) -> bool {
        let mut fanout = self.0.fanout.borrow_mut();
        let mut waiting = self.0.waiting.borrow_mut();
        let listed = waiting.listed();
        let mut are_left = true;
        for _ in 0..count {
            let Some((session, token)) = waiting.next_listed() else {
                fanout.forget_stretch();
                are_left = false;
                break;
            };
            if !fanout.give_in_step(session, room, |stretch| give(token, stretch)) {
                others.push(token);
            }
        }
        waiting.count_taken(listed);
        are_left
    }
}

impl Inner {
    /// Waits until everything has been heard that the engine had told before.
    pub(crate) async fn hear_all(&self) {
        let (heard, told) = oneshot::channel();
        // It fails when the engine has ended, and tells nothing any more.
        let _ = self.hears.send(heard).await;
        let _ = told.await;
    }

    fn heads(&self) -> Heads {
        heads(&**self.hub.engine())
    }

    /// The time and the heads, for the pure part.
    pub(crate) fn moment(&self) -> Moment {
        Moment {
            at: auth::unix_millis(clock::wall()),
            tick: self.hub.tick(),
            heads: self.heads(),
        }
    }

    /// Runs `act`, and then does outside what it left to be done.
    pub(crate) fn act<T>(self: &Rc<Self>, act: impl FnOnce(&mut Fanout) -> T) -> T {
        let mut fanout = self.fanout.borrow_mut();
        let result = act(&mut fanout);
        let effects = fanout.take_effects();
        drop(fanout);
        for effect in effects {
            self.carry_out(effect);
        }
        self.wake();
        result
    }

    fn wake(&self) {
        let mut marked = self.marked.take();
        self.fanout.borrow_mut().take_marked(&mut marked);
        let mut waiting = self.waiting.borrow_mut();
        for session in marked.drain(..) {
            waiting.tell(session as usize);
        }
        waiting.wake_holder();
        drop(waiting);
        self.marked.replace(marked);
    }

    fn handle_missed(&self) {
        self.missed.set(self.missed.get() + 1);
        tracing::warn!("a shard was too slow to hear of every batch; its sessions read the log");
    }

    /// Notes which batches are no longer on their way.
    fn end_lags(&self) {
        let taken = self.waiting.borrow().taken();
        self.lags.borrow_mut().end(taken, clock::instant);
    }

    fn carry_out(self: &Rc<Self>, effect: Effect) {
        let engine = self.hub.engine();
        match effect {
            Effect::Publish {
                ask,
                channel,
                from,
                data,
                id,
            } => {
                let draft = Draft {
                    channel,
                    id: id.unwrap_or_else(random::id),
                    from,
                    data,
                    at: None,
                };
                self.publish(ask, draft);
            }
            Effect::Signal {
                channel,
                from,
                data,
            } => engine.signal(channel, from, data),
            Effect::Read { query } => {
                let inner = self.clone();
                spawn_local(async move { inner.read(query).await });
            }
            Effect::History { ask, query } => {
                self.bring(ask, engine.read(query), Answered::History);
            }
            Effect::Reach { ask, log, seq } => {
                self.bring(ask, self.reach(log, seq), Answered::Reached);
            }
            Effect::Presence { ask, channel } => {
                self.bring(ask, engine.present(channel), Answered::Present);
            }
            Effect::Enter(entry) => engine.enter(entry),
            Effect::Leave(entry) => engine.leave(entry),
            Effect::Ended => self.hub.dismiss(),
        }
    }

    /// Publishes at the end of this turn, with whatever else is published until then: what came together is
    /// stored by one commit, and one task brings all the answers.
    fn publish(self: &Rc<Self>, ask: Ask, draft: Draft) {
        let mut drafts = self.drafts.borrow_mut();
        drafts.push((ask, draft));
        if drafts.len() == 1 {
            let inner = self.clone();
            spawn_local(async move { inner.publish_all().await });
        }
    }

    async fn publish_all(self: &Rc<Self>) {
        let engine = self.hub.engine();
        let (asks, drafts): (Vec<_>, Vec<_>) = self.drafts.take().into_iter().unzip();
        let mut waiting: Vec<_> = asks.into_iter().zip(engine.publish_all(drafts)).collect();
        let mut answers = Vec::new();
        while !waiting.is_empty() {
            poll_fn(|context| {
                waiting.retain_mut(|(ask, answer)| match Pin::new(answer).poll(context) {
                    Poll::Ready(answer) => {
                        answers.push((*ask, answer));
                        false
                    }
                    Poll::Pending => true,
                });
                if answers.is_empty() {
                    Poll::Pending
                } else {
                    Poll::Ready(())
                }
            })
            .await;
            self.act(|fanout| {
                for (ask, answer) in answers.drain(..) {
                    fanout.handle_answer(ask, Answered::Published(answer));
                }
            });
        }
    }

    /// Brings the answer back when it comes.
    fn bring<T: 'static>(
        self: &Rc<Self>,
        ask: Ask,
        answer: Answer<T>,
        answered: fn(Result<T, EngineError>) -> Answered,
    ) {
        let inner = self.clone();
        spawn_local(async move {
            let answer = answered(answer.await);
            inner.act(|fanout| fanout.handle_answer(ask, answer));
        });
    }

    /// The head of a log when it is certain whether it goes as far as `seq`; those who ask for the same share one answer.
    fn reach(self: &Rc<Self>, log: usize, seq: u64) -> Answer<u64> {
        let (responder, answer) = Answer::pending();
        let mut reaches = self.reaches.borrow_mut();
        let waiting = reaches.entry((log, seq)).or_default();
        waiting.push(responder);
        if waiting.len() == 1 {
            let inner = self.clone();
            spawn_local(async move {
                let head = inner.hub.engine().reach(log, seq).await;
                let waiting = inner.reaches.borrow_mut().remove(&(log, seq));
                for responder in waiting.into_iter().flatten() {
                    responder.answer(head.clone());
                }
            });
        }
        answer
    }

    /// Reads a page when its turn has come, again and again while that fails for now.
    async fn read(self: &Rc<Self>, query: Query) {
        let mut pause = RETRY_AFTER;
        loop {
            let result = self.try_read(query.clone()).await;
            let transient = matches!(result, Err(EngineError::Busy | EngineError::Unavailable(_)));
            if !transient {
                return self.act(|fanout| fanout.handle_page(&query, result));
            }
            sleep(pause).await;
            pause = RETRY_AFTER_MAX.min(2 * pause);
            if self.fanout.borrow_mut().gives_up(&query) {
                return;
            }
        }
    }

    async fn try_read(&self, query: Query) -> Result<Page, EngineError> {
        // Never closed, so never an error; and the turn ends with the read, not with the pause.
        let _turn = self.reads.acquire().await;
        self.hub.engine().read(query).await
    }
}

impl Drop for Inner {
    /// Sessions that no link holds, which are leases, end with their shard, and so do graces.
    fn drop(&mut self) {
        let moment = self.moment();
        let mut fanout = self.fanout.borrow_mut();
        fanout.end(&moment);
        let engine = self.hub.engine();
        for effect in fanout.take_effects() {
            match effect {
                Effect::Leave(entry) => engine.leave(entry),
                Effect::Ended => self.hub.dismiss(),
                _ => {}
            }
        }
    }
}

fn heads(engine: &dyn Engine) -> Heads {
    let logs = 0..engine.epochs().len();
    Heads::new(logs.map(|log| engine.head(log)))
}

/// Hears the engine and the clock for as long as there is a shard.
async fn pump(
    shard: Weak<Inner>,
    mut watch: Watch,
    mut asked: mpsc::Receiver<oneshot::Sender<()>>,
) {
    let (mut told, mut waiting) = (Vec::new(), Vec::new());
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let first = tokio::select! {
            notice = watch.next() => match notice {
                Some(notice) => Some((watch.told_at(), notice)),
                None => return,
            },
            Some(answer) = asked.recv() => {
                waiting.push(answer);
                None
            }
            // There was as much as is taken at a time, and whoever waits waits for all.
            () = ready(()), if !waiting.is_empty() => None,
            _ = ticks.tick() => {
                let Some(inner) = shard.upgrade() else {
                    return;
                };
                let moment = inner.moment();
                inner.act(|fanout| fanout.handle_tick(&moment));
                continue;
            }
        };
        let Some(inner) = shard.upgrade() else {
            return;
        };
        let rest = std::iter::from_fn(|| {
            let notice = watch.try_next()?;
            Some((watch.told_at(), notice))
        });
        let notices = first.into_iter().chain(rest).take(NOTICES_AT_A_TIME);
        let mut heard = 0;
        inner.act(|fanout| {
            for (told_at, notice) in notices {
                heard += 1;
                match notice {
                    Notice::Committed(batch) => {
                        if fanout.handle_batch(&batch) {
                            told.push(told_at);
                        }
                    }
                    Notice::Passing(event) => fanout.handle_passing(event),
                    Notice::Lagged => {
                        fanout.handle_lag(&inner.heads());
                        inner.handle_missed();
                    }
                }
            }
        });
        if heard < NOTICES_AT_A_TIME {
            // There were no more. Who asked may have gone.
            for answer in waiting.drain(..) {
                let _ = answer.send(());
            }
        }
        let goal = inner.waiting.borrow().goal();
        drop(inner);
        // Those that were woken come first.
        tokio::task::yield_now().await;
        if let Some(inner) = shard.upgrade() {
            let mut lags = inner.lags.borrow_mut();
            told.drain(..).for_each(|told_at| lags.begin(told_at, goal));
            drop(lags);
            inner.end_lags();
        }
    }
}
