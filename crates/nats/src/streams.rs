//! The streams as they should be: made, looked at, and changed where their settings are others.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, Republish, RetentionPolicy, StorageType,
};
use async_nats::jetstream::{self, ErrorCode};
use tidings_engine::fresh_epoch;
use tidings_wire::Epoch;
use tokio::time::sleep;

use crate::error::NatsError;
use crate::layout::{Layout, LogPlace};

/// Where a stream keeps the identity of its log.
pub(crate) const EPOCH: &str = "td_epoch";

/// Where a stream keeps over how many its class is spread.
const SHARDS: &str = "td_shards";

/// JetStream takes no shorter age and no shorter window.
const SHORTEST: Duration = Duration::from_millis(100);

/// How soon what JetStream has refused is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What a stream's settings are to be.
pub(crate) struct Wanted<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) replicas: usize,
    pub(crate) dedup_window: Duration,
}

/// What was found of a stream, and what is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamPlan {
    /// Its name.
    pub stream: String,
    /// What is to be done.
    pub step: Step,
}

/// What is to be done about a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Keep,
    /// It is to be made.
    Make,
    /// These settings are others than they should be.
    Change(Vec<Difference>),
}

/// A setting that is another than it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its name in JetStream.
    pub setting: &'static str,
    /// What it is.
    pub is: String,
    /// What it should be.
    pub should_be: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            setting,
            is,
            should_be,
        } = self;
        write!(f, "{setting}: {is} -> {should_be}")
    }
}

impl Wanted<'_> {
    fn config(&self, place: &LogPlace) -> Config {
        let retention = place.retention;
        let age = retention
            .age
            .map_or(Duration::ZERO, |age| age.max(SHORTEST));
        let window = match age {
            Duration::ZERO => self.dedup_window,
            age => self.dedup_window.min(age),
        };
        Config {
            name: place.stream.clone(),
            description: Some("Messages of Tidings".to_owned()),
            subjects: vec![place.all_stored()],
            storage: StorageType::File,
            num_replicas: self.replicas,
            retention: RetentionPolicy::Limits,
            discard: DiscardPolicy::Old,
            max_messages: -1,
            max_messages_per_subject: bound(retention.messages),
            max_bytes: bound(retention.bytes),
            max_age: age,
            duplicate_window: window.max(SHORTEST),
            allow_direct: true,
            allow_message_ttl: true,
            republish: Some(Republish {
                source: place.all_stored(),
                destination: place.all_live(),
                headers_only: false,
            }),
            ..Config::default()
        }
    }
}

fn bound(bound: Option<u64>) -> i64 {
    bound.map_or(-1, |bound| i64::try_from(bound).unwrap_or(i64::MAX))
}

/// Makes and changes what has to be, and tries again `within` that time, for a cluster that was only just started knows
/// all its servers a little later; the identity of each log.
pub(crate) async fn settle(
    jetstream: &jetstream::Context,
    wanted: &Wanted<'_>,
    within: Duration,
) -> Result<Vec<Epoch>, NatsError> {
    let started = Instant::now();
    let mut epochs = Vec::new();
    for place in wanted.layout.logs() {
        let epoch = loop {
            match settle_one(jetstream, wanted, place).await {
                Err(error @ NatsError::Stream { .. }) if started.elapsed() < within => {
                    tracing::warn!(%error, "trying again");
                    sleep(AGAIN_AFTER).await;
                }
                settled => break settled?,
            }
        };
        epochs.push(epoch);
    }
    Ok(epochs)
}

async fn settle_one(
    jetstream: &jetstream::Context,
    wanted: &Wanted<'_>,
    place: &LogPlace,
) -> Result<Epoch, NatsError> {
    let config = wanted.config(place);
    // Another node may make it at the same time: whoever comes second finds it.
    for _ in 0..2 {
        if let Some(found) = find(jetstream, place).await? {
            let epoch = identity(&found, place, wanted.layout.shards())?;
            let differences = differences(&found, &config);
            if !differences.is_empty() {
                tracing::info!(stream = place.stream, changes = ?differences, "changing the settings of a stream");
                jetstream
                    .update_stream(changed(found, &config))
                    .await
                    .map_err(|error| NatsError::stream(&place.stream, &error))?;
            }
            return Ok(epoch);
        }
        let epoch = fresh_epoch();
        let metadata = HashMap::from([
            (EPOCH.to_owned(), epoch.to_string()),
            (SHARDS.to_owned(), wanted.layout.shards().to_string()),
        ]);
        match jetstream
            .create_stream(Config {
                metadata,
                ..config.clone()
            })
            .await
        {
            Ok(_) => {
                tracing::info!(
                    stream = place.stream,
                    replicas = wanted.replicas,
                    "made a stream"
                );
                return Ok(epoch);
            }
            Err(error) => match error.kind() {
                CreateStreamErrorKind::JetStream(ref refused)
                    if refused.error_code() == ErrorCode::STREAM_NAME_EXIST => {}
                _ => return Err(NatsError::stream(&place.stream, &error)),
            },
        }
    }
    Err(NatsError::Stream {
        stream: place.stream.clone(),
        reason: "it is there and is not there".to_owned(),
    })
}

