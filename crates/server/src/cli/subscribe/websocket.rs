//! Reading over a WebSocket.

use serde::Deserialize;
use serde_json::json;
use tidings_websocket::handshake::client;
use tidings_websocket::tokio::{HandshakeError, Options, open};
use tidings_websocket::{Event, keepalive};
use tidings_wire::StreamCursor;
use tokio::time::timeout;

use super::super::client::{Failure, frame_limits};
use super::heartbeat::Heartbeat;
use super::place::Beginning;
use super::{Never, Reader, Stop};
use crate::fault::Fault;

/// A frame that is no event.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    channel: Option<String>,
    cursor: Option<StreamCursor>,
    #[serde(default)]
    truncated: bool,
    heartbeat: Option<Heartbeat>,
    code: Option<String>,
    message: Option<String>,
}

/// Reads one connection to its end, which is always a failure: it has none.
pub(super) async fn read(reader: &mut Reader) -> Result<Never, Stop> {
    let offer = client::Options {
        subprotocols: &["tidings.v1.json"],
        ..client::Options::default()
    };
    let options = Options {
        config: frame_limits(),
        // Silence is asked about below, in the session's own words.
        keepalive: keepalive::Options {
            ping_after: None,
            ..keepalive::Options::default()
        },
        ..Options::default()
    };
    let wrong = |error| Failure::Lasting(Fault::setup(format!("--url: {error}")));
    let uri = reader.client.websocket_url().parse().map_err(wrong)?;
    let stream = reader.client.dial().await?;
    let connected = open(stream, &uri, &offer, options).await;
    let mut websocket = connected.map_err(refused)?.websocket;
    let hello = json!({"type": "hello", "token": reader.client.token()});
    let mut frames = vec![hello];
    for (req, channel) in reader.place.channels().enumerate() {
        let after = reader.place.of(channel).map(StreamCursor::to_string);
        frames.push(json!({"type": "subscribe", "req": req, "channel": channel, "after": after}));
    }
    for frame in frames {
        websocket
            .feed(frame.to_string().as_str())
            .map_err(Failure::passing)?;
    }
    let mut misses = 0;
    loop {
        let Heartbeat {
            interval,
            timeout: answer_within,
            tries,
        } = reader.heartbeat;
        let patience = if misses == 0 { interval } else { answer_within };
        match timeout(patience, websocket.recv()).await {
            Ok(event) => match event.map_err(Failure::passing)? {
                Some(Event::Text(text)) => handle(reader, &text)?,
                Some(Event::Close(close)) => return Err(closed(close.code.into(), &close.reason)),
                Some(_) => {}
                None => return Err(Failure::passing("the connection ended").into()),
            },
            Err(_) if misses < tries => {
                misses += 1;
                websocket
                    .feed(r#"{"type":"ping"}"#)
                    .map_err(Failure::passing)?;
                continue;
            }
            Err(_) => return Err(Failure::passing("the connection fell silent").into()),
        }
        misses = 0;
    }
}

fn handle(reader: &mut Reader, json: &str) -> Result<(), Stop> {
    let frame: Frame<'_> = serde_json::from_str(json).map_err(Failure::passing)?;
    match (frame.kind, &frame.cursor) {
        ("subscribed", Some(cursor)) => {
            // Who asked from beyond the log's end is told where that is.
            let beginning = Beginning {
                cursor,
                ends: frame.truncated.then_some(cursor),
                epochs: None,
            };
            reader.begin(frame.channel.as_deref(), &beginning);
        }
        ("hello", _) => reader.heed(frame.heartbeat),
        ("pong", _) => {}
        ("error" | "unsubscribed", _) => {
            let code = frame.code.unwrap_or_default();
            let message = frame.message.unwrap_or_else(|| code.clone());
            return Err(match code.as_str() {
                "busy" | "unavailable" | "internal" | "storage_full" => Failure::passing(message),
                _ => Failure::Lasting(Fault::failure(message)),
            }
            .into());
        }
        _ => reader.handle(json)?,
    }
    Ok(())
}

/// Whether to come again is in the close code.
fn closed(code: u16, reason: &str) -> Stop {
    let message = format!("the connection was closed ({code}) {reason}");
    match code {
        1008 | 4001 | 4002 => Failure::Lasting(
            Fault::failure(message)
                .advise("Give a token: --token, or TIDINGS_TOKEN (`tidings token --help`)."),
        ),
        _ => Failure::passing(message),
    }
    .into()
}

fn refused(error: HandshakeError) -> Failure {
    match error.status() {
        Some(status) if status.is_client_error() && !matches!(status.as_u16(), 408 | 429) => {
            Failure::Lasting(Fault::failure(format!("the server refused: {error}")))
        }
        _ => Failure::passing(error),
    }
}
