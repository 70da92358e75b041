//! `tidings subscribe`: prints messages as they come, over the transport of one's choice, and
//! resumes by itself.

mod heartbeat;
mod place;
mod print;
mod sse;
mod websocket;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::value::RawValue;
use tidings_wire::{ChannelName, Cursor, Epoch, Newest, StreamCursor};
use tokio::time::sleep;

use super::ServerArgs;
use super::client::{ANSWER_WITHIN, Client, Failure, object};
use crate::fault::Fault;
use heartbeat::Heartbeat;
use place::{Beginning, Loss, Place};
use print::{Event, Printer};

/// Print the messages of channels as they come.
///
/// When the connection breaks it is opened again, and goes on where it was: nothing is lost and
/// nothing is printed twice.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidings subscribe chat:lobby
  tidings subscribe chat:lobby alerts --history 20 --transport sse
  tidings subscribe alerts --json | jq .data")]
pub(super) struct SubscribeArgs {
    /// Which channels.
    #[arg(required = true)]
    channels: Vec<String>,
    /// How messages come.
    #[arg(long, default_value = "websocket")]
    transport: Over,
    /// Everything behind this cursor, which an earlier answer of the server gave.
    #[arg(long, value_name = "CURSOR")]
    after: Option<StreamCursor>,
    /// The last N messages of each channel first.
    #[arg(long, value_name = "N", conflicts_with = "after")]
    history: Option<u32>,
    /// Print events as JSON, one a line; joins, leaves and signals as well.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Over {
    /// Ask every second.
    Poll,
    /// Ask, and be answered when something happens.
    LongPoll,
    /// Server-sent events.
    Sse,
    /// WebSocket.
    Websocket,
}

/// Between two short polls.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// The shortest and the longest pause before a connection is opened again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Prints until it cannot go on.
pub(super) async fn run(args: SubscribeArgs) -> Result<(), Fault> {
    for channel in &args.channels {
        ChannelName::new(channel).map_err(|error| Fault::setup(format!("{channel:?}: {error}")))?;
    }
    let mut reader = Reader {
        client: Client::new(&args.server)?,
        place: Place::new(&args.channels, args.after.as_ref()),
        printer: Printer {
            json: args.json,
            with_channel: args.channels.len() > 1,
        },
        heartbeat: Heartbeat::default(),
        progress: false,
    };
    let mut history = args.history;
    let mut pause = BACKOFF.0;
    let mut is_lost = false;
    loop {
        let ended = reader.read(args.transport, &mut history).await;
        if std::mem::take(&mut reader.progress) {
            pause = BACKOFF.0;
            is_lost = false;
        }
        match ended {
            Ok(()) => return Ok(()),
            Err(Failure::Lasting(fault)) => return Err(fault),
            Err(Failure::Passing { message, after }) => {
                if !is_lost {
                    eprintln!("tidings: {message}; trying again");
                }
                is_lost = true;
                sleep(after.unwrap_or(pause.mul_f64(0.5 + fastrand::f64() / 2.0))).await;
                pause = (pause * 2).min(BACKOFF.1);
            }
        }
    }
}

struct Reader {
    client: Client,
    place: Place,
    printer: Printer,
    /// As the server said it last.
    heartbeat: Heartbeat,
    /// The server said something since this was looked at last.
    progress: bool,
}

#[derive(Deserialize)]
struct PollAnswer {
    cursor: StreamCursor,
    events: Vec<Box<RawValue>>,
    more: bool,
    /// In the answer to a poll that does not wait, as is the next.
    newest: Option<Newest>,
    heartbeat: Option<Heartbeat>,
    epochs: Option<BTreeMap<String, Epoch>>,
}

/// Where the logs end of a stream that is at `cursor`.
fn ends(cursor: &StreamCursor, newest: Option<&Newest>) -> Option<StreamCursor> {
    match (newest?, cursor.parts()) {
        (Newest::Cursor(ends), _) => Some(ends.clone()),
        (Newest::Seq(seq), [only]) => {
            let epoch = only.epoch.clone();
            Some(Cursor { epoch, seq: *seq }.into())
        }
        (Newest::Seq(_), _) => None,
    }
}

#[derive(Deserialize)]
struct HistoryAnswer {
    messages: Vec<Box<RawValue>>,
}

impl Reader {
    /// Reads until the way is lost; `Ok` when nobody looks at the output any more.
    async fn read(&mut self, over: Over, history: &mut Option<u32>) -> Result<(), Failure> {
        if self.place.lowest().is_none() {
            let answer = self.poll(Duration::ZERO).await?;
            self.begin_poll(&answer);
        }
        if let Some(limit) = *history {
            self.read_history(limit).await?;
            *history = None;
        }
        let read = match over {
            Over::Poll | Over::LongPoll => self.read_polls(over).await,
            Over::Sse => sse::read(self).await,
            Over::Websocket => websocket::read(self).await,
        };
        match read {
            Err(Stop::Failure(failure)) => Err(failure),
            Err(Stop::OutputClosed) => Ok(()),
        }
    }

