//! Messages too big to be held.

use std::time::Duration;

#[cfg(feature = "deflate")]
use tidings_websocket::deflate::Agreement;
use tidings_websocket::frame::Opcode;
use tidings_websocket::tokio::{Options, WebSocket};
use tidings_websocket::{Close, CloseCode, Config, Event, Fragment, MessageKind, Received};
#[cfg(feature = "deflate")]
use tidings_websocket::{Connection, Piece};
use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::timeout;

use crate::support::{close, from_client, in_time, pair, text};

const MIB: usize = 1 << 20;

fn unlimited() -> Options {
    let config = Config {
        frame_bytes_max: usize::MAX,
        message_bytes_max: usize::MAX,
        ..Config::default()
    };
    Options {
        config,
        ..Options::default()
    }
}

/// Sends a message of 64 MiB in fragments and gives how much was received, and in how many pieces.
async fn stream_64_mib() -> (usize, usize) {
    let (ours, theirs) = duplex(64 * 1024);
    let mut sender = WebSocket::client(ours, Vec::new(), unlimited());
    let mut receiver = WebSocket::server(theirs, Vec::new(), unlimited());
    let send = async {
        let chunk = vec![7; 64 * 1024];
        for left in (0..1024).rev() {
            let fragment = if left == 0 {
                Fragment::Last
            } else {
                Fragment::More
            };
            sender
                .send_fragment(MessageKind::Binary, &chunk, fragment)
                .await
                .unwrap();
            assert_eq!(sender.unsent_bytes(), 0);
        }
        sender
    };
    let receive = async {
        let (mut bytes, mut pieces) = (0, 0);
        loop {
            let Ok(Some(Received::Piece(piece))) = receiver.recv_piece().await else {
                panic!("a piece was expected");
            };
            assert!(piece.payload.iter().all(|byte| *byte == 7));
            (bytes, pieces) = (bytes + piece.payload.len(), pieces + 1);
            if piece.fragment == Fragment::Last {
                return (bytes, pieces);
            }
        }
    };
    tokio::join!(send, receive).1
}

#[test]
fn a_message_of_64_mib_passes_with_little_held_on_either_side() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut received = (0, 0);
    let allocated = allocation_counter::measure(|| {
        received = runtime.block_on(stream_64_mib());
    });
    assert_eq!(received.0, 64 * MIB);
    assert!(received.1 >= 1024, "{} pieces", received.1);
    // Both sides together, some 530 KiB: the pipe, the chunk, a buffer to read into and one to write
    // from, which doubles as it grows.
    assert!(
        allocated.bytes_max < 640 * 1024,
        "{} bytes were held at once",
        allocated.bytes_max
    );
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_busy_with_a_piece_holds_the_sender_up() {
    let (ours, theirs) = duplex(64 * 1024);
    let mut sender = WebSocket::client(ours, Vec::new(), unlimited());
    let mut receiver = WebSocket::server(theirs, Vec::new(), unlimited());
    let chunk = vec![7; 64 * 1024];
    let mut sent = 0;
    let send = async {
        loop {
            sender
                .send_fragment(MessageKind::Binary, &chunk, Fragment::More)
                .await
                .unwrap();
            sent += chunk.len();
        }
    };
    let receive = async {
        let piece = receiver.recv_piece().await.unwrap();
        assert!(piece.is_some());
        // Busy with it for good.
        std::future::pending::<()>().await;
    };
    let stuck = timeout(Duration::from_secs(1000), async {
        tokio::join!(send, receive)
    })
    .await;
    assert!(stuck.is_err());
    assert!(sent <= 3 * 64 * 1024, "{sent} bytes were sent");
}

