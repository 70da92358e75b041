//! The engine itself: what is asked of it goes to the parts that do it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_nats::ServerInfo;
use tidings_engine::{Answer, Draft, Engine, EngineError, Entry, Page, Published, Query, Watch};
use tidings_wire::{ChannelName, Data, Epoch, Presence, User};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::api::{Api, ApiError, Which};
use crate::config::{LOGS_MAX, NatsConfig, READS_AT_ONCE};
use crate::connect::{AGAIN_AFTER, connect};
use crate::error::NatsError;
use crate::follower::Follower;
use crate::layout::Layout;
use crate::link::Link;
use crate::people::People;
use crate::publisher::Publisher;
use crate::reader;
use crate::shared::Shared;
use crate::statistics::Statistics;
use crate::streams::{self, StreamPlan, Wanted};

/// How long the end waits until the others are told of it.
const END_WITHIN: Duration = Duration::from_secs(1);

/// Threads that talk to NATS: one parses what the connection brings, another works on what came.
const THREADS: usize = 2;

/// Messages in NATS JetStream, for as many processes as share it.
pub struct Nats {
    shared: Arc<Shared>,
    publisher: Arc<Publisher>,
    people: Arc<People>,
    reads: Arc<Semaphore>,
    reads_waiting: Arc<AtomicUsize>,
    reads_waiting_max: usize,
    /// Taken when it ends.
    runtime: Option<Runtime>,
}

impl Nats {
    /// Connects, makes and changes the streams as they should be, and follows them. Blocks for as long as that takes; not
    /// to be called inside a runtime.
    ///
    /// # Errors
    ///
    /// Where NATS cannot be reached within [`NatsConfig::connect_within`], is too old, has no JetStream, or has streams
    /// that are not for this cluster.
    pub fn open(config: NatsConfig) -> Result<Self, NatsError> {
        let layout = layout(&config)?;
        let runtime = runtime()?;
        let link = Arc::new(Link::default());
        let opened = runtime.block_on(open(&config, layout, link))?;
        let Opened {
            shared,
            followers,
            people,
        } = opened;
        for (follower, live) in followers {
            runtime.spawn(follower.run(live));
        }
        let people = people.start(runtime.handle());
        let publisher = Publisher::new(
            shared.clone(),
            runtime.handle().clone(),
            config.publish_within,
            config.publishes_waiting_max,
            config.bytes_waiting_max,
        );
        Ok(Self {
            shared,
            publisher: Arc::new(publisher),
            people,
            reads: Arc::new(Semaphore::new(READS_AT_ONCE)),
            reads_waiting: Arc::default(),
            reads_waiting_max: config.reads_waiting_max,
            runtime: Some(runtime),
        })
    }

    /// What [`open`](Self::open) would do to the streams, without doing it.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn plan(config: &NatsConfig) -> Result<Plan, NatsError> {
        let layout = layout(config)?;
        let runtime = runtime()?;
        let plan = runtime.block_on(async {
            let (client, jetstream) = connect(config, Arc::default()).await?;
            let info = client.server_info();
            let replicas = config.replicas.unwrap_or_else(|| replicas(&info));
            let wanted = Wanted {
                layout: &layout,
                replicas,
                dedup_window: config.dedup_window,
            };
            let streams = streams::plan(&jetstream, &wanted).await?;
            Ok(Plan {
                server: info.server_name,
                version: info.version,
                cluster: info.cluster,
                replicas,
                streams,
            })
        });
        runtime.shutdown_background();
        plan
    }

    /// How it is, and what it has done.
    pub fn statistics(&self) -> Statistics {
        let logs = self.shared.layout.logs().iter().enumerate();
        let heads = logs.map(|(log, place)| (place.stream.clone(), self.shared.head(log)));
        Statistics {
            is_well: self.check().is_ok(),
            nodes: self.people.neighbours() + 1,
            heads: heads.collect(),
            waiting_bytes: self.publisher.waiting_bytes() as u64,
            ..self.shared.counted()
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(task);
        }
    }
}

/// What was found in NATS, and what would be done there.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server that answered.
    pub server: String,
    /// Its version.
    pub version: String,
    /// The cluster that it is in.
    pub cluster: Option<String>,
    /// On how many servers each message would be.
    pub replicas: usize,
    /// Stream by stream.
    pub streams: Vec<StreamPlan>,
}

struct Opened {
    shared: Arc<Shared>,
    followers: Vec<(Follower, async_nats::Subscriber)>,
    people: crate::people::Opened,
}

pub(crate) fn runtime() -> Result<Runtime, NatsError> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("tidings-nats")
        .enable_all()
        .build()?;
    Ok(runtime)
}

pub(crate) fn layout(config: &NatsConfig) -> Result<Layout, NatsError> {
    let NatsConfig {
        name,
        shards,
        retention,
        ..
    } = config;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if name.is_empty() || !name.bytes().all(is_plain) {
        let reason =
            format!("the cluster's name is `{name}`; it takes ASCII letters, digits, `-` and `_`");
        return Err(NatsError::Settings(reason));
    }
    let logs = (retention.namespaces.len() + 1).saturating_mul(*shards);
    if *shards == 0 || logs > LOGS_MAX {
        let reason = format!(
            "{shards} shards for each of {} retentions are {logs} streams; 1 to {LOGS_MAX} can be",
            retention.namespaces.len() + 1,
        );
        return Err(NatsError::Settings(reason));
    }
    Ok(Layout::new(name, retention, *shards))
}