    async fn read_history(&mut self, limit: u32) -> Result<(), Failure> {
        let channels: Vec<_> = self.place.channels().cloned().collect();
        for channel in channels {
            let path = format!(
                "/v1/channels/{}/messages?limit={limit}",
                Client::encode(&channel)
            );
            let response = self
                .client
                .get(&path, "application/json", ANSWER_WITHIN)
                .await?;
            let answer: HistoryAnswer = object(response).await?;
            for message in &answer.messages {
                let event = parse(message.get())?;
                if let (Some(channel), Some(seq)) = (&event.channel, event.seq) {
                    self.place.take(channel, seq);
                }
                let _ = self.printer.print(&event, message.get());
            }
        }
        Ok(())
    }

    async fn read_polls(&mut self, over: Over) -> Result<Never, Stop> {
        // The first is answered at once, and says how long one may wait.
        let mut wait = Duration::ZERO;
        loop {
            let answer = self.poll(wait).await?;
            self.begin_poll(&answer);
            for event in &answer.events {
                self.handle(event.get())?;
            }
            self.place.advance(&answer.cursor);
            if over == Over::LongPoll {
                wait = self.heartbeat.long_poll();
            } else if !answer.more {
                sleep(POLL_EVERY).await;
            }
        }
    }

    async fn poll(&mut self, wait: Duration) -> Result<PollAnswer, Failure> {
        let path = format!("{}&wait={}&limit=1000", self.events_path(), wait.as_secs());
        let within = match wait.is_zero() {
            true => ANSWER_WITHIN,
            false => wait + self.heartbeat.grace(),
        };
        let response = self.client.get(&path, "application/json", within).await?;
        self.progress = true;
        let answer: PollAnswer = object(response).await?;
        self.heed(answer.heartbeat);
        Ok(answer)
    }

    /// The server says when silence is alarming, or nothing of it.
    fn heed(&mut self, heartbeat: Option<Heartbeat>) {
        self.heartbeat = heartbeat.unwrap_or(self.heartbeat);
    }

    fn events_path(&self) -> String {
        let channels = self.place.channels();
        let channels: Vec<_> = channels
            .map(|channel| format!("channel={}", Client::encode(channel)))
            .collect();
        let after = self.place.lowest();
        let after = after.map_or(String::new(), |cursor| format!("&after={cursor}"));
        format!("/v1/events?{}{after}", channels.join("&"))
    }

    fn begin_poll(&mut self, answer: &PollAnswer) {
        let ends = ends(&answer.cursor, answer.newest.as_ref());
        let beginning = Beginning {
            cursor: &answer.cursor,
            ends: ends.as_ref(),
            epochs: answer.epochs.as_ref(),
        };
        self.begin(None, &beginning);
    }

    /// The server begins, with this channel or with all.
    fn begin(&mut self, channel: Option<&str>, beginning: &Beginning<'_>) {
        self.progress = true;
        match self.place.begin(channel, beginning) {
            None => {}
            Some(Loss::Log) => {
                eprintln!("tidings: the server has a new log; going on from its now");
            }
            Some(Loss::End) => {
                eprintln!("tidings: the server's log has lost its end; going on from there");
            }
        }
    }

    /// Prints an event that is new. A `reconnect` is the end of the way.
    fn handle(&mut self, json: &str) -> Result<(), Stop> {
        let event = parse(json)?;
        self.progress = true;
        if let ("reconnect", Some(after_ms)) = (event.kind, event.after_ms) {
            return Err(Failure::reconnect(after_ms).into());
        }
        let is_new = match (event.seq, &event.channel) {
            (Some(seq), Some(channel)) => self.place.take(channel, seq),
            _ => true,
        };
        match is_new.then(|| self.printer.print(&event, json)) {
            Some(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                Err(Stop::OutputClosed)
            }
            Some(Err(error)) => {
                let fault = Fault::failure(format!("cannot print: {error}"));
                Err(Stop::Failure(Failure::Lasting(fault)))
            }
            _ => Ok(()),
        }
    }
}

/// Reading goes on until something stops it.
enum Never {}

enum Stop {
    Failure(Failure),
    /// `| head` has seen enough.
    OutputClosed,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

fn parse(json: &str) -> Result<Event<'_>, Failure> {
    serde_json::from_str(json).map_err(|error| {
        Failure::Lasting(Fault::failure(format!(
            "the server sent what is no event: {error}"
        )))
    })
}
