//! One accepted connection, within bounds: requests that are answered, and now and then an answer that
//! waits.

use std::cell::RefCell;
use std::future::{poll_fn, ready};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use socket2::{SockRef, TcpKeepalive};
use tidings_websocket::tokio::MaybeTls;
use tidings_wire::Code;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::http::head::Manner;
use crate::http::{Doors, problem};
use crate::http2;
use crate::metrics::Counts;
use crate::places::{Place, Places};
use crate::quic::Arrival;
use crate::requests::{Coming, Requests, Spoken};
use crate::socket::{Socket, Stream};
use crate::tls::redirect::{self, Target};
use crate::tls::{Greeted, Protocol, Tls};

/// A connection that was accepted, on its way to the shard that carries it.
pub(crate) enum Accepted {
    Tcp(std::net::TcpStream),
    Quic(Box<Arrival>),
}

/// How connections are carried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionLimits {
    /// Connections at a time in this process.
    pub(crate) connections: usize,
    /// The head of a request, in bytes.
    pub(crate) head_bytes: usize,
    /// How long a head may take, and how long a connection may wait for the next one.
    pub(crate) head_within: Duration,
    /// How long what was written may stay unacknowledged, a reader not read, or a question of the kernel's
    /// without an answer, before the kernel gives the connection up.
    pub(crate) unsent_within: Duration,
    /// After how long a silence the kernel asks whether the client's is there, and after how long it asks again.
    /// On a connection of HTTP/2 the client itself is asked as well, and gone when it has not answered by
    /// `unsent_within`.
    pub(crate) asks_after: (Duration, Duration),
}

/// What a connection holds in the kernel that was not sent yet, in bytes; what was sent and is on its way
/// comes on top. The kernel's own bound is some megabytes, so that a thousand readers that do not read
/// would hold gigabytes of what is in the log anyway. A reader that does read is given the next piece when
/// half of this is sent.
const KERNEL_UNSENT_BYTES_MAX: u32 = 128 << 10;

/// Counts a connection for as long as it lives, whatever it has become.
pub(crate) struct Permit {
    counts: Arc<Counts>,
    /// Its place among those that can be spared. In a box, for those that have none are more.
    spared: RefCell<Option<Box<Place>>>,
    /// The shard ends when the last one is gone.
    _alive: mpsc::Sender<()>,
}

impl Permit {
    /// One more connection, which can be spared until it is settled. Where that is one more than `max`, the one makes
    /// room that could be `spared` longest; `None` if there is none.
    pub(crate) fn take(
        counts: &Arc<Counts>,
        alive: &mpsc::Sender<()>,
        spared: &Places,
        max: usize,
    ) -> Option<Rc<Self>> {
        let connections = counts.connection_opened();
        let permit = Rc::new(Self {
            counts: counts.clone(),
            spared: RefCell::default(),
            _alive: alive.clone(),
        });
        if connections > max {
            counts.connection_over_limit();
            if !spared.make_room() {
                counts.refused(Code::Busy);
                return None;
            }
        }
        permit.unsettle(spared);
        Some(permit)
    }

    /// For a connection that another shard has had a permit for.
    pub(crate) fn take_over(counts: &Arc<Counts>, alive: mpsc::Sender<()>) -> Rc<Self> {
        counts.connection_taken_over();
        Rc::new(Self {
            counts: counts.clone(),
            spared: RefCell::default(),
            _alive: alive,
        })
    }

    /// The connection carries an answer that goes on, and cannot be spared.
    pub(crate) fn settle(&self) {
        self.spared.take();
    }

    /// The connection has had its last answer, and waits for who knows what: from now on it can be spared.
    pub(crate) fn unsettle(&self, spared: &Places) {
        self.spared.replace(Some(Box::new(spared.take())));
    }

    /// Whether it cannot be spared.
    pub(crate) fn is_settled(&self) -> bool {
        self.spared.borrow().is_none()
    }

