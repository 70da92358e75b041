//! The WebSockets of a shard: one task, one epoll, and no task, timer or buffer for each.
//!
//! The task waits for whichever comes first: sockets that are ready, sessions that may have something
//! for their clients, new sockets from hyper, the end of the time for a hello, or of the server. Then
//! whoever was listed is given what there is, and all of it is written at once, a write a socket.
//!
//! A socket is given more when everything it was given before is written. So a reader that does not
//! read costs a cursor and not memory, and pins no more than the room of one time.

use std::collections::VecDeque;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use tidings_hub::{Moving, Shard};
use tidings_websocket::tokio::event_loop::{self, Detached, EventLoop, Key, Socket};
use tidings_websocket::tokio::{Error, WebSocket};
use tidings_websocket::{CloseCode, Event};
use tidings_wire::{Code, Format};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use super::alone::{self, Shared};
use super::frames::{self, WebSocketFrames};
use super::is_in_vain;
use crate::balance::{LOOK_EVERY, Meter, Relief, Share};
use crate::connection::Permit;
use crate::metrics::Counts;
use crate::shutdown::Drain;
use crate::transport::framed::{Compression, Giver, HELLO_WITHIN, ROOM, Session, UNSENT_BYTES_MAX};
use crate::transport::{Counted, Transport};

/// Sockets that wait to be taken in. Each of them holds what is left of its handshake, so it is few;
/// more wait in the tasks of their connections.
const NEWCOMERS_MAX: usize = 128;

/// Clients that are looked at before they are written to: little enough that what we need to know of them
/// is still in the caches then.
const GIVEN_AT_A_TIME: usize = 1024;

/// Takes sockets in. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Sockets {
    shard: Shard,
    counts: Arc<Counts>,
    newcomers: mpsc::Sender<Newcomer>,
    looks: mpsc::Sender<oneshot::Sender<usize>>,
    /// For those that are held by a task of their own.
    shared: Shared,
}

/// A socket that comes to the shard.
enum Newcomer {
    /// After its handshake.
    Opened(Box<WebSocket<TcpStream>>, Session),
    /// From another shard.
    Moved(Detached, Session),
}

/// A socket and its session between two shards.
pub(crate) struct Moved {
    socket: Detached,
    session: Moving,
    format: Format,
    compression: Compression,
    greets_guests: bool,
}

impl Sockets {
    /// Starts the task, which lives as long as something can come to it and a socket is left; at the longest as
    /// the shard's thread.
    pub(crate) fn start(
        shard: Shard,
        counts: Arc<Counts>,
        share: Share,
        drain: Drain,
    ) -> io::Result<Self> {
        let (newcomers, coming) = mpsc::channel(NEWCOMERS_MAX);
        let (looks, asked) = mpsc::channel(1);
        let options = event_loop::Options {
            unsent_bytes_max: 2 * UNSENT_BYTES_MAX,
            keepalive: super::keepalive(&shard),
        };
        let shared = Shared {
            giver: Rc::default(),
            given: Rc::default(),
            counts: counts.clone(),
            drain: drain.clone(),
        };
        let held = Held {
            sockets: EventLoop::new(options)?,
            shard: shard.clone(),
            counts: counts.clone(),
            share,
            meter: Meter::start(),
            relief: None,
            hellos: VecDeque::new(),
            listed: Vec::new(),
            written: Vec::new(),
            giver: Giver::default(),
            frames: Vec::new(),
            runs: Vec::new(),
            writes: Vec::new(),
            leaving: Vec::new(),
            lingering: Vec::new(),
            drain,
            is_draining: false,
            owed: Vec::new(),
        };
        tokio::task::spawn_local(async move {
            if let Err(error) = held.run(coming, asked).await {
                tracing::error!(%error, "the WebSockets of a shard have ended");
            }
        });
        Ok(Self {
            shard,
            counts,
            newcomers,
            looks,
            shared,
        })
    }

    /// How much all sockets were given and have not taken, in bytes; `None` when the shard ends.
    pub(crate) async fn unsent_bytes(&self) -> Option<usize> {
        let (answer, answered) = oneshot::channel();
        self.looks.send(answer).await.ok()?;
        answered.await.ok()
    }

