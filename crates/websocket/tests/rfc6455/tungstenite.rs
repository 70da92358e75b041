//! Another implementation at the other end: what we send it understands, and what we accept it
//! reads alike.

use std::io::{self, Cursor, Read, Write};

use futures_util::future::join;
use futures_util::{SinkExt, StreamExt};
use proptest::collection::vec;
use proptest::prelude::*;
use tidings_websocket::frame::Opcode;
use tidings_websocket::handshake::{client, server};
use tidings_websocket::tokio::{Options, accept, connect};
use tidings_websocket::{Close, CloseCode, Event};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocket, frame::CloseFrame};

use crate::support::{self, DEADLINE, from_client, in_time};

/// Around the borders of the three forms of length, and beyond one read.
const LENGTHS: [usize; 8] = [0, 1, 125, 126, 65_535, 65_536, 200_000, 1 << 20];

fn text(length: usize) -> String {
    "aé世🌍"
        .chars()
        .cycle()
        .scan(0, |bytes, character| {
            *bytes += character.len_utf8();
            (*bytes <= length).then_some(character)
        })
        .collect()
}

#[tokio::test]
async fn its_client_talks_with_our_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let ours = async {
        let stream = listener.accept().await.unwrap().0;
        let mut websocket = accept(stream, &server::Options::default(), Options::default())
            .await
            .unwrap()
            .websocket;
        let mut last = None;
        while let Some(event) = websocket.recv().await.unwrap() {
            match event {
                event if event.is_message() => websocket.feed(event).unwrap(),
                event => last = Some(event),
            }
        }
        last
    };
    let theirs = async {
        let (mut websocket, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
        for length in LENGTHS {
            for message in [
                Message::text(text(length)),
                Message::binary(vec![7; length]),
            ] {
                websocket.send(message.clone()).await.unwrap();
                assert!(
                    websocket.next().await.unwrap().unwrap() == message,
                    "{length} bytes"
                );
            }
        }
        websocket.send(Message::Ping("life?".into())).await.unwrap();
        assert_eq!(
            websocket.next().await.unwrap().unwrap(),
            Message::Pong("life?".into())
        );
        let frame = CloseFrame {
            code: 4001.into(),
            reason: "bye".into(),
        };
        websocket.close(Some(frame)).await.unwrap();
        let Some(Ok(Message::Close(Some(answer)))) = websocket.next().await else {
            panic!("no answer to the Close");
        };
        assert_eq!(u16::from(answer.code), 4001);
        assert!(websocket.next().await.is_none());
    };
    let (last, ()) = in_time(join(ours, theirs)).await;
    assert_eq!(
        last,
        Some(Event::Close(Close::new(
            CloseCode::application(4001),
            "bye"
        )))
    );
}

#[tokio::test]
async fn our_client_talks_with_its_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let theirs = async {
        let stream = listener.accept().await.unwrap().0;
        let mut websocket = tokio_tungstenite::accept_async(stream).await.unwrap();
        while let Some(Ok(message)) = websocket.next().await {
            if message.is_text() || message.is_binary() {
                websocket.send(message).await.unwrap();
            }
        }
    };
    let ours = async {
        let offer = client::Options::default();
        let mut websocket = connect(&url, &offer, Options::default())
            .await
            .unwrap()
            .websocket;
        for length in LENGTHS {
            for message in [Event::from(text(length)), Event::from(vec![7; length])] {
                websocket.send(message.clone()).await.unwrap();
                assert!(
                    websocket.recv().await.unwrap() == Some(message),
                    "{length} bytes"
                );
            }
        }
        websocket
            .send(Event::Ping(b"life?"[..].into()))
            .await
            .unwrap();
        assert_eq!(
            websocket.recv().await.unwrap(),
            Some(Event::Pong(b"life?"[..].into()))
        );
        let close = Close::new(CloseCode::application(4001), "bye");
        websocket.close(close, DEADLINE).await.unwrap()
    };
    let ((), answer) = in_time(join(theirs, ours)).await;
    assert_eq!(answer.code, CloseCode::application(4001));
}

/// A stream that is all there, and takes whatever is written.
struct Recorded(Cursor<Vec<u8>>);

impl Read for Recorded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Recorded {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What it reads in a client's bytes.
fn its_events(bytes: Vec<u8>) -> Vec<Event<'static>> {
    let mut websocket =
        WebSocket::from_raw_socket(Recorded(Cursor::new(bytes)), Role::Server, None);
    let mut events = Vec::new();
    while let Ok(message) = websocket.read() {
        events.push(match message {
            Message::Text(text) => Event::from(text.to_string()),
            Message::Binary(bytes) => Event::from(bytes.to_vec()),
            Message::Ping(bytes) => Event::Ping(bytes.to_vec().into()),
            Message::Pong(bytes) => Event::Pong(bytes.to_vec().into()),
            Message::Close(None) => Event::Close(Close::new(CloseCode::NO_STATUS, "")),
            Message::Close(Some(frame)) => {
                let code = CloseCode::new(frame.code.into()).expect("a code that we accepted");
                Event::Close(Close::new(code, frame.reason.to_string()))
            }
            Message::Frame(_) => unreachable!("raw frames are never read"),
        });
    }
    events
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    let opcode = prop::sample::select(vec![
        Opcode::Text,
        Opcode::Binary,
        Opcode::Continuation,
        Opcode::Ping,
        Opcode::Pong,
    ]);
    let payload = prop_oneof![
        "[a-zé世🌍]{0,20}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..10)
    ];
    (prop::bool::weighted(0.7), opcode, payload).prop_map(|(fin, opcode, payload)| {
        from_client(fin || opcode.is_control(), opcode, &payload)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_we_accept_it_reads_alike(
        frames in vec(frame(), 1..6),
        // It does not know 1014, which IANA lists.
        close in prop::option::of(prop_oneof![1000..1014u16, 1015..5000u16]),
    ) {
        let mut bytes = frames.concat();
        if let Some(code) = close {
            bytes.extend(from_client(true, Opcode::Close, &code.to_be_bytes()));
        }
        let received = support::receive(&mut support::server(), &bytes);
        let its = its_events(bytes);
        if received.fault.is_none() {
            prop_assert_eq!(received.events, its);
        } else {
            // Up to the fault we agree; it may notice a little later.
            prop_assert_eq!(&received.events[..], &its[..received.events.len()]);
        }
    }
}
