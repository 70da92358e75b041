//! `recv_batch`: every event of one read, borrowed.

use std::borrow::Cow;

use futures_util::future::poll_immediate;
use tidings_websocket::frame::Opcode;
use tidings_websocket::tokio::{Error, Options, WebSocket};
use tidings_websocket::{Close, CloseCode, Event, Fault, keepalive};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Endless, close, from_client, in_time, pair, pair_with, text};

#[tokio::test]
async fn a_batch_borrows_every_event_of_a_read_and_answers_in_one_write() {
    let (mut websocket, mut theirs) = pair(1 << 20);
    theirs.write_all(&text("hi").repeat(1000)).await.unwrap();
    let mut batch = in_time(websocket.recv_batch()).await.unwrap().unwrap();
    let mut events = 0;
    while let Some(event) = batch.next() {
        assert!(matches!(event, Event::Text(Cow::Borrowed("hi"))));
        batch.send(event).unwrap();
        events += 1;
    }
    assert_eq!(events, 1000);
    assert!(poll_immediate(websocket.recv_batch()).await.is_none());
    let mut echoed = vec![0; 4000];
    in_time(theirs.read_exact(&mut echoed)).await.unwrap();
    assert_eq!(echoed, b"\x81\x02hi".repeat(1000));
}

#[tokio::test]
async fn what_a_dropped_batch_left_comes_with_the_next() {
    let (mut websocket, mut theirs) = pair(1 << 20);
    let words = [text("one"), text("two"), text("three"), text("four")];
    theirs.write_all(&words.concat()).await.unwrap();
    let mut batch = in_time(websocket.recv_batch()).await.unwrap().unwrap();
    assert_eq!(batch.next(), Some(Event::from("one")));
    assert_eq!(
        in_time(websocket.recv()).await.unwrap(),
        Some(Event::from("two"))
    );
    let batch = in_time(websocket.recv_batch()).await.unwrap().unwrap();
    assert_eq!(
        batch.collect::<Vec<_>>(),
        [Event::from("three"), Event::from("four")]
    );
}

#[tokio::test]
async fn events_outlive_their_batch() {
    let (mut websocket, mut theirs) = pair(1 << 20);
    theirs
        .write_all(&[text("one"), text("two")].concat())
        .await
        .unwrap();
    let events: Vec<Event<'_>> = {
        let batch = in_time(websocket.recv_batch()).await.unwrap().unwrap();
        batch.collect()
    };
    assert_eq!(events, [Event::from("one"), Event::from("two")]);
}

#[tokio::test]
async fn the_peers_close_is_the_last_event_and_is_answered_before_the_end() {
    let (mut websocket, mut theirs) = pair(1 << 20);
    let bytes = [text("bye"), close(), text("ignored")].concat();
    theirs.write_all(&bytes).await.unwrap();
    let batch = in_time(websocket.recv_batch()).await.unwrap().unwrap();
    let goodbye = Event::Close(Close::new(CloseCode::NORMAL, ""));
    assert_eq!(batch.collect::<Vec<_>>(), [Event::from("bye"), goodbye]);
    assert!(in_time(websocket.recv_batch()).await.unwrap().is_none());
    assert!(in_time(websocket.recv()).await.unwrap().is_none());
    let mut answer = [0; 4];
    in_time(theirs.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"\x88\x02\x03\xe8");
}

#[tokio::test]
async fn a_stream_that_ends_without_a_close_is_a_batch_of_1006() {
    let (mut websocket, theirs) = pair(1 << 20);
    drop(theirs);
    let batch = in_time(websocket.recv_batch()).await.unwrap().unwrap();
    assert_eq!(batch.collect::<Vec<_>>(), [Event::Close(Close::abnormal())]);
    assert!(in_time(websocket.recv_batch()).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_fault_ends_the_batch_and_is_told_to_both() {
    let (mut websocket, mut theirs) = pair(1 << 20);
    let bytes = [text("good"), b"\xff\xff".to_vec(), text("never seen")].concat();
    theirs.write_all(&bytes).await.unwrap();
    let batch = in_time(websocket.recv_batch()).await.unwrap().unwrap();
    assert_eq!(batch.collect::<Vec<_>>(), [Event::from("good")]);
    assert!(matches!(
        in_time(websocket.recv_batch()).await,
        Err(Error::Fault(Fault::ReservedBits))
    ));
    assert!(in_time(websocket.recv_batch()).await.unwrap().is_none());
    let mut answer = [0; 4];
    in_time(theirs.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer[2..], 1002u16.to_be_bytes());
}

#[tokio::test]
async fn a_batch_ends_where_too_much_is_unsent_and_goes_on_when_the_peer_has_read() {
    let options = Options {
        unsent_bytes_max: 1000,
        ..Options::default()
    };
    let (mut websocket, mut theirs) = pair_with(1 << 16, options);
    theirs.write_all(&text("ask").repeat(50)).await.unwrap();
    let (mut events, mut batches) = (0, 0);
    while events < 50 {
        let mut batch = in_time(websocket.recv_batch()).await.unwrap().unwrap();
        batches += 1;
        while batch.next().is_some() {
            events += 1;
            batch.send(&[0; 300][..]).unwrap();
        }
        assert!(websocket.unsent_bytes() <= 1000 + 304);
    }
    assert!(batches >= 50 / 4, "{batches} batches");
}

#[tokio::test]
async fn a_message_in_pieces_makes_empty_batches_until_it_is_whole() {
    let (mut websocket, mut theirs) = pair(1 << 20);
    let frame = from_client(true, Opcode::Text, b"hello");
    theirs.write_all(&frame[..7]).await.unwrap();
    assert_eq!(
        in_time(websocket.recv_batch())
            .await
            .unwrap()
            .unwrap()
            .next(),
        None
    );
    assert!(poll_immediate(websocket.recv_batch()).await.is_none());
    theirs.write_all(&frame[7..]).await.unwrap();
    let batch = in_time(websocket.recv_batch()).await.unwrap().unwrap();
    assert_eq!(batch.collect::<Vec<_>>(), [Event::from("hello")]);
}

#[test]
fn a_thread_that_echoes_batches_allocates_nothing_once_it_is_warm() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let stream = Endless::new(&text("hello"));
    let options = Options {
        keepalive: keepalive::Options {
            ping_after: None, // a timer is made once
            ..keepalive::Options::default()
        },
        ..Options::default()
    };
    let mut websocket = runtime.block_on(async { WebSocket::server(stream, Vec::new(), options) });
    let mut echo = |batches| {
        runtime.block_on(async {
            for _ in 0..batches {
                let mut batch = websocket.recv_batch().await.unwrap().unwrap();
                while let Some(event) = batch.next() {
                    batch.send(event).unwrap();
                }
            }
        });
    };
    echo(2);
    let allocated = allocation_counter::measure(|| echo(20));
    // The one is tokio's, for who waits for the next turn; here are 160,000 events.
    assert!(allocated.count_total <= 1, "{allocated:?}");
}
