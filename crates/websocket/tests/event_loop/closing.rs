//! Every way to end, told once.

use std::io::ErrorKind;
use std::time::Duration;

use tidings_websocket::keepalive;
use tidings_websocket::tokio::Error;
use tidings_websocket::tokio::event_loop::{EventLoop, Options};
use tidings_websocket::{Close, CloseCode, Event, Fault};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{
    Door, Ends, echo, event_loop, from_client, in_time, to_client, turn_to_the_end, turn_until,
};

const BYE: CloseCode = CloseCode::application(4001);

async fn read_to_end(stream: &mut TcpStream) -> Vec<Event<'static>> {
    let mut bytes = Vec::new();
    in_time(stream.read_to_end(&mut bytes)).await.unwrap();
    to_client(bytes)
}

fn only(ends: Ends) -> Result<Event<'static>, Error> {
    let [(_, end)] = <[_; 1]>::try_from(ends).expect("one end");
    end
}

#[tokio::test]
async fn the_peers_close_is_answered_and_told_once() {
    let (door, mut sockets) = (Door::open().await, event_loop());
    let (mut client, websocket) = door.connect_bare().await;
    let key = sockets.insert(websocket, ()).unwrap();
    let close = Event::Close(Close::new(BYE, "bye"));
    client
        .write_all(&from_client([close.clone()]))
        .await
        .unwrap();
    let client = async {
        let heard = read_to_end(&mut client).await;
        drop(client);
        heard
    };
    let (heard, ends) = tokio::join!(client, turn_to_the_end(&mut sockets));
    assert_eq!(heard, [Event::Close(Close::new(BYE, ""))]);
    assert_eq!(only(ends).unwrap(), close);
    assert!(sockets.sockets().get_mut(key).is_none());
}

#[tokio::test]
async fn our_close_waits_for_the_peers() {
    let (door, mut sockets) = (Door::open().await, event_loop());
    let (mut client, websocket) = door.connect_bare().await;
    let key = sockets.insert(websocket, ()).unwrap();
    let mut socket = sockets.sockets().get_mut(key).unwrap();
    socket.close(Close::new(BYE, "enough")).unwrap();
    assert!(!socket.is_open());
    let answer = Event::Close(Close::new(BYE, ""));
    client
        .write_all(&from_client(["late".into(), answer.clone()]))
        .await
        .unwrap();
    let client = async {
        let heard = read_to_end(&mut client).await;
        drop(client);
        heard
    };
    let (heard, ends) = tokio::join!(client, turn_to_the_end(&mut sockets));
    assert_eq!(heard, [Event::Close(Close::new(BYE, "enough"))]);
    assert_eq!(only(ends).unwrap(), answer);
}

#[tokio::test]
async fn a_close_without_an_answer_ends_at_the_deadline() {
    let keepalive = keepalive::Options {
        closing_within: Duration::from_millis(80),
        ..keepalive::Options::default()
    };
    let options = Options {
        keepalive,
        ..Options::default()
    };
    let (door, mut sockets) = (Door::open().await, EventLoop::new(options).unwrap());
    let (_client, websocket) = door.connect_bare().await;
    let key = sockets.insert(websocket, ()).unwrap();
    let mut socket = sockets.sockets().get_mut(key).unwrap();
    socket.close(Close::new(BYE, "")).unwrap();
    let end = only(turn_to_the_end(&mut sockets).await).unwrap();
    assert_eq!(end, Event::Close(Close::abnormal()));
}

#[tokio::test]
async fn a_peer_that_never_closes_its_stream_does_not_linger_for_ever() {
    let keepalive = keepalive::Options {
        closing_within: Duration::from_millis(80),
        ..keepalive::Options::default()
    };
    let options = Options {
        keepalive,
        ..Options::default()
    };
    let (door, mut sockets) = (Door::open().await, EventLoop::new(options).unwrap());
    let (mut client, websocket) = door.connect_bare().await;
    sockets.insert(websocket, ()).unwrap();
    let close = Event::Close(Close::new(BYE, ""));
    client
        .write_all(&from_client([close.clone()]))
        .await
        .unwrap();
    assert_eq!(only(turn_to_the_end(&mut sockets).await).unwrap(), close);
}

