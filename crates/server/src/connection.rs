//! One accepted connection, within bounds: requests that are answered, and now and then an answer that
//! waits.

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tidings_websocket::tokio::MaybeTls;
use tidings_wire::Code;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::http::head::Manner;
use crate::http::problem;
use crate::metrics::Counts;
use crate::requests::Requests;
use crate::socket::Socket;

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
    /// The shard ends when the last one is gone.
    _alive: mpsc::Sender<()>,
}

impl Permit {
    /// One more connection; `None` if that is one more than `max`.
    pub(crate) fn take(
        counts: &Arc<Counts>,
        alive: &mpsc::Sender<()>,
        max: usize,
    ) -> Option<Rc<Self>> {
        let connections = counts.connection_opened();
        let permit = Rc::new(Self {
            counts: counts.clone(),
            _alive: alive.clone(),
        });
        if connections > max {
            counts.connection_refused();
            return None;
        }
        Some(permit)
    }

    /// For a connection that another shard has had a permit for.
    pub(crate) fn take_over(counts: &Arc<Counts>, alive: mpsc::Sender<()>) -> Rc<Self> {
        counts.connection_taken_over();
        Rc::new(Self {
            counts: counts.clone(),
            _alive: alive,
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.counts.connection_closed();
    }
}

/// Carries one connection until it ends.
pub(crate) fn serve(
    stream: TcpStream,
    requests: Rc<Requests>,
    permit: Rc<Permit>,
) -> impl Future<Output = ()> {
    // What is written is whole: waiting in the kernel for more only costs time.
    let _ = stream.set_nodelay(true);
    let unsent_within = requests.limits.unsent_within;
    let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(unsent_within));
    let _ = SockRef::from(&stream).set_tcp_notsent_lowat(KERNEL_UNSENT_BYTES_MAX);
    let _ = SockRef::from(&stream).set_tcp_keepalive(&keepalive(requests.limits.asks_after));
    let mut coming = requests.clone().wait(Socket::new(MaybeTls::Plain(stream)));
    // Whatever the connection does is in a box of its own, so that who waits keeps nothing of who reads.
    async move {
        while let Some(socket) = coming.await {
            let Some(parked) = requests.clone().read(socket, permit.clone()).await else {
                return;
            };
            coming = match parked.await {
                Ok(Some(socket)) => requests.clone().wait(socket),
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
pub(crate) async fn turn_away(mut stream: TcpStream) {
    let refusal = problem::refusal(
        Code::Busy,
        "the server has all the connections that it may have (limits.connections)",
    );
    let response = problem::answer(&refusal);
    let (head, body) = Manner::unheard().whole(response);
    let _ = timeout(TURN_AWAY_WITHIN, async {
        stream.write_all(&head).await?;
        stream.write_all(&body).await?;
        stream.shutdown().await?;
        // A socket closed with bytes unread is reset, and the client would never see the answer.
        let mut unread = [0; 1024];
        while stream.read(&mut unread).await? > 0 {}
        std::io::Result::Ok(())
    })
    .await;
}

/// How long somebody who is turned away is listened to.
const TURN_AWAY_WITHIN: Duration = Duration::from_secs(1);
