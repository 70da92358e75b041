//! What JetStream is asked, request by request.
//!
//! Publishing and reading are asked for here rather than through the client library, which has no batched reading and
//! keeps the leader's words on a refused publish to itself. ADR-8 (publish headers), ADR-31 (direct get, batches).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::client::{Request, RequestErrorKind};
use async_nats::{Client, HeaderMap, Message};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tidings_engine::EngineError;
use tidings_wire::Epoch;

use crate::record::{self, Record};
use crate::streams::EPOCH;

/// How long one request waits: far longer than any answer of a healthy cluster takes, short enough that another try
/// comes soon once a leader has been elected.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// A stream's servers elect no other leader for this long after they have heard from theirs (`minElectionTimeout` in
/// server/raft.go is 4 s; the rest is for clocks and slow machines).
const LEASE: Duration = Duration::from_millis(3500);

/// Where nobody else can become the leader.
const FOR_LONG: Duration = Duration::from_secs(24 * 60 * 60);

/// How long any one server of a stream may take to answer a read. One that stands still is asked by NATS for as long as its
/// connections are open, which are minutes; so somebody else is asked soon.
const RANGE_WITHIN: Duration = Duration::from_millis(500);

/// How often one of them is asked until the leader is.
const RANGE_TRIES: usize = 2;

/// Asks JetStream. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    client: Client,
    statistics: Arc<async_nats::Statistics>,
    prefix: String,
}

/// Why JetStream did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// Nobody is there to answer, or not in time: the connection is down, or a leader is being elected.
    #[error(
        "NATS does not answer ({0}); this passes when its servers are back, see `tidings nats check`"
    )]
    Silent(String),
    /// The newest message of the channel is not the one that the publisher named; absent where another publish is under
    /// way, behind which it will be seen.
    #[error("others publish into this channel faster than it could; try again")]
    WrongLast(Option<u64>),
    /// It was refused.
    #[error("JetStream refused: {description} ({code})")]
    Refused {
        /// JetStream's own number of the error.
        code: u32,
        /// What it says of it.
        description: String,
    },
    /// The answer is none.
    #[error("an answer of NATS is not understood: {0}")]
    Foreign(String),
}

/// What a publish was answered.
#[derive(Debug, Deserialize)]
pub(crate) struct Ack {
    pub(crate) seq: u64,
    #[serde(default)]
    pub(crate) duplicate: bool,
}

/// A message in a stream.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) seq: u64,
    /// Absent: somebody else put something there that is not ours.
    pub(crate) record: Option<Record>,
}

/// Which messages of a stream, from the oldest on.
#[derive(Debug, Serialize)]
pub(crate) struct Range<'a> {
    /// The first one's place, or that of the next one there is.
    #[serde(rename = "seq")]
    pub(crate) from: u64,
    /// Only those of this subject.
    #[serde(rename = "next_by_subj")]
    pub(crate) subject: &'a str,
    /// At most so many.
    #[serde(rename = "batch")]
    pub(crate) count: usize,
    /// No further one after so many bytes.
    #[serde(rename = "max_bytes")]
    pub(crate) bytes: usize,
}

/// Which one message, as a stream's leader has it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Which<'a> {
    /// The one at `seq`.
    At { seq: u64 },
    /// The first at or behind `seq` of a subject.
    Next { seq: u64, next_by_subj: &'a str },
    /// The newest of a subject.
    Last { last_by_subj: &'a str },
}

/// How far a stream goes.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Extent {
    /// The oldest message's place; behind the newest's where there is none.
    #[serde(rename = "first_seq")]
    pub(crate) first: u64,
    /// The newest message's place, also where it is kept no longer; 0: there never was one.
    #[serde(rename = "last_seq")]
    pub(crate) last: u64,
    /// The identity that its settings bear.
    #[serde(skip)]
    pub(crate) epoch: Option<Epoch>,
    /// For how long from the question on whoever has answered is certain to be the stream's only leader.
    #[serde(skip)]
    pub(crate) lease: Duration,
}

/// JetStream's numbers of errors (server/errors.json).
pub(crate) mod codes {
    /// The publisher's idea of the newest message is wrong.
    pub(crate) const WRONG_LAST: u32 = 10071;
    /// The same, while another publish is under way.
    pub(crate) const WRONG_LAST_UNDER_WAY: u32 = 10164;
    /// There is no such message.
    pub(crate) const NO_MESSAGE: u32 = 10037;
    /// The disk, or what the account may use of it, is full.
    pub(crate) const FULL: [u32; 5] = [10002, 10023, 10028, 10047, 10077];
    /// More than it takes at a time, a leader that is not ready, a copy of a message that is still under way.
    pub(crate) const PASSING: [u32; 6] = [10008, 10009, 10039, 10076, 10158, 10167];
}