#[tokio::test]
async fn pieces_come_as_they_are_and_control_frames_between_them() {
    let (mut websocket, mut theirs) = pair(MIB);
    let euro = "€".as_bytes();
    let bytes = [
        from_client(false, Opcode::Text, &euro[..1]),
        from_client(true, Opcode::Ping, b"still there?"),
        from_client(true, Opcode::Continuation, &euro[1..]),
        text("whole"),
        close(),
    ]
    .concat();
    theirs.write_all(&bytes).await.unwrap();
    let mut payload = Vec::new();
    let mut ends = Vec::new();
    let mut events = Vec::new();
    while let Some(received) = in_time(websocket.recv_piece()).await.unwrap() {
        match received {
            Received::Piece(piece) => {
                assert_eq!(piece.kind, MessageKind::Text);
                payload.extend_from_slice(&piece.payload);
                if piece.fragment == Fragment::Last {
                    ends.push(payload.len());
                }
            }
            Received::Event(event) => events.push(event.into_owned()),
        }
    }
    assert_eq!(payload, "€whole".as_bytes());
    assert_eq!(ends, [3, 8]);
    let ping = Event::Ping(b"still there?".as_slice().into());
    assert_eq!(
        events,
        [ping, Event::Close(Close::new(CloseCode::NORMAL, ""))]
    );
}

#[tokio::test]
async fn a_batch_brings_pieces_that_can_be_sent_on_at_once() {
    let (mut websocket, mut theirs) = pair(MIB);
    let bytes = [
        from_client(false, Opcode::Binary, b"one "),
        from_client(true, Opcode::Continuation, b"two"),
        close(),
    ]
    .concat();
    theirs.write_all(&bytes).await.unwrap();
    while let Some(mut batch) = in_time(websocket.recv_batch()).await.unwrap() {
        while let Some(received) = batch.next_piece() {
            if let Received::Piece(piece) = received {
                batch
                    .connection()
                    .send_fragment(piece.kind, &piece.payload, piece.fragment)
                    .unwrap();
            }
        }
    }
    drop(websocket);
    let mut echoed = Vec::new();
    in_time(tokio::io::AsyncReadExt::read_to_end(
        &mut theirs,
        &mut echoed,
    ))
    .await
    .unwrap();
    assert_eq!(echoed, b"\x02\x04one \x80\x03two\x88\x02\x03\xe8");
}

#[tokio::test]
async fn what_fragments_are_sent_is_one_message() {
    let (mut websocket, theirs) = pair(MIB);
    let mut client = WebSocket::client(theirs, Vec::new(), Options::default());
    for (word, fragment) in [("one ", Fragment::More), ("two", Fragment::Last)] {
        websocket
            .send_fragment(MessageKind::Text, word.as_bytes(), fragment)
            .await
            .unwrap();
    }
    assert_eq!(
        in_time(client.recv()).await.unwrap(),
        Some(Event::from("one two"))
    );
}

/// All of a compressed message is taken before everything has come out of it, and then nothing
/// follows: the peer waits for an answer.
#[cfg(feature = "deflate")]
#[tokio::test]
async fn a_compressed_message_comes_to_its_end_before_anything_follows() {
    for bytes in (1..5).map(|pieces| pieces * 16 * 1024) {
        for in_batches in [false, true] {
            let (ours, theirs) = duplex(MIB);
            let (mut client, mut server) = compressing(ours, theirs);
            client.send(vec![b'x'; bytes]).await.unwrap();
            let received = in_time(async {
                let mut received = 0;
                loop {
                    let mut count = |piece: Piece<'_>| {
                        received += piece.payload.len();
                        piece.fragment == Fragment::Last
                    };
                    if in_batches {
                        let mut batch = server.recv_batch().await.unwrap().unwrap();
                        while let Some(Received::Piece(piece)) = batch.next_piece() {
                            if count(piece) {
                                return received;
                            }
                        }
                    } else if let Some(Received::Piece(piece)) = server.recv_piece().await.unwrap()
                        && count(piece)
                    {
                        return received;
                    }
                }
            });
            assert_eq!(received.await, bytes, "in batches: {in_batches}");
            // The end of a message is not the end of the connection.
            client.send("next").await.unwrap();
            let next = in_time(server.recv()).await.unwrap();
            assert_eq!(next, Some(Event::from("next")));
        }
    }
}

/// Two ends that agreed on compression.
#[cfg(feature = "deflate")]
fn compressing(
    ours: DuplexStream,
    theirs: DuplexStream,
) -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
    let agreement = Agreement::default();
    let client = Connection::client(Config::default(), || [1, 2, 3, 4]).with_deflate(agreement);
    let server = Connection::server(Config::default()).with_deflate(agreement);
    let websocket = |stream, connection| {
        WebSocket::from_connection(stream, Vec::new(), connection, Options::default())
    };
    (websocket(ours, client), websocket(theirs, server))
}
