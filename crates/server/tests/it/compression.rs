//! permessage-deflate (RFC 7692), wherever WebSockets are: sockets that a shard holds itself, TLS, streams of HTTP/2.

use http::Uri;
use tidings_websocket::Config;
use tidings_websocket::deflate::{Agreement, ContextTakeover, Policy};
use tidings_websocket::handshake::client;
use tidings_websocket::tokio::{Options, WebSocket, open};
use tidings_wire::{Data, Format};

use crate::support::door::{Hello, Ping, Publish, Said, Subscribe};
use crate::support::http2::Http2;
use crate::support::server::Server;
use crate::support::soon;
use crate::support::tapped::{Seen, Tap, Tapped};
use crate::support::tls::SELF_SIGNED;
use crate::support::websocket::Frames;

/// The ways to a WebSocket: the version of HTTP, and the server's configuration.
const WAYS: [(Http, &str); 4] = [
    (Http::One, ""),
    (Http::One, SELF_SIGNED),
    (Http::Two, ""),
    (Http::Two, SELF_SIGNED),
];

#[derive(Clone, Copy)]
enum Http {
    One,
    Two,
}

/// A client that shows what it agreed on, and what came.
struct Client {
    frames: Frames<Tapped>,
    tap: Tap,
    agreement: Option<Agreement>,
    /// Keeps the stream's connection.
    _http2: Option<Http2>,
}

impl Client {
    /// Opens a connection; `policy` is what it offers.
    async fn open(server: &Server, http: Http, format: Format, policy: Option<Policy>) -> Self {
        let subprotocols = [format.subprotocol()];
        let offer = client::Options {
            subprotocols: &subprotocols,
            deflate: policy,
            ..client::Options::default()
        };
        let options = Options {
            config: Config {
                deflate: policy,
                ..Config::default()
            },
            ..Options::default()
        };
        match http {
            Http::One => {
                let (stream, tap) = Tapped::new(server.dial().await);
                let url: Uri = format!("{}/v1/connect", server.websocket_url())
                    .parse()
                    .unwrap();
                let connecting = open(stream, &url, &offer, options);
                let connected = soon("a handshake", connecting).await.unwrap();
                tap.clear();
                Self {
                    frames: Frames::over(connected.websocket, format),
                    tap,
                    agreement: connected.deflate,
                    _http2: None,
                }
            }
            Http::Two => {
                let http2 = Http2::to(server).await;
                let (agreed, stream) = http2.tunnel(&offer).await.unwrap();
                let (stream, tap) = Tapped::new(stream);
                let websocket = WebSocket::client(stream, [], options);
                let websocket = match agreed.deflate {
                    Some(agreement) => websocket.with_deflate(agreement),
                    None => websocket,
                };
                Self {
                    frames: Frames::over(websocket, format),
                    tap,
                    agreement: agreed.deflate,
                    _http2: Some(http2),
                }
            }
        }
    }

    /// Opens a connection that follows `a`.
    async fn following(
        server: &Server,
        http: Http,
        format: Format,
        policy: Option<Policy>,
        name: &str,
    ) -> Self {
        let mut client = Self::open(server, http, format, policy).await;
        let (kind, token) = ("hello", format!("guest:{name}"));
        client.frames.say(&Hello { kind, token }).await;
        client.hear("hello").await;
        let subscribe = Subscribe {
            kind: "subscribe",
            req: 1,
            channel: "a",
            after: None,
        };
        client.frames.say(&subscribe).await;
        client.hear("subscribed").await;
        client
    }

    /// The next frame of that type.
    async fn hear(&mut self, kind: &str) -> Said {
        loop {
            let said: Said = self.frames.hear().await.unwrap();
            if said.kind == kind {
                return said;
            }
        }
    }

    /// Publishes in `a`.
    async fn publish(&mut self, data: &str) {
        let publish = Publish {
            kind: "publish",
            req: 2,
            channel: "a",
            data: Data::from_text(data),
        };
        self.frames.say(&publish).await;
    }

    fn compressed(&self) -> Vec<Seen> {
        let mut frames = self.tap.frames();
        frames.retain(|frame| frame.is_compressed);
        frames
    }
}

/// Text that shrinks, of about so many bytes.
fn text(bytes: usize) -> String {
    let words = (0..).flat_map(|n| format!("message {n} of many, ").into_bytes());
    String::from_utf8(words.take(bytes).collect()).unwrap()
}

/// What browsers offer; however short it is, what is said is compressed.
const OFFER: Option<Policy> = Some(Policy {
    server_context_takeover: ContextTakeover::Allow,
    client_context_takeover: ContextTakeover::Allow,
    server_max_window_bits: 15,
    client_max_window_bits: 15,
    compress_from: 1,
    level: 6,
});

