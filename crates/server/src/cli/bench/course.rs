//! A run from its first connection to its last message.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

use super::super::client::{Client, Failure};
use super::super::traffic::Traffic;
use super::channels::Channels;
use super::figures::{
    Bytes, Connecting, Correctness, Figures, Generator, Load, Server, Throughput, notes, per,
};
use super::follower::{Follower, Seat, Transport};
use super::payload::Payload;
use super::plan::Plan;
use super::publisher::{Publisher, Way};
use super::tally::{SharedTally, Tally};
use crate::cli::load::latency::Latencies;
use crate::cli::load::process::{Process, Usage, own_usage};
use crate::cli::progress::Progress;
use crate::cli::units::{count, rate, time};
use crate::fault::Fault;
use crate::shutdown::Signals;

/// What is to be done.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) url: String,
    pub(super) transport: Transport,
    pub(super) clients: u32,
    pub(super) plan: Plan,
    pub(super) data_bytes: usize,
    /// The server's process, where it is not the one that listens.
    pub(super) pid: Option<u32>,
}

/// How many connections are opened at a time: few enough that none waits in the server's queue for the others
/// (1,024 and more in usual listeners), so that the time is the server's and not the queue's.
const OPENING_MAX: usize = 64;

/// Between the last connection and the first message: time for what connecting left to be done.
const LEAD: Duration = Duration::from_millis(100);

/// How often the terminal is told how it goes.
const SHOW_EVERY: Duration = Duration::from_millis(250);

/// How often it is looked whether everything has come.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What does not come within so long of silence never comes: as long as several short polls.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// How long what is behind may take in all. With more, the server is that far from keeping up.
const CATCH_UP_WITHIN: Duration = Duration::from_secs(60);

/// Runs it, on the current thread's `LocalSet`.
pub(super) async fn run(order: Order, mut client: Client) -> Result<Figures, Fault> {
    let mut signals = Signals::listen()?;
    let stream = client.find().await.map_err(no_server)?;
    let process = find_process(&order, &stream)?;
    drop(stream);
    let before = usage(process.as_ref());
    let mut course = Course::new(&order, client);
    tokio::select! {
        opened = course.open() => opened?,
        () = signals.next() => return Err(Fault::failure("ended before anything was measured")),
    }
    let connected = usage(process.as_ref());
    let measured = course.measure(process.as_ref(), &mut signals).await?;
    course.catch_up(&mut signals).await?;
    let memory = [before, connected, usage(process.as_ref())].map(|usage| usage.resident_bytes);
    let server = process.map(|process| (process, memory));
    Ok(course.figures(&measured, server))
}

fn no_server(failure: Failure) -> Fault {
    failure
        .into_fault()
        .advise("Does the server run, and is --url where it listens?")
}

fn usage(process: Option<&Process>) -> Usage {
    process.map(Process::usage).unwrap_or_default()
}

/// The server's process: the one that was named, or who listens where `stream` leads to, if that is this
/// machine.
fn find_process(order: &Order, stream: &tokio::net::TcpStream) -> Result<Option<Process>, Fault> {
    if let Some(pid) = order.pid {
        let process = Process::of(pid);
        return process.map(Some).ok_or_else(|| {
            Fault::setup(format!("--pid {pid}: /proc knows no such process"))
                .advise("Without --pid it is found by the port, where it runs on this machine.")
        });
    }
    Ok(Process::behind(stream))
}

struct Course<'a> {
    order: &'a Order,
    client: Client,
    channels: Rc<Channels>,
    tally: SharedTally,
    progress: Progress,
    clients_traffic: Arc<Traffic>,
    publishers_traffic: Arc<Traffic>,
    connecting: Latencies,
    connecting_all: Duration,
    /// The clients; they end with it.
    followers: JoinSet<()>,
    ways: Vec<Way>,
    publishers: JoinSet<Result<(), Fault>>,
    interrupted: bool,
}

/// What can be read at any time, and is told as the difference of two.
#[derive(Clone, Copy, Debug)]
struct Reading {
    server: Usage,
    own: Usage,
    clients: [u64; 2],
    publishers: [u64; 2],
}

