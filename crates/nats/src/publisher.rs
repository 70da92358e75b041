//! Publishing: for each channel one message at a time, until its stream has it.
//!
//! One at a time, for a message that is tried again must not come behind one that was published after it. Channels do not
//! wait for each other.
//!
//! A reader must be able to tell whether anything between two messages of a channel was deleted. So each message names
//! the one before it, as far as is known here; the stream checks that, and refuses where another node was faster. Then it is
//! said anew: whoever is refused, another one was not.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_ID, NATS_MESSAGE_TTL};
use tidings_engine::{Answer, Draft, EngineError, Published, Responder};
use tidings_wire::ChannelName;
use tokio::runtime::Handle;
use tokio::time::sleep;

use crate::api::{Ack, ApiError, Which};
use crate::record;
use crate::shared::{Shared, lock};
use crate::token::{escape, token};

/// How soon a publish is tried again at first, and at last: an election takes seconds, a change of leader a blink.
const PAUSES: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(500)];

/// How soon it is tried again while another node's publish into the same channel is under way: one takes 1 to 5 ms.
const UNDER_WAY: Duration = Duration::from_millis(4);

/// See the module.
pub(crate) struct Publisher {
    shared: Arc<Shared>,
    runtime: Handle,
    within: Duration,
    messages_max: usize,
    bytes_max: usize,
    waiting: Mutex<Waiting>,
}

/// What is not stored yet.
#[derive(Default)]
struct Waiting {
    /// Of each channel that is being published into, those that wait behind the one that is under way.
    lanes: HashMap<ChannelName, VecDeque<Job>>,
    messages: usize,
    bytes: usize,
}

struct Job {
    draft: Draft,
    responder: Responder<Published>,
    since: Instant,
}

impl Publisher {
    pub(crate) fn new(
        shared: Arc<Shared>,
        runtime: Handle,
        within: Duration,
        messages_max: usize,
        bytes_max: usize,
    ) -> Self {
        Self {
            shared,
            runtime,
            within,
            messages_max,
            bytes_max,
            waiting: Mutex::default(),
        }
    }

    pub(crate) fn publish(self: &Arc<Self>, draft: Draft) -> Answer<Published> {
        let (responder, answer) = Answer::pending();
        let mut waiting = lock(&self.waiting);
        let bytes = waiting.bytes.saturating_add(draft.data.len());
        // One that is larger than all that may wait is taken when nothing does.
        if waiting.messages >= self.messages_max || (bytes > self.bytes_max && waiting.messages > 0)
        {
            return Answer::ready(Err(EngineError::Busy));
        }
        waiting.messages += 1;
        waiting.bytes = bytes;
        let job = Job {
            draft,
            responder,
            since: Instant::now(),
        };
        match waiting.lanes.get_mut(&job.draft.channel) {
            Some(lane) => lane.push_back(job),
            None => {
                waiting
                    .lanes
                    .insert(job.draft.channel.clone(), VecDeque::new());
                self.runtime.spawn(self.clone().run(job));
            }
        }
        answer
    }

    /// Bytes of data that wait to be stored.
    pub(crate) fn waiting_bytes(&self) -> usize {
        lock(&self.waiting).bytes
    }

    /// Stores what waits for one channel, one after the other.
    async fn run(self: Arc<Self>, first: Job) {
        let mut next = Some(first);
        while let Some(Job {
            draft,
            responder,
            since,
        }) = next
        {
            let started = Instant::now();
            let result = self.store(&draft, since + self.within).await;
            if result.is_ok() {
                let took = started.elapsed();
                self.shared
                    .count(|it| it.publish_durations.observe_duration(took));
            }
            next = self.finish(&draft);
            responder.answer(result);
        }
    }

    /// The next one of the same channel; without one its lane ends.
    fn finish(&self, draft: &Draft) -> Option<Job> {
        let mut waiting = lock(&self.waiting);
        waiting.messages -= 1;
        waiting.bytes -= draft.data.len();
        let next = waiting
            .lanes
            .get_mut(&draft.channel)
            .and_then(VecDeque::pop_front);
        if next.is_none() {
            waiting.lanes.remove(&draft.channel);
        }
        next
    }

