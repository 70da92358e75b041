//! Futures that are dropped at every point where they wait: nothing is lost and nothing comes
//! twice.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{join, poll_immediate};
use tidings_websocket::frame::Opcode;
use tidings_websocket::handshake::{client, server};
use tidings_websocket::tokio::{self as adapter, Error, Options, WebSocket};
use tidings_websocket::{Close, CloseCode, Event, Fault, Fragment, MessageKind, Received};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use crate::support::{Drip, close, from_client, in_time, text};

/// Polls a future once and drops it, again and again with a new one, until one is ready.
macro_rules! dropped_until_ready {
    ($future:expr) => {
        dropped_until_ready!($future, polls = 0)
    };
    ($future:expr, polls = $polls:expr) => {{
        let mut polls = $polls;
        loop {
            if let Some(outcome) = poll_immediate($future).await {
                break outcome;
            }
            tokio::task::yield_now().await;
            polls += 1;
            assert!(polls < 100_000, "it never gets ready");
        }
    }};
}

fn incoming() -> Vec<u8> {
    [
        text("first"),
        from_client(true, Opcode::Ping, b"ping"),
        from_client(false, Opcode::Binary, &[7; 200]),
        from_client(true, Opcode::Continuation, &[8; 200]),
        close(),
    ]
    .concat()
}

fn events() -> Vec<Event<'static>> {
    vec![
        Event::from("first"),
        Event::Ping(b"ping".as_slice().into()),
        Event::from([[7; 200], [8; 200]].concat()),
        Event::Close(Close::new(CloseCode::NORMAL, "")),
    ]
}

/// The pong, and the answer to the Close.
const ANSWERS: &[u8] = b"\x8a\x04ping\x88\x02\x03\xe8";

#[tokio::test]
async fn recv_loses_nothing() {
    let stream = Drip::new(incoming());
    let mut websocket = WebSocket::server(stream, Vec::new(), Options::default());
    let mut received = Vec::new();
    while let Some(event) = dropped_until_ready!(websocket.recv()).unwrap() {
        received.push(event);
    }
    assert_eq!(received, events());
    assert_eq!(websocket.stream().written, ANSWERS);
    assert!(websocket.stream().is_shut_down);
}

#[tokio::test]
async fn recv_batch_loses_nothing() {
    let stream = Drip::new(incoming());
    let mut websocket = WebSocket::server(stream, Vec::new(), Options::default());
    let mut received = Vec::new();
    loop {
        let batch = dropped_until_ready!(async {
            let batch = websocket.recv_batch().await.unwrap();
            batch.map(|batch| batch.map(Event::into_owned).collect::<Vec<_>>())
        });
        match batch {
            Some(batch) => received.extend(batch),
            None => break,
        }
    }
    assert_eq!(received, events());
    assert_eq!(websocket.stream().written, ANSWERS);
    assert!(websocket.stream().is_shut_down);
}

#[tokio::test]
async fn a_fault_is_told_once_and_to_both() {
    let stream = Drip::new([text("first"), b"\xff\xff".to_vec()].concat());
    let mut websocket = WebSocket::server(stream, Vec::new(), Options::default());
    let first = dropped_until_ready!(websocket.recv());
    assert_eq!(first.unwrap(), Some(Event::from("first")));
    let fault = dropped_until_ready!(websocket.recv());
    assert!(matches!(fault, Err(Error::Fault(Fault::ReservedBits))));
    assert_eq!(dropped_until_ready!(websocket.recv()).unwrap(), None);
    let stream = websocket.stream();
    assert_eq!(stream.written[..2], [0x88, stream.written.len() as u8 - 2]);
    assert!(stream.is_shut_down);
}

#[tokio::test]
async fn flush_goes_on_where_it_was() {
    let mut websocket = WebSocket::server(Drip::default(), Vec::new(), Options::default());
    for word in ["one", "two"] {
        websocket.feed(word).unwrap();
    }
    dropped_until_ready!(websocket.flush()).unwrap();
    assert_eq!(websocket.stream().written, b"\x81\x03one\x81\x03two");
}

#[tokio::test]
async fn send_sends_once_when_it_was_polled() {
    for polls in 1.. {
        let mut websocket = WebSocket::server(Drip::default(), Vec::new(), Options::default());
        let ready = {
            let mut sending = std::pin::pin!(websocket.send("word"));
            let mut ready = false;
            for _ in 0..polls {
                ready = poll_immediate(sending.as_mut()).await.is_some();
            }
            ready
        };
        websocket.flush().await.unwrap();
        assert_eq!(websocket.stream().written, b"\x81\x04word", "{polls} polls");
        if ready {
            break;
        }
        assert!(polls < 1000);
    }
}

