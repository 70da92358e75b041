//! One cell from its first connection to its last message: a server, a publisher, and the clients of one way.

use std::cell::{Cell as StdCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tidings_wire::Format;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::super::client::{Client, Failure};
use super::browser;
use super::client::{Door, Follower, Quic, Seat};
use super::figures::{CellFigures, Minute, Opening, StreamFigures, Total};
use super::host::Host;
use super::pattern::Pattern;
use super::publisher::Publisher;
use super::tally::{SharedTally, Tally};
use super::way::Way;
use crate::cli::load::latency::Latencies;
use crate::cli::traffic::Traffic;
use crate::fault::Fault;

/// What is measured of every cell alike.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) data_bytes: usize,
    pub(super) rate: f64,
    pub(super) has_browser_headers: bool,
}

/// A way in a format, and how many clients go it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) way: Way,
    pub(super) format: Format,
    pub(super) clients: u32,
}

/// What the server takes by itself, in microseconds of CPU time.
#[derive(Clone, Debug, Default)]
pub(super) struct Baseline {
    /// A second, when nothing is asked of it.
    pub(super) idle_us_per_s: f64,
    /// For a message that is published and that nobody follows.
    pub(super) publish_us: Vec<(Pattern, f64)>,
}

impl Baseline {
    fn publish_us(&self, way: Way, pattern: Pattern) -> f64 {
        // A signal is not stored, and costs what its deliveries do.
        let of = |(other, _): &&(Pattern, f64)| way.is_reliable() && *other == pattern;
        self.publish_us.iter().find(of).map_or(0.0, |(_, us)| *us)
    }
}

/// The part of the clients that are opened before memory is looked at: what the first of a kind takes for all stays out of
/// what each takes.
const FIRST_PART: u32 = 10;

/// What deliveries take is told where it is more than so much of all that the server took. Where there are few clients it is
/// lost in what publishing takes.
const TOLD_FROM: f64 = 0.1;

/// How long what is behind may take.
const CATCH_UP_WITHIN: Duration = Duration::from_secs(15);

/// How often it is looked whether everything has come.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Before anything is measured: time for what connecting left to be done.
const LEAD: Duration = Duration::from_millis(200);

/// An open cell.
pub(super) struct Course {
    cell: Cell,
    terms: Terms,
    host: Host,
    door: Door,
    tally: SharedTally,
    publisher: Publisher,
    publishers_traffic: Arc<Traffic>,
    opening: Opening,
    memory_bytes: Option<f64>,
    idle: Minute,
    streams: Vec<StreamFigures>,
    start: Rc<StdCell<Option<Instant>>>,
    /// The clients; they end with it.
    followers: JoinSet<()>,
}

/// What can be read at any time, and is told as the difference of two.
#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Instant,
    cpu_us: Option<f64>,
    requests: u64,
    connections: u64,
    up: u64,
    down: u64,
    delivered: u64,
}

impl Course {
    /// Opens all clients of `cell`; tells `progress` how many are.
    pub(super) async fn open(
        cell: Cell,
        terms: Terms,
        host: Host,
        mut progress: impl FnMut(u32),
    ) -> Result<Self, Fault> {
        let publishers_traffic = Arc::new(Traffic::default());
        let channel = format!("compare:{:016x}", fastrand::u64(..));
        let (mut client, publisher_client) = Self::clients(&host, &publishers_traffic).await?;
        if terms.has_browser_headers {
            client.bear(browser::headers(&host.server.url));
        }
        let address = client.address();
        let quic = match (cell.way, address) {
            (Way::Webtransport | Way::WebtransportDatagram, Some(address)) => {
                Some(Quic::bind(address, client.traffic())?)
            }
            _ => None,
        };
        let tally = Rc::new(RefCell::new(Tally::default()));
        let publisher = Publisher::open(
            &publisher_client,
            cell.way,
            channel.clone(),
            terms.data_bytes,
            Rc::clone(&tally),
        );
        let publisher = publisher
            .await
            .map_err(|failure| not_opened("the publisher", failure))?;
        let mut course = Self {
            door: Door {
                way: cell.way,
                format: cell.format,
                client,
                quic,
                channel,
                clients: cell.clients,
            },
            cell,
            terms,
            host,
            tally,
            publisher,
            publishers_traffic,
            opening: Opening::default(),
            memory_bytes: None,
            idle: Minute::default(),
            streams: Vec::new(),
            start: Rc::default(),
            followers: JoinSet::new(),
        };
        course.open_clients(&mut progress).await?;
        course.start.set(Some(Instant::now()));
        Ok(course)
    }

