//! A peer that floods has its connection's turn, and no more.

use std::cell::Cell;
use std::rc::Rc;

use futures_util::{SinkExt, StreamExt as _};
use tidings_websocket::Event;
use tidings_websocket::tokio::{Options, WebSocket};
use tokio::task::{LocalSet, yield_now};

use crate::support::{Endless, text};

/// How many events a task handled while another on the same thread had ten turns.
async fn handled<T: Future<Output = ()> + 'static>(
    task: impl FnOnce(WebSocket<Endless>, Rc<Cell<usize>>) -> T,
) -> usize {
    let stream = Endless::new(&text("hi"));
    let websocket = WebSocket::server(stream, Vec::new(), Options::default());
    let count = Rc::new(Cell::new(0));
    let local = LocalSet::new();
    local.spawn_local(task(websocket, Rc::clone(&count)));
    let other = async {
        for _ in 0..10 {
            yield_now().await;
        }
        count.get()
    };
    let handled = local.run_until(other).await;
    assert!(handled > 0, "the flood was not read at all");
    handled
}

/// Ten turns of one read each, of frames of eight bytes, and some on top.
const TEN_READS: usize = 12 * 64 * 1024 / 8;

#[tokio::test]
async fn recv_lets_others_have_their_turn() {
    let handled = handled(async |mut websocket, count| {
        while let Ok(Some(event)) = websocket.recv().await {
            count.set(count.get() + 1);
            let _ = websocket.feed(event);
        }
    });
    assert!(handled.await < TEN_READS);
}

#[tokio::test]
async fn recv_batch_lets_others_have_their_turn() {
    let handled = handled(async |mut websocket, count| {
        while let Ok(Some(mut batch)) = websocket.recv_batch().await {
            while let Some(event) = batch.next() {
                count.set(count.get() + 1);
                let _ = batch.send(event);
            }
        }
    });
    assert!(handled.await < TEN_READS);
}

#[tokio::test]
async fn a_stream_lets_others_have_their_turn() {
    let handled = handled(async |mut websocket, count| {
        while let Some(Ok(_)) = websocket.next().await {
            count.set(count.get() + 1);
        }
    });
    assert!(handled.await < TEN_READS);
}

#[tokio::test]
async fn a_sink_lets_others_have_their_turn() {
    let handled = handled(async |mut websocket, count| {
        while count.get() < 10_000_000 {
            let _ = SinkExt::feed(&mut websocket, Event::from("hi")).await;
            count.set(count.get() + 1);
        }
    });
    assert!(handled.await < TEN_READS);
}

#[tokio::test]
async fn large_reads_cost_a_part_of_a_turn() {
    let stream = Endless::new(&text(&"x".repeat(60_000)));
    let mut websocket = WebSocket::server(stream, Vec::new(), Options::default());
    let mut turns = 0;
    let mut task = std::pin::pin!(async {
        for _ in 0..100 {
            websocket.recv().await.unwrap().expect("an event");
        }
    });
    std::future::poll_fn(|context| {
        turns += 1;
        task.as_mut().poll(context)
    })
    .await;
    // 100 reads at 14 units for the bytes and one for the event, of 128 a turn.
    assert!((10..=15).contains(&turns), "{turns} turns");
}