    /// Tries until `deadline`, with the time that it has waited behind others: whoever waits is answered within a bound.
    async fn store(&self, draft: &Draft, deadline: Instant) -> Result<Published, EngineError> {
        let Self { shared, .. } = self;
        let log = shared.layout.log_of(&draft.channel);
        let now = shared.clock.now();
        let at = draft.said_at(now);
        let age = shared.layout.logs()[log].retention.age;
        let subject = shared.layout.subject(&draft.channel);
        let payload = record::payload(&draft.data);
        let mut prev = lock(&shared.known).newest(&draft.channel).unwrap_or(0);
        let mut pause = PAUSES[0];
        let mut tried = false;
        loop {
            shared.check(log)?;
            if Instant::now() >= deadline {
                return Err(late());
            }
            let head = shared.head(log);
            let headers = headers(draft, at, age_left(draft, age, now), prev);
            let published = shared.api.publish(&subject, headers, payload.clone()).await;
            if let Err(error) = &published {
                tracing::debug!(channel = %draft.channel, prev, %error, "a publish was not taken");
            }
            match published {
                Ok(ack) if ack.seq <= head && !ack.duplicate => {
                    return Err(shared.has_lost_its_end(log));
                }
                Ok(ack) => return self.stored(draft, at, tried, &ack).await,
                Err(ApiError::WrongLast(last)) if Instant::now() < deadline => match last {
                    Some(last) => prev = last,
                    None => sleep(about(UNDER_WAY)).await,
                },
                Err(error) if error.is_passing() && Instant::now() + pause < deadline => {
                    sleep(about(pause)).await;
                    pause = (2 * pause).min(PAUSES[1]);
                    tried = true;
                }
                Err(error) => return Err(error.into_engine_error()),
            }
            shared.count(|it| it.tries_again += 1);
        }
    }

    /// What a stream's yes means: a message, or that it had one by this id already.
    async fn stored(
        &self,
        draft: &Draft,
        at: u64,
        tried: bool,
        ack: &Ack,
    ) -> Result<Published, EngineError> {
        let Self { shared, .. } = self;
        let log = shared.layout.log_of(&draft.channel);
        let Ack { seq, duplicate } = *ack;
        shared.raise_head(log, seq);
        lock(&shared.known).hear(&draft.channel, seq);
        let (id, mut at, mut repeated) = (draft.id.clone(), at, duplicate);
        if duplicate {
            let stream = &shared.layout.logs()[log].stream;
            let first = shared
                .api
                .get(stream, Which::At { seq })
                .await
                .map_err(ApiError::into_engine_error)?;
            // Without it, it is deleted by now: when it was said is nobody's to know.
            if let Some(first) = first.and_then(|it| it.record) {
                // It may be ours, from a try whose answer was lost.
                repeated = !(tried && first.at == at && first.from == draft.from);
                at = first.at;
            }
        }
        let bytes = draft.data.len() as u64;
        shared.count(|it| match repeated {
            true => it.repeated += 1,
            false => {
                it.stored += 1;
                it.stored_bytes += bytes;
            }
        });
        Ok(Published {
            seq,
            id,
            at,
            repeated,
        })
    }
}

/// Its time was over before its turn came.
fn late() -> EngineError {
    let why = "too many messages wait to be stored in this channel; try again";
    EngineError::Unavailable(why.to_owned())
}

/// Not all at once, where many wait for the same.
fn about(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64())
}

/// What the stream is to know: which message it is, if it has been tried before, which one it comes behind (0: none), and how long
/// it is kept if that is not its own age; and what readers are to know.
fn headers(draft: &Draft, at: u64, left: Option<Duration>, prev: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut id = format!("{}/{}", token(&draft.channel), escape(draft.id.as_str()));
    if let Some(at) = draft.at {
        // Said again at another time it is another message, though both are brought at once.
        let _ = write!(id, "/{at}");
    }
    headers.insert(NATS_MESSAGE_ID, id);
    headers.insert(record::HEADER, record::header(draft, at, prev));
    if let Some(left) = left {
        headers.insert(NATS_MESSAGE_TTL, format!("{}s", left.as_secs().max(1)));
    }
    headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, prev.to_string());
    headers
}

/// How long a message that was said before, elsewhere, is still to be kept; `None`: as long as all others.
fn age_left(draft: &Draft, age: Option<Duration>, now: u64) -> Option<Duration> {
    let passed = Duration::from_millis(now.saturating_sub(draft.at?));
    Some(age?.saturating_sub(passed))
}
