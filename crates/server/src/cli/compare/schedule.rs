//! Which cells go when. Each has a server of its own, so that many can be open at a time: while nothing is said, and while
//! there is little to do, they go side by side; those whose messages are pushed have the machine to themselves then.

use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use tidings_wire::Format;
use tokio::time::{Instant, sleep};

use super::course::{Baseline, Cell, Course, Terms};
use super::figures::{CellFigures, Figures};
use super::host::Host;
use super::pattern::{Pattern, QUIET_EVERY};
use super::way::Way;
use crate::cli::ServerArgs;
use crate::cli::progress::Progress;
use crate::cli::tls::TrustArgs;
use crate::cli::units::count;
use crate::fault::Fault;
use crate::shutdown::Signals;

/// What is to be done.
pub(super) struct Order {
    /// The server that was named.
    pub(super) server: Option<ServerArgs>,
    pub(super) clients: Vec<u32>,
    pub(super) ways: Vec<Way>,
    pub(super) formats: Vec<Format>,
    pub(super) patterns: Vec<Pattern>,
    pub(super) lengths: Lengths,
    pub(super) terms: Terms,
}

/// How long what is measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lengths {
    /// While nothing is said: as long as a heartbeat's interval, so that each client has its share of them.
    idle: Duration,
    /// The same for those who ask by the clock: a whole number of the longest time between two questions.
    polls_idle: Duration,
    /// A stream of messages, steady or in bursts.
    stream: Duration,
    /// The same for those who ask by the clock.
    polls_stream: Duration,
    /// A quiet one.
    quiet: Duration,
}

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Lengths {
    /// For a run within a minute.
    pub(super) const QUICK: Self = Self {
        idle: s(20),
        polls_idle: s(5),
        stream: Duration::from_millis(2500),
        polls_stream: s(5),
        quiet: s(10),
    };
    /// For figures that are to be kept.
    pub(super) const WHOLE: Self = Self {
        idle: s(60),
        polls_idle: s(20),
        stream: s(10),
        polls_stream: s(10),
        quiet: s(30),
    };

    fn of(&self, way: Way, pattern: Pattern) -> Duration {
        match (pattern, way.every()) {
            (Pattern::Quiet, _) => self.quiet,
            (_, None) => self.stream,
            (_, Some(_)) => self.polls_stream,
        }
    }
}

/// What nobody's server takes is measured for so long before anything else.
const BASELINE_IDLE: Duration = s(2);

/// What opening a cell takes, about: for the bar alone.
const OPENING_S: f64 = 1.0;

/// How often the terminal is told how it goes.
const SHOW_EVERY: Duration = Duration::from_millis(250);

/// Runs it, on the current thread's `LocalSet`; there may be so many connections at a time.
pub(super) async fn run(order: Order, connections_max: usize) -> Result<Figures, Fault> {
    let most = order.clients.iter().copied().max().unwrap_or(0);
    if most as usize + SPARE > connections_max {
        return Err(Fault::setup(format!(
            "{most} clients need {} open files, and this process may have {connections_max}",
            most as usize + SPARE
        ))
        .advise("Use fewer --clients, or raise the hard limit (`ulimit -Hn`). The server needs as many."));
    }
    let mut signals = Signals::listen()?;
    let mut schedule = Schedule {
        bar: Bar::new(&order, connections_max),
        order,
        connections_max,
        cells: Vec::new(),
        left_out: Vec::new(),
    };
    tokio::select! {
        ran = schedule.run() => ran?,
        () = signals.next() => return Err(Fault::failure("ended before everything was measured")),
    }
    if schedule.cells.is_empty()
        && let Some((_, fault)) = schedule.left_out.pop()
    {
        return Err(fault);
    }
    let order = &schedule.order;
    let threads = std::thread::available_parallelism();
    Ok(Figures {
        tidings_version: env!("CARGO_PKG_VERSION"),
        url: order.server.as_ref().map(|server| server.url.clone()),
        processors: threads.map_or(1, usize::from),
        data_bytes: order.terms.data_bytes,
        rate_per_s: order.terms.rate,
        has_browser_headers: order.terms.has_browser_headers,
        idle_s: order.lengths.idle.as_secs_f64(),
        left_out: schedule.left_out.iter().map(left_out).collect(),
        cells: schedule.cells,
    })
}

fn left_out((cell, fault): &(Cell, Fault)) -> String {
    format!(
        "{}, {} clients, was left out: {}",
        cell.way.name(),
        count(cell.clients.into()),
        fault.message()
    )
}

