//! The tokio adapter: writes gathered, nothing lost, every wait bounded.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{join, poll_immediate};
use tidings_websocket::frame::Opcode;
use tidings_websocket::handshake::{client, server};
use tidings_websocket::tokio::{self as adapter, Error, HandshakeError, Options, WebSocket};
use tidings_websocket::{Close, CloseCode, Event, Fault, SendError};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use crate::support::{DEADLINE, from_client, from_server, in_time};

fn pair() -> (WebSocket<DuplexStream>, DuplexStream) {
    let (ours, theirs) = duplex(1 << 20);
    (
        WebSocket::server(ours, Vec::new(), Options::default()),
        theirs,
    )
}

async fn next(websocket: &mut WebSocket<impl AsyncRead + AsyncWrite + Unpin>) -> Event<'static> {
    in_time(websocket.recv()).await.unwrap().expect("an event")
}

/// Counts writes.
struct Counted<S> {
    stream: S,
    writes: usize,
}

impl<S> Counted<S> {
    fn new(stream: S) -> Self {
        Self { stream, writes: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writes += 1;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[tokio::test]
async fn all_frames_of_one_read_are_answered_in_one_write() {
    let (ours, mut theirs) = duplex(1 << 20);
    let mut websocket = WebSocket::server(Counted::new(ours), Vec::new(), Options::default());
    theirs
        .write_all(&from_client(true, Opcode::Text, b"hi").repeat(1000))
        .await
        .unwrap();
    for _ in 0..1000 {
        let event = next(&mut websocket).await;
        websocket.feed(event).unwrap();
    }
    assert_eq!(websocket.stream().writes, 0);
    assert!(poll_immediate(websocket.recv()).await.is_none());
    assert_eq!(websocket.stream().writes, 1);
    let mut echoed = vec![0; 4000];
    in_time(theirs.read_exact(&mut echoed)).await.unwrap();
    assert_eq!(echoed, from_server(true, Opcode::Text, b"hi").repeat(1000));
}

#[tokio::test]
async fn many_that_are_fed_go_out_in_one_write() {
    let (ours, _theirs) = duplex(1 << 20);
    let mut websocket = WebSocket::server(Counted::new(ours), Vec::new(), Options::default());
    for _ in 0..100 {
        websocket.feed("hi").unwrap();
    }
    assert_eq!(websocket.unsent_bytes(), 400);
    websocket.flush().await.unwrap();
    assert_eq!(
        (websocket.stream().writes, websocket.unsent_bytes()),
        (1, 0)
    );
}

#[tokio::test]
async fn a_recv_that_is_dropped_loses_nothing() {
    let (mut websocket, mut theirs) = pair();
    let bytes = [
        from_client(true, Opcode::Text, b"first"),
        from_client(true, Opcode::Binary, &[7; 300]),
    ]
    .concat();
    let mut events = Vec::new();
    for byte in bytes {
        theirs.write_all(&[byte]).await.unwrap();
        // The future is dropped after one poll.
        if let Some(event) = poll_immediate(websocket.recv()).await {
            events.push(event.unwrap().unwrap());
        }
    }
    assert_eq!(events, [Event::from("first"), Event::from(vec![7; 300])]);
}

#[tokio::test]
async fn bytes_read_before_the_upgrade_come_first() {
    let (ours, mut theirs) = duplex(1024);
    let mut websocket = WebSocket::server(
        ours,
        from_client(true, Opcode::Text, b"early"),
        Options::default(),
    );
    theirs
        .write_all(&from_client(true, Opcode::Text, b"late"))
        .await
        .unwrap();
    assert_eq!(next(&mut websocket).await, Event::from("early"));
    assert_eq!(next(&mut websocket).await, Event::from("late"));
}

#[tokio::test]
async fn received_bytes_are_counted_before_a_message_is_whole() {
    let (mut websocket, mut theirs) = pair();
    theirs
        .write_all(&from_client(true, Opcode::Text, b"hello")[..7])
        .await
        .unwrap();
    assert!(poll_immediate(websocket.recv()).await.is_none());
    assert_eq!(websocket.received_bytes(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_reads_is_not_read_from_without_end() {
    let (ours, mut theirs) = duplex(1000);
    let options = Options {
        unsent_bytes_max: 5000,
        ..Options::default()
    };
    let mut websocket = WebSocket::server(ours, Vec::new(), options);
    let echo = async {
        loop {
            let event = next(&mut websocket).await;
            websocket.feed(event).unwrap();
            // Room for one message beyond the limit.
            assert!(
                websocket.unsent_bytes() <= 5000 + 102,
                "{}",
                websocket.unsent_bytes()
            );
        }
    };
    let flood = async {
        let message = from_client(true, Opcode::Binary, &[0; 100]);
        let mut taken = 0;
        // Stuck for a second is stuck for good: nobody reads what is echoed.
        while timeout(Duration::from_secs(1), theirs.write_all(&message))
            .await
            .is_ok()
        {
            taken += 1;
            assert!(taken < 1000, "the flood goes on");
        }
        taken
    };
    let race = async {
        tokio::select! { taken = flood => taken, () = echo => 0 }
    };
    let taken = in_time(race).await;
    assert!(taken > 50, "{taken} messages were taken");
}

#[tokio::test]
async fn the_peers_close_is_answered_before_the_last_event() {
    let (mut websocket, mut theirs) = pair();
    theirs
        .write_all(&from_client(true, Opcode::Close, b"\x03\xe8bye"))
        .await
        .unwrap();
    assert_eq!(
        next(&mut websocket).await,
        Event::Close(Close::new(CloseCode::NORMAL, "bye"))
    );
    assert_eq!(in_time(websocket.recv()).await.unwrap(), None);
    drop(websocket);
    let mut answer = Vec::new();
    in_time(theirs.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(answer, b"\x88\x02\x03\xe8");
}

#[tokio::test]
async fn a_stream_that_ends_without_a_close_ends_with_1006() {
    let (mut websocket, theirs) = pair();
    drop(theirs);
    assert_eq!(next(&mut websocket).await, Event::Close(Close::abnormal()));
    assert_eq!(in_time(websocket.recv()).await.unwrap(), None);
}

#[tokio::test]
async fn nothing_is_sent_after_the_stream_failed() {
    let (mut websocket, theirs) = pair();
    websocket.feed("lost").unwrap();
    drop(theirs);
    assert!(matches!(in_time(websocket.recv()).await, Err(Error::Io(_))));
    assert!(!websocket.is_open());
    assert_eq!(websocket.feed("late"), Err(SendError::Closed));
    assert_eq!(in_time(websocket.recv()).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn close_gives_what_the_peer_answers() {
    let (mut websocket, mut theirs) = pair();
    let late = [
        from_client(true, Opcode::Text, b"late"),
        from_client(true, Opcode::Close, b"\x03\xe8"),
    ]
    .concat();
    theirs.write_all(&late).await.unwrap();
    let answer = in_time(websocket.close(Close::new(CloseCode::GOING_AWAY, ""), DEADLINE))
        .await
        .unwrap();
    assert_eq!(answer.code, CloseCode::NORMAL);
    let mut close = [0; 4];
    in_time(theirs.read_exact(&mut close)).await.unwrap();
    assert_eq!(&close, b"\x88\x02\x03\xe9");
    let again = in_time(websocket.close(Close::new(CloseCode::NORMAL, ""), DEADLINE)).await;
    assert!(matches!(again, Err(Error::Send(_))));
}

#[tokio::test(start_paused = true)]
async fn close_gives_up_on_a_silent_peer_at_the_deadline() {
    let (mut websocket, _theirs) = pair();
    let begin = Instant::now();
    let within = Duration::from_secs(2);
    let answer = in_time(websocket.close(Close::new(CloseCode::NORMAL, ""), within))
        .await
        .unwrap();
    assert_eq!(answer, Close::abnormal());
    assert_eq!(begin.elapsed().as_secs(), within.as_secs());
}

#[tokio::test(start_paused = true)]
async fn recv_gives_up_on_a_peer_that_does_not_answer_our_close() {
    let (mut websocket, _theirs) = pair();
    websocket.feed(Close::new(CloseCode::NORMAL, "")).unwrap();
    let begin = Instant::now();
    assert_eq!(next(&mut websocket).await, Event::Close(Close::abnormal()));
    assert_eq!(
        begin.elapsed().as_secs(),
        Options::default().keepalive.closing_within.as_secs()
    );
}

#[tokio::test(start_paused = true)]
async fn a_fault_is_told_even_to_a_peer_that_never_closes() {
    let (mut websocket, mut theirs) = pair();
    theirs.write_all(b"\xff\xff").await.unwrap();
    let begin = Instant::now();
    assert!(matches!(
        in_time(websocket.recv()).await,
        Err(Error::Fault(Fault::ReservedBits))
    ));
    assert_eq!(
        begin.elapsed().as_secs(),
        Options::default().keepalive.closing_within.as_secs()
    );
    assert_eq!(in_time(websocket.recv()).await.unwrap(), None);
    let mut close = [0; 4];
    in_time(theirs.read_exact(&mut close)).await.unwrap();
    assert_eq!(close[0], 0x88);
    assert_eq!(close[2..], 1002u16.to_be_bytes());
}

#[tokio::test]
async fn a_peer_that_is_still_sending_sees_why_it_failed() {
    let (ours, mut theirs) = tcp_pair().await;
    let mut websocket = WebSocket::server(ours, Vec::new(), Options::default());
    let talk = async {
        theirs.write_all(b"\xff\xff").await.unwrap();
        theirs.write_all(&vec![0; 4 << 20]).await.unwrap();
        let mut answer = Vec::new();
        theirs.shutdown().await.unwrap();
        // A reset instead of an end would lose the Close.
        in_time(theirs.read_to_end(&mut answer)).await.unwrap();
        answer
    };
    let (outcome, answer) = in_time(join(websocket.recv(), talk)).await;
    assert!(matches!(outcome, Err(Error::Fault(Fault::ReservedBits))));
    assert_eq!(answer[2..4], 1002u16.to_be_bytes());
}

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (accepted, connected) = tokio::join!(listener.accept(), TcpStream::connect(address));
    (accepted.unwrap().0, connected.unwrap())
}

// The handshake on a stream

async fn answer_to(request: &str) -> (Result<(), HandshakeError>, String) {
    let (ours, mut theirs) = duplex(1 << 20);
    theirs.write_all(request.as_bytes()).await.unwrap();
    theirs.shutdown().await.unwrap();
    let accepted = adapter::accept(ours, &server::Options::default(), Options::default())
        .await
        .map(drop);
    let mut answer = String::new();
    in_time(theirs.read_to_string(&mut answer)).await.unwrap();
    (accepted, answer)
}

#[tokio::test]
async fn a_plain_request_is_told_to_upgrade() {
    let (accepted, answer) = answer_to("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(matches!(
        accepted,
        Err(HandshakeError::Refused(server::Refusal::NoUpgrade))
    ));
    assert!(
        answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"),
        "{answer}"
    );
    assert!(
        answer.contains("\r\nconnection: Upgrade, close\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn what_is_not_http_is_told_so() {
    let (accepted, answer) = answer_to("\x16\x03\x01").await;
    assert!(matches!(accepted, Err(HandshakeError::Head(_))));
    assert!(
        answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
        "{answer}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_come_is_given_up() {
    let (ours, _theirs) = duplex(1024);
    let begin = Instant::now();
    let accepted = adapter::accept(ours, &server::Options::default(), Options::default()).await;
    assert!(matches!(accepted, Err(HandshakeError::TimedOut(_))));
    assert_eq!(
        begin.elapsed().as_secs(),
        Options::default().handshake_within.as_secs()
    );
}

#[tokio::test]
async fn client_and_server_agree_on_a_subprotocol_and_talk_at_once() {
    let (ours, theirs) = duplex(1 << 20);
    let uri = "ws://example.org/path".parse().unwrap();
    let wanted = client::Options {
        subprotocols: &["v1", "v2"],
        ..client::Options::default()
    };
    let serve = async {
        let spoken = server::Options {
            subprotocols: &["v2"],
            ..server::Options::default()
        };
        let mut accepted = adapter::accept(ours, &spoken, Options::default())
            .await
            .unwrap();
        accepted.websocket.send("welcome").await.unwrap();
        (
            accepted.subprotocol,
            accepted.request.uri().to_string(),
            accepted.websocket,
        )
    };
    let ask = async {
        let mut connected = adapter::open(theirs, &uri, &wanted, Options::default())
            .await
            .unwrap();
        (next(&mut connected.websocket).await, connected.subprotocol)
    };
    let ((chosen, path, _websocket), (event, agreed)) = in_time(join(serve, ask)).await;
    assert_eq!(
        (chosen.as_deref(), agreed.as_deref()),
        (Some("v2"), Some("v2"))
    );
    assert_eq!((path.as_str(), event), ("/path", Event::from("welcome")));
}

#[tokio::test]
async fn a_client_is_told_what_the_server_answered_instead() {
    let (ours, mut theirs) = duplex(1 << 20);
    theirs
        .write_all(b"HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer\r\n\r\n")
        .await
        .unwrap();
    let uri = "ws://example.org/".parse().unwrap();
    let opened = adapter::open(ours, &uri, &client::Options::default(), Options::default()).await;
    assert_eq!(
        opened.unwrap_err().status().map(|status| status.as_u16()),
        Some(401)
    );
}