/// Gives the log in a stream a new identity, for what was told of the old one is true no more. Another node may have done so.
pub(crate) async fn renew(
    jetstream: &jetstream::Context,
    place: &LogPlace,
    old: &Epoch,
) -> Result<(), NatsError> {
    let Some(mut found) = find(jetstream, place).await? else {
        return Ok(());
    };
    if found.metadata.get(EPOCH).map(String::as_str) == Some(old.as_str()) {
        found
            .metadata
            .insert(EPOCH.to_owned(), fresh_epoch().to_string());
        let updated = jetstream.update_stream(found).await;
        updated.map_err(|error| NatsError::stream(&place.stream, &error))?;
    }
    Ok(())
}

/// What is there, and what [`settle`] would do.
pub(crate) async fn plan(
    jetstream: &jetstream::Context,
    wanted: &Wanted<'_>,
) -> Result<Vec<StreamPlan>, NatsError> {
    let mut plans = Vec::new();
    for place in wanted.layout.logs() {
        let step = match find(jetstream, place).await? {
            None => Step::Make,
            Some(found) => {
                identity(&found, place, wanted.layout.shards())?;
                match differences(&found, &wanted.config(place)) {
                    none if none.is_empty() => Step::Keep,
                    some => Step::Change(some),
                }
            }
        };
        plans.push(StreamPlan {
            stream: place.stream.clone(),
            step,
        });
    }
    Ok(plans)
}

async fn find(
    jetstream: &jetstream::Context,
    place: &LogPlace,
) -> Result<Option<Config>, NatsError> {
    match jetstream.get_stream(&place.stream).await {
        Ok(stream) => Ok(Some(stream.cached_info().config.clone())),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(ref refused)
                if refused.error_code() == ErrorCode::STREAM_NOT_FOUND =>
            {
                Ok(None)
            }
            _ => Err(NatsError::stream(&place.stream, &error)),
        },
    }
}

/// The identity of the log in a stream, if it is one of ours and is spread as we spread it.
fn identity(found: &Config, place: &LogPlace, shards: usize) -> Result<Epoch, NatsError> {
    let strange = |reason: String| NatsError::Stranger {
        stream: place.stream.clone(),
        reason,
    };
    let epoch = found
        .metadata
        .get(EPOCH)
        .and_then(|epoch| Epoch::new(epoch).ok());
    let epoch = epoch.ok_or_else(|| {
        strange(
            "it was not made by Tidings; give this cluster another name, or remove the stream"
                .to_owned(),
        )
    })?;
    let known = found.metadata.get(SHARDS).map_or("", String::as_str);
    if known != shards.to_string() {
        return Err(strange(format!(
            "its channels are spread over {known} streams, and the settings say {shards}: set `shards = {known}`, for messages do not move"
        )));
    }
    Ok(epoch)
}

/// `found` with our settings. Those that we do not care for, such as where the stream is placed or whether its files are
/// compressed, stay as an operator has set them.
fn changed(found: Config, wanted: &Config) -> Config {
    let wanted = wanted.clone();
    Config {
        subjects: wanted.subjects,
        num_replicas: wanted.num_replicas,
        retention: wanted.retention,
        discard: wanted.discard,
        max_messages: wanted.max_messages,
        max_messages_per_subject: wanted.max_messages_per_subject,
        max_bytes: wanted.max_bytes,
        max_age: wanted.max_age,
        duplicate_window: wanted.duplicate_window,
        allow_direct: wanted.allow_direct,
        allow_message_ttl: wanted.allow_message_ttl,
        republish: wanted.republish,
        ..found
    }
}

/// A setting's name in JetStream, and what it is.
type Setting = (&'static str, fn(&Config) -> String);

/// Those that we care for.
const SETTINGS: [Setting; 12] = [
    ("subjects", |it| it.subjects.join(" ")),
    ("num_replicas", |it| it.num_replicas.to_string()),
    ("retention", |it| format!("{:?}", it.retention)),
    ("discard", |it| format!("{:?}", it.discard)),
    ("max_msgs", |it| it.max_messages.to_string()),
    ("max_msgs_per_subject", |it| {
        it.max_messages_per_subject.to_string()
    }),
    ("max_bytes", |it| it.max_bytes.to_string()),
    ("max_age", |it| format!("{:?}", it.max_age)),
    ("duplicate_window", |it| {
        format!("{:?}", it.duplicate_window)
    }),
    ("allow_direct", |it| it.allow_direct.to_string()),
    ("allow_msg_ttl", |it| it.allow_message_ttl.to_string()),
    ("republish", |it| match &it.republish {
        Some(it) => format!("{} to {}", it.source, it.destination),
        None => "nothing".to_owned(),
    }),
];

/// What is set in another way than it should be.
fn differences(found: &Config, wanted: &Config) -> Vec<Difference> {
    let settings = SETTINGS.iter().map(|(setting, told)| Difference {
        setting,
        is: told(found),
        should_be: told(wanted),
    });
    settings.filter(|it| it.is != it.should_be).collect()
}