    /// Holds a WebSocket on a stream that is more than a socket, until it ends.
    pub(super) async fn hold_alone<S>(&self, websocket: Box<WebSocket<S>>, session: Box<Session>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        alone::hold(websocket, session, &self.shared).await;
    }

    /// Holds a socket until it ends.
    pub(super) async fn hold(&self, websocket: WebSocket<TcpStream>, session: Session) {
        // It fails when the shard has ended, and so has the connection then.
        let newcomer = Newcomer::Opened(Box::new(websocket), session);
        let _ = self.newcomers.send(newcomer).await;
    }

    /// Takes in what other shards send, for as long as there are any.
    pub(crate) fn receive(
        &self,
        mut moved: mpsc::Receiver<Box<Moved>>,
        alive: mpsc::WeakSender<()>,
    ) -> impl Future<Output = ()> + use<> {
        let Self {
            shard,
            counts,
            newcomers,
            ..
        } = self.clone();
        async move {
            while let Some(moved) = moved.recv().await {
                // It fails when the shard ends; the client then comes back as after any cut.
                let Some(alive) = alive.upgrade() else {
                    return;
                };
                let session = Session {
                    link: shard.receive(moved.session).await,
                    format: moved.format,
                    compression: moved.compression,
                    greets_guests: moved.greets_guests,
                    is_leaving: false,
                    counted: Counted::new(&counts, Transport::WebSocket),
                    permit: Permit::take_over(&counts, alive),
                };
                let newcomer = Newcomer::Moved(moved.socket, session);
                let _ = newcomers.send(newcomer).await;
            }
        }
    }
}

/// What the task holds.
struct Held {
    sockets: EventLoop<Session>,
    shard: Shard,
    counts: Arc<Counts>,
    share: Share,
    meter: Meter,
    /// Where some of those who are given something next are to go.
    relief: Option<Relief>,
    /// When the time of each for a hello is over, in the order of their coming; of those as well that
    /// have said it, or gone, since. As many as can come in that time.
    hellos: VecDeque<(Instant, Key)>,
    /// Who may be given something; empty between turns, as are the next five.
    listed: Vec<u64>,
    written: Vec<Key>,
    giver: Giver<WebSocketFrames>,
    frames: Vec<Bytes>,
    /// What is to be written, and to whom which of it.
    runs: Vec<Bytes>,
    writes: Vec<(Key, usize)>,
    /// Who is to go to another shard; empty between turns as well.
    leaving: Vec<Key>,
    /// Of sockets whose end was told and which are not closed yet. It does not matter which is whose.
    lingering: Vec<Rc<Permit>>,
    drain: Drain,
    is_draining: bool,
    /// Who is heard no longer, and is to be told when to come back once it is owed no answer.
    owed: Vec<Key>,
}

impl Held {
    async fn run(
        mut self,
        mut coming: mpsc::Receiver<Newcomer>,
        mut asked: mpsc::Receiver<oneshot::Sender<usize>>,
    ) -> io::Result<()> {
        let drain = self.drain.clone();
        let mut newcomers = Vec::new();
        let mut hello_alarm = pin!(sleep_until(Instant::now()));
        let mut looks = interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut may_come = true;
        while may_come || self.is_holding() {
            let lingering = &mut self.lingering;
            tokio::select! {
                turned = self.sockets.turn(|sockets, key, event| {
                    lingering.extend(handle(sockets, key, event));
                }) => turned?,
                () = self.shard.listed() => {}
                came = coming.recv_many(&mut newcomers, NEWCOMERS_MAX), if may_come => {
                    may_come = came > 0;
                    newcomers.drain(..).for_each(|newcomer| self.insert(newcomer));
                }
                () = hello_alarm.as_mut(), if !self.hellos.is_empty() => {
                    let next = self.handle_hello_deadlines(Instant::now());
                    hello_alarm.as_mut().reset(next);
                }
                Some(answer) = asked.recv() => {
                    // Whoever asked may have gone.
                    let _ = answer.send(self.sockets.sockets().unsent_bytes());
                }
                _ = looks.tick(), if !self.share.is_alone() => {
                    let held = self.sockets.sockets().len();
                    self.relief = self.share.tell(self.meter.read(), held);
                }
                () = drain.begun(), if !self.is_draining => {
                    self.is_draining = true;
                    let keys: Vec<_> = self.sockets.sockets().iter().map(|(key, _)| key).collect();
                    keys.into_iter().for_each(|key| self.see_off(key));
                }
            }
            let are_more = self.give_some();
            self.bid_farewell();
            if are_more {
                yield_now().await; // others come first
            }
            self.lingering.truncate(self.sockets.sockets().lingering());
        }
        Ok(())
    }