/// Descriptors of a cell that are no client's: the publisher, its timer, the pipe of the server.
const SPARE: usize = 8;

struct Schedule {
    order: Order,
    connections_max: usize,
    bar: Bar,
    cells: Vec<CellFigures>,
    /// Those that could not be opened, as where a proxy lets no UDP through, and why.
    left_out: Vec<(Cell, Fault)>,
}

impl Order {
    /// The cells of so many clients, in the order of the table.
    fn cells(&self, clients: u32) -> Vec<Cell> {
        let formats = self.formats.iter();
        formats
            .flat_map(|format| {
                let ways = self.ways.iter().filter(|way| way.speaks(*format));
                ways.map(|way| Cell {
                    way: *way,
                    format: *format,
                    clients,
                })
            })
            .collect()
    }

    /// The same in batches of those that are open at a time: one by one where they share a server.
    fn batches(&self, clients: u32, connections_max: usize) -> Vec<Vec<Cell>> {
        let fit = (connections_max / (clients as usize + SPARE)).max(1);
        let at_a_time = if self.server.is_some() { 1 } else { fit };
        let cells = self.cells(clients);
        cells.chunks(at_a_time).map(<[_]>::to_vec).collect()
    }
}

impl Schedule {
    async fn run(&mut self) -> Result<(), Fault> {
        for clients in self.order.clients.clone() {
            let baseline = self.baseline().await?;
            for batch in self.order.batches(clients, self.connections_max) {
                self.batch(batch, &baseline).await?;
            }
        }
        Ok(())
    }

    /// What a server takes by itself, without clients.
    async fn baseline(&mut self) -> Result<Baseline, Fault> {
        let cell = Cell {
            way: Way::Websocket,
            format: Format::Json,
            clients: 0,
        };
        let mut course = self.open(cell).await?;
        let (lengths, patterns) = (self.order.lengths, &self.order.patterns);
        let measuring = async {
            course.idle(BASELINE_IDLE, &Baseline::default()).await;
            for pattern in patterns {
                let length = lengths.of(cell.way, *pattern);
                course
                    .stream(*pattern, length, &Baseline::default())
                    .await?;
            }
            Ok(())
        };
        let takes = BASELINE_IDLE + streams_take(&self.order, cell.way);
        self.bar
            .during("the server alone", takes, measuring)
            .await?;
        let baseline = course.baseline();
        course.close().await;
        Ok(baseline)
    }

    async fn open(&self, cell: Cell) -> Result<Course, Fault> {
        let host = match &self.order.server {
            Some(server) => Host::named(again(server)).await?,
            None => Host::start()?,
        };
        let bar = &self.bar;
        let opening = Course::open(cell, self.order.terms, host, |open| {
            bar.show(&format!("{}, {} open", cell.way.name(), count(open.into())));
        });
        opening.await
    }

    async fn batch(&mut self, cells: Vec<Cell>, baseline: &Baseline) -> Result<(), Fault> {
        let mut courses = Vec::new();
        for (place, cell) in cells.into_iter().enumerate() {
            match self.open(cell).await {
                Ok(course) => courses.push((place, cell, course)),
                Err(fault) => self.left_out.push((cell, fault)),
            }
            self.bar.pass(OPENING_S);
        }
        let asks = |(_, cell, _): &(usize, Cell, Course)| cell.way.every().is_some();
        let (mut polls, mut pushes): (Vec<_>, Vec<_>) = courses.into_iter().partition(asks);
        let has_polls = !polls.is_empty();
        let (order, lengths) = (&self.order, self.order.lengths);
        // Polls take their time, and little else: they go while nothing is said to the others.
        let polling = try_join_all(polls.iter_mut().map(|(_, cell, course)| async {
            course.idle(lengths.polls_idle, baseline).await;
            for pattern in &order.patterns {
                let length = lengths.of(cell.way, *pattern);
                course.stream(*pattern, length, baseline).await?;
            }
            Ok::<_, Fault>(())
        }));
        let idling = join_all(pushes.iter_mut().map(|(_, _, course)| async {
            course.idle(lengths.idle, baseline).await;
        }));
        let both = async {
            let (polled, _) = tokio::join!(polling, idling);
            polled.map(drop)
        };
        let takes = side_by_side(order, has_polls);
        self.bar
            .during("nothing is said; polls", takes, both)
            .await?;
        let mut done = Vec::new();
        for (place, _, course) in polls {
            done.push((place, course.close().await));
        }
        for (_, cell, course) in &mut pushes {
            for pattern in order.patterns.iter().filter(|it| **it != Pattern::Quiet) {
                let length = lengths.of(cell.way, *pattern);
                let what = format!("{}, {}", cell.way.name(), pattern.name());
                let streaming = course.stream(*pattern, length, baseline);
                let takes = pattern.whole(order.terms.rate, length);
                self.bar.during(&what, takes, streaming).await?;
            }
        }
        if order.patterns.contains(&Pattern::Quiet) {
            let count = pushes.len() as f64;
            let quiet = try_join_all(pushes.iter_mut().enumerate().map(
                |(turn, (_, _, course))| async move {
                    // One after the other, so that no two of them have their message at the same moment.
                    sleep(QUIET_EVERY.mul_f64(turn as f64 / count)).await;
                    course.stream(Pattern::Quiet, lengths.quiet, baseline).await
                },
            ));
            let quiet = async { quiet.await.map(drop) };
            let takes = lengths.quiet + QUIET_EVERY;
            self.bar.during("all, quiet", takes, quiet).await?;
        }
        for (place, _, course) in pushes {
            done.push((place, course.close().await));
        }
        done.sort_by_key(|(place, _)| *place);
        self.cells.extend(done.into_iter().map(|(_, cell)| cell));
        Ok(())
    }
}

