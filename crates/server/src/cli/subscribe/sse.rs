//! Reading server-sent events (WHATWG HTML, section 9.2.6).

use std::collections::BTreeMap;

use http_body_util::BodyExt;
use serde::Deserialize;
use tidings_wire::{Epoch, Newest, StreamCursor};
use tokio::time::timeout;

use super::super::client::{ANSWER_WITHIN, Failure};
use super::heartbeat::Heartbeat;
use super::place::Beginning;
use super::{Never, Reader, Stop, ends};
use crate::fault::Fault;

/// The longest event that is kept in memory, in bytes; the server's largest is far smaller.
const EVENT_BYTES_MAX: usize = 4 << 20;

/// Reads one stream to its end, which is always a failure: it has none.
pub(super) async fn read(reader: &mut Reader) -> Result<Never, Stop> {
    let path = reader.events_path();
    let response = reader
        .client
        .get(&path, "text/event-stream", ANSWER_WITHIN)
        .await?;
    let mut body = response.into_body();
    let mut lines = Lines::default();
    let mut event = Pending::default();
    loop {
        let frame = timeout(reader.heartbeat.patience(), body.frame())
            .await
            .map_err(|_| Failure::passing("the stream fell silent"))?
            .ok_or_else(|| Failure::passing("the stream ended"))?
            .map_err(Failure::passing)?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        lines.push(&data);
        while let Some(line) = lines.next() {
            if let Some(whole) = event.take_line(&line) {
                handle(reader, &whole)?;
            }
        }
        if lines.kept() + event.data.len() > EVENT_BYTES_MAX {
            let fault = Fault::failure("the server sent an event that is too large");
            return Err(Failure::Lasting(fault).into());
        }
    }
}

#[derive(Deserialize)]
struct Hello {
    newest: Option<Newest>,
    epochs: Option<BTreeMap<String, Epoch>>,
    heartbeat: Option<Heartbeat>,
}

fn handle(reader: &mut Reader, event: &Whole) -> Result<(), Stop> {
    let cursor: Option<StreamCursor> = event.id.as_ref().and_then(|id| id.parse().ok());
    match (event.name.as_str(), &cursor) {
        ("hello", _) => {
            let hello: Hello = serde_json::from_str(&event.data).map_err(Failure::passing)?;
            reader.heed(hello.heartbeat);
            if let Some(cursor) = &cursor {
                let ends = ends(cursor, hello.newest.as_ref());
                let beginning = Beginning {
                    cursor,
                    ends: ends.as_ref(),
                    epochs: hello.epochs.as_ref(),
                };
                reader.begin(None, &beginning);
            }
        }
        ("error", _) => {
            #[derive(Deserialize)]
            struct Refused {
                message: String,
            }
            let refused = serde_json::from_str(&event.data);
            let message = refused.map_or_else(|_| event.data.clone(), |it: Refused| it.message);
            // Whether it is for good is told by the answer to the next request.
            return Err(Failure::passing(message).into());
        }
        _ if event.data.is_empty() => {}
        _ => reader.handle(&event.data)?,
    }
    if let Some(cursor) = &cursor
        && event.name != "hello"
    {
        reader.place.advance(cursor);
    }
    Ok(())
}

/// Bytes into lines.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    begin: usize,
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.begin);
        self.begin = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole line, without its end. The server ends lines with `\n` alone.
    fn next(&mut self) -> Option<String> {
        let rest = &self.bytes[self.begin..];
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let line = String::from_utf8_lossy(&rest[..end]).into_owned();
        self.begin += end + 1;
        Some(line)
    }

    fn kept(&self) -> usize {
        self.bytes.len() - self.begin
    }
}

/// An event whose end has not come.
#[derive(Default)]
struct Pending {
    name: String,
    id: Option<String>,
    data: String,
}

/// An event, or an `id:` alone.
#[derive(Debug, PartialEq, Eq)]
struct Whole {
    name: String,
    id: Option<String>,
    data: String,
}

impl Pending {
    /// Takes a line; an empty one ends the event.
    fn take_line(&mut self, line: &str) -> Option<Whole> {
        if line.is_empty() {
            let Self { name, id, data } = std::mem::take(self);
            return (!data.is_empty() || id.is_some()).then_some(Whole { name, id, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.name = value.to_owned(),
            "id" => self.id = Some(value.to_owned()),
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            // Comments and `retry`.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read_however_it_is_cut() {
        let stream = b":   \nretry: 1000\n\nid: e-1\nevent: hello\ndata: {}\n\n:\nid: e-2\n\n\
            id: e-3\ndata: {\"a\":1}\n\n";
        for size in 1..stream.len() {
            let (mut lines, mut pending) = (Lines::default(), Pending::default());
            let mut events = Vec::new();
            for piece in stream.chunks(size) {
                lines.push(piece);
                while let Some(line) = lines.next() {
                    events.extend(pending.take_line(&line));
                }
            }
            let read: Vec<_> = events
                .iter()
                .map(|event| (&*event.name, event.id.as_deref().unwrap(), &*event.data))
                .collect();
            let expected = [
                ("hello", "e-1", "{}"),
                ("", "e-2", ""),
                ("", "e-3", "{\"a\":1}"),
            ];
            assert_eq!(read, expected, "in pieces of {size}");
        }
    }
}