    fn is_holding(&mut self) -> bool {
        let sockets = self.sockets.sockets();
        !sockets.is_empty() || sockets.lingering() > 0
    }

    fn insert(&mut self, newcomer: Newcomer) {
        let says_hello = matches!(newcomer, Newcomer::Opened(..));
        let inserted = match newcomer {
            Newcomer::Opened(websocket, session) => self.sockets.insert(*websocket, session),
            Newcomer::Moved(socket, session) => self.sockets.sockets().attach(socket, session),
        };
        match inserted {
            Ok(key) => {
                self.list(key);
                if says_hello {
                    self.hellos.push_back((Instant::now() + HELLO_WITHIN, key));
                }
                if self.is_draining {
                    self.see_off(key);
                }
            }
            Err(error) => tracing::warn!(%error, "cannot hold a WebSocket"),
        }
    }

    fn list(&mut self, key: Key) {
        if let Some(mut socket) = self.sockets.sockets().get_mut(key) {
            socket.peer().link.list_as(key.to_bits());
        }
    }

    /// Sends a socket and its session to another shard, if nothing of either is under way. Whether there is
    /// room for more.
    fn send_away(&mut self, key: Key, to: usize) -> bool {
        let Some((socket, mut peer)) = self.sockets.sockets().detach(key) else {
            return true;
        };
        let Some(session) = peer.link.leave() else {
            match self.sockets.sockets().attach(socket, peer) {
                Ok(key) => self.list(key),
                Err(error) => tracing::warn!(%error, "cannot hold a WebSocket"),
            }
            return true;
        };
        let moved = Box::new(Moved {
            socket,
            session,
            format: peer.format,
            compression: peer.compression,
            greets_guests: peer.greets_guests,
        });
        let Err(moved) = self.share.send_away(to, moved) else {
            return true;
        };
        let share = self.share.clone();
        tokio::task::spawn_local(async move { share.take_back(moved).await });
        false
    }

    /// Gives some of those who were listed, or have written everything, what there is; whether more are
    /// listed.
    ///
    /// First they are all looked at and then all written to, so that what we need is not driven from the
    /// caches by what the kernel needs; and therefore only some of them.
    fn give_some(&mut self) -> bool {
        let Self {
            sockets,
            shard,
            counts,
            listed,
            written,
            giver,
            frames,
            runs,
            writes,
            relief,
            leaving,
            ..
        } = self;
        let held = sockets.sockets();
        held.take_written(written);
        let are_more = shard.give_listed(GIVEN_AT_A_TIME, ROOM, listed, |token, stretch| {
            let key = Key::from_bits(token);
            let Some(mut socket) = held.get_mut(key) else {
                return false;
            };
            if !has_room(&mut socket) {
                return false;
            }
            if stretch.has_more() {
                socket.tell_when_written();
            }
            let terms = socket.peer().terms();
            let run = giver.frames(terms, stretch.events());
            writes.push((key, put(run, runs)));
            true
        });
        for key in listed
            .drain(..)
            .map(Key::from_bits)
            .chain(written.drain(..))
        {
            if let Some(socket) = held.get_mut(key)
                && let Some(run) = give(socket, giver, frames)
            {
                writes.push((key, put(&run, runs)));
            }
        }
        for (key, run) in writes.drain(..) {
            if let Some(mut socket) = held.get_mut(key) {
                // It fails when the connection is closing already.
                let _ = socket.write_encoded(&runs[run]);
            }
            if let Some(relief) = relief
                && leaving.len() < relief.sockets
            {
                leaving.push(key);
            }
        }
        runs.clear();
        giver.count(counts);
        sockets.flush();
        if let Some(relief) = relief {
            relief.sockets -= leaving.len();
            let to = relief.to;
            let mut leaving = std::mem::take(leaving);
            leaving.drain(..).all(|key| self.send_away(key, to));
            self.leaving = leaving;
        }
        are_more
    }

