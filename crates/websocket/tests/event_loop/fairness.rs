//! One that never stops does not keep the others waiting.

use std::cell::Cell;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{SinkExt, StreamExt};
use tidings_websocket::Event;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Door, echo, event_loop, from_client, in_time};

/// What one read takes at most.
const READ_BYTES: usize = 256 * 1024;

#[tokio::test]
async fn many_are_answered_and_other_tasks_run_beside_one_that_floods() {
    let (door, mut sockets) = (Door::open().await, event_loop());
    let (flooder, websocket) = door.connect_bare().await;
    let flooded = sockets.insert(websocket, ()).unwrap();
    let mut clients = Vec::new();
    for _ in 0..20 {
        let (client, websocket) = door.connect().await;
        sockets.insert(websocket, ()).unwrap();
        clients.push(client);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let flood = std::thread::spawn({
        let (mut stream, stop) = (flooder.into_std().unwrap(), Arc::clone(&stop));
        stream.set_nonblocking(false).unwrap();
        let frames = from_client((0..100).map(|_| Event::from(vec![0; 10_000])));
        move || while !stop.load(Ordering::Relaxed) && stream.write_all(&frames).is_ok() {}
    });
    let talk = async {
        for round in 0..50 {
            for client in &mut clients {
                client
                    .send(Message::text(format!("{round}")))
                    .await
                    .unwrap();
            }
            for client in &mut clients {
                let answer = client.next().await.unwrap().unwrap();
                assert_eq!(answer, Message::text(format!("{round}")));
            }
        }
    };
    let bytes_of_turn = Cell::new(0);
    let turning = async {
        loop {
            bytes_of_turn.set(0);
            let turned = sockets.turn(|sockets, key, event| {
                if key != flooded {
                    return echo(sockets, key, event);
                }
                if let Ok(Event::Binary(bytes)) = event {
                    bytes_of_turn.set(bytes_of_turn.get() + bytes.len());
                }
            });
            turned.await.unwrap();
            // One read when it was told of, one that was left over, and what waited for its end.
            assert!(bytes_of_turn.get() <= 2 * READ_BYTES + 10_000);
        }
    };
    // A task of its own sees whether the loop lets the runtime go on.
    let others = tokio::spawn(async {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    });
    tokio::select! {
        (others, ()) = in_time(futures_util::future::join(others, talk)) => others.unwrap(),
        () = turning => {}
    }
    stop.store(true, Ordering::Relaxed);
    drop(sockets);
    flood.join().unwrap();
}
