//! What a crowd in one channel costs: many people enter at one node, another node learns of them as they come, a third one
//! when it starts; and one question who is there, of which the answer has the first hundred.
//!
//! `cargo run --release -p tidings-nats --example crowd_cost [PEOPLE] [URL]`: 100,000 at nats://127.0.0.1:4222 unless said.

use std::time::{Duration, Instant};

use tidings_engine::{Engine, Entry};
use tidings_nats::{Nats, NatsConfig};
use tidings_wire::{ChannelName, User};

/// A crowd that is not known by then is not known at all.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many questions are asked.
const ASKED: u32 = 1000;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut words = std::env::args().skip(1);
    let people: usize = words.next().map_or(Ok(100_000), |word| word.parse())?;
    let url = words.next().unwrap_or("nats://127.0.0.1:4222".to_owned());
    let hall = ChannelName::new("hall")?;
    let config = NatsConfig {
        name: format!("crowd-{}", std::process::id()),
        ..NatsConfig::new([url])
    };
    let first = Nats::open(config.clone())?;
    let second = Nats::open(config.clone())?;
    let before = resident()?;
    let begun = Instant::now();
    for connection in 0..people as u64 {
        first.enter(Entry {
            channel: hall.clone(),
            user: User::new(&format!("user-{connection}"))?,
            connection,
        });
    }
    println!("{people} people entered: {:?}", begun.elapsed());
    until_known(&second, &hall, people)?;
    println!("another node knows them: {:?}", begun.elapsed());
    let each = (resident()?).saturating_sub(before) / 2 / people;
    println!("about {each} bytes a person and node");

    let begun = Instant::now();
    let third = Nats::open(config)?;
    until_known(&third, &hall, people)?;
    println!("a node that starts knows them: {:?}", begun.elapsed());

    let begun = Instant::now();
    for _ in 0..ASKED {
        third.present(hall.clone()).wait()?;
    }
    println!("who is there, answered in {:?}", begun.elapsed() / ASKED);

    let begun = Instant::now();
    drop(first);
    until_known(&second, &hall, 0)?;
    println!(
        "the first node ended and all are gone: {:?}",
        begun.elapsed()
    );
    Ok(())
}

fn until_known(node: &Nats, channel: &ChannelName, people: usize) -> Result<(), Failure> {
    let begun = Instant::now();
    loop {
        let known = node.present(channel.clone()).wait()?.count;
        if known == people {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("only {known} of {people} are known").into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What the process has in memory, in bytes.
fn resident() -> Result<usize, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next());
    Ok(kibibytes.ok_or("no VmRSS")?.parse::<usize>()? * 1024)
}
