//! What a terminal shows of an event.

use std::io::{self, Write};

use serde::Deserialize;
use serde_json::value::RawValue;

/// An event, as far as it is looked at.
#[derive(Debug, Deserialize)]
pub(super) struct Event<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
    pub(super) channel: Option<String>,
    pub(super) seq: Option<u64>,
    at: Option<u64>,
    from: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    bytes: Option<&'a str>,
    oldest: Option<u64>,
    pub(super) after_ms: Option<u64>,
}

/// How events are printed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Printer {
    /// One JSON object a line, as it came.
    pub(super) json: bool,
    /// Whether lines name their channel.
    pub(super) with_channel: bool,
}

impl Printer {
    /// Prints one event. Signals, joins and leaves are for programs: `--json` shows them.
    pub(super) fn print(self, event: &Event<'_>, json: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{json}")?;
        } else {
            match event.kind {
                "message" => writeln!(out, "{}", self.line(event))?,
                "truncated" => eprintln!(
                    "tidings: some messages of {} are gone; the oldest kept is {}",
                    event.channel.as_deref().unwrap_or_default(),
                    event.oldest.unwrap_or_default(),
                ),
                _ => return Ok(()),
            }
        }
        out.flush()
    }

    fn line(self, event: &Event<'_>) -> String {
        let seconds = event.at.unwrap_or_default() / 1000;
        let (hours, minutes, seconds) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        let channel = match (self.with_channel, &event.channel) {
            (true, Some(channel)) => format!("{channel} "),
            _ => String::new(),
        };
        let from = event.from.as_deref().unwrap_or_default();
        format!(
            "{hours:02}:{minutes:02}:{seconds:02} {channel}{from}: {}",
            words(event)
        )
        // What somebody else wrote must not move this terminal's cursor.
        .replace(|c: char| c.is_control(), "\u{fffd}")
    }
}

/// A string is shown as it reads, a chat's `{"text"}` as its text, everything else as JSON.
fn words(event: &Event<'_>) -> String {
    #[derive(Deserialize)]
    struct Chat {
        text: String,
    }
    let json = event.data.map_or("null", RawValue::get);
    if let Some(bytes) = event.bytes {
        return format!("(bytes) {bytes}");
    }
    serde_json::from_str::<String>(json)
        .or_else(|_| serde_json::from_str::<Chat>(json).map(|chat| chat.text))
        .unwrap_or_else(|_| json.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(json: &str) -> String {
        let printer = Printer {
            json: false,
            with_channel: true,
        };
        printer.line(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_line_has_the_time_the_channel_the_user_and_the_words() {
        let json =
            r#"{"type":"message","channel":"a","seq":1,"at":45296000,"from":"bob","data":"hi"}"#;
        assert_eq!(line(json), "12:34:56 a bob: hi");
    }

    #[test]
    fn data_is_shown_as_it_reads() {
        let said = |data: &str| {
            line(&format!(
                r#"{{"type":"message","channel":"a","at":0,"from":"b","data":{data}}}"#
            ))
        };
        assert_eq!(said(r#"{"text":"hi"}"#), "00:00:00 a b: hi");
        assert_eq!(said(r#"{"n":1}"#), r#"00:00:00 a b: {"n":1}"#);
        assert_eq!(said(r#""\u001b[2J""#), "00:00:00 a b: \u{fffd}[2J");
        assert_eq!(said(r#"null,"bytes":"AAE=""#), "00:00:00 a b: (bytes) AAE=");
    }
}
