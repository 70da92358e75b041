//! A process that is killed in the middle of its writes loses nothing that it acknowledged.
//!
//! The test starts itself again as a child, which publishes and tells every acknowledgement over a
//! pipe, and kills it at a random moment, two hundred times and more over one directory.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of tests may panic as tests do"
)]

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use tidings_engine::{Draft, Engine, Query, Retention, RetentionPolicies};
use tidings_log::{Log, LogConfig};
use tidings_wire::{ChannelName, Data, MessageId, User};

/// How often the child is killed.
const KILLS: usize = 220;

/// The child's life at most, should nobody kill it.
const LIFE: Duration = Duration::from_secs(10);

/// When to give up waiting for the child.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many messages of a channel in the namespace `cut` are kept.
const CUT: usize = 100;

/// Small bounds, so that everything that happens seldom happens often.
fn config(dir: &Path) -> LogConfig {
    let keep = Retention {
        messages: None,
        age: None,
        bytes: None,
    };
    let cut = Retention {
        messages: Some(CUT as u64),
        ..keep
    };
    LogConfig {
        retention: RetentionPolicies {
            default: keep,
            namespaces: [("cut".to_owned(), cut)].into(),
        },
        unsettled_max: 150,
        wal_pages: 60,
        channels_known_max: 8,
        ..LogConfig::new(dir)
    }
}

fn draft(channel: &str, id: &str) -> Draft {
    Draft {
        channel: ChannelName::new(channel).unwrap(),
        id: MessageId::new(id).unwrap(),
        from: User::new("crash").unwrap(),
        data: data(id),
        at: None,
    }
}

/// Different for each id, and now and then longer than a page.
fn data(id: &str) -> Data {
    let length = id.bytes().map(usize::from).sum::<usize>() % 97;
    let length = if length == 0 { 9_000 } else { length };
    Data::from_text(&format!("{id}:{}", "x".repeat(length)))
}

/// What the child's lines say.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    /// Before the publish it is 0.
    seq: u64,
    channel: String,
    id: String,
}

impl Line {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let line = (words.next()?, words.next()?, words.next()?, words.next()?);
        let ("line", seq, channel, id) = line else {
            return None;
        };
        Some(Self {
            seq: seq.parse().ok()?,
            channel: channel.to_owned(),
            id: id.to_owned(),
        })
    }

    fn print(&self) {
        let text = format!("line {} {} {} .\n", self.seq, self.channel, self.id);
        // One write: a line is told whole or, when the kill comes first, not at all.
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
    }
}

/// Not a test by itself: what the parent starts and kills.
#[test]
#[ignore = "started by the crash test, as its child"]
fn child() {
    let Ok(dir) = std::env::var("TIDINGS_CRASH_DIR") else {
        return;
    };
    let run = std::env::var("TIDINGS_CRASH_RUN").unwrap();
    // On a machine with one core the harness has begun a line, which would spoil our first.
    println!();
    let log = Log::open(config(Path::new(&dir))).unwrap();
    let again = std::io::stdin().lock().lines().map_while(Result::ok);
    let again = again.filter_map(|line| Line::parse(&line));
    let mut again: VecDeque<_> = again.map(|line| (line.channel, line.id)).collect();
    let mut waiting = VecDeque::new();
    let deadline = Instant::now() + LIFE;
    for n in 0_u64.. {
        if Instant::now() > deadline {
            return;
        }
        let (channel, id) = again.pop_front().unwrap_or_else(|| {
            let namespace = if fastrand::bool() { "cut" } else { "kept" };
            let channel = format!("{namespace}:{}", fastrand::u8(..10));
            (channel, format!("{run}-{n}"))
        });
        let line = Line {
            seq: 0,
            channel,
            id,
        };
        line.print();
        waiting.push_back((log.publish(draft(&line.channel, &line.id)), line));
        let depth = fastrand::usize(1..64);
        while waiting.len() > depth {
            let (answer, line) = waiting.pop_front().unwrap();
            let seq = answer.wait().unwrap().seq;
            Line { seq, ..line }.print();
        }
    }
}

struct Running {
    process: Child,
    lines: Receiver<Line>,
}

impl Running {
    fn start(dir: &Path, run: usize, again: &[Line]) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--ignored", "--nocapture"])
            .env("TIDINGS_CRASH_DIR", dir)
            .env("TIDINGS_CRASH_RUN", run.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = process.stdin.take().unwrap();
        for line in again {
            writeln!(stdin, "line 0 {} {} .", line.channel, line.id).unwrap();
        }
        drop(stdin);
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if let Some(line) = Line::parse(&line) {
                    let _ = sender.send(line);
                }
            }
        });
        Self { process, lines }
    }

    /// Kills it at a random moment, and gives all that it said.
    fn kill(mut self) -> Vec<Line> {
        let mut said = Vec::new();
        // One in eight during its start, the others while it writes.
        if fastrand::u8(..8) > 0 {
            let first = self.lines.recv_timeout(PATIENCE);
            said.push(first.expect("the child opens the log and publishes"));
        }
        let moment = Instant::now() + Duration::from_micros(fastrand::u64(..40_000));
        while let Some(left) = moment.checked_duration_since(Instant::now()) {
            match self.lines.recv_timeout(left) {
                Ok(line) => said.push(line),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => panic!("the child ended by itself"),
            }
        }
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        said.extend(self.lines.iter());
        said
    }
}

