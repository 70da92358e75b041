//! A quiet peer is pinged, a silent one given up.

use std::io;
use std::time::Duration;

use futures_util::future::{join, poll_immediate};
use futures_util::{SinkExt as _, StreamExt as _};
use tidings_websocket::frame::Opcode;
use tidings_websocket::tokio::{Error, Options};
use tidings_websocket::{Close, CloseCode, Event, keepalive};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{from_client, pair_with, text};

const KEEPALIVE: keepalive::Options = keepalive::Options {
    ping_after: Some(Duration::from_secs(20)),
    answer_within: Duration::from_secs(10),
    closing_within: Duration::from_secs(3),
    silence_close: None,
};

fn options() -> Options {
    Options {
        keepalive: KEEPALIVE,
        ..Options::default()
    }
}

/// Waits for a day of paused time at most, which is no time.
async fn in_a_day<T>(future: impl Future<Output = T>) -> T {
    let outcome = timeout(Duration::from_secs(86_400), future).await;
    outcome.expect("in a day")
}

fn since(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64().round()
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stays_silent_after_a_ping_is_given_up() {
    let (mut websocket, mut theirs) = pair_with(1 << 16, options());
    let begin = Instant::now();
    let last = websocket.recv().await.unwrap();
    assert_eq!(last, Some(Event::Close(Close::abnormal())));
    assert_eq!(since(begin), 30.0);
    assert_eq!(websocket.recv().await.unwrap(), None);
    drop(websocket);
    let mut written = Vec::new();
    theirs.read_to_end(&mut written).await.unwrap();
    assert_eq!(written, b"\x89\x00");
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_told_why_it_is_given_up_if_there_are_words_for_it() {
    let idle = CloseCode::application(4003);
    let keepalive = keepalive::Options {
        silence_close: Some((idle, "not even a pong")),
        ..KEEPALIVE
    };
    let options = Options {
        keepalive,
        ..Options::default()
    };
    let (mut websocket, mut theirs) = pair_with(1 << 16, options);
    let begin = Instant::now();
    let last = websocket.recv().await.unwrap();
    assert_eq!(last, Some(Event::Close(Close::abnormal())));
    assert_eq!(since(begin), 33.0); // and the time that a closing may take
    drop(websocket);
    let mut written = Vec::new();
    theirs.read_to_end(&mut written).await.unwrap();
    assert_eq!(written, b"\x89\x00\x88\x11\x0f\xa3not even a pong");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_is_kept_for_ever() {
    let (mut websocket, mut theirs) = pair_with(1 << 16, options());
    let answer = async {
        for _ in 0..100 {
            let mut ping = [0; 2];
            theirs.read_exact(&mut ping).await.unwrap();
            assert_eq!(&ping, b"\x89\x00");
            sleep(Duration::from_secs(9)).await;
            let pong = from_client(true, Opcode::Pong, b"");
            theirs.write_all(&pong).await.unwrap();
        }
    };
    let serve = async {
        for _ in 0..100 {
            assert!(matches!(websocket.recv().await, Ok(Some(Event::Pong(_)))));
        }
    };
    let begin = Instant::now();
    in_a_day(join(answer, serve)).await;
    assert_eq!(since(begin), 2900.0);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_talks_is_never_pinged() {
    let (mut websocket, mut theirs) = pair_with(1 << 16, options());
    let talk = async {
        for _ in 0..10 {
            sleep(Duration::from_secs(19)).await;
            theirs.write_all(&text("hi")).await.unwrap();
        }
        let mut written = [0; 1];
        poll_immediate(theirs.read(&mut written)).await.is_none()
    };
    let serve = async {
        for _ in 0..10 {
            assert_eq!(websocket.recv().await.unwrap(), Some(Event::from("hi")));
        }
    };
    let (nothing_written, ()) = in_a_day(join(talk, serve)).await;
    assert!(nothing_written);
}

#[tokio::test(start_paused = true)]
async fn a_part_of_a_message_is_a_sign_of_life() {
    let (mut websocket, mut theirs) = pair_with(1 << 16, options());
    let drip = async {
        for byte in text(&"x".repeat(10)) {
            sleep(Duration::from_secs(15)).await;
            theirs.write_all(&[byte]).await.unwrap();
        }
    };
    let (event, ()) = in_a_day(join(websocket.recv(), drip)).await;
    assert!(event.unwrap().unwrap().is_message());
}

#[tokio::test(start_paused = true)]
async fn without_pings_a_silent_peer_is_kept() {
    let silent = Options {
        keepalive: keepalive::Options {
            ping_after: None,
            ..KEEPALIVE
        },
        ..Options::default()
    };
    let (mut websocket, _theirs) = pair_with(1 << 16, silent);
    let waited = timeout(Duration::from_secs(1 << 20), websocket.recv()).await;
    assert!(waited.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_slowly_is_alive_though_nothing_is_read_from_it() {
    let slow = Options {
        unsent_bytes_max: 100,
        ..options()
    };
    let (mut websocket, mut theirs) = pair_with(16, slow);
    websocket.feed(&[0; 1000][..]).unwrap();
    let read = async {
        let mut read = [0; 1004];
        for chunk in read.chunks_mut(100) {
            sleep(Duration::from_secs(25)).await;
            theirs.read_exact(chunk).await.unwrap();
        }
        theirs.write_all(&text("thanks")).await.unwrap();
    };
    let (event, ()) = in_a_day(join(websocket.recv(), read)).await;
    assert_eq!(event.unwrap(), Some(Event::from("thanks")));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stops_reading_is_given_up() {
    let stuck = Options {
        unsent_bytes_max: 100,
        ..options()
    };
    let (mut websocket, _theirs) = pair_with(16, stuck);
    websocket.feed(&[0; 1000][..]).unwrap();
    let begin = Instant::now();
    let last = websocket.recv().await.unwrap();
    assert_eq!(last, Some(Event::Close(Close::abnormal())));
    assert_eq!(since(begin), 30.0);
}

#[tokio::test(start_paused = true)]
async fn batches_are_given_up_alike() {
    let (mut websocket, _theirs) = pair_with(1 << 16, options());
    let begin = Instant::now();
    let batch = websocket.recv_batch().await.unwrap().unwrap();
    assert_eq!(batch.collect::<Vec<_>>(), [Event::Close(Close::abnormal())]);
    assert_eq!(since(begin), 30.0);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_stops_talking_is_closed_at_the_deadline() {
    let (mut websocket, mut theirs) = pair_with(1 << 16, options());
    let begin = Instant::now();
    let flood = async {
        loop {
            if theirs.write_all(&text("and").repeat(100)).await.is_err() {
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    let goodbye = Close::new(tidings_websocket::CloseCode::NORMAL, "");
    let answer = tokio::select! {
        answer = websocket.close(goodbye, Duration::from_secs(2)) => answer.unwrap(),
        () = flood => unreachable!("the stream is open"),
    };
    assert_eq!(answer, Close::abnormal());
    assert_eq!(since(begin), 2.0);
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_waits_is_told_when_the_peer_is_given_up() {
    let (websocket, _theirs) = pair_with(16, options());
    let (mut sink, mut stream) = websocket.split();
    let sender = tokio::spawn(async move { sink.send(Event::from(vec![0; 1000])).await });
    tokio::task::yield_now().await; // the sender waits until it can write
    let last = in_a_day(stream.next()).await.unwrap().unwrap();
    assert_eq!(last, Event::Close(Close::abnormal()));
    let outcome = in_a_day(sender).await.unwrap();
    let Err(Error::Io(error)) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
}