#[tokio::test]
async fn who_offers_it_is_answered_with_terms_that_keep_no_window() {
    for (http, config) in WAYS {
        let server = Server::configured(config);
        let client = Client::open(&server, http, Format::Json, OFFER).await;
        let agreement = client.agreement.unwrap();
        assert!(agreement.server_no_context_takeover && agreement.client_no_context_takeover);
        let client = Client::open(&server, http, Format::Json, None).await;
        assert_eq!(client.agreement, None);
        drop(server);
        let off = Server::configured(&format!("{config}[websocket]\ncompression = false\n"));
        let client = Client::open(&off, http, Format::Json, OFFER).await;
        assert_eq!(client.agreement, None);
    }
}

#[tokio::test]
async fn large_events_come_compressed_and_small_ones_as_they_are() {
    for (http, config) in WAYS {
        let server = Server::configured(config);
        for format in [Format::Json, Format::Cbor] {
            let narrow = OFFER.map(|policy| Policy {
                server_max_window_bits: 11,
                ..policy
            });
            let mut agreed = Client::following(&server, http, format, OFFER, "ada").await;
            let mut refused = Client::following(&server, http, format, None, "bob").await;
            let mut narrow = Client::following(&server, http, format, narrow, "eve").await;
            assert!(narrow.agreement.is_some());
            let (small, large) = (text(100), text(5_000));
            for data in [&small, &large, &small, &large] {
                agreed.publish(data).await;
                narrow.publish(data).await;
                for client in [&mut agreed, &mut refused, &mut narrow] {
                    for _ in 0..2 {
                        let said = client.hear("message").await;
                        assert_eq!(said.data(), Data::from_text(data));
                    }
                }
            }
            let compressed = agreed.compressed();
            assert_eq!(compressed.len(), 4, "{compressed:?}");
            assert!(compressed.iter().all(|frame| frame.payload_bytes < 1_500));
            assert_eq!(refused.compressed(), []);
            assert_eq!(narrow.compressed(), []);
            let whole = |frame: &Seen| frame.payload_bytes > 5_000;
            assert_eq!(refused.tap.frames().into_iter().filter(whole).count(), 4);
        }
    }
}

#[tokio::test]
async fn a_page_of_history_is_not_compressed() {
    let server = Server::start();
    let mut client = Client::following(&server, Http::One, Format::Json, OFFER, "ada").await;
    server.publish("a", &format!("{:?}", text(5_000))).await;
    client.hear("message").await;
    assert_eq!(client.compressed().len(), 1);
    #[derive(serde::Serialize)]
    struct History {
        #[serde(rename = "type")]
        kind: &'static str,
        req: u64,
        channel: &'static str,
    }
    let history = History {
        kind: "history",
        req: 3,
        channel: "a",
    };
    client.frames.say(&history).await;
    let page = client.hear("history").await;
    assert_eq!(page.messages[0].data(), Data::from_text(&text(5_000)));
    assert_eq!(client.compressed().len(), 1);
}

#[tokio::test]
async fn what_decompresses_to_more_than_the_limit_is_refused_and_ends_the_connection() {
    for (http, config) in WAYS {
        let server = Server::configured(&format!("{config}[limits]\nbody = 4096\n"));
        let mut client = Client::following(&server, http, Format::Json, OFFER, "ada").await;
        // White space may stand around an object.
        let ping = |bytes: usize| format!("{:<bytes$}", r#"{"type":"ping","req":7}"#);
        client.frames.websocket.send(&*ping(4_096)).await.unwrap();
        assert_eq!(client.hear("pong").await.req, Some(7));
        client.frames.websocket.send(&*ping(4_097)).await.unwrap();
        assert_eq!(soon("the end", client.frames.close_code()).await, 1009);
        // Others are served as ever, and a bomb of a thousand times the limit is stopped there.
        let mut client = Client::following(&server, http, Format::Json, OFFER, "ada").await;
        let bomb = " ".repeat(4_000_000);
        client.frames.websocket.feed(&*bomb).unwrap();
        assert!(client.frames.websocket.unsent_bytes() < 4_500);
        client.frames.websocket.flush().await.unwrap();
        assert_eq!(soon("the end", client.frames.close_code()).await, 1009);
    }
}

#[tokio::test]
async fn who_has_sent_and_received_compressed_messages_keeps_no_memory_for_it() {
    const CLIENTS: usize = 100;
    let server = Server::start();
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let name = number.to_string();
        clients.push(Client::following(&server, Http::One, Format::Json, OFFER, &name).await);
    }
    let before = server.resident_bytes();
    let data = text(5_000);
    for client in &mut clients {
        client.publish(&data).await;
    }
    for client in &mut clients {
        for _ in 0..CLIENTS {
            client.hear("message").await;
        }
        assert_eq!(client.compressed().len(), CLIENTS);
        let (kind, req) = ("ping", 9);
        client.frames.say(&Ping { kind, req }).await;
        client.hear("pong").await;
    }
    // With a compressor and a decompressor of their own it would be 20 MB.
    let growth = server.resident_bytes().saturating_sub(before);
    assert!(growth < 8_000_000, "it grew by {growth} bytes");
}
