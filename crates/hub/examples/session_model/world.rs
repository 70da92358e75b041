//! One shard over one log, and the links to it.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tidings_engine::{Engine, EngineError, ManualClock, Retention, RetentionPolicies};
use tidings_hub::{Auth, Hub, HubConfig, Limits, NamespacePolicies, Room, Shard, StreamRequest};
use tidings_wire::{ChannelName, Epoch, Format, Heartbeat, Message, Request, StreamCursor};
use tokio::task::LocalSet;
use tokio::time::sleep;

use crate::desk::Desk;
use crate::door::Door;
use crate::log::NamedLog;

/// Where the log's clock starts, in milliseconds since the Unix epoch.
const BEGINNING: u64 = 1_700_000_000_000;

/// How a world is. What is absent is as the server has it.
#[derive(Clone, Deserialize)]
pub(crate) struct Settings {
    /// The log's name. Of several each has this, and a letter behind it.
    epoch: String,
    /// How many logs there are: one, if it is absent.
    logs: Option<u8>,
    /// The newest so many of each channel of the namespace `few` are kept.
    few: u64,
    /// [`Limits::tail_events`].
    tail: Option<usize>,
    /// [`Limits::page_messages`].
    page: Option<usize>,
    /// [`Limits::commands`].
    commands: Option<usize>,
    /// [`Limits::histories`].
    histories: Option<usize>,
}

/// Something that happens.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Op {
    /// A framed link opens, of this number.
    Connect { link: u64, user: String },
    /// A stream opens; answered by its `cursor`, the `newest` of its logs, and their `epochs` by channel if they are several.
    Stream {
        link: u64,
        user: String,
        channels: Vec<ChannelName>,
        after: Option<StreamCursor>,
    },
    /// A frame arrives over a framed link.
    Say { link: u64, frame: Value },
    /// Asks what "now" is for these channels; answered as a stream is.
    Now {
        user: String,
        channels: Vec<ChannelName>,
    },
    /// A command arrives over HTTP.
    Ask {
        desk: u64,
        user: String,
        frame: Value,
    },
    /// Fetches the answers that have come to a desk: `frames`.
    Fetch { desk: u64 },
    /// A transport can write: answered by `frames`, the stream's `cursor`, `newest` and `epochs`, and why it is `closed`.
    Offer {
        link: u64,
        bytes: usize,
        events: usize,
    },
    /// A link is gone.
    Cut { link: u64 },
    /// Publishes or reads are refused as busy from now on, or no more.
    Busy { publishes: bool, reads: bool },
    /// Answers of the log wait, or all that wait are given.
    Hold(bool),
    /// Milliseconds pass.
    Pass(u64),
    /// The server starts again. Of the log the first `keep` messages are left (all: absent), `gap` `seq`s
    /// are left out behind them, and it has a name.
    Restart {
        keep: Option<usize>,
        gap: u64,
        epoch: String,
    },
}

/// See the module.
pub(crate) struct World {
    settings: Settings,
    local: LocalSet,
    clock: Arc<ManualClock>,
    log: Arc<NamedLog>,
    shard: Option<Shard>,
    doors: BTreeMap<u64, Door>,
    desks: BTreeMap<u64, Desk>,
    /// Everything in the present log.
    messages: Vec<Arc<Message>>,
    told: usize,
}

impl World {
    pub(crate) fn new(settings: Settings) -> Result<Self, Box<dyn Error>> {
        let clock = Arc::new(ManualClock::new(BEGINNING));
        let log = Arc::new(open(&settings, &settings.epoch, clock.clone())?);
        Ok(Self {
            settings,
            local: LocalSet::new(),
            clock,
            log,
            shard: None,
            doors: BTreeMap::new(),
            desks: BTreeMap::new(),
            messages: Vec::new(),
            told: 0,
        })
    }

    /// Does everything, and lets it come to rest.
    pub(crate) async fn play(&mut self, ops: Vec<Op>) -> Result<Vec<Value>, Box<dyn Error>> {
        // Taken out for as long as it runs what uses the rest.
        let local = std::mem::take(&mut self.local);
        let answers = local
            .run_until(async {
                let mut answers = Vec::new();
                for op in ops {
                    answers.push(self.act(op).await?);
                }
                // Paused time moves on when no task has anything left to do.
                sleep(Duration::from_millis(1)).await;
                Ok(answers)
            })
            .await;
        self.local = local;
        answers
    }

    /// What was committed since the last time that somebody asked.
    pub(crate) fn committed(&mut self) -> Vec<Value> {
        self.messages.extend(self.log.committed());
        let told = std::mem::replace(&mut self.told, self.messages.len());
        let place = |message: &Arc<Message>| {
            let Message {
                seq,
                channel,
                id,
                at,
                ..
            } = &**message;
            let epoch = &self.log.epochs()[self.log.log_of(channel)];
            json!([seq, channel, id, at, epoch])
        };
        self.messages[told..].iter().map(place).collect()
    }