#[tokio::test]
async fn close_goes_on_where_it_was() {
    let stream = Drip::new([text("late"), close()].concat());
    let mut websocket = WebSocket::server(stream, Vec::new(), Options::default());
    let answer = dropped_until_ready!(websocket.close(
        Close::new(CloseCode::GOING_AWAY, ""),
        Duration::from_secs(10)
    ));
    assert_eq!(answer.unwrap().code, CloseCode::NORMAL);
    assert_eq!(websocket.stream().written, b"\x88\x02\x03\xe9");
    assert!(websocket.stream().is_shut_down);
}

#[tokio::test]
async fn recv_goes_on_where_close_was() {
    for polls in 1.. {
        let stream = Drip::new([text("late"), close()].concat());
        let mut websocket = WebSocket::server(stream, Vec::new(), Options::default());
        {
            let goodbye = Close::new(CloseCode::GOING_AWAY, "");
            let mut closing = std::pin::pin!(websocket.close(goodbye, Duration::from_secs(10)));
            for _ in 0..polls {
                if poll_immediate(closing.as_mut()).await.is_some() {
                    assert!(polls > 5, "it waited at {polls} points");
                    return;
                }
            }
        }
        let mut last = None;
        while let Some(event) = websocket.recv().await.unwrap() {
            last = Some(event);
        }
        assert_eq!(last, Some(Event::Close(Close::new(CloseCode::NORMAL, ""))));
        assert_eq!(websocket.stream().written, b"\x88\x02\x03\xe9");
    }
}

#[tokio::test]
async fn recv_piece_loses_nothing() {
    let stream = Drip::new(incoming());
    let mut websocket = WebSocket::server(stream, Vec::new(), Options::default());
    let mut messages = vec![Vec::new()];
    let mut events = Vec::new();
    loop {
        let received = dropped_until_ready!(async {
            let received = websocket.recv_piece().await.unwrap();
            received.map(Received::into_owned)
        });
        match received {
            Some(Received::Piece(piece)) => {
                messages
                    .last_mut()
                    .unwrap()
                    .extend_from_slice(&piece.payload);
                if piece.fragment == Fragment::Last {
                    messages.push(Vec::new());
                }
            }
            Some(Received::Event(event)) => events.push(event),
            None => break,
        }
    }
    assert_eq!(messages[0], b"first");
    assert_eq!(messages[1], [[7; 200], [8; 200]].concat());
    let goodbye = Event::Close(Close::new(CloseCode::NORMAL, ""));
    assert_eq!(events, [Event::Ping(b"ping".as_slice().into()), goodbye]);
    assert_eq!(websocket.stream().written, ANSWERS);
}

#[tokio::test]
async fn send_fragment_sends_once_when_it_was_polled() {
    for polls in 1.. {
        let mut websocket = WebSocket::server(Drip::default(), Vec::new(), Options::default());
        let ready = {
            let sending = websocket.send_fragment(MessageKind::Text, b"word", Fragment::More);
            let mut sending = std::pin::pin!(sending);
            let mut ready = false;
            for _ in 0..polls {
                ready = poll_immediate(sending.as_mut()).await.is_some();
            }
            ready
        };
        websocket.flush().await.unwrap();
        assert_eq!(websocket.stream().written, b"\x01\x04word", "{polls} polls");
        if ready {
            break;
        }
        assert!(polls < 1000);
    }
}

/// Polls a handshake so many times and drops it; gives whether it was done.
async fn handshake_is_done(handshake: impl Future, polls: usize) -> bool {
    let mut handshake = std::pin::pin!(handshake);
    for _ in 0..polls {
        if poll_immediate(handshake.as_mut()).await.is_some() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

#[tokio::test]
async fn a_handshake_that_is_dropped_anywhere_ends_the_stream() {
    let uri = "ws://example.org/".parse().unwrap();
    let offers = (server::Options::default(), client::Options::default());
    for polls in 1.. {
        let (ours, mut theirs) = duplex(1 << 16);
        theirs.write_all(REQUEST.as_bytes()).await.unwrap();
        let accepting = adapter::accept(ours, &offers.0, Options::default());
        let accepted = handshake_is_done(accepting, polls).await;
        let mut answer = Vec::new();
        in_time(theirs.read_to_end(&mut answer)).await.unwrap();
        if accepted {
            assert!(answer.starts_with(b"HTTP/1.1 101 "));
            break;
        }
    }
    for polls in 1..5 {
        let (ours, mut theirs) = duplex(16);
        let opening = adapter::open(ours, &uri, &offers.1, Options::default());
        let (opened, ended) = join(
            handshake_is_done(opening, polls),
            in_time(theirs.read_to_end(&mut Vec::new())).map(|read| read.is_ok()),
        )
        .await;
        assert!(!opened && ended, "{polls} polls");
    }
}

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
