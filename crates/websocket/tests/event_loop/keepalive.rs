//! Whether a silent peer still lives.

use std::cell::Cell;
use std::time::Duration;

use futures_util::StreamExt;
use tidings_websocket::tokio::event_loop::{EventLoop, Options};
use tidings_websocket::{Close, Event, keepalive};
use tokio::io::AsyncReadExt;

use crate::support::{Door, in_time, to_client, turn_to_the_end, turn_until};

fn impatient() -> EventLoop<()> {
    patient_for(Duration::from_millis(80))
}

/// A loop that gives a silent peer up after twice that.
fn patient_for(time: Duration) -> EventLoop<()> {
    let keepalive = keepalive::Options {
        ping_after: Some(time),
        answer_within: time,
        ..keepalive::Options::default()
    };
    let options = Options {
        keepalive,
        ..Options::default()
    };
    EventLoop::new(options).unwrap()
}

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