impl ApiError {
    /// What the engine's caller is told.
    pub(crate) fn into_engine_error(self) -> EngineError {
        match &self {
            Self::Refused { code, .. } if codes::FULL.contains(code) => EngineError::StorageFull,
            Self::Refused { code, .. } if codes::PASSING.contains(code) => {
                EngineError::Unavailable(self.to_string())
            }
            Self::Silent(_) | Self::WrongLast(_) => EngineError::Unavailable(self.to_string()),
            _ => EngineError::Failed(self.to_string()),
        }
    }

    /// It is not certain who leads the stream.
    pub(crate) fn unled() -> Self {
        Self::Silent("the stream has no leader, or it has lost the others".to_owned())
    }

    /// Whether trying again may help.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Silent(_) | Self::WrongLast(_) => true,
            Self::Refused { code, .. } => codes::PASSING.contains(code),
            Self::Foreign(_) => false,
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answered<T> {
    Error { error: Refusal },
    Well(T),
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    err_code: u32,
    #[serde(default)]
    description: String,
}

impl From<Refusal> for ApiError {
    fn from(
        Refusal {
            err_code,
            description,
        }: Refusal,
    ) -> Self {
        match err_code {
            // `wrong last sequence: 5`
            codes::WRONG_LAST => {
                let last = description.rsplit(' ').next();
                Self::WrongLast(last.and_then(|it| it.parse().ok()))
            }
            codes::WRONG_LAST_UNDER_WAY => Self::WrongLast(None),
            code => Self::Refused { code, description },
        }
    }
}

impl Api {
    /// Asks over `client`, in `domain` if there are several.
    pub(crate) fn new(client: Client, domain: Option<&str>) -> Self {
        let prefix = match domain {
            Some(domain) => format!("$JS.{domain}.API"),
            None => "$JS.API".to_owned(),
        };
        Self {
            statistics: client.statistics(),
            client,
            prefix,
        }
    }

    /// What is asked over.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Which connection it is, counted from 1. Whatever came over one was counted as this one's before anybody could see it;
    /// the library's events come later, when a task of its own gets to it.
    pub(crate) fn connection(&self) -> u64 {
        self.statistics.connects.load(Ordering::Relaxed)
    }