/// What all streams of a way take.
fn streams_take(order: &Order, way: Way) -> Duration {
    let takes = |pattern: &Pattern| {
        let warmup = way.every().map_or(Duration::ZERO, |every| {
            pattern.whole(order.terms.rate, every)
        });
        warmup + pattern.whole(order.terms.rate, order.lengths.of(way, *pattern))
    };
    order.patterns.iter().map(takes).sum()
}

/// What idling and polling take beside each other.
fn side_by_side(order: &Order, has_polls: bool) -> Duration {
    let polls = match has_polls {
        true => order.lengths.polls_idle + streams_take(order, Way::Poll5s),
        false => Duration::ZERO,
    };
    polls.max(order.lengths.idle)
}

/// The same server for one more client.
fn again(server: &ServerArgs) -> ServerArgs {
    ServerArgs {
        url: server.url.clone(),
        token: server.token.clone(),
        trust: TrustArgs::clone(&server.trust),
    }
}

/// How far it is, for who looks.
struct Bar {
    progress: Progress,
    total_s: f64,
    passed_s: f64,
}

impl Bar {
    fn new(order: &Order, connections_max: usize) -> Self {
        let alone = (BASELINE_IDLE + streams_take(order, Way::Websocket)).as_secs_f64();
        let quiet = match order.patterns.contains(&Pattern::Quiet) {
            true => order.lengths.quiet.as_secs_f64(),
            false => 0.0,
        };
        let batch = |cells: &Vec<Cell>| {
            let pushes = cells.iter().filter(|cell| cell.way.every().is_none());
            let streams: f64 = pushes
                .map(|cell| streams_take(order, cell.way).as_secs_f64() - quiet)
                .sum();
            let has_polls = cells.iter().any(|cell| cell.way.every().is_some());
            let opening = OPENING_S * cells.len() as f64;
            opening + side_by_side(order, has_polls).as_secs_f64() + streams + quiet
        };
        let total = |clients: &u32| {
            let batches = order.batches(*clients, connections_max);
            alone + batches.iter().map(batch).sum::<f64>()
        };
        Self {
            progress: Progress::new(),
            total_s: order.clients.iter().map(total).sum(),
            passed_s: 0.0,
        }
    }

    /// Shows how far it is while `future` is under way, which `takes` so long.
    async fn during<T>(
        &mut self,
        what: &str,
        takes: Duration,
        future: impl Future<Output = T>,
    ) -> T {
        let begun = Instant::now();
        let mut future = std::pin::pin!(future);
        let done = loop {
            self.tell(what, begun.elapsed().min(takes).as_secs_f64());
            tokio::select! {
                done = &mut future => break done,
                () = sleep(SHOW_EVERY) => {}
            }
        };
        self.pass(takes.as_secs_f64());
        done
    }

    fn show(&self, what: &str) {
        self.tell(what, 0.0);
    }

    fn tell(&self, what: &str, more_s: f64) {
        let passed = self.passed_s + more_s;
        let left = (self.total_s - passed).max(0.0).ceil();
        // Short enough for a line of 80 columns, which is drawn over.
        let words = format!("{left:.0} s left: {what}");
        self.progress
            .show("comparing", passed / self.total_s, &words);
    }

    fn pass(&mut self, seconds: f64) {
        self.passed_s += seconds;
    }
}