/// Readings at the beginning and the end of the measured time.
#[derive(Debug)]
struct Measured {
    begin: Reading,
    end: Reading,
}

impl<'a> Course<'a> {
    fn new(order: &'a Order, client: Client) -> Self {
        Self {
            order,
            client,
            channels: Rc::new(Channels::new(order.plan.channels)),
            tally: Rc::new(RefCell::new(Tally::new(&order.plan, Instant::now()))),
            progress: Progress::new(),
            clients_traffic: Arc::default(),
            publishers_traffic: Arc::default(),
            connecting: Latencies::default(),
            connecting_all: Duration::ZERO,
            followers: JoinSet::new(),
            ways: Vec::new(),
            publishers: JoinSet::new(),
            interrupted: false,
        }
    }

    /// Opens all connections, a bounded number at a time. Clients are read as soon as they are open.
    async fn open(&mut self) -> Result<(), Fault> {
        let (transport, all) = (self.order.transport, self.order.clients);
        for _ in 0..self.order.plan.publishers {
            let client = self.client.another(&self.publishers_traffic);
            let way = Way::open(transport, client).await;
            self.ways
                .push(way.map_err(|failure| not_opened("a publisher", failure))?);
        }
        let begun = Instant::now();
        let mut opening = FuturesUnordered::new();
        let (mut asked, mut open) = (0, 0);
        let mut shown = begun;
        while open < all {
            while asked < all && opening.len() < OPENING_MAX {
                let channel = asked % self.order.plan.channels;
                let client = self.client.another(&self.clients_traffic);
                let channels = Rc::clone(&self.channels);
                opening.push(async move {
                    let begun = Instant::now();
                    let follower = Follower::open(transport, client, channels.name(channel)).await;
                    (channel, follower, begun.elapsed())
                });
                asked += 1;
            }
            let Some((channel, follower, took)) = opening.next().await else {
                break;
            };
            let what = || {
                format!(
                    "client {} of {}",
                    count(u64::from(open) + 1),
                    count(all.into())
                )
            };
            let follower = follower.map_err(|failure| not_opened(&what(), failure))?;
            self.connecting.record(micros(took));
            self.read(follower, channel);
            open += 1;
            if shown.elapsed() >= SHOW_EVERY {
                shown = Instant::now();
                let words = format!("{} of {} clients", count(open.into()), count(all.into()));
                self.progress
                    .show("opening", f64::from(open) / f64::from(all), &words);
            }
        }
        self.connecting_all = begun.elapsed();
        Ok(())
    }

    fn read(&mut self, follower: Follower, channel: u32) {
        let seat = Seat {
            number: self.tally.borrow_mut().ledger.follow(channel),
            channel,
            channels: Rc::clone(&self.channels),
            tally: Rc::clone(&self.tally),
        };
        self.followers.spawn_local(follower.read(seat));
    }

    /// Publishes for the planned time, or until somebody ends it.
    async fn measure(
        &mut self,
        process: Option<&Process>,
        signals: &mut Signals,
    ) -> Result<Measured, Fault> {
        let plan = self.order.plan;
        let start = Instant::now() + LEAD;
        let moment = |us| start + Duration::from_micros(us);
        self.tally.borrow_mut().begin(start);
        self.start_publishers();
        let mut begin = None;
        let mut next_point = plan.begin_us() + plan.interval_us();
        let mut next = start;
        loop {
            tokio::select! {
                () = sleep_until(next) => {}
                () = signals.next() => self.interrupted = true,
                Some(ended) = self.publishers.join_next() => self.note_end(ended)?,
                // Nobody is left to deliver to.
                Some(_) = self.followers.join_next() => self.interrupted |= self.followers.is_empty(),
            }
            let now = Instant::now();
            let now_us = self.tally.borrow().us(now);
            if begin.is_none() && (now_us >= plan.begin_us() || self.interrupted) {
                begin = Some(self.reading(process));
            }
            if self.interrupted {
                self.tally.borrow_mut().recorder.end_at(now_us);
            }
            if now_us >= next_point {
                self.tally.borrow_mut().recorder.end_interval(now_us);
                next_point += plan.interval_us();
            }
            let end_us = self.tally.borrow().recorder.window().end;
            if let Some(begin) = begin
                && now_us >= end_us
            {
                self.tally.borrow_mut().recorder.end_interval(end_us);
                let end = self.reading(process);
                return Ok(Measured { begin, end });
            }
            self.show(now_us);
            let boundary = match begin {
                None => plan.begin_us(),
                Some(_) => next_point.min(end_us),
            };
            next = moment(boundary).min(now.max(start) + SHOW_EVERY);
        }
    }

