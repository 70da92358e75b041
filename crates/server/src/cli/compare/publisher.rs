//! The one who publishes: sends its messages when they are due, whatever has become of those before.

use std::time::Duration;

use serde_json::json;
use tidings_wire::Format;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::client::{Client, Failure};
use super::client::{Socket, open_websocket};
use super::message::Data;
use super::tally::SharedTally;
use super::way::{Way, WebSocketWay};
use crate::cli::load::alarm::Alarm;
use crate::fault::Fault;

/// Who can be asked to publish. It ends with this.
pub(super) struct Publisher {
    jobs: mpsc::Sender<Job>,
    _task: JoinSet<()>,
}

/// When to publish.
struct Job {
    start: Instant,
    moments: Vec<Duration>,
    end: Instant,
    done: oneshot::Sender<Result<(), Fault>>,
}

impl Publisher {
    /// Opens it. It speaks WebSocket, whatever is measured, so that all have the same before them.
    pub(super) async fn open(
        client: &Client,
        way: Way,
        channel: String,
        data_bytes: usize,
        tally: SharedTally,
    ) -> Result<Self, Failure> {
        let writer = Writer {
            socket: open_websocket(client, WebSocketWay::default(), Format::Json).await?,
            alarm: Alarm::new().map_err(Failure::passing)?,
            channel,
            data_bytes,
            publishes: way.is_reliable(),
            tally,
        };
        // One at a time: who asks waits for the end.
        let (jobs, asked) = mpsc::channel(1);
        let mut task = JoinSet::new();
        task.spawn_local(writer.serve(asked));
        Ok(Self { jobs, _task: task })
    }

    /// Publishes at these moments after `start`, and hears the answers until `end` and until all have come.
    pub(super) async fn run(
        &self,
        start: Instant,
        moments: Vec<Duration>,
        end: Instant,
    ) -> Result<(), Fault> {
        let (done, told) = oneshot::channel();
        let job = Job {
            start,
            moments,
            end,
            done,
        };
        let gone = || Fault::failure("nothing can be published: the connection has ended");
        self.jobs.send(job).await.map_err(|_| gone())?;
        told.await.map_err(|_| gone())?
    }
}

/// An open connection, and what goes over it.
struct Writer {
    socket: Box<Socket>,
    alarm: Alarm,
    channel: String,
    data_bytes: usize,
    /// What is published is stored; what is signalled is not, and nobody answers it.
    publishes: bool,
    tally: SharedTally,
}

/// How often it looks whether it is to end, while it hears answers.
const LOOK_EVERY: Duration = Duration::from_millis(50);

impl Writer {
    /// Answers the server's pings while there is nothing to do.
    async fn serve(mut self, mut asked: mpsc::Receiver<Job>) {
        loop {
            tokio::select! {
                heard = self.socket.hear(|_, _| Ok(())) => if heard.is_err() {
                    return;
                },
                job = asked.recv() => {
                    let Some(job) = job else { return };
                    let done = self.run(&job).await;
                    // Who asked may have been told to stop.
                    let _ = job.done.send(done);
                }
            }
        }
    }

    async fn run(&mut self, job: &Job) -> Result<(), Fault> {
        let mut due = job
            .moments
            .iter()
            .map(|after| job.start + *after)
            .peekable();
        let end = job.end;
        let give_up = end + ANSWER_WITHIN;
        loop {
            let now = Instant::now();
            while let Some(moment) = due.next_if(|moment| *moment <= now) {
                self.send(moment)?;
            }
            let is_answered = self.tally.borrow().untaken() == 0;
            if due.peek().is_none() && now >= end && (is_answered || now >= give_up) {
                return Ok(());
            }
            let next = due.peek().copied().unwrap_or(now + LOOK_EVERY);
            let tally = &self.tally;
            tokio::select! {
                heard = self.socket.hear(|said, _| {
                    if said.kind == "published" {
                        tally.borrow_mut().take();
                    }
                    said.complaint().map_or(Ok(()), Err)
                }) => heard.map_err(|words| Fault::failure(format!("nothing can be published: {words}")))?,
                rung = self.alarm.until(next) => rung.map_err(|error| {
                    Fault::failure(format!("there is no timer: {error}"))
                })?,
            }
        }
    }

    fn send(&mut self, moment: Instant) -> Result<(), Fault> {
        let n = self.tally.borrow_mut().send(moment);
        let data = Data::new(n, self.data_bytes);
        let frame = match self.publishes {
            true => json!({"type": "publish", "req": n + 1, "channel": self.channel, "data": data}),
            false => {
                self.tally.borrow_mut().take();
                json!({"type": "signal", "channel": self.channel, "data": data})
            }
        };
        self.socket.feed(&frame).map_err(Failure::into_fault)
    }
}

/// How long an answer may take when all is sent.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
