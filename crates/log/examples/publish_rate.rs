//! How many messages a second the log takes: 256 publishers with one publish each under way, 200
//! bytes, in as many channels as asked for, all of which have a message before the clock starts. The
//! CPU time is that of the whole process, publishers included.
//!
//! `cargo run --release -p tidings-log --example publish_rate [SECONDS] [CHANNELS]`

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use tidings_engine::{Answer, Draft, Engine, Published};
use tidings_log::{Durability, Log, LogConfig};
use tidings_wire::{ChannelName, Data, MessageId, User};

const PUBLISHERS: usize = 256;
const BYTES: usize = 200;

/// Wakes the one thread that all publishers live on.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    change: Condvar,
}

/// A publisher's own waker: which one is ready.
struct Ready {
    is_ready: AtomicBool,
    bell: Arc<Bell>,
}

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.is_ready.store(true, Ordering::Release);
        let mut rung = self.bell.rung.lock().expect("nobody panics");
        if !*rung {
            *rung = true;
            self.bell.change.notify_one();
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let channels = arguments.next().map_or(Ok(1000), |text| text.parse())?;
    for durability in [Durability::Process, Durability::Disk] {
        let dir = tempfile::tempdir_in(".")?;
        let config = LogConfig {
            durability,
            ..LogConfig::new(dir.path())
        };
        let log = Log::open(config)?;
        let names = warm_up(&log, channels)?;
        let cpu = cpu_seconds();
        let (rate, mut latencies) = run(&log, Duration::from_secs(seconds), &names)?;
        let cpu = (cpu_seconds() - cpu) * 1e6 / latencies.len() as f64;
        latencies.sort_unstable();
        let at = |part: f64| latencies[(latencies.len() as f64 * part) as usize];
        println!(
            "{durability:?}: {rate:.0} messages/s, {cpu:.1} µs of CPU each, answered in p50 {:?}, p99 {:?}, max {:?}",
            at(0.5),
            at(0.99),
            latencies[latencies.len() - 1],
        );
    }
    Ok(())
}

/// Puts a message in each channel.
fn warm_up(log: &Log, channels: usize) -> Result<Vec<ChannelName>, Box<dyn std::error::Error>> {
    let names = (0..channels).map(|n| ChannelName::new(&format!("chat:{n}")));
    let names = names.collect::<Result<Vec<_>, _>>()?;
    for names in names.chunks(1000) {
        let answers: Vec<_> = names
            .iter()
            .map(|name| {
                log.publish(Draft {
                    channel: name.clone(),
                    id: MessageId::new("first").expect("a good id"),
                    from: MessageId::new("alice").expect("a good name"),
                    data: Data::from_text("hi"),
                    at: None,
                })
            })
            .collect();
        for answer in answers {
            answer.wait()?;
        }
    }
    Ok(names)
}

/// User's and system's time of this process, from `/proc`, in hundredths of a second; 0 elsewhere.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split(' ');
    let ticks = fields
        .skip(12)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

fn run(
    log: &Log,
    time: Duration,
    names: &[ChannelName],
) -> Result<(f64, Vec<Duration>), Box<dyn std::error::Error>> {
    let (from, data) = (User::new("alice")?, Data::from_text(&"x".repeat(BYTES - 2)));
    let mut sent = 0_u64;
    let mut publish = || -> Result<_, Box<dyn std::error::Error>> {
        sent += 1;
        let draft = Draft {
            channel: names[fastrand::usize(..names.len())].clone(),
            id: MessageId::new(&sent.to_string())?,
            from: from.clone(),
            data: data.clone(),
            at: None,
        };
        Ok((log.publish(draft), Instant::now()))
    };
    let bell = Arc::new(Bell::default());
    let mut publishers = Vec::new();
    for _ in 0..PUBLISHERS {
        let ready = Arc::new(Ready {
            is_ready: AtomicBool::new(true),
            bell: bell.clone(),
        });
        publishers.push((publish()?, ready.clone(), Waker::from(ready)));
    }
    let mut latencies = Vec::new();
    let start = Instant::now();
    while start.elapsed() < time {
        for ((answer, since), ready, waker) in &mut publishers {
            while ready.is_ready.swap(false, Ordering::Acquire) {
                let mut context = Context::from_waker(waker);
                let polled: Poll<Result<Published, _>> =
                    Pin::new(&mut *answer as &mut Answer<_>).poll(&mut context);
                if let Poll::Ready(published) = polled {
                    published?;
                    latencies.push(since.elapsed());
                    (*answer, *since) = publish()?;
                    ready.is_ready.store(true, Ordering::Release);
                }
            }
        }
        let rung = bell.rung.lock().expect("nobody panics");
        let wait = Duration::from_millis(100);
        let waited = bell.change.wait_timeout_while(rung, wait, |rung| !*rung);
        *waited.expect("nobody panics").0 = false;
    }
    let rate = latencies.len() as f64 / start.elapsed().as_secs_f64();
    Ok((rate, latencies))
}
