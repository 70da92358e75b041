//! A failure to write does not hide what the peer has said.

use std::io;

use futures_util::SinkExt;
use tidings_websocket::tokio::{Error, Options, WebSocket};
use tidings_websocket::{Close, CloseCode, Event, SendError};
use tokio::io::{AsyncWriteExt as _, duplex};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{close, in_time, pair, text};

#[tokio::test]
async fn messages_and_the_close_come_though_nothing_can_be_written() {
    let (mut websocket, mut theirs) = pair(1 << 16);
    theirs
        .write_all(&[text("one"), text("two"), close()].concat())
        .await
        .unwrap();
    drop(theirs);
    websocket.feed("lost").unwrap();
    for expected in ["one", "two"] {
        assert_eq!(
            in_time(websocket.recv()).await.unwrap(),
            Some(Event::from(expected))
        );
    }
    let last = in_time(websocket.recv()).await.unwrap();
    assert_eq!(last, Some(Event::Close(Close::new(CloseCode::NORMAL, ""))));
    assert_eq!(in_time(websocket.recv()).await.unwrap(), None);
}

#[tokio::test]
async fn without_a_close_the_failure_comes_after_the_messages() {
    let (mut websocket, mut theirs) = pair(1 << 16);
    theirs.write_all(&text("one")).await.unwrap();
    drop(theirs);
    websocket.feed("lost").unwrap();
    assert_eq!(
        in_time(websocket.recv()).await.unwrap(),
        Some(Event::from("one"))
    );
    let Err(Error::Io(error)) = in_time(websocket.recv()).await else {
        panic!("the failure is told");
    };
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(in_time(websocket.recv()).await.unwrap(), None);
    assert_eq!(websocket.feed("late"), Err(SendError::Closed));
}

#[tokio::test]
async fn a_failed_flush_is_told_and_what_the_peer_said_comes_all_the_same() {
    let (mut websocket, mut theirs) = pair(1 << 16);
    theirs
        .write_all(&[text("one"), close()].concat())
        .await
        .unwrap();
    drop(theirs);
    assert!(matches!(
        in_time(websocket.send("lost")).await,
        Err(Error::Io(_))
    ));
    assert!(in_time(websocket.flush()).await.is_err());
    assert!(in_time(SinkExt::flush(&mut websocket)).await.is_err());
    assert_eq!(websocket.unsent_bytes(), 0);
    assert_eq!(
        in_time(websocket.recv()).await.unwrap(),
        Some(Event::from("one"))
    );
    let last = in_time(websocket.recv()).await.unwrap();
    assert!(matches!(last, Some(Event::Close(_))));
}

#[tokio::test]
async fn the_reason_of_a_peer_that_reset_the_socket_is_read() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (ours, theirs) = tokio::join!(listener.accept(), TcpStream::connect(address));
    let (ours, mut theirs) = (ours.unwrap().0, theirs.unwrap());
    let mut websocket = WebSocket::server(ours, Vec::new(), Options::default());
    websocket.send("unread").await.unwrap();
    theirs.readable().await.unwrap();
    theirs
        .write_all(&[text("sorry"), close()].concat())
        .await
        .unwrap();
    drop(theirs); // with bytes unread, which resets the connection
    websocket.stream().readable().await.unwrap();
    // Sooner or later writing fails, and none of what was said is lost.
    let mut events = Vec::new();
    loop {
        let _ = websocket.feed("more");
        match in_time(websocket.recv()).await.unwrap() {
            Some(event) => events.push(event),
            None => break,
        }
    }
    let last = Event::Close(Close::new(CloseCode::NORMAL, ""));
    assert_eq!(events, [Event::from("sorry"), last]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_and_says_nothing_is_given_up() {
    struct NoWrites;
    let (ours, _theirs) = duplex(1 << 16);
    let (reader, _) = tokio::io::split(ours);
    let stream = tokio::io::join(reader, NoWrites);
    let mut websocket = WebSocket::server(stream, Vec::new(), Options::default());
    websocket.feed("lost").unwrap();
    let begin = tokio::time::Instant::now();
    assert!(matches!(websocket.recv().await, Err(Error::Io(_))));
    assert_eq!(begin.elapsed().as_secs(), 3);

    impl tokio::io::AsyncWrite for NoWrites {
        fn poll_write(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            _: &[u8],
        ) -> std::task::Poll<io::Result<usize>> {
            std::task::Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
        }

        fn poll_flush(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<io::Result<()>> {
            std::task::Poll::Ready(Ok(()))
        }

        fn poll_shutdown(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<io::Result<()>> {
            std::task::Poll::Ready(Ok(()))
        }
    }
}
