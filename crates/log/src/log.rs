//! The log as its callers have it: queues in front of the threads that do the work (shell).

use std::fmt;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use tidings_engine::{
    Answer, Draft, Engine, EngineError, Entry, Notice, Page, Published, Query, Watch,
};
use tidings_wire::{ChannelName, Data, Epoch, Event, Presence, User};

use crate::housekeeping::Housekeeping;
use crate::lock::DirectoryLock;
use crate::open::{Opened, current_boot, open};
use crate::queue::Queue;
use crate::reader::{self, Read};
use crate::recovery::Recovered;
use crate::shared::{Shared, lock};
use crate::statistics::{Files, Statistics};
use crate::writer::{Wal, Writer};
use crate::{Durability, LogConfig, OpenError};

/// The durable log of one machine: an [`Engine`] on a SQLite file.
///
/// Dropping it closes it: everything that was published by then is stored, the threads end, the
/// file is left so that the next start has nothing to do. That may take some tenths of a second.
pub struct Log {
    shared: Arc<Shared>,
    reads: Mutex<Option<SyncSender<Read>>>,
    running: Mutex<Option<Running>>,
}

/// What ends with the log.
struct Running {
    writer: JoinHandle<()>,
    readers: Vec<JoinHandle<()>>,
    _lock: DirectoryLock,
}

impl Log {
    /// Opens the log in `config.dir`, or makes one.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what is wrong with the directory or the file, and what to do.
    pub fn open(config: LogConfig) -> Result<Self, OpenError> {
        let opened = open(&config, current_boot())?;
        let path = opened.path.clone();
        start(opened, &config).map_err(|detail| OpenError::Failed { path, detail })
    }

    /// Stores everything that was published by now, then closes the file and lets the directory go;
    /// the calling thread waits for it. Publishes and reads that come later are answered
    /// [`EngineError::Closed`]. A second call does nothing.
    pub fn close(&self) {
        let Some(running) = lock(&self.running).take() else {
            return;
        };
        self.shared.queue.close();
        *lock(&self.reads) = None;
        for reader in running.readers {
            let _ = reader.join();
        }
        let _ = running.writer.join();
    }

    /// What was counted since the log was opened.
    pub fn statistics(&self) -> Statistics {
        let waiting = self.shared.queue.bytes();
        Statistics {
            head: self.shared.head(),
            waiting_bytes: waiting as u64,
            ..lock(&self.shared.statistics).clone()
        }
    }

    /// Called under the roster's lock, so that all watchers hear in the order of what happened.
    fn tell_passing(&self, event: Option<Event>) {
        if let Some(event) = event {
            let event = self.shared.encoded(event);
            self.shared.notifier.tell(Notice::Passing(event));
        }
    }
}

/// Starts the threads. The error is for people.
fn start(opened: Opened, config: &LogConfig) -> Result<Log, String> {
    let Opened {
        lock,
        path,
        mut connection,
        recovered:
            Recovered {
                epoch,
                chain,
                has_repeats,
            },
    } = opened;
    let failed = |error: rusqlite::Error| error.to_string();
    let synchronous = match config.durability {
        Durability::Process => "NORMAL",
        Durability::Disk => "FULL",
    };
    connection
        .pragma_update(None, "synchronous", synchronous)
        .map_err(failed)?;
    let queue = Queue::new(config.publishes_waiting_max, config.bytes_waiting_max);
    let shared = Shared::new(epoch, config.clock.clone(), chain.head(), queue);
    let shared = Arc::new(shared);
    let (reads, waiting) = sync_channel(config.reads_waiting_max);
    let waiting = Arc::new(Mutex::new(waiting));
    let readers = (0..config.readers.max(1)).map(|number| {
        let connection = reader::connect(&path).map_err(failed)?;
        let (shared, waiting) = (shared.clone(), waiting.clone());
        let run = move || reader::run(&connection, &shared, &waiting);
        spawn(format!("log-reader-{number}"), run)
    });
    let readers = readers.collect::<Result<Vec<_>, _>>()?;
    let mut writer = Writer {
        wal: Wal::of(&mut connection, config.wal_pages).map_err(failed)?,
        connection,
        housekeeping: Housekeeping::new(&chain, has_repeats),
        chain,
        shared: shared.clone(),
        files: Files::of(&path),
        next_look: Instant::now(),
        batch_messages_max: config.batch_messages_max.max(1),
        batch_bytes_max: config.batch_bytes_max.max(1),
        broken: None,
        trouble: None,
        resting_until: None,
    };
    writer.look();
    let writer = spawn("log-writer".to_owned(), move || writer.run())?;
    Ok(Log {
        shared,
        reads: Mutex::new(Some(reads)),
        running: Mutex::new(Some(Running {
            writer,
            readers,
            _lock: lock,
        })),
    })
}

fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, String> {
    let spawned = thread::Builder::new().name(name).spawn(run);
    spawned.map_err(|error| format!("no thread can be started: {error}"))
}

impl Engine for Log {
    fn epochs(&self) -> &[Epoch] {
        std::slice::from_ref(&self.shared.epoch)
    }

    fn head(&self, _log: usize) -> u64 {
        self.shared.head()
    }

    fn publish(&self, draft: Draft) -> Answer<Published> {
        let closed = || Answer::ready(Err(EngineError::Closed));
        self.publish_all(vec![draft]).pop().unwrap_or_else(closed)
    }

    fn publish_all(&self, drafts: Vec<Draft>) -> Vec<Answer<Published>> {
        self.shared.queue.put(drafts)
    }

    fn read(&self, query: Query) -> Answer<Page> {
        let (responder, answer) = Answer::pending();
        let sent = match &*lock(&self.reads) {
            Some(reads) => reads.try_send(Read { query, responder }).map_err(refusal),
            None => Err(EngineError::Closed),
        };
        match sent {
            Ok(()) => answer,
            Err(error) => Answer::ready(Err(error)),
        }
    }

    fn signal(&self, channel: ChannelName, from: User, data: Data) {
        lock(&self.shared.statistics).signals += 1;
        self.tell_passing(Some(Event::Signal {
            channel,
            from,
            data,
        }));
    }

    fn enter(&self, entry: Entry) {
        let now = self.shared.clock.now();
        let mut roster = lock(&self.shared.roster);
        self.tell_passing(roster.enter(entry, now));
    }

    fn leave(&self, entry: Entry) {
        let now = self.shared.clock.now();
        let mut roster = lock(&self.shared.roster);
        self.tell_passing(roster.leave(&entry, now));
    }

    fn present(&self, channel: ChannelName) -> Answer<Presence> {
        Answer::ready(Ok(lock(&self.shared.roster).present(&channel)))
    }

    fn watch(&self) -> Watch {
        self.shared.notifier.watch()
    }
}

fn refusal<T>(error: TrySendError<T>) -> EngineError {
    match error {
        TrySendError::Full(_) => EngineError::Busy,
        TrySendError::Disconnected(_) => EngineError::Closed,
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("epoch", &self.shared.epoch)
            .field("head", &self.shared.head())
            .finish_non_exhaustive()
    }
}
