//! Sockets that come and go while others of their batch are handled.

use tidings_websocket::Event;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;

use crate::support::{Door, event_loop, from_client, in_time, to_client, turn_until};

#[tokio::test]
async fn what_waited_for_a_removed_socket_does_not_reach_the_one_in_its_place() {
    let (door, mut sockets) = (Door::open().await, event_loop());
    let mut clients = Vec::new();
    for name in ["first", "second"] {
        let (mut client, websocket) = door.connect_bare().await;
        client.write_all(&from_client([name.into()])).await.unwrap();
        websocket.stream().readable().await.unwrap();
        sockets.insert(websocket, name).unwrap();
        clients.push(client);
    }
    let (mut third, websocket) = door.connect_bare().await;
    let mut replacement = Some(websocket);
    let mut told = Vec::new();
    sockets
        .turn(|sockets, key, event| {
            told.push(event.unwrap().into_owned());
            if let Some(websocket) = replacement.take() {
                let (other, _) = sockets.iter().find(|(other, _)| *other != key).unwrap();
                assert!(sockets.remove(other).is_some());
                let new = sockets.insert(websocket, "third").unwrap();
                assert_eq!(new.index(), other.index());
                assert!(sockets.get_mut(other).is_none() && sockets.remove(other).is_none());
            }
        })
        .await
        .unwrap();
    assert_eq!(
        told.len(),
        1,
        "the second was ready in the same batch: {told:?}"
    );
    third
        .write_all(&from_client(["third".into()]))
        .await
        .unwrap();
    let mut heard = None;
    let heard = turn_until(
        &mut sockets,
        |sockets, key, event| {
            if let Some(mut socket) = sockets.get_mut(key) {
                heard = Some((*socket.peer(), event.unwrap().into_owned()));
            }
        },
        |sockets| (sockets.len() == 2).then_some(()),
    );
    heard.await;
}

#[tokio::test]
async fn a_message_reaches_any_socket_from_the_closure_and_from_outside() {
    let (door, mut sockets) = (Door::open().await, event_loop());
    let (mut one, websocket) = door.connect_bare().await;
    let from = sockets.insert(websocket, ()).unwrap();
    let (mut other, websocket) = door.connect_bare().await;
    let to = sockets.insert(websocket, ()).unwrap();
    one.write_all(&from_client(["through".into()]))
        .await
        .unwrap();
    let mut outside = sockets.sockets().get_mut(to).unwrap();
    outside.send("before").unwrap();
    assert!(outside.unsent_bytes() > 0);
    let mut passed = 0;
    in_time(async {
        while passed == 0 {
            let turned = sockets.turn(|sockets, key, event| {
                assert_eq!(key, from);
                sockets.get_mut(to).unwrap().send(event.unwrap()).unwrap();
                passed += 1;
            });
            turned.await.unwrap();
        }
    })
    .await;
    sockets
        .sockets()
        .get_mut(to)
        .unwrap()
        .send("after")
        .unwrap();
    sockets.flush();
    assert_eq!(sockets.sockets().get_mut(to).unwrap().unsent_bytes(), 0);
    drop(sockets);
    let mut bytes = Vec::new();
    in_time(other.read_to_end(&mut bytes)).await.unwrap();
    assert_eq!(
        to_client(bytes),
        ["before", "through", "after"].map(Event::from)
    );
}

#[tokio::test]
async fn bytes_that_came_with_the_handshake_come_first() {
    let (door, mut sockets) = (Door::open().await, event_loop());
    let (mut client, websocket) = door.connect_bare().await;
    let parts = websocket.into_parts();
    let early = from_client(["early".into()]);
    let websocket = tidings_websocket::tokio::WebSocket::from_connection(
        parts.stream,
        early,
        parts.connection,
        Default::default(),
    );
    client
        .write_all(&from_client(["late".into()]))
        .await
        .unwrap();
    websocket.stream().readable().await.unwrap();
    sockets.insert(websocket, ()).unwrap();
    let told = std::cell::RefCell::new(Vec::new());
    turn_until(
        &mut sockets,
        |_, _, event| told.borrow_mut().push(event.unwrap().into_owned()),
        |_| (told.borrow().len() == 2).then_some(()),
    )
    .await;
    assert_eq!(told.into_inner(), ["early", "late"].map(Event::from));
}