#[tokio::test]
async fn a_message_and_the_streams_end_at_once_are_both_seen_and_the_answer_is_written() {
    let (door, mut sockets) = (Door::open().await, event_loop());
    let (mut client, websocket) = door.connect_bare().await;
    client
        .write_all(&from_client(["last words".into()]))
        .await
        .unwrap();
    client.shutdown().await.unwrap();
    websocket.stream().readable().await.unwrap();
    sockets.insert(websocket, ()).unwrap();
    let mut told = Vec::new();
    let turned = turn_until(
        &mut sockets,
        |sockets, key, event| {
            if let Ok(event) = &event {
                told.push(event.clone().into_owned());
            }
            echo(sockets, key, event);
        },
        |sockets| (sockets.is_empty() && sockets.lingering() == 0).then_some(()),
    );
    let (heard, ()) = tokio::join!(read_to_end(&mut client), turned);
    assert_eq!(heard, [Event::from("last words")]);
    assert_eq!(
        told,
        [Event::from("last words"), Event::Close(Close::abnormal())]
    );
}

#[tokio::test]
async fn a_reset_is_an_error_told_once() {
    let (door, mut sockets) = (Door::open().await, event_loop());
    let (client, websocket) = door.connect_bare().await;
    sockets.insert(websocket, ()).unwrap();
    client.set_zero_linger().unwrap();
    drop(client);
    match only(turn_to_the_end(&mut sockets).await) {
        Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        end => panic!("{end:?}"),
    }
}

#[tokio::test]
async fn a_fault_is_told_and_the_peer_is_told_why_though_it_goes_on_sending() {
    let (door, mut sockets) = (Door::open().await, event_loop());
    let (mut client, websocket) = door.connect_bare().await;
    sockets.insert(websocket, ()).unwrap();
    // Not masked, and then much that nobody will look at.
    client.write_all(b"\x81\x02hi").await.unwrap();
    let client = async {
        let (mut reader, mut writer) = client.split();
        let mut bytes = Vec::new();
        let write = async {
            let more = from_client(["more".into()]);
            for _ in 0..1000 {
                if writer.write_all(&more).await.is_err() {
                    break;
                }
            }
        };
        let (read, ()) = tokio::join!(in_time(reader.read_to_end(&mut bytes)), write);
        read.expect("an end, not a reset");
        drop(client);
        to_client(bytes)
    };
    let (heard, ends) = tokio::join!(client, turn_to_the_end(&mut sockets));
    assert!(matches!(&heard[..], [Event::Close(close)] if close.code == CloseCode::PROTOCOL));
    assert!(matches!(only(ends), Err(Error::Fault(Fault::MaskMissing))));
}

#[tokio::test]
async fn a_write_that_fails_is_told_as_the_end() {
    let (door, mut sockets) = (Door::open().await, event_loop());
    let (client, websocket) = door.connect_bare().await;
    let key = sockets.insert(websocket, ()).unwrap();
    client.set_zero_linger().unwrap();
    drop(client);
    let mut socket = sockets.sockets().get_mut(key).unwrap();
    socket.send("too late").unwrap();
    sockets.flush();
    assert!(only(turn_to_the_end(&mut sockets).await).is_err());
}

#[tokio::test]
async fn messages_and_the_close_come_though_nothing_can_be_written() {
    let (door, mut sockets) = (Door::open().await, event_loop());
    let (mut client, websocket) = door.connect_bare().await;
    let close = Event::Close(Close::new(BYE, "bye"));
    client
        .write_all(&from_client(["said".into(), close.clone()]))
        .await
        .unwrap();
    websocket.stream().readable().await.unwrap();
    drop(client);
    let key = sockets.insert(websocket, ()).unwrap();
    // The first write is answered with a reset, the second fails.
    for _ in 0..2 {
        let mut socket = sockets.sockets().get_mut(key).unwrap();
        socket.send("to nobody").unwrap();
        sockets.flush();
    }
    assert_eq!(only(turn_to_the_end(&mut sockets).await).unwrap(), close);
}