async fn open(config: &NatsConfig, layout: Layout, link: Arc<Link>) -> Result<Opened, NatsError> {
    let (client, jetstream) = connect(config, link.clone()).await?;
    let replicas = config
        .replicas
        .unwrap_or_else(|| replicas(&client.server_info()));
    let dedup_window = config.dedup_window;
    let epochs = streams::settle(
        &jetstream,
        &Wanted {
            layout: &layout,
            replicas,
            dedup_window,
        },
        config.connect_within,
    )
    .await?;
    let api = Api::new(client.clone(), config.domain.as_deref());
    let shared = Arc::new(Shared::new(
        api,
        jetstream,
        layout,
        epochs,
        config.clock.clone(),
        link,
    ));
    let mut followers = Vec::new();
    for (log, place) in shared.layout.logs().iter().enumerate() {
        let failed = |error: &dyn std::fmt::Display| NatsError::stream(&place.stream, error);
        // First to listen, then to ask where it is: what comes in between is heard twice rather than never.
        let live = client
            .subscribe(place.all_live())
            .await
            .map_err(|error| failed(&error))?;
        client.flush().await.map_err(|error| failed(&error))?;
        let connection = shared.api.connection();
        let extent = patiently(config, async || shared.extent(log).await);
        let start = extent.await.map_err(|error| failed(&error))?.last;
        let newest = match start {
            0 => None,
            seq => patiently(config, async || {
                shared.api.get(&place.stream, Which::At { seq }).await
            })
            .await
            .map_err(|error| failed(&error))?,
        };
        shared.raise_head(log, start);
        let follower = Follower::new(shared.clone(), log, connection, start, newest);
        followers.push((follower, live));
    }
    let people = crate::people::Opened::new(shared.clone()).await?;
    Ok(Opened {
        shared,
        followers,
        people,
    })
}

/// Asks a stream, which may have no leader yet if it was only just made.
async fn patiently<T>(
    config: &NatsConfig,
    ask: impl AsyncFn() -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let started = Instant::now();
    loop {
        match ask().await {
            Err(error) if error.is_passing() && started.elapsed() < config.connect_within => {
                sleep(AGAIN_AFTER).await
            }
            answer => return answer,
        }
    }
}

/// Three where there is a cluster.
fn replicas(info: &ServerInfo) -> usize {
    if info.cluster.is_some() { 3 } else { 1 }
}

impl Engine for Nats {
    fn epochs(&self) -> &[Epoch] {
        &self.shared.epochs
    }

    fn log_of(&self, channel: &ChannelName) -> usize {
        self.shared.layout.log_of(channel)
    }

    fn head(&self, log: usize) -> u64 {
        self.shared.head(log)
    }

    fn is_head_certain(&self) -> bool {
        false
    }

    fn reach(&self, log: usize, seq: u64) -> Answer<u64> {
        let head = self.shared.head(log);
        if seq <= head {
            return Answer::ready(Ok(head));
        }
        let (responder, answer) = Answer::pending();
        let shared = self.shared.clone();
        self.spawn(async move {
            let head = shared
                .extent(log)
                .await
                .map(|extent| shared.raise_head(log, extent.last));
            responder.answer(head.map_err(ApiError::into_engine_error));
        });
        answer
    }

    fn publish(&self, draft: Draft) -> Answer<Published> {
        self.publisher.publish(draft)
    }

    fn read(&self, query: Query) -> Answer<Page> {
        if self.reads_waiting.fetch_add(1, Ordering::Relaxed) >= self.reads_waiting_max {
            self.reads_waiting.fetch_sub(1, Ordering::Relaxed);
            return Answer::ready(Err(EngineError::Busy));
        }
        let (responder, answer) = Answer::pending();
        let (shared, reads, waiting) = (
            self.shared.clone(),
            self.reads.clone(),
            self.reads_waiting.clone(),
        );
        self.spawn(async move {
            let result = match reads.acquire().await {
                Ok(_turn) => {
                    let started = Instant::now();
                    let page = reader::read(&shared, &query).await;
                    let took = started.elapsed();
                    shared.count(|it| it.read_durations.observe_duration(took));
                    page
                }
                Err(_) => Err(EngineError::Closed),
            };
            waiting.fetch_sub(1, Ordering::Relaxed);
            responder.answer(result);
        });
        answer
    }

    fn signal(&self, channel: ChannelName, from: User, data: Data) {
        self.people.signal(channel, from, data);
    }

    fn enter(&self, entry: Entry) {
        self.people.enter(entry);
    }

    fn leave(&self, entry: Entry) {
        self.people.leave(entry);
    }

    fn present(&self, channel: ChannelName) -> Answer<Presence> {
        Answer::ready(Ok(self.people.present(&channel)))
    }

    fn check(&self) -> Result<(), EngineError> {
        self.shared.check_identity()?;
        self.shared.link.check()
    }

    fn watch(&self) -> Watch {
        self.shared.notifier.watch()
    }
}

impl Drop for Nats {
    /// Tells the other nodes that this one ends; without, they find out by its silence.
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else {
            return;
        };
        let people = self.people.clone();
        let end = move || {
            let told = runtime.block_on(async { timeout(END_WITHIN, people.end()).await });
            if told.is_err() {
                tracing::debug!("the other nodes could not be told of the end");
            }
            runtime.shutdown_background();
        };
        // Whoever drops it may be in a runtime, where another one cannot run.
        let ended = std::thread::Builder::new()
            .name("tidings-nats-end".to_owned())
            .spawn(end);
        if let Ok(ended) = ended {
            let _ = ended.join();
        }
    }
}

impl std::fmt::Debug for Nats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nats")
            .field("epochs", &self.shared.epochs)
            .finish_non_exhaustive()
    }
}
