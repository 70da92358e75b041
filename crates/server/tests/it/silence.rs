//! `tidings subscribe` on paths that go dark: it follows the heartbeat that the server says.
//!
//! The middlebox between the two acknowledges what it swallows, and so the server of an SSE stream or of a
//! poll notices nothing: whoever comes back does so by itself.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tidings_middlebox::{BlackHole, Faults, Tcp};
use tokio::time::timeout;

use crate::support::server::Server;
use crate::support::subscriber::Subscriber;
use crate::support::until;

const HASTY: &str = "heartbeat = \"1s\"";

/// Half of what a subscriber bears that takes the server for one with the default heartbeat, and ten times
/// what the hasty one asks for.
const LONG_BEFORE_THE_DEFAULT: Duration = Duration::from_secs(15);

/// A subscriber behind a middlebox.
struct Path {
    middlebox: Tcp,
    subscriber: Subscriber,
    transport: &'static str,
}

impl Path {
    async fn open(server: &Server, transport: &'static str) -> Self {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let middlebox = Tcp::open(anywhere, server.address()).await.unwrap();
        server.publish("chat:a", "\"begin\"").await;
        let url = format!("http://{}", middlebox.address());
        let arguments = ["chat:a", "--history", "1", "--transport", transport];
        let path = Self {
            subscriber: Subscriber::start(["--url", &url], &arguments),
            middlebox,
            transport,
        };
        path.prints("begin").await;
        path
    }

    /// Waits until the subscriber prints this text, and nothing else before.
    async fn prints(&self, text: &str) {
        let line = until(text, async || self.subscriber.try_line()).await;
        assert!(line.ends_with(&format!(": {text}")), "{line}");
    }

    /// The server comes back with another configuration, and the subscriber has heard of it.
    async fn restart(&self, server: &mut Server, config: &str) {
        // Between two polls it would not notice, and go on as it was told before.
        self.is_followed(server).await;
        server.kill();
        server.reconfigure(config);
        server.restart();
        server.publish("chat:a", "\"again\"").await;
        self.prints("again").await;
        self.is_followed(server).await;
    }

    /// Waits until the subscriber waits for something to happen.
    async fn is_followed(&self, server: &Server) {
        let links = format!(
            "tidings_links{{transport=\"{}\",shard=\"0\"}}",
            self.transport
        );
        until("the subscriber to follow", async || {
            (server.metrics().await.value(&links) == 1.0).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_dark_path_is_left_as_soon_as_the_server_says() {
    for transport in ["long-poll", "sse", "websocket"] {
        let mut server = Server::start();
        let path = Path::open(&server, transport).await;
        path.restart(&mut server, HASTY).await;
        let dark = Faults {
            black_hole: Some(BlackHole::Both),
            ..Faults::default()
        };
        path.middlebox.set(dark).unwrap();
        server.publish("chat:a", "\"lost\"").await;
        until("something to get lost", async || {
            (path.middlebox.stats().lost > 0).then_some(())
        })
        .await;
        // A stream that has a hole stays dark, and another one is not.
        path.middlebox.set(Faults::default()).unwrap();
        let found = timeout(LONG_BEFORE_THE_DEFAULT, path.prints("lost")).await;
        found.expect(transport);
    }
}

#[tokio::test]
async fn a_quiet_stream_is_borne_for_as_long_as_the_server_says() {
    let mut server = Server::configured(HASTY);
    let path = Path::open(&server, "sse").await;
    // Twice the silence that the subscriber bears by what it was told first.
    path.restart(&mut server, "heartbeat = \"3s\"").await;
    let accepted = path.middlebox.stats().accepted;
    // A join, perhaps, and what comes after the interval.
    for _ in 0..2 {
        let down = path.middlebox.stats().down;
        until("a sign of life", async || {
            (path.middlebox.stats().down > down).then_some(())
        })
        .await;
    }
    assert_eq!(path.middlebox.stats().accepted, accepted);
}