    /// What clients are made of, and what the publisher is; each counts for itself.
    async fn clients(
        host: &Host,
        publishers_traffic: &Arc<Traffic>,
    ) -> Result<(Client, Client), Fault> {
        let mut client = Client::new(&host.server)?.another(publishers_traffic);
        let found = client.find().await.map_err(Failure::into_fault)?;
        drop(found);
        let publisher = client.another(publishers_traffic);
        Ok((client.another(&Arc::default()), publisher))
    }

    async fn open_clients(&mut self, progress: &mut impl FnMut(u32)) -> Result<(), Fault> {
        let all = self.cell.clients;
        let first = all.div_ceil(FIRST_PART).min(all);
        self.open_some(0..first, &mut Latencies::default(), progress)
            .await?;
        sleep(LEAD).await;
        let (begin, memory) = (self.reading(), self.memory());
        let mut latencies = Latencies::default();
        self.open_some(first..all, &mut latencies, progress).await?;
        sleep(LEAD).await;
        let end = self.reading();
        let count = f64::from(all - first);
        if count > 0.0 {
            let each = |begin: u64, end: u64| (end - begin) as f64 / count;
            self.opening = Opening {
                latency_us: latencies.quantiles(),
                requests: each(begin.requests, end.requests),
                connections: each(begin.connections, end.connections),
                up_bytes: each(begin.up, end.up),
                down_bytes: each(begin.down, end.down),
                server_cpu_us: cpu_us(&begin, &end).map(|us| us / count),
            };
            let grown = self.memory().zip(memory).map(|(end, begin)| end - begin);
            self.memory_bytes = grown.map(|bytes| bytes / count);
        }
        Ok(())
    }

    async fn open_some(
        &mut self,
        which: std::ops::Range<u32>,
        latencies: &mut Latencies,
        progress: &mut impl FnMut(u32),
    ) -> Result<(), Fault> {
        // One after the other: what each takes is its own time, and memory for many at once is not taken for lasting.
        for number in which {
            let begun = Instant::now();
            let follower = Follower::open(&self.door, number).await;
            let what = || format!("client {} of {}", number + 1, self.cell.clients);
            let follower = follower.map_err(|failure| not_opened(&what(), failure))?;
            let took = begun.elapsed().as_micros();
            latencies.record(u64::try_from(took).unwrap_or(u64::MAX));
            let seat = Seat {
                number: self.tally.borrow_mut().seat(),
                tally: Rc::clone(&self.tally),
                start: Rc::clone(&self.start),
            };
            self.followers.spawn_local(follower.read(seat));
            progress(number + 1);
        }
        Ok(())
    }

    /// What a client takes while nothing is said for so long.
    pub(super) async fn idle(&mut self, length: Duration, baseline: &Baseline) {
        let begin = self.reading();
        sleep(length).await;
        let end = self.reading();
        self.idle = self.minute(&begin, &end, baseline.idle_us_per_s);
    }

    /// What the server takes by itself, where nobody follows.
    pub(super) fn baseline(&self) -> Baseline {
        let idle_us_per_s = self.idle.server_cpu_us.unwrap_or(0.0) / 60.0;
        let publish_us = |stream: &StreamFigures| {
            let us_per_s = stream.minute.server_cpu_us.unwrap_or(0.0) / 60.0 - idle_us_per_s;
            let length = Duration::from_secs_f64(stream.seconds);
            let published = stream.pattern.moments(self.terms.rate, length).len();
            let us = us_per_s.max(0.0) * stream.seconds / published.max(1) as f64;
            (stream.pattern, us)
        };
        Baseline {
            idle_us_per_s,
            publish_us: self.streams.iter().map(publish_us).collect(),
        }
    }