    async fn act(&mut self, op: Op) -> Result<Value, Box<dyn Error>> {
        match op {
            Op::Connect { link, user } => {
                let door = Door::connect(self.shard()?, &user).map_err(|it| it.detail)?;
                self.doors.insert(link, door);
            }
            Op::Stream {
                link,
                user,
                channels,
                after,
            } => {
                let request = StreamRequest {
                    channels,
                    after,
                    session: None,
                    presence: true,
                };
                let door = self.stream(&user, request).await?;
                let told = door.beginning();
                self.doors.insert(link, door);
                return Ok(told);
            }
            Op::Say { link, frame } => {
                if let Some(door) = self.doors.get_mut(&link) {
                    door.say(&frame)?;
                }
            }
            Op::Now { user, channels } => {
                let request = StreamRequest {
                    channels,
                    after: None,
                    session: None,
                    presence: false,
                };
                return Ok(self.stream(&user, request).await?.beginning());
            }
            Op::Ask { desk, user, frame } => {
                let request = Request::decode(frame.to_string().as_bytes(), Format::Json)?;
                let hub = self.shard()?.hub().clone();
                let who = hub.authenticate(Some(&format!("guest:{user}")));
                let desk = self.desks.entry(desk).or_default();
                desk.ask(hub, who.map_err(|it| it.detail)?, request);
            }
            Op::Fetch { desk } => {
                let answers = self.desks.entry(desk).or_default().fetch();
                return Ok(json!({ "frames": serde_json::to_value(answers)? }));
            }
            Op::Offer {
                link,
                bytes,
                events,
            } => {
                if let Some(door) = self.doors.get_mut(&link) {
                    return door.offer(Room { bytes, events });
                }
            }
            Op::Cut { link } => drop(self.doors.remove(&link)),
            Op::Busy { publishes, reads } => {
                let busy = |is_busy: bool| is_busy.then_some(EngineError::Busy);
                self.log.faults().fail_publishes(busy(publishes));
                self.log.faults().fail_reads(busy(reads));
            }
            Op::Hold(true) => self.log.faults().hold_answers(),
            Op::Hold(false) => self.log.faults().release_answers(),
            Op::Pass(milliseconds) => {
                self.clock.advance(milliseconds);
                sleep(Duration::from_millis(milliseconds)).await;
            }
            Op::Restart { keep, gap, epoch } => self.restart(keep, gap, &epoch).await?,
        }
        Ok(Value::Null)
    }

    async fn stream(&mut self, user: &str, request: StreamRequest) -> Result<Door, Box<dyn Error>> {
        let door = Door::stream(self.shard()?, user, request).await;
        Ok(door.map_err(|it| it.detail)?)
    }

    async fn restart(
        &mut self,
        keep: Option<usize>,
        gap: u64,
        epoch: &str,
    ) -> Result<(), Box<dyn Error>> {
        self.doors.clear();
        self.desks.clear();
        self.shard = None;
        self.messages.extend(self.log.committed());
        self.messages.truncate(keep.unwrap_or(self.messages.len()));
        let now = tidings_engine::Clock::now(&*self.clock);
        self.log = Arc::new(open(&self.settings, epoch, self.clock.clone())?);
        self.log.refill(&self.messages).await?;
        self.clock.set(now);
        self.log.leave_out(gap).await?;
        self.messages.clear();
        self.told = 0;
        Ok(())
    }

    fn shard(&mut self) -> Result<&Shard, Box<dyn Error>> {
        if self.shard.is_none() {
            self.shard = Some(start(&self.settings, self.log.clone()));
        }
        self.shard
            .as_ref()
            .ok_or_else(|| "a shard was started".into())
    }
}

fn open(
    settings: &Settings,
    epoch: &str,
    clock: Arc<ManualClock>,
) -> Result<NamedLog, Box<dyn Error>> {
    let few = Retention {
        messages: Some(settings.few),
        age: None,
        bytes: None,
    };
    let retention = RetentionPolicies {
        default: Retention::default(),
        namespaces: [("few".to_owned(), few)].into(),
    };
    let epochs = match settings.logs.unwrap_or(1) {
        1 => vec![Epoch::new(epoch)?],
        logs => {
            let letters = (b'a'..).take(logs.into()).map(char::from);
            let epochs = letters.map(|letter| Epoch::new(&format!("{epoch}{letter}")));
            epochs.collect::<Result<_, _>>()?
        }
    };
    Ok(NamedLog::new(epochs, clock, retention))
}

fn start(settings: &Settings, log: Arc<dyn Engine>) -> Shard {
    let usual = Limits::default();
    let config = HubConfig {
        auth: Auth::Guests,
        limits: Limits {
            tail_events: settings.tail.unwrap_or(usual.tail_events),
            page_messages: settings.page.unwrap_or(usual.page_messages),
            commands: settings.commands.unwrap_or(usual.commands),
            histories: settings.histories.unwrap_or(usual.histories),
            ..usual
        },
        namespaces: NamespacePolicies::default(),
        heartbeat: Heartbeat {
            interval: 20_000,
            timeout: 5_000,
            tries: 2,
        },
    };
    Shard::start(Hub::new(log, config))
}
