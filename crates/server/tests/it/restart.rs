//! Ten thousand WebSockets live through a restart: nothing is lost to anybody, and they come back at the pace
//! that the server has set.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use serde::Deserialize;
use tidings_websocket::Event;
use tidings_websocket::handshake::client;
use tidings_websocket::tokio::{Options, WebSocket, open};
use tidings_wire::Cursor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep, sleep_until};

use crate::support::server::Server;
use crate::support::until;

const CLIENTS: usize = 10_000;

/// The default.
const RATE: usize = 1000;

/// Until the first one comes back: enough for a server that was built for debugging to end and begin.
const RESTART: Duration = Duration::from_secs(if cfg!(debug_assertions) { 3 } else { 1 });

/// Handshakes under way when all connect for the first time.
const CONNECTING: usize = 100;

const PUBLISH_EVERY: Duration = Duration::from_millis(250);

/// What all clients have in common.
struct Crowd {
    address: SocketAddr,
    connecting: Semaphore,
    /// How often somebody has subscribed.
    subscribed: Cell<usize>,
    /// When who was told to come back has to, and when they really did.
    due: RefCell<Vec<Instant>>,
    returned: RefCell<Vec<Instant>>,
    /// Those who have had every message up to the last one.
    done: Cell<usize>,
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    seq: Option<u64>,
    cursor: Option<Cursor>,
    after_ms: Option<u64>,
    data: Option<u64>,
}

/// What the last message says.
const LAST: u64 = 0;

impl Crowd {
    async fn connect(&self, after: Option<&Cursor>) -> Option<WebSocket<TcpStream>> {
        let stream = TcpStream::connect(self.address).await.ok()?;
        let uri = format!("ws://{}/v1/connect", self.address).parse().unwrap();
        let offer = client::Options::default();
        let connected = open(stream, &uri, &offer, Options::default()).await;
        let mut websocket = connected.ok()?.websocket;
        let after = after.map_or(String::new(), |cursor| format!(",\"after\":\"{cursor}\""));
        let subscribe = format!("{{\"type\":\"subscribe\",\"req\":1,\"channel\":\"a\"{after}}}");
        websocket.feed(&*subscribe).unwrap();
        websocket.flush().await.ok()?;
        Some(websocket)
    }

    /// Follows until the last message.
    async fn follow(self: Rc<Self>) {
        let mut last: Option<Cursor> = None;
        loop {
            let mut connecting = self.connecting.acquire().await.ok();
            let Some(mut websocket) = self.connect(last.as_ref()).await else {
                connecting.take();
                sleep(Duration::from_millis(100)).await;
                continue;
            };
            let mut return_at = None;
            while let Ok(Some(Event::Text(text))) = websocket.recv().await {
                let frame: Frame<'_> = serde_json::from_str(&text).unwrap();
                match (frame.kind, &mut last) {
                    ("subscribed", _) => {
                        connecting.take();
                        self.subscribed.set(self.subscribed.get() + 1);
                        last = last.or(frame.cursor);
                    }
                    ("message", Some(last)) => {
                        assert_eq!(frame.seq, Some(last.seq + 1), "nothing is lost or doubled");
                        last.seq += 1;
                        if frame.data == Some(LAST) {
                            return self.done.set(self.done.get() + 1);
                        }
                    }
                    ("reconnect", _) => {
                        let after = Duration::from_millis(frame.after_ms.unwrap());
                        return_at = Some(Instant::now() + after);
                    }
                    ("hello", _) => {}
                    other => panic!("{other:?}: {text}"),
                }
            }
            drop(websocket);
            let return_at = return_at.expect("it was told when to come back");
            self.due.borrow_mut().push(return_at);
            sleep_until(return_at).await;
            self.returned.borrow_mut().push(Instant::now());
        }
    }

    /// Publishes `data`, and again until it is acknowledged.
    async fn publish(&self, data: u64) {
        until("an acknowledgement", async || {
            let said = self.try_publish(data).await?;
            said.starts_with("HTTP/1.1 20").then_some(())
        })
        .await;
    }

    async fn try_publish(&self, data: u64) -> Option<String> {
        let body = format!("{{\"data\":{data},\"id\":\"m{data}\"}}");
        let request = format!(
            "POST /v1/channels/a/messages HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).await.ok()?;
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    }
}

/// The most of `times` that lie within any one `span`.
fn most_within(span: Duration, times: &RefCell<Vec<Instant>>) -> usize {
    let mut times = times.borrow().clone();
    times.sort_unstable();
    let end = |begin: &Instant| times.partition_point(|time| *time < *begin + span);
    let counts = times.iter().enumerate();
    counts.map(|(at, time)| end(time) - at).max().unwrap_or(0)
}

#[tokio::test]
async fn ten_thousand_come_back_at_the_pace_that_was_set_and_lose_nothing() {
    let config = format!(
        "[drain]\nrestart = \"{}s\"\n[namespaces.\"\"]\npresence = false\n",
        RESTART.as_secs()
    );
    LocalSet::new()
        .run_until(live_through_a_restart(&config))
        .await;
}

async fn live_through_a_restart(config: &str) {
    let mut server = Server::configured(config);
    let crowd = Rc::new(Crowd {
        address: server.address(),
        connecting: Semaphore::new(CONNECTING),
        subscribed: Cell::new(0),
        due: RefCell::default(),
        returned: RefCell::default(),
        done: Cell::new(0),
    });
    for _ in 0..CLIENTS {
        spawn_local(crowd.clone().follow());
    }
    let all_there = async |times: usize| {
        until("all clients", async || {
            (crowd.subscribed.get() == times * CLIENTS).then_some(())
        })
        .await;
    };
    all_there(1).await;
    let publisher = spawn_local({
        let crowd = crowd.clone();
        async move {
            for number in LAST + 1.. {
                crowd.publish(number).await;
                sleep(PUBLISH_EVERY).await;
            }
        }
    });
    let begun = Instant::now();
    server.terminate();
    assert_eq!(server.ended().await.code(), Some(0));
    let ended = begun.elapsed();
    server.restart();
    let restarted = begun.elapsed();
    all_there(2).await;
    let back = begun.elapsed();
    publisher.abort();
    crowd.publish(LAST).await;
    until("the last message", async || {
        (crowd.done.get() == CLIENTS).then_some(())
    })
    .await;
    // When they were told to come; how busy this machine is decides when they do.
    let told = most_within(Duration::from_secs(1), &crowd.due);
    let came = |ms| most_within(Duration::from_millis(ms), &crowd.returned);
    println!(
        "ended after {ended:.1?}, there again after {restarted:.1?}, all back after {back:.1?}; \
         told to return in a second: at most {told}; really did: {}, in 100 ms: {}",
        came(1000),
        came(100)
    );
    assert!(told <= RATE * 11 / 10, "{told} within a second");
}