    /// Publishes a stream for some `length`, after as much time as a client may take to ask for the first of it, and
    /// measures how it comes.
    pub(super) async fn stream(
        &mut self,
        pattern: Pattern,
        length: Duration,
        baseline: &Baseline,
    ) -> Result<(), Fault> {
        let length = pattern.whole(self.terms.rate, length);
        let warmup = match self.cell.way.every() {
            Some(every) => pattern.whole(self.terms.rate, every),
            None => Duration::ZERO,
        };
        let start = Instant::now() + LEAD;
        self.tally.borrow_mut().begin();
        let moments = pattern.moments(self.terms.rate, warmup + length);
        let measured_from = start + warmup;
        let measured_to = measured_from + length;
        let published = moments.iter().filter(|at| **at >= warmup).count();
        let publishing = self.publisher.run(start, moments, measured_to);
        let reading = async {
            // What is due right then is to be within.
            sleep_until(measured_from - LEAD / 2).await;
            let begin = self.reading();
            sleep_until(measured_to - LEAD / 2).await;
            (begin, self.reading())
        };
        let (publishing, (begin, end)) = tokio::join!(publishing, reading);
        publishing?;
        self.catch_up().await;
        let reception = self.tally.borrow().reception();
        let delivered = end.delivered - begin.delivered;
        let each = |begin: u64, end: u64| match delivered {
            0 => 0.0,
            _ => (end - begin) as f64 / delivered as f64,
        };
        let seconds = (end.at - begin.at).as_secs_f64();
        let minute = self.minute(&begin, &end, 0.0);
        let publishing_us = baseline.idle_us_per_s * seconds
            + baseline.publish_us(self.cell.way, pattern) * published as f64;
        self.streams.push(StreamFigures {
            pattern,
            seconds,
            latency_us: reception.latency,
            minute,
            delivered,
            up_bytes: each(begin.up, end.up),
            down_bytes: each(begin.down, end.down),
            server_cpu_us: cpu_us(&begin, &end)
                .filter(|us| delivered > 0 && us - publishing_us > TOLD_FROM * us)
                .map(|us| (us - publishing_us) / delivered as f64),
            lost: reception.lost,
            duplicated: reception.duplicated,
            out_of_order: reception.out_of_order,
        });
        Ok(())
    }

    /// Waits for what was taken, while it may still come.
    async fn catch_up(&self) {
        let begun = Instant::now();
        while !self.tally.borrow().is_complete() && begun.elapsed() < CATCH_UP_WITHIN {
            // Datagrams that have not come by now are lost.
            if !self.cell.way.is_reliable() && begun.elapsed() > LEAD {
                return;
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Closes everything, and gives what was found.
    pub(super) async fn close(mut self) -> CellFigures {
        self.followers.shutdown().await;
        if let Some(quic) = self.door.quic.take() {
            quic.close().await;
        }
        // Their connections are tasks of their own, which have to see that nobody asks any more.
        sleep(LEAD).await;
        let (clients, publisher) = (self.door.client.traffic(), &self.publishers_traffic);
        CellFigures {
            way: self.cell.way,
            format: self.cell.format,
            clients: self.cell.clients,
            opening: self.opening,
            memory_bytes: self.memory_bytes,
            idle: self.idle,
            streams: self.streams,
            total: Total {
                port: self
                    .door
                    .client
                    .address()
                    .map_or(0, |address| address.port()),
                connections: clients.connections(),
                requests: clients.requests(),
                up_bytes: clients.sent(),
                down_bytes: clients.received(),
                publisher_connections: publisher.connections(),
                publisher_up_bytes: publisher.sent(),
                publisher_down_bytes: publisher.received(),
            },
            troubles: self.tally.borrow().troubles().to_vec(),
        }
    }

    fn memory(&self) -> Option<f64> {
        let process = self.host.process.as_ref()?;
        Some(process.usage().resident_bytes as f64)
    }

    fn reading(&self) -> Reading {
        let (process, traffic) = (self.host.process.as_ref(), self.door.client.traffic());
        Reading {
            at: Instant::now(),
            cpu_us: process.map(|process| process.usage().cpu_s * 1e6),
            requests: traffic.requests(),
            connections: traffic.connections(),
            up: traffic.sent(),
            down: traffic.received(),
            delivered: self.tally.borrow().delivered(),
        }
    }

    /// What was between two readings, for one client and minute; the server takes `own_us_per_s` by itself.
    fn minute(&self, begin: &Reading, end: &Reading, own_us_per_s: f64) -> Minute {
        let seconds = (end.at - begin.at).as_secs_f64();
        // Without clients it is the server's own.
        let clients = f64::from(self.cell.clients.max(1));
        let each = |begin: u64, end: u64| (end - begin) as f64 / clients / seconds * 60.0;
        Minute {
            requests: each(begin.requests, end.requests),
            connections: each(begin.connections, end.connections),
            up_bytes: each(begin.up, end.up),
            down_bytes: each(begin.down, end.down),
            server_cpu_us: cpu_us(begin, end)
                .map(|us| (us / seconds - own_us_per_s).max(0.0) / clients * 60.0),
        }
    }
}

fn cpu_us(begin: &Reading, end: &Reading) -> Option<f64> {
    Some(end.cpu_us? - begin.cpu_us?)
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