    fn start_publishers(&mut self) {
        let payload = Rc::new(Payload::new(self.order.data_bytes));
        for (number, way) in (0..).zip(self.ways.drain(..)) {
            let publisher = Publisher {
                number,
                plan: self.order.plan,
                payload: Rc::clone(&payload),
                channels: Rc::clone(&self.channels),
                tally: Rc::clone(&self.tally),
                turn: 0,
            };
            self.publishers.spawn_local(publisher.publish(way));
        }
    }

    /// A publisher has ended. If it failed before anything was stored, so would all, and the run; afterwards
    /// there is something to report, and without publishers no reason to go on.
    fn note_end(&mut self, ended: Result<Result<(), Fault>, JoinError>) -> Result<(), Fault> {
        let Err(fault) = ended.map_err(Fault::failure)? else {
            return Ok(());
        };
        let mut tally = self.tally.borrow_mut();
        if tally.ledger.acknowledged() == 0 {
            return Err(fault);
        }
        tally.break_off(fault.message().to_owned());
        self.interrupted |= self.publishers.is_empty();
        Ok(())
    }

    fn reading(&self, process: Option<&Process>) -> Reading {
        let of = |traffic: &Traffic| [traffic.received(), traffic.sent()];
        Reading {
            server: usage(process),
            own: own_usage(),
            clients: of(&self.clients_traffic),
            publishers: of(&self.publishers_traffic),
        }
    }

    fn show(&self, now_us: u64) {
        let plan = &self.order.plan;
        let tally = self.tally.borrow();
        let what = match now_us < plan.begin_us() {
            true => "warming",
            false => "measuring",
        };
        let done = now_us as f64 / plan.end_us() as f64;
        let words = match tally.recorder.timeline().last() {
            Some(point) => format!(
                "{} s left, {} delivered, p99 {}",
                plan.end_us().saturating_sub(now_us).div_ceil(1_000_000),
                rate(point.delivered_per_s),
                time(point.p99_us)
            ),
            None => String::new(),
        };
        self.progress.show(what, done, &words);
    }

