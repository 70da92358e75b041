//! What the figures say, in sentences: pure. They name what is usually claimed, and what was seen here.

use tidings_wire::Format;

use super::figures::{CellFigures, Figures, StreamFigures};
use super::pattern::Pattern;
use super::way::Way;
use crate::cli::units::{bytes, count, time};

/// One a line; none about what was not measured.
pub(super) fn findings(figures: &Figures) -> Vec<String> {
    let Some(clients) = figures.cells.iter().map(|cell| cell.clients).max() else {
        return Vec::new();
    };
    let found = Found { figures, clients };
    [
        found.latency(),
        found.headers(),
        found.amortised(),
        found.connections(),
        found.cpu(),
        found.idle(),
        found.memory(),
        found.cbor(),
        found.deflate(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The largest number of clients is what is told of.
struct Found<'a> {
    figures: &'a Figures,
    clients: u32,
}

impl Found<'_> {
    fn cell(&self, way: Way, format: Format) -> Option<&CellFigures> {
        self.figures
            .cells
            .iter()
            .find(|cell| (cell.way, cell.format, cell.clients) == (way, format, self.clients))
    }

    fn stream(&self, way: Way, format: Format, pattern: Pattern) -> Option<&StreamFigures> {
        self.cell(way, format)?.stream(pattern)
    }

    fn steady(&self, way: Way) -> Option<&StreamFigures> {
        self.stream(way, Format::Json, Pattern::Steady)
    }

    fn latency(&self) -> Option<String> {
        let ways = [
            Way::Webtransport,
            Way::Websocket,
            Way::Sse,
            Way::LongPoll,
            Way::Poll1s,
            Way::Poll5s,
        ];
        let mut seen: Vec<(u64, Way)> = ways
            .into_iter()
            .filter_map(|way| Some((self.steady(way)?.latency_us.p50, way)))
            .collect();
        seen.sort_by_key(|(us, _)| *us);
        let words: Vec<String> = seen
            .iter()
            .map(|(us, way)| format!("{} {}", way.name(), time(*us)))
            .collect();
        (seen.len() > 1).then(|| {
            format!(
                "Latency: from the quickest, half of the messages were there within {}. What is pushed, and a long poll, come \
                 at once; a short poll waits half its interval.",
                words.join(", ")
            )
        })
    }

    fn headers(&self) -> Option<String> {
        let poll = self.stream(Way::Poll1s, Format::Json, Pattern::Quiet);
        let poll = poll.or_else(|| self.steady(Way::LongPoll))?;
        let socket = self.stream(Way::Websocket, Format::Json, poll.pattern)?;
        let (poll_bytes, bytes_of) = (poll.up_bytes + poll.down_bytes, |it: &StreamFigures| {
            it.up_bytes + it.down_bytes
        });
        let which = match poll.pattern {
            Pattern::Quiet => "polled every second in a quiet room",
            _ => "by long poll",
        };
        Some(format!(
            "Headers: a message of {} bytes takes {} {which}, and {} over a WebSocket: {:.1} times as much.",
            count(self.figures.data_bytes as u64),
            bytes(poll_bytes),
            bytes(bytes_of(socket)),
            poll_bytes / bytes_of(socket)
        ))
    }

    fn amortised(&self) -> Option<String> {
        let poll = self.steady(Way::Poll5s)?;
        let long = self.steady(Way::LongPoll)?;
        let (poll, long) = (
            poll.up_bytes + poll.down_bytes,
            long.up_bytes + long.down_bytes,
        );
        (poll < long).then(|| {
            format!(
                "But where much is said, one answer brings many messages: a poll every 5 s then takes {} a message, less than \
                 a long poll's {}. It is latency that it pays with.",
                bytes(poll),
                bytes(long)
            )
        })
    }

    fn connections(&self) -> Option<String> {
        let close = self.cell(Way::Poll1sClose, Format::Json)?;
        let keep = self.cell(Way::Poll1s, Format::Json)?;
        let (close, keep) = (close.idle.server_cpu_us?, keep.idle.server_cpu_us?);
        (keep > 0.0).then(|| {
            format!(
                "Connections: a new one for each poll has the server work {:.1} times as much as one that is kept.",
                close / keep
            )
        })
    }

    fn cpu(&self) -> Option<String> {
        let long = self.steady(Way::LongPoll)?.server_cpu_us?;
        let sse = self.steady(Way::Sse)?.server_cpu_us?;
        let socket = self.steady(Way::Websocket)?.server_cpu_us?;
        (socket > 0.0).then(|| {
            format!(
                "CPU: for a message the server works {:.1} µs over a WebSocket, {:.1} over SSE ({:.1} times) and {:.1} by long \
                 poll ({:.1} times).",
                socket,
                sse,
                sse / socket,
                long,
                long / socket
            )
        })
    }

    fn idle(&self) -> Option<String> {
        let poll = self.cell(Way::Poll1s, Format::Json)?.idle;
        let socket = self.cell(Way::Websocket, Format::Json)?.idle;
        Some(format!(
            "Silence: in a minute without a message a poll every second moves {}, a WebSocket {} of heartbeats.",
            bytes(poll.up_bytes + poll.down_bytes),
            bytes(socket.up_bytes + socket.down_bytes)
        ))
    }

    fn memory(&self) -> Option<String> {
        let memory = |way| Some(self.cell(way, Format::Json)?.memory_bytes?.max(0.0));
        Some(format!(
            "Memory: a client takes {} in the server over a WebSocket, {} over SSE, {} by long poll, {} over WebTransport; the \
             kernel's buffers come on top.",
            bytes(memory(Way::Websocket)?),
            bytes(memory(Way::Sse)?),
            bytes(memory(Way::LongPoll)?),
            bytes(memory(Way::Webtransport)?)
        ))
    }

    fn cbor(&self) -> Option<String> {
        let json = self.steady(Way::Websocket)?.down_bytes;
        let cbor = self
            .stream(Way::Websocket, Format::Cbor, Pattern::Steady)?
            .down_bytes;
        Some(format!(
            "CBOR: the same message takes {} in place of {} over a WebSocket.",
            bytes(cbor),
            bytes(json)
        ))
    }

    fn deflate(&self) -> Option<String> {
        let (plain, deflated) = (
            self.steady(Way::Websocket)?,
            self.steady(Way::WebsocketDeflate)?,
        );
        if deflated.down_bytes > SAVED_FROM * plain.down_bytes {
            return Some(
                "Compression: messages as small as these go as they are, for it would cost more than it saves; try --size 1000."
                    .to_owned(),
            );
        }
        Some(format!(
            "Compression: the same message takes {} in place of {} where the client offers permessage-deflate.",
            bytes(deflated.down_bytes),
            bytes(plain.down_bytes)
        ))
    }
}

/// What is no smaller than so much of itself was not compressed.
const SAVED_FROM: f64 = 0.98;

#[cfg(test)]
mod tests {
    use super::super::figures::tests::figures;
    use super::*;

    #[test]
    fn everything_that_was_measured_is_told() {
        let all = findings(&figures());
        for topic in [
            "Latency",
            "Headers",
            "Connections",
            "CPU",
            "Silence",
            "Memory",
            "CBOR",
            "Compression",
        ] {
            assert!(
                all.iter().any(|it| it.starts_with(topic)),
                "{topic}: {all:?}"
            );
        }
    }

    #[test]
    fn nothing_is_told_of_what_was_not_measured() {
        let mut figures = figures();
        figures.cells.retain(|cell| cell.way == Way::Sse);
        assert_eq!(findings(&figures), [""; 0]);
        figures.cells.clear();
        assert_eq!(findings(&figures), [""; 0]);
    }
}
