//! One way of following channels for each door, all with the same methods, so that a scenario is
//! written once.

use std::collections::VecDeque;
use std::time::Duration;

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tidings_wire::{Cursor, Data, Format};
use tokio::io::{AsyncRead, AsyncWrite};

use super::http::Http;
use super::http2::{Http2, Pieces};
use super::server::Server;
use super::tls::{SELF_SIGNED, Stream};
use super::websocket::Frames;
use super::webtransport;
use super::{soon, until};

/// A transport and a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Poll(Format),
    LongPoll(Format),
    Sse,
    WebSocket(Format),
    /// Over QUIC, whatever the version of HTTP is elsewhere.
    WebTransport(Format),
}

/// Which server a door belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum House {
    Plain,
    Tls,
}

impl House {
    /// A server in development mode.
    pub(crate) fn start(self) -> Server {
        self.configured("")
    }

    /// A server with this configuration file.
    pub(crate) fn configured(self, config: &str) -> Server {
        match self {
            Self::Plain => Server::configured(config),
            Self::Tls => Server::configured(&format!("{config}{SELF_SIGNED}")),
        }
    }
}

impl Way {
    const ALL: [Self; 9] = [
        Self::Poll(Format::Json),
        Self::Poll(Format::Cbor),
        Self::LongPoll(Format::Json),
        Self::LongPoll(Format::Cbor),
        Self::Sse,
        Self::WebSocket(Format::Json),
        Self::WebSocket(Format::Cbor),
        Self::WebTransport(Format::Json),
        Self::WebTransport(Format::Cbor),
    ];

    /// Whether it is a connection that holds the session, which ends with it.
    pub(crate) fn is_stream(self) -> bool {
        !matches!(self, Self::Poll(_) | Self::LongPoll(_))
    }
}

/// The versions of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}

/// A way of following, and the HTTP that it goes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Door {
    pub(crate) way: Way,
    pub(crate) http: Version,
}

impl Door {
    /// Every way over every version.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let over = |http| move |way| Self { way, http };
        let one = Way::ALL.into_iter().map(over(Version::One));
        let two = Way::ALL.into_iter().map(over(Version::Two));
        one.chain(two.filter(|door| !matches!(door.way, Way::WebTransport(_))))
    }
}

impl From<Way> for Door {
    fn from(way: Way) -> Self {
        let http = Version::One;
        Self { way, http }
    }
}

/// An event or an answer, in either format.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Said {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) req: Option<u64>,
    pub(crate) channel: Option<String>,
    pub(crate) seq: Option<u64>,
    pub(crate) prev: Option<u64>,
    pub(crate) id: Option<String>,
    pub(crate) at: Option<u64>,
    pub(crate) from: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) cursor: Option<Cursor>,
    pub(crate) truncated: Option<bool>,
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) count: Option<usize>,
    pub(crate) oldest: Option<u64>,
    pub(crate) after_ms: Option<u64>,
    pub(crate) messages: Vec<Said>,
    data: Option<Data>,
    bytes: Option<String>,
}

impl Said {
    /// What it carries: JSON as text, or bytes.
    pub(crate) fn data(&self) -> Data {
        match &self.bytes {
            Some(base64) => Data::from_base64(base64).unwrap(),
            None => self.data.clone().unwrap(),
        }
    }

    /// The number that it carries.
    pub(crate) fn number(&self) -> u64 {
        match self.data() {
            Data::Json(text) => text.parse().unwrap(),
            Data::Bytes(bytes) => panic!("{bytes:?} is no number"),
        }
    }
}

#[derive(Deserialize)]
struct Polled {
    cursor: Cursor,
    events: Vec<Said>,
    truncated: bool,
}

/// Somebody who follows channels over a door.
pub(crate) struct Follower<'a> {
    server: &'a Server,
    pub(crate) door: Door,
    channels: Vec<String>,
    name: String,
    /// Everything up to here was given.
    pub(crate) cursor: Option<Cursor>,
    pub(crate) was_truncated: bool,
    events: VecDeque<Said>,
    line: Option<Line>,
}

/// What an `id:` without data is called here.
const HEARTBEAT: &str = "(heartbeat)";