/// What the parent knows.
#[derive(Default)]
struct Known {
    /// By channel and id.
    acknowledged: HashMap<(String, String), u64>,
    sent: HashSet<(String, String)>,
    /// What the last child began and nobody knows the end of, and some of what it ended.
    again: Vec<Line>,
}

impl Known {
    fn take(&mut self, said: Vec<Line>) {
        let mut open = Vec::new();
        let mut ended = Vec::new();
        for line in said {
            let key = (line.channel.clone(), line.id.clone());
            if line.seq == 0 {
                self.sent.insert(key);
                open.push(line);
                continue;
            }
            open.retain(|one: &Line| (&one.channel, &one.id) != (&line.channel, &line.id));
            let before = self.acknowledged.insert(key, line.seq);
            assert!(
                before.is_none_or(|before| before == line.seq),
                "{line:?} was {before:?}: a repetition has another place"
            );
            ended.push(line);
        }
        let some = ended.len().saturating_sub(20);
        self.again = ended.split_off(some);
        self.again.extend(open);
    }

    /// Every row against what was said; gives the channels' messages.
    fn check(&self, dir: &Path) -> HashMap<String, Vec<u64>> {
        let file = rusqlite::Connection::open(dir.join("messages.db")).unwrap();
        let statement = file.prepare(
            "SELECT m.seq, c.name, m.nth, m.prev, m.id, m.data, c.floor, c.floor_nth
                 FROM message m JOIN channel c ON c.id = m.channel ORDER BY m.seq",
        );
        let Ok(mut statement) = statement else {
            // The first child was killed before it had made the tables.
            assert!(self.acknowledged.is_empty(), "the tables are gone");
            return HashMap::new();
        };
        let mut rows = statement.query([]).unwrap();
        let mut chains: HashMap<String, Vec<u64>> = HashMap::new();
        let mut places = HashMap::new();
        let mut nths: HashMap<String, u64> = HashMap::new();
        while let Some(row) = rows.next().unwrap() {
            let seq: u64 = row.get(0).unwrap();
            let (name, id): (String, String) = (row.get(1).unwrap(), row.get(4).unwrap());
            let text: String = row.get(5).unwrap();
            assert_eq!(Data::Json(text.into()), data(&id), "{seq} is torn");
            let chain = chains.entry(name.clone()).or_default();
            let (floor, floor_nth): (u64, u64) = (row.get(6).unwrap(), row.get(7).unwrap());
            let prev: u64 = row.get(3).unwrap();
            assert_eq!(
                prev,
                chain.last().copied().unwrap_or(floor),
                "{seq} in {name}"
            );
            let nth: u64 = row.get(2).unwrap();
            let before = nths.insert(name.clone(), nth).unwrap_or(floor_nth);
            assert_eq!(nth, before + 1, "{seq} in {name}");
            chain.push(seq);
            let key = (name, id);
            assert!(self.sent.contains(&key), "{key:?} was never sent");
            let twice = places.insert(key, seq);
            assert_eq!(twice, None, "{seq} is there twice");
        }
        for (key, seq) in &self.acknowledged {
            let chain = chains.get(&key.0).map_or(&[][..], Vec::as_slice);
            let is_cut = key.0.starts_with("cut:") && chain.len() >= CUT && *seq < chain[0];
            assert!(
                is_cut || places.get(key) == Some(seq),
                "{key:?} was acknowledged as {seq} and is {:?}",
                places.get(key)
            );
        }
        chains
    }

    /// What the log says, which must be the same.
    fn check_log(&self, dir: &Path, chains: &HashMap<String, Vec<u64>>) {
        let log = Log::open(config(dir)).unwrap();
        for (name, chain) in chains {
            let query = Query {
                channel: ChannelName::new(name).unwrap(),
                after: None,
                before: None,
                limit: CUT,
            };
            let page = log.read(query).wait().unwrap();
            let seqs: Vec<_> = page.messages.iter().map(|message| message.seq).collect();
            assert_eq!(seqs, chain[chain.len().saturating_sub(CUT)..], "{name}");
        }
        for line in self.again.iter().filter(|line| line.seq > 0) {
            let published = log.publish(draft(&line.channel, &line.id)).wait().unwrap();
            assert_eq!((published.seq, published.repeated), (line.seq, true));
        }
        let newest = chains.values().flatten().copied().max();
        assert_eq!(log.head(0), newest.unwrap_or(0));
    }
}

#[test]
fn no_kill_loses_doubles_or_tears_a_message() {
    let dir = tempfile::tempdir().unwrap();
    let mut known = Known::default();
    for run in 0..KILLS {
        let said = Running::start(dir.path(), run, &known.again).kill();
        known.take(said);
        // Sometimes the next child finds what the last one left, sometimes the parent sees to it.
        if fastrand::u8(..3) == 0 {
            let chains = known.check(dir.path());
            known.check_log(dir.path(), &chains);
        }
    }
    let chains = known.check(dir.path());
    known.check_log(dir.path(), &chains);
    let acknowledged = known.acknowledged.len();
    println!("{KILLS} kills, {acknowledged} acknowledged messages");
    assert!(acknowledged > KILLS, "the children hardly wrote anything");
}
