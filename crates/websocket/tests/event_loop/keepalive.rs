//! Whether a silent peer still lives.

use std::cell::Cell;
use std::time::Duration;

use futures_util::StreamExt;
use tidings_websocket::tokio::event_loop::{EventLoop, Options};
use tidings_websocket::{Close, CloseCode, Event, keepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Door, from_client, in_time, to_client, turn_to_the_end, turn_until};

fn impatient() -> EventLoop<()> {
    patient_for(Duration::from_millis(80))
}

/// A loop that gives a silent peer up after twice that.
fn patient_for(time: Duration) -> EventLoop<()> {
    EventLoop::new(options(time)).unwrap()
}

fn options(time: Duration) -> Options {
    let keepalive = keepalive::Options {
        ping_after: Some(time),
        answer_within: time,
        ..keepalive::Options::default()
    };
    Options {
        keepalive,
        ..Options::default()
    }
}

/// A loop that says why before it gives a silent peer up.
fn outspoken() -> EventLoop<()> {
    let mut options = options(Duration::from_millis(80));
    options.keepalive.silence_close = Some((IDLE, "not even a pong"));
    options.keepalive.closing_within = Duration::from_millis(80);
    EventLoop::new(options).unwrap()
}

const IDLE: CloseCode = CloseCode::application(4003);

#[tokio::test]
async fn a_dead_peer_is_pinged_given_up_and_freed() {
    let (door, mut sockets) = (Door::open().await, impatient());
    let (mut client, websocket) = door.connect_bare().await;
    sockets.insert(websocket, ()).unwrap();
    let ends = turn_to_the_end(&mut sockets).await;
    assert_eq!(ends.len(), 1);
    assert_eq!(
        ends[0].1.as_ref().unwrap(),
        &Event::Close(Close::abnormal())
    );
    let mut bytes = Vec::new();
    in_time(client.read_to_end(&mut bytes)).await.unwrap();
    assert_eq!(to_client(bytes), [Event::Ping((&[]).into())]);
}

#[tokio::test]
async fn a_silent_peer_is_told_why_it_is_given_up_if_there_are_words_for_it() {
    let (door, mut sockets) = (Door::open().await, outspoken());
    let (mut client, websocket) = door.connect_bare().await;
    sockets.insert(websocket, ()).unwrap();
    let ends = turn_to_the_end(&mut sockets).await;
    // It never answered, and its end is told once.
    let told: Vec<_> = ends.iter().map(|(_, end)| end.as_ref().unwrap()).collect();
    assert_eq!(told, [&Event::Close(Close::abnormal())]);
    let mut bytes = Vec::new();
    in_time(client.read_to_end(&mut bytes)).await.unwrap();
    let close = Event::Close(Close::new(IDLE, "not even a pong"));
    assert_eq!(to_client(bytes), [Event::Ping((&[]).into()), close]);
}

#[tokio::test]
async fn one_that_wakes_up_when_it_is_given_up_closes_in_order() {
    let (door, mut sockets) = (Door::open().await, outspoken());
    let (mut client, websocket) = door.connect_bare().await;
    sockets.insert(websocket, ()).unwrap();
    let agree = async {
        let close = Event::Close(Close::new(IDLE, "not even a pong"));
        let mut bytes = vec![0; 2 + 4 + 15];
        client.read_exact(&mut bytes).await.unwrap();
        assert_eq!(to_client(bytes).last(), Some(&close));
        client.write_all(&from_client([close])).await.unwrap();
        client
    };
    let (client, ends) = tokio::join!(agree, turn_to_the_end(&mut sockets));
    drop(client);
    let told: Vec<_> = ends.iter().map(|(_, end)| end.as_ref().unwrap()).collect();
    assert!(matches!(told[..], [Event::Close(close)] if close.code == IDLE));
}

#[tokio::test]
async fn that_it_was_silent_is_known_when_its_end_is_told() {
    let (door, mut sockets) = (Door::open().await, outspoken());
    let (_silent, websocket) = door.connect_bare().await;
    sockets.insert(websocket, ()).unwrap();
    let (hasty, websocket) = door.connect_bare().await;
    sockets.insert(websocket, ()).unwrap();
    drop(hasty);
    let mut told = Vec::new();
    turn_until(
        &mut sockets,
        |sockets, key, _| told.push(sockets.get_mut(key).unwrap().was_silent()),
        |sockets| sockets.is_empty().then_some(()),
    )
    .await;
    assert_eq!(told, [false, true]);
}

#[tokio::test]
async fn a_peer_that_answers_pings_is_not_given_up() {
    let (door, mut sockets) = (Door::open().await, impatient());
    let (mut client, websocket) = door.connect().await;
    sockets.insert(websocket, ()).unwrap();
    let pongs = Cell::new(0);
    let turned = turn_until(
        &mut sockets,
        |_, _, event| match event.unwrap() {
            Event::Pong(_) => pongs.set(pongs.get() + 1),
            event => panic!("{event:?}"),
        },
        |_| (pongs.get() >= 3).then_some(()),
    );
    tokio::select! {
        () = turned => {}
        message = async { loop { client.next().await.unwrap().unwrap(); } } => message,
    }
}

/// The kernel tells of room when a third of its buffer, some megabyte, is free: at this pace that
/// takes longer than the peer's time.
#[tokio::test]
async fn a_peer_that_reads_slowly_and_says_nothing_is_not_given_up() {
    let (door, mut sockets) = (Door::open().await, patient_for(Duration::from_millis(400)));
    let (mut client, websocket) = door.connect_bare().await;
    let key = sockets.insert(websocket, ()).unwrap();
    let mut socket = sockets.sockets().get_mut(key).unwrap();
    socket.send(vec![7; 50_000_000]).unwrap();
    let slowly = async {
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        let mut some = vec![0; 16 * 1024];
        for _ in 0..150 {
            pace.tick().await;
            client.read_exact(&mut some).await.unwrap();
        }
    };
    let nothing_is_told = turn_until(
        &mut sockets,
        |_, _, event| panic!("{event:?}"),
        |_| None::<()>,
    );
    tokio::select! {
        () = slowly => {}
        () = nothing_is_told => {}
    }
    assert!(sockets.sockets().get_mut(key).unwrap().unsent_bytes() > 0);
}