/// What a follower hears through.
#[expect(dead_code, reason = "a connection breaks when dropped")]
enum Line {
    Polls(Asked),
    Stream(Chunks, Vec<u8>),
    Frames(Box<Frames>),
    Tunnel(Box<Frames<TokioIo<Upgraded>>>, Http2),
    Datagrams(Box<webtransport::Frames>),
}

/// A connection for one question after the other.
enum Asked {
    One(Http),
    Two(Http2),
}

/// An answer that comes piece by piece, with what it comes over.
enum Chunks {
    One(Http),
    Two(
        Pieces,
        #[expect(dead_code, reason = "it breaks when dropped")] Http2,
    ),
}

impl Chunks {
    async fn next(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::One(http) => http.chunk().await,
            Self::Two(pieces, _) => pieces.next().await,
        }
    }
}

impl<'a> Follower<'a> {
    /// Follows `channels` as the guest `name`, from now on: what is published after this comes.
    pub(crate) async fn open(
        server: &'a Server,
        door: impl Into<Door>,
        name: &str,
        channels: &[&str],
    ) -> Self {
        Self::open_after(server, door, name, channels, None).await
    }

    /// Follows `channels` from behind a cursor on.
    pub(crate) async fn open_after(
        server: &'a Server,
        door: impl Into<Door>,
        name: &str,
        channels: &[&str],
        after: Option<Cursor>,
    ) -> Self {
        let mut follower = Self {
            server,
            door: door.into(),
            channels: channels.iter().map(|&channel| channel.to_owned()).collect(),
            name: name.to_owned(),
            cursor: after,
            was_truncated: false,
            events: VecDeque::new(),
            line: None,
        };
        follower.resume().await;
        follower
    }

    /// Cuts the connection without a word. What was not looked at is lost, but for a poll's answer,
    /// whose cursor covers all of it.
    pub(crate) fn cut(&mut self) {
        self.line = None;
        if self.door.way.is_stream() {
            self.events.clear();
        }
    }

    /// The connection itself, which speaks HTTP/1.1.
    pub(crate) fn into_stream(self) -> Stream {
        match self.line {
            Some(Line::Polls(Asked::One(http)) | Line::Stream(Chunks::One(http), _)) => http.stream,
            Some(Line::Frames(frames)) => frames.websocket.into_parts().stream,
            _ => panic!("{:?}: there is none", self.door),
        }
    }

    /// Opens a connection where there is none, and goes on from the cursor.
    pub(crate) async fn resume(&mut self) {
        until("a connection", async || {
            self.try_resume().await.then_some(())
        })
        .await;
    }

    /// Whether a connection could be opened.
    pub(crate) async fn try_resume(&mut self) -> bool {
        let line = match self.door.way {
            Way::Poll(_) | Way::LongPoll(_) => self.open_polls().await,
            Way::Sse => self.open_stream().await,
            Way::WebSocket(format) => self.open_frames(format).await,
            Way::WebTransport(format) => self.open_webtransport(format).await,
        };
        self.line = line;
        self.line.is_some()
    }

    /// The next message, past everything else.
    pub(crate) async fn message(&mut self) -> Said {
        self.event_of("message").await
    }

    /// The next event of that kind, past everything else.
    pub(crate) async fn event_of(&mut self, kind: &str) -> Said {
        soon(kind, async {
            loop {
                let event = self.event().await;
                if event.kind == kind {
                    return event;
                }
            }
        })
        .await
    }

    /// The next event.
    pub(crate) async fn event(&mut self) -> Said {
        match self.try_event().await {
            Some(event) => event,
            None => panic!("{:?}: the connection ended", self.door),
        }
    }

