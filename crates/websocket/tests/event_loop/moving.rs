//! Sockets that move from one loop to another.

use futures_util::FutureExt;
use tidings_websocket::tokio::event_loop::Detached;
use tidings_websocket::{Close, CloseCode, Event};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Door, echo, echo_all, event_loop, from_client, in_time, to_client};

/// A loop on a thread of its own, which echoes.
fn attach_elsewhere(detached: Detached) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut sockets = event_loop();
            sockets.sockets().attach(detached, ()).unwrap();
            let is_empty = async {
                while !sockets.sockets().is_empty() {
                    sockets.turn(echo).await.unwrap();
                }
            };
            in_time(is_empty).await;
        });
    })
}

#[tokio::test]
async fn a_socket_goes_on_elsewhere_in_the_middle_of_a_message() {
    let (door, mut sockets) = (Door::open().await, event_loop());
    let (mut client, websocket) = door.connect_bare().await;
    let key = sockets.insert(websocket, "mine").unwrap();
    let message = Event::from("x".repeat(1000));
    let bytes = from_client([message.clone(), message.clone()]);
    let (begun, rest) = bytes.split_at(bytes.len() * 3 / 4);
    client.write_all(begun).await.unwrap();
    let mut answer = vec![0; 1004];
    tokio::select! {
        read = in_time(client.read_exact(&mut answer)) => drop(read.unwrap()),
        error = echo_all(&mut sockets) => panic!("{error}"),
    }
    let (detached, peer) = sockets.sockets().detach(key).expect("it is at rest");
    assert_eq!(peer, "mine");
    assert!(sockets.sockets().is_empty() && sockets.sockets().get_mut(key).is_none());
    // What comes before it is attached is not missed.
    client.write_all(rest).await.unwrap();
    let elsewhere = attach_elsewhere(detached);
    in_time(client.read_exact(&mut answer)).await.unwrap();
    assert_eq!(to_client(answer), [message]);
    assert!(
        sockets.turn(echo).now_or_never().is_none(),
        "the old loop hears nothing of it"
    );
    drop(client);
    elsewhere.join().unwrap();
}

#[tokio::test]
async fn a_socket_stays_while_something_is_under_way() {
    let (door, mut sockets) = (Door::open().await, event_loop());
    let (mut client, websocket) = door.connect_bare().await;
    let key = sockets.insert(websocket, ()).unwrap();
    let mut socket = sockets.sockets().get_mut(key).unwrap();
    socket.send(Event::from("hello")).unwrap();
    assert!(sockets.sockets().detach(key).is_none(), "it is unsent");
    client.write_all(&from_client(["a".into()])).await.unwrap();
    let mut heard = vec![0; 7 + 3];
    tokio::select! {
        read = in_time(client.read_exact(&mut heard)) => drop(read.unwrap()),
        error = echo_all(&mut sockets) => panic!("{error}"),
    }
    assert_eq!(to_client(heard), [Event::from("hello"), Event::from("a")]);
    let mut socket = sockets.sockets().get_mut(key).unwrap();
    socket.close(Close::new(CloseCode::NORMAL, "")).unwrap();
    sockets.flush();
    assert!(sockets.sockets().detach(key).is_none(), "it is closing");
}