    /// Stores a message; answered by the stream's leader when enough of its servers have it.
    pub(crate) async fn publish(
        &self,
        subject: &str,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<Ack, ApiError> {
        let request = Request::new().headers(headers).payload(payload);
        self.ask(subject.to_owned(), request).await
    }

    /// One message as the leader of `stream` has it; `None`: there is none.
    pub(crate) async fn get(
        &self,
        stream: &str,
        which: Which<'_>,
    ) -> Result<Option<Stored>, ApiError> {
        #[derive(Deserialize)]
        struct Got {
            message: Body,
        }
        #[derive(Deserialize)]
        struct Body {
            seq: u64,
            #[serde(default)]
            hdrs: String,
            #[serde(default)]
            data: String,
        }
        let subject = format!("{}.STREAM.MSG.GET.{stream}", self.prefix);
        match self
            .ask::<Got>(subject, Request::new().payload(json(&which)))
            .await
        {
            Ok(Got { message }) => {
                let decode = |text: &str| STANDARD.decode(text).unwrap_or_default();
                let headers = decode(&message.hdrs);
                let header = str::from_utf8(&headers).ok().and_then(record_header);
                Ok(Some(stored(
                    message.seq,
                    header,
                    &decode(&message.data).into(),
                )))
            }
            Err(ApiError::Refused {
                code: codes::NO_MESSAGE,
                ..
            }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Some messages of `subject`, which may have wildcards, in `stream` from `from` on; none if it has none. Whether a
    /// server's answer did not do, so that the leader was asked, which gives one at a time.
    pub(crate) async fn read_on(
        &self,
        stream: &str,
        range: Range<'_>,
    ) -> Result<(Vec<Stored>, bool), ApiError> {
        for _ in 0..RANGE_TRIES {
            match self.range(stream, &range).await {
                Ok(some) if !some.is_empty() => return Ok((some, false)),
                // There is nothing, or this one has not got it yet.
                Ok(_) => break,
                Err(error) if error.is_passing() => {}
                Err(error) => return Err(error),
            }
        }
        let Range { from, subject, .. } = range;
        let next = Which::Next {
            seq: from,
            next_by_subj: subject,
        };
        let next = self.get(stream, next).await?;
        let was_late = next.is_some();
        Ok((next.into_iter().collect(), was_late))
    }

    /// Messages of `stream` as whichever of its servers has them, which may be late.
    async fn range(&self, stream: &str, range: &Range<'_>) -> Result<Vec<Stored>, ApiError> {
        let silent = |error: &dyn std::fmt::Display| ApiError::Silent(error.to_string());
        let inbox = self.client.new_inbox();
        let subject = format!("{}.DIRECT.GET.{stream}", self.prefix);
        let ask = async {
            let answers = self.client.subscribe(inbox.clone()).await;
            let answers = answers.map_err(|it| silent(&it))?;
            let asked = self.client.publish_with_reply(subject, inbox, json(range));
            asked.await.map_err(|it| silent(&it))?;
            Ok::<_, ApiError>(answers)
        };
        let mut answers = in_time(RANGE_WITHIN, ask).await??;
        let mut messages = Vec::new();
        loop {
            let next = in_time(RANGE_WITHIN, answers.next()).await?;
            let answer = next.ok_or_else(|| silent(&"the connection has ended"))?;
            let Some(status) = answer.status else {
                messages.push(of_answer(&answer)?);
                continue;
            };
            match status.as_u16() {
                END_OF_BATCH | NOTHING => return Ok(messages),
                NOBODY => return Err(silent(&"the stream has no server")),
                code => {
                    let description = answer.description.map(|it| it.to_string());
                    return Err(ApiError::Refused {
                        code: code.into(),
                        description: description.unwrap_or_default(),
                    });
                }
            }
        }
    }

    /// How far `stream` goes, as its leader has it.
    pub(crate) async fn extent(&self, stream: &str) -> Result<Extent, ApiError> {
        #[derive(Deserialize)]
        struct Info {
            state: Extent,
            config: Settings,
            cluster: Option<Group>,
        }
        #[derive(Deserialize)]
        struct Settings {
            num_replicas: usize,
            #[serde(default)]
            metadata: HashMap<String, String>,
        }
        let subject = format!("{}.STREAM.INFO.{stream}", self.prefix);
        let Info {
            state,
            config,
            cluster,
        } = self.ask(subject, Request::new()).await?;
        let lease = cluster.unwrap_or_default().lease(config.num_replicas);
        if lease.is_zero() {
            return Err(ApiError::unled());
        }
        let epoch = config
            .metadata
            .get(EPOCH)
            .and_then(|epoch| Epoch::new(epoch).ok());
        Ok(Extent {
            epoch,
            lease,
            ..state
        })
    }

    async fn ask<T: for<'a> Deserialize<'a>>(
        &self,
        subject: String,
        request: Request,
    ) -> Result<T, ApiError> {
        // The request's own limit is not for what waits to be sent, as while a connection is made again.
        let request = request.timeout(None);
        let answer = in_time(ANSWER_WITHIN, self.client.send_request(subject, request)).await?;
        let answer = answer.map_err(|error| match error.kind() {
            RequestErrorKind::TimedOut | RequestErrorKind::NoResponders => {
                ApiError::Silent(error.to_string())
            }
            _ => ApiError::Foreign(error.to_string()),
        })?;
        match serde_json::from_slice(&answer.payload) {
            Ok(Answered::Well(body)) => Ok(body),
            Ok(Answered::Error { error }) => Err(error.into()),
            Err(error) => Err(ApiError::Foreign(error.to_string())),
        }
    }
}

/// What `ask` gives, if it does so in time.
async fn in_time<T>(within: Duration, ask: impl Future<Output = T>) -> Result<T, ApiError> {
    let answer = tokio::time::timeout(within, ask).await;
    answer.map_err(|_| ApiError::Silent(format!("no answer within {within:?}")))
}

/// The servers of a stream, as the one that answers sees them.
#[derive(Debug, Default, Deserialize)]
struct Group {
    /// Since when it is their leader, with all that was stored before; absent: it is not, or not yet.
    leader_since: Option<String>,
    /// All but the one that answers.
    #[serde(default)]
    replicas: Vec<Replica>,
}

#[derive(Debug, Deserialize)]
struct Replica {
    /// How long ago it has last answered, in nanoseconds; 0: never.
    #[serde(default)]
    active: u64,
}

impl Group {
    /// For how long the one that answers, of `size` servers, still is their only leader: most of them must have lost it before
    /// they elect another one. Zero: it may be none. A leader that has lost the others answers for as long as it does not
    /// know; a server that was only just started does in the leader's place, and before it has what was stored.
    fn lease(&self, size: usize) -> Duration {
        let Some(last_needed) = (size / 2).checked_sub(1) else {
            return FOR_LONG;
        };
        if self.leader_since.is_none() {
            return Duration::ZERO;
        }
        let never = |active| if active == 0 { u64::MAX } else { active };
        let mut silences: Vec<_> = self.replicas.iter().map(|it| never(it.active)).collect();
        silences.sort_unstable();
        let silence = silences.get(last_needed);
        silence.map_or(Duration::ZERO, |it| {
            LEASE.saturating_sub(Duration::from_nanos(*it))
        })
    }
}

/// The states of answers that are no messages: the end of a batch, no message at all (ADR-31), nobody to answer.
const END_OF_BATCH: u16 = 204;
const NOTHING: u16 = 404;
const NOBODY: u16 = 503;

/// `which` as a request's body.
fn json(request: &impl Serialize) -> Bytes {
    serde_json::to_vec(request)
        .expect("numbers and names are JSON")
        .into()
}

fn of_answer(answer: &Message) -> Result<Stored, ApiError> {
    let seq = number(answer, async_nats::header::NATS_SEQUENCE.as_ref());
    let seq = seq.ok_or_else(|| ApiError::Foreign("a message without its place".to_owned()))?;
    Ok(of_message(seq, answer))
}

/// What a message that a stream has sent is, at `seq`.
pub(crate) fn of_message(seq: u64, message: &Message) -> Stored {
    let headers = message.headers.as_ref();
    let header = headers
        .and_then(|it| it.get(record::HEADER))
        .map(|it| it.as_str());
    stored(seq, header, &message.payload)
}

/// Our header among those of a stored message, as they are written: a line each.
fn record_header(headers: &str) -> Option<&str> {
    let mut lines = headers.lines();
    let value = lines.find_map(|line| line.strip_prefix(record::HEADER)?.strip_prefix(':'))?;
    Some(value.trim())
}

/// The number that a header of `message` has.
pub(crate) fn number(message: &Message, header: &str) -> Option<u64> {
    message.headers.as_ref()?.get(header)?.as_str().parse().ok()
}

/// What is at `seq`. What is not ours is told of, for it should not be there.
fn stored(seq: u64, header: Option<&str>, payload: &Bytes) -> Stored {
    let record = record::read(header, payload);
    let record = record.inspect_err(|error| {
        tracing::warn!(seq, %error, "a stream has what is not ours; it is left out");
    });
    Stored {
        seq,
        record: record.ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_is_one_for_as_long_as_most_have_heard_from_it() {
        let leads = |silences: &[u64]| {
            let active = silences.iter().map(|seconds| seconds * 1_000_000_000);
            let group = Group {
                leader_since: Some("2026-11-28T00:00:00Z".to_owned()),
                replicas: active.map(|active| Replica { active }).collect(),
            };
            group.lease(silences.len() + 1).as_millis()
        };
        // Of three one other is enough, of five two.
        assert_eq!(leads(&[1, 60]), 2500);
        assert_eq!(leads(&[4, 60]), 0);
        assert_eq!(leads(&[1, 3, 60, 60]), 500);
        assert_eq!(leads(&[0, 0]), 0, "it has never heard from them");
        assert_eq!(leads(&[]), FOR_LONG.as_millis());
    }

    #[test]
    fn whoever_is_no_leader_does_not_speak_for_it() {
        let lease = |group: &str| serde_json::from_str::<Group>(group).unwrap().lease(3);
        let since = r#""leader_since":"2026-11-28T00:00:00Z""#;
        let replicas = r#""replicas":[{"active":5},{"active":5}]"#;
        assert!(!lease(&format!("{{{since},{replicas}}}")).is_zero());
        assert!(lease(&format!("{{{replicas}}}")).is_zero());
        assert!(lease(&format!("{{{since}}}")).is_zero());
        assert!(lease("{}").is_zero());
    }
}