    /// The next event; `None` if the connection broke.
    pub(crate) async fn try_event(&mut self) -> Option<Said> {
        loop {
            if let Some(event) = self.events.pop_front() {
                if event.kind == HEARTBEAT {
                    self.cursor = event.cursor;
                    continue;
                }
                if let (Some(seq), Some(cursor)) = (event.seq, &mut self.cursor)
                    && event.kind == "message"
                {
                    cursor.seq = cursor.seq.max(seq);
                }
                return Some(event);
            }
            let read = match self.line.as_mut()? {
                Line::Polls(_) => self.read_poll().await,
                Line::Stream(..) => self.read_stream().await,
                Line::Frames(frames) => {
                    let heard = frames.hear::<Said>().await.ok();
                    heard.map(|said| self.take(said)).is_some()
                }
                Line::Tunnel(frames, _) => {
                    let heard = frames.hear::<Said>().await.ok();
                    heard.map(|said| self.take(said)).is_some()
                }
                Line::Datagrams(frames) => {
                    let heard = frames.hear::<Said>().await.ok();
                    heard.map(|said| self.take(said)).is_some()
                }
            };
            if !read {
                self.line = None;
                return None;
            }
        }
    }

    fn take(&mut self, said: Said) {
        self.was_truncated |= said.kind == "truncated" || said.truncated == Some(true);
        self.events.push_back(said);
    }

    fn path(&self) -> String {
        let channels = self.channels.iter();
        let mut path = format!("/v1/events?session={}", self.name);
        for channel in channels {
            path.push_str(&format!("&channel={channel}"));
        }
        if let Some(cursor) = &self.cursor {
            path.push_str(&format!("&after={cursor}"));
        }
        path
    }

    async fn open_polls(&mut self) -> Option<Line> {
        let asked = match self.door.http {
            Version::One => Asked::One(Http::to(self.server).await),
            Version::Two => Asked::Two(Http2::to(self.server).await),
        };
        self.line = Some(Line::Polls(asked));
        if self.cursor.is_none() {
            // Where "now" is.
            assert!(self.read_poll().await);
        }
        self.line.take()
    }