    /// Ready when it has to make room.
    fn poll_lost(&self, context: &mut Context<'_>) -> Poll<()> {
        match &mut *self.spared.borrow_mut() {
            Some(place) => place.poll_unpin(context),
            None => Poll::Pending,
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.counts.connection_closed();
    }
}

/// Carries a connection in a task of its own until it ends, or has to make room.
pub(crate) fn spawn_kept(permit: Rc<Permit>, carrying: impl Future<Output = ()> + 'static) {
    // In a box, for a task would hold it twice: as it came and as it runs.
    let mut carrying = Box::pin(carrying);
    tokio::task::spawn_local(poll_fn(move |context| {
        if carrying.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        // Behind it, for its place may be another by now.
        permit.poll_lost(context).map(|()| {
            tracing::debug!("a connection has made room for another");
        })
    }));
}

/// Has a connection carried until it ends.
pub(crate) fn spawn(stream: TcpStream, requests: Rc<Requests>, permit: Rc<Permit>) {
    tune(&stream, &requests.limits);
    match requests.doors.app.tls.clone() {
        None => {
            let serving = serve(MaybeTls::Plain(stream), requests, permit.clone());
            spawn_kept(permit, serving);
        }
        Some(tls) => {
            let greeting = greet(stream, tls, requests, permit.clone());
            spawn_kept(permit, greeting);
        }
    }
}

/// Sets what the kernel does for a connection.
fn tune(stream: &TcpStream, limits: &ConnectionLimits) {
    // What is written is whole: waiting in the kernel for more only costs time.
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_user_timeout(Some(limits.unsent_within));
    let _ = socket.set_tcp_notsent_lowat(KERNEL_UNSENT_BYTES_MAX);
    let _ = socket.set_tcp_keepalive(&keepalive(limits.asks_after));
}

/// Greets a connection on a port with TLS, and has it carried in a task that keeps nothing of that.
async fn greet(stream: TcpStream, tls: Arc<Tls>, requests: Rc<Requests>, permit: Rc<Permit>) {
    let Doors { app, counts, .. } = &requests.doors;
    let greeted = tokio::select! {
        greeted = tls.greet(stream, counts) => greeted,
        // What is not open yet is opened to the next process.
        () = app.drain.begun() => return,
    };
    match greeted {
        Ok(Greeted::Secure(stream, Protocol::Http2 | Protocol::Http1)) => {
            spawn_kept(permit.clone(), serve(stream, requests, permit));
        }
        Ok(Greeted::Secure(_, Protocol::Challenge)) => {}
        Ok(Greeted::Plain(stream)) => {
            if let Err(error) = redirect::answer(stream, Target::SamePort).await {
                tracing::debug!(%error, "a connection without TLS failed");
            }
        }
        Err(error) => tracing::debug!(%error, "a TLS handshake failed"),
    }
}

/// Carries a connection until it ends. Which HTTP it speaks its first bytes say.
fn serve(stream: Stream, requests: Rc<Requests>, permit: Rc<Permit>) -> impl Future<Output = ()> {
    let begin = requests.clone().begin(Socket::new(stream));
    // Whatever the connection does is in a box of its own, so that who waits keeps nothing of who reads.
    async move {
        let mut coming = match begin.await {
            Some((socket, Spoken::Http2)) => return http2::serve(socket, requests, permit).await,
            // It has come already.
            Some((socket, Spoken::Http1)) => Box::pin(ready(Some(socket))) as Coming,
            None => return,
        };
        while let Some(socket) = coming.await {
            let Some(parked) = requests.clone().read(socket, permit.clone()).await else {
                return;
            };
            coming = match parked.await {
                Ok(Some(socket)) => {
                    permit.unsettle(&requests.doors.app.spared);
                    requests.clone().wait(socket)
                }
                Ok(None) => return,
                Err(error) => return tracing::debug!(%error, "a connection failed"),
            };
        }
    }
}

/// Has the kernel ask a silent client's: where an answer waits nothing is written, and so nothing is missed when
/// the way has gone dark. It asks by whole seconds, and gives up as it does for what was written.
fn keepalive((first, again): (Duration, Duration)) -> TcpKeepalive {
    let seconds = |span: Duration| Duration::from_secs(span.as_millis().div_ceil(1000) as u64);
    TcpKeepalive::new()
        .with_time(seconds(first))
        .with_interval(seconds(again))
}

/// Tells a connection that it is one too many, without reading what it wants.
pub(crate) async fn turn_away(stream: TcpStream, tls: Option<Arc<Tls>>, counts: Arc<Counts>) {
    let refusal = problem::refusal(
        Code::Busy,
        "the server has all the connections that it may have (limits.connections)",
    );
    let answer = move || problem::answer(&refusal);
    let (head, body) = Manner::unheard().whole(answer());
    let _ = timeout(TURN_AWAY_WITHIN, async {
        let mut stream = match tls {
            None => MaybeTls::Plain(stream),
            Some(tls) => match tls.greet(stream, &counts).await? {
                Greeted::Secure(stream, Protocol::Http1) => stream,
                Greeted::Secure(stream, Protocol::Http2) => {
                    return http2::turn_away(stream, answer).await;
                }
                Greeted::Secure(_, Protocol::Challenge) => return Ok(()),
                Greeted::Plain(stream) => MaybeTls::Plain(stream),
            },
        };
        stream.write_all(&head).await?;
        stream.write_all(&body).await?;
        stream.shutdown().await?;
        // A socket closed with bytes unread is reset, and the client would never see the answer.
        let mut unread = [0; 1024];
        while stream.read(&mut unread).await? > 0 {}
        io::Result::Ok(())
    })
    .await;
}

/// How long somebody who is turned away is listened to.
const TURN_AWAY_WITHIN: Duration = Duration::from_secs(1);