    /// Waits for what was promised, while something still comes.
    async fn catch_up(&mut self, signals: &mut Signals) -> Result<(), Fault> {
        let begun = Instant::now();
        let (mut seen, mut seen_at) = (self.progress_made(), begun);
        let mut was_judged = false;
        while seen_at.elapsed() < SILENCE_MAX && begun.elapsed() < CATCH_UP_WITHIN {
            if !was_judged && self.is_complete() {
                return Ok(());
            }
            // To look at every message takes a while: once for each state.
            was_judged = true;
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                () = signals.next() => return Ok(()),
                Some(ended) = self.publishers.join_next() => self.note_end(ended)?,
            }
            let made = self.progress_made();
            if made != seen {
                (seen, seen_at, was_judged) = (made, Instant::now(), false);
                self.progress.show("waiting", 1.0, "for the last messages");
            }
        }
        Ok(())
    }

    fn progress_made(&self) -> [u64; 3] {
        let tally = self.tally.borrow();
        [tally.sent, tally.answered, tally.ledger.delivered()]
    }

    fn is_complete(&self) -> bool {
        let mut tally = self.tally.borrow_mut();
        tally.answered >= self.order.plan.planned(tally.recorder.window().end)
            && tally.ledger.seems_even()
            && tally.ledger.balance().lost == 0
    }

    fn figures(&self, measured: &Measured, server: Option<(Process, [u64; 3])>) -> Figures {
        let order = self.order;
        let mut tally = self.tally.borrow_mut();
        let balance = tally.ledger.balance();
        let recorder = &tally.recorder;
        let window = recorder.window();
        let seconds = (window.end - window.start) as f64 / 1e6;
        let a_second = |number: u64| {
            if seconds > 0.0 {
                number as f64 / seconds
            } else {
                0.0
            }
        };
        let connections = u64::from(order.clients) + u64::from(order.plan.publishers);
        let (begin, end) = (measured.begin, measured.end);
        let [clients, publishers] = [
            (begin.clients, end.clients),
            (begin.publishers, end.publishers),
        ]
        .map(|(begin, end)| [0, 1].map(|at| end[at] - begin[at]));
        let own_cpu_s = end.own.cpu_s - begin.own.cpu_s;
        let own_wait_s = end.own.cpu_wait_s - begin.own.cpu_wait_s;
        let server = server.map(|(process, [before, connected, after])| {
            // One that has ended meanwhile has taken less than nothing.
            let cpu_s = (end.server.cpu_s - begin.server.cpu_s).max(0.0);
            Server {
                pid: process.pid(),
                name: process.name(),
                cpu_s,
                cpu_wait_s: (end.server.cpu_wait_s - begin.server.cpu_wait_s).max(0.0),
                cpu_us_per_delivery: per(cpu_s * 1e6, recorder.delivered),
                rss_before_bytes: before,
                rss_connected_bytes: connected,
                rss_after_bytes: after,
                rss_bytes_per_connection: (connected as f64 - before as f64) / connections as f64,
            }
        });
        let mut figures = Figures {
            tidings_version: env!("CARGO_PKG_VERSION"),
            load: Load {
                url: order.url.clone(),
                transport: order.transport,
                clients: order.clients,
                publishers: order.plan.publishers,
                channels: order.plan.channels,
                channel_names: self.channels.pattern(),
                rate_per_s: order.plan.rate,
                data_bytes: order.data_bytes,
                warmup_s: order.plan.warmup_s,
                planned_s: order.plan.measured_s,
                measured_s: seconds,
                interrupted: self.interrupted,
            },
            throughput: Throughput {
                published: recorder.published,
                published_per_s: a_second(recorder.published),
                delivered: recorder.delivered,
                delivered_per_s: a_second(recorder.delivered),
            },
            delivery_us: recorder.delivery.quantiles(),
            acknowledgement_us: recorder.acknowledgement.quantiles(),
            connecting: Connecting {
                each_us: self.connecting.quantiles(),
                all_s: self.connecting_all.as_secs_f64(),
            },
            correctness: Correctness {
                balance,
                sent: tally.sent,
                acknowledged: tally.ledger.acknowledged(),
                unsent: order.plan.planned(window.end).saturating_sub(tally.sent),
                unanswered: tally.sent - tally.answered,
                refused: tally.troubles.refused.clone(),
                broken_connections: tally.troubles.broken,
                repeated_polls: tally.troubles.repeated_polls,
            },
            bytes: Bytes {
                clients_received: clients[0],
                clients_sent: clients[1],
                publishers_received: publishers[0],
                publishers_sent: publishers[1],
                received_per_delivery: per(clients[0] as f64, recorder.delivered),
            },
            generator: Generator {
                cpu_s: own_cpu_s,
                cpu_share: if seconds > 0.0 {
                    own_cpu_s / seconds
                } else {
                    0.0
                },
                cpu_wait_share: if seconds > 0.0 {
                    own_wait_s / seconds
                } else {
                    0.0
                },
                late_us: recorder.late.quantiles(),
            },
            server,
            timeline: recorder.timeline().to_vec(),
            delivery_curve: recorder.delivery.curve(),
            notes: Vec::new(),
        };
        figures.notes = notes(&figures, &tally.troubles.words);
        figures
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn not_opened(what: &str, failure: Failure) -> Fault {
    match failure {
        Failure::Lasting(fault) => fault,
        Failure::Passing { message, .. } => {
            Fault::failure(format!("{what} could not be opened: {message}")).advise(
                "The server's limits (limits.connections, its open files) may be reached: use fewer --clients.",
            )
        }
    }
}