    async fn read_poll(&mut self) -> bool {
        let (wait, format) = match self.door.way {
            Way::LongPoll(format) => ("&wait=20", format),
            Way::Poll(format) => ("", format),
            _ => unreachable!(),
        };
        let path = self.path() + wait;
        let token = format!("Bearer guest:{}", self.name);
        let headers = [("accept", format.media_type()), ("authorization", &token)];
        let response = match &mut self.line {
            Some(Line::Polls(Asked::One(http))) => {
                http.send("GET", &path, &headers, b"").await;
                http.response().await
            }
            Some(Line::Polls(Asked::Two(http))) => http.ask("GET", &path, &headers, b"").await,
            _ => return false,
        };
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(response.header("content-type"), Some(format.media_type()));
        let polled: Polled = format.decode(&response.body).unwrap();
        self.was_truncated |= polled.truncated;
        if polled.events.is_empty() && matches!(self.door.way, Way::Poll(_)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // A cursor covers the events of its answer: they are all taken before the next question.
        self.cursor = Some(polled.cursor);
        for event in polled.events {
            self.take(event);
        }
        true
    }

    async fn open_stream(&mut self) -> Option<Line> {
        let token = format!("Bearer guest:{}", self.name);
        let headers = [("accept", "text/event-stream"), ("authorization", &token)];
        let chunks = match self.door.http {
            Version::One => {
                let mut http = Http::to(self.server).await;
                http.send("GET", &self.path(), &headers, b"").await;
                assert_eq!(http.head().await.status, 200);
                Chunks::One(http)
            }
            Version::Two => {
                let http = Http2::to(self.server).await;
                Chunks::Two(http.stream(&self.path(), &headers).await, http)
            }
        };
        self.line = Some(Line::Stream(chunks, Vec::new()));
        // Up to the hello, whose id is where the stream begins.
        while self.events.iter().all(|event| event.kind != "hello") {
            if !self.read_stream().await {
                return None;
            }
        }
        self.events.retain(|event| event.kind != "hello");
        self.line.take()
    }

    async fn read_stream(&mut self) -> bool {
        let Some(Line::Stream(chunks, buffer)) = &mut self.line else {
            return false;
        };
        let Some(chunk) = chunks.next().await else {
            return false;
        };
        buffer.extend(chunk);
        let mut said = Vec::new();
        while let Some(end) = buffer.windows(2).position(|window| window == b"\n\n") {
            let event: Vec<u8> = buffer.drain(..end + 2).collect();
            said.push(String::from_utf8(event).unwrap());
        }
        for event in said {
            self.take_sse(&event);
        }
        true
    }

    fn take_sse(&mut self, event: &str) {
        let field = |name: &str| {
            let mut lines = event.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        let id: Option<Cursor> = field("id").map(|id| id.parse().unwrap());
        if let Some(data) = field("data") {
            let said: Said = serde_json::from_str(data).unwrap();
            if said.kind == "hello" {
                // A resumed stream begins where it was asked to, unless that is another log's.
                self.was_truncated |= self
                    .cursor
                    .as_ref()
                    .is_some_and(|cursor| Some(&cursor.epoch) != id.as_ref().map(|id| &id.epoch));
                self.cursor.clone_from(&id);
            }
            self.take(said);
        } else if id.is_some() {
            self.take(Said {
                kind: HEARTBEAT.to_owned(),
                cursor: id,
                ..Said::default()
            });
        }
    }

    async fn open_frames(&mut self, format: Format) -> Option<Line> {
        match self.door.http {
            Version::One => {
                let mut frames = Frames::open(self.server, format).await;
                self.subscribe(&mut frames).await?;
                Some(Line::Frames(Box::new(frames)))
            }
            Version::Two => {
                let http = Http2::to(self.server).await;
                let mut frames = http.frames(format).await;
                self.subscribe(&mut frames).await?;
                Some(Line::Tunnel(Box::new(frames), http))
            }
        }
    }

    async fn open_webtransport(&mut self, format: Format) -> Option<Line> {
        let mut frames = webtransport::Frames::try_open(self.server, format)
            .await
            .ok()?;
        self.subscribe(&mut frames).await?;
        Some(Line::Datagrams(Box::new(frames)))
    }

    async fn subscribe(&mut self, frames: &mut impl Both) -> Option<()> {
        frames.feed(&Hello {
            kind: "hello",
            token: format!("guest:{}", self.name),
        });
        for channel in &self.channels {
            frames.feed(&Subscribe {
                kind: "subscribe",
                req: 1,
                channel,
                after: self.cursor.as_ref(),
            });
        }
        frames
            .say(&Ping {
                kind: "ping",
                req: 2,
            })
            .await;
        let mut waiting = self.channels.len();
        while waiting > 0 {
            let said = frames.hear_said().await?;
            if said.kind == "subscribed" {
                waiting -= 1;
                let cursor = said.cursor.clone().unwrap();
                if self
                    .cursor
                    .as_ref()
                    .is_none_or(|known| known.epoch != cursor.epoch)
                {
                    self.cursor = Some(cursor);
                }
            }
            self.take(said);
        }
        Some(())
    }
}

/// What carries frames both ways.
trait Both {
    fn feed(&mut self, object: &impl Serialize);
    async fn say(&mut self, object: &impl Serialize);
    async fn hear_said(&mut self) -> Option<Said>;
}

impl<S: AsyncRead + AsyncWrite + Unpin> Both for Frames<S> {
    fn feed(&mut self, object: &impl Serialize) {
        Self::feed(self, object);
    }

    async fn say(&mut self, object: &impl Serialize) {
        Self::say(self, object).await;
    }

    async fn hear_said(&mut self) -> Option<Said> {
        self.hear().await.ok()
    }
}

impl Both for webtransport::Frames {
    fn feed(&mut self, object: &impl Serialize) {
        Self::feed(self, object);
    }

    async fn say(&mut self, object: &impl Serialize) {
        Self::say(self, object).await;
    }

    async fn hear_said(&mut self) -> Option<Said> {
        self.hear().await.ok()
    }
}

#[derive(Serialize)]
pub(crate) struct Hello {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) token: String,
}

#[derive(Serialize)]
pub(crate) struct Subscribe<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) req: u64,
    pub(crate) channel: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<&'a Cursor>,
}

#[derive(Serialize)]
pub(crate) struct Ping {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) req: u64,
}

#[derive(Serialize)]
pub(crate) struct Publish<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) req: u64,
    pub(crate) channel: &'a str,
    pub(crate) data: Data,
}