    /// Ends the time of those who came long enough ago; when to look again.
    fn handle_hello_deadlines(&mut self, now: Instant) -> Instant {
        while let Some((deadline, key)) = self.hellos.front().copied() {
            if deadline > now {
                return deadline;
            }
            self.hellos.pop_front();
            if self.hellos.is_empty() {
                self.hellos.shrink_to_fit(); // thousands may have come at once
            }
            if let Some(mut socket) = self.sockets.sockets().get_mut(key)
                && let Some(end) = socket.peer().handle_hello_deadline()
            {
                // It fails when the connection is closing already.
                let _ = socket.close(frames::close(end));
            }
        }
        now
    }

    /// Hears a client no longer, for the server ends.
    fn see_off(&mut self, key: Key) {
        if let Some(mut socket) = self.sockets.sockets().get_mut(key) {
            socket.peer().leave();
            self.owed.push(key);
        }
    }

    /// Tells those whose commands have all been answered when to come back, and closes them.
    fn bid_farewell(&mut self) {
        let sockets = self.sockets.sockets();
        self.owed.retain(|key| {
            let Some(mut socket) = sockets.get_mut(*key) else {
                return false;
            };
            let Some((reconnect, end)) = socket.peer().farewell::<WebSocketFrames>(&self.drain)
            else {
                return true;
            };
            // Either fails when the connection is closing already.
            let _ = socket.send_encoded(&reconnect);
            let _ = socket.close(frames::close(end));
            false
        });
    }
}

/// Takes what came; the permit of a connection whose end was told.
fn handle(
    sockets: &mut event_loop::Sockets<Session>,
    key: Key,
    event: Result<Event<'_>, Error>,
) -> Option<Rc<Permit>> {
    let (code, is_silent) = match event {
        Ok(Event::Close(close)) => (close.code, false),
        Ok(event) => {
            // After our Close nothing is heard any more.
            let socket = sockets.get_mut(key).filter(Socket::is_open);
            if let Some(mut socket) = socket {
                frames::hear(socket.peer(), &event);
            }
            return None;
        }
        Err(error) => {
            tracing::debug!(%error, "a WebSocket connection failed");
            (CloseCode::ABNORMAL, is_in_vain(&error))
        }
    };
    let mut socket = sockets.get_mut(key)?;
    if is_silent || socket.was_silent() {
        socket.peer().counted.closed(Code::Idle);
    }
    let session = sockets.remove(key)?;
    Some(session.end(frames::parting(code)))
}

/// Whether a client has taken everything that it was given before; it comes again when it has.
fn has_room(socket: &mut Socket<'_, Session>) -> bool {
    if !socket.is_open() {
        return false;
    }
    if socket.unsent_bytes() > 0 {
        socket.tell_when_written();
        return false;
    }
    true
}

/// The place of `run` among `runs`. Neighbours mostly are given the same.
fn put(run: &Bytes, runs: &mut Vec<Bytes>) -> usize {
    let is_last = |last: &Bytes| (last.as_ptr(), last.len()) == (run.as_ptr(), run.len());
    if !runs.last().is_some_and(is_last) {
        runs.push(run.clone());
    }
    runs.len() - 1
}

/// Gives a client what there is, if it has room; what is to be written to it when all have been looked at.
fn give(
    mut socket: Socket<'_, Session>,
    giver: &mut Giver<WebSocketFrames>,
    given: &mut Vec<Bytes>,
) -> Option<Bytes> {
    if !has_room(&mut socket) {
        return None;
    }
    let end = socket.peer().poll(ROOM, giver, given);
    if end.is_none() && socket.peer().link.has_more() {
        socket.tell_when_written();
    }
    if end.is_none() && given.len() <= 1 {
        return given.pop();
    }
    // An open server's socket, in no fragmented message, takes whole frames and a Close.
    for frames in given.drain(..) {
        let _ = socket.send_encoded(&frames);
    }
    if let Some(end) = end {
        let _ = socket.close(frames::close(end));
    }
    None
}
