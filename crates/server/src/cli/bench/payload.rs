//! What a message carries, and what is read of a delivery: only what is needed to judge it.
//!
//! The data is a JSON string: when it was to be sent, its channel's number, then padding. Both stand
//! at fixed places in hexadecimal digits, so that reading them is no parsing.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;
use tidings_wire::Code;

use super::super::client::Failure;
use super::channels::NAMESPACE;
use super::plan::Slot;
use crate::fault::Fault;

/// The least that a message's data takes, in bytes: two quotes, 16 digits of time, 8 of channel.
pub(super) const DATA_BYTES_MIN: usize = 26;

/// Writes the data of messages of one size.
#[derive(Clone, Debug)]
pub(super) struct Payload {
    padding: String,
}

impl Payload {
    /// For data of `bytes` (at least [`DATA_BYTES_MIN`]) as JSON, quotes included.
    ///
    /// The padding is random letters, so that no compression on the way makes the load smaller than it says.
    pub(super) fn new(bytes: usize) -> Self {
        let letters = std::iter::repeat_with(fastrand::alphanumeric);
        Self {
            padding: letters.take(bytes.saturating_sub(DATA_BYTES_MIN)).collect(),
        }
    }

    /// The data of one message, as JSON.
    pub(super) fn data(&self, slot: Slot) -> String {
        format!(
            "\"{:016x}{:08x}{}\"",
            slot.at_us, slot.channel, self.padding
        )
    }
}

/// What was to be sent when.
fn read_data(json: &str) -> Option<Slot> {
    let text = json.strip_prefix('"')?;
    Some(Slot {
        at_us: u64::from_str_radix(text.get(..16)?, 16).ok()?,
        channel: u32::from_str_radix(text.get(16..24)?, 16).ok()?,
    })
}

/// Whatever a server says in a frame, an event or an answer: all fields that any of them has that matter here.
#[derive(Debug, Deserialize)]
pub(super) struct Said<'a> {
    /// What it is.
    #[serde(rename = "type", borrow)]
    pub(super) kind: Cow<'a, str>,
    /// Which request it answers.
    pub(super) req: Option<u64>,
    /// Its place in the log.
    pub(super) seq: Option<u64>,
    /// The place of the message before it in its channel.
    prev: Option<u64>,
    #[serde(default, borrow)]
    channel: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    code: Option<String>,
    message: Option<String>,
}

/// One message as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    /// Its place in the log.
    pub(super) seq: u64,
    /// The place of the one before it in its channel; 0: none.
    pub(super) prev: u64,
    /// When it was to be sent, in microseconds since the start.
    pub(super) at_us: u64,
}

impl<'a> Said<'a> {
    /// Reads JSON.
    pub(super) fn parse(json: &'a [u8]) -> Result<Self, String> {
        serde_json::from_slice(json)
            .map_err(|error| format!("what the server says is not understood: {error}"))
    }

    /// The message, where it is one. `channel` is where its follower is, by number and by name; anything
    /// that is not ours there is an error.
    pub(super) fn delivery(&self, channel: (u32, &str)) -> Result<Option<Delivery>, String> {
        if self.kind != "message" {
            return Ok(None);
        }
        let slot = self.data.and_then(|data| read_data(data.get()));
        match (self.seq, self.prev, slot) {
            (Some(seq), Some(prev), Some(slot))
                if slot.channel == channel.0 && self.channel == channel.1 =>
            {
                let at_us = slot.at_us;
                Ok(Some(Delivery { seq, prev, at_us }))
            }
            _ => Err(format!(
                "a message came to {} that was not published there by this run",
                channel.1
            )),
        }
    }

    /// What is wrong, where the server says so.
    pub(super) fn complaint(&self) -> Option<Complaint<'_>> {
        if !matches!(&*self.kind, "error" | "unsubscribed") {
            return None;
        }
        let code = self.code.as_deref().unwrap_or("no code");
        let words = self.message.as_deref().unwrap_or("no reason given");
        Some(Complaint { code, words })
    }
}

/// What the server says is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Complaint<'a> {
    pub(super) code: &'a str,
    words: &'a str,
}

impl fmt::Display for Complaint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.words, self.code)
    }
}

impl Complaint<'_> {
    /// Whether the same again can do later.
    pub(super) fn is_passing(&self) -> bool {
        self.find().is_some_and(Code::is_transient)
    }

    /// For who cannot go on with it.
    pub(super) fn into_failure(self) -> Failure {
        if self.is_passing() {
            return Failure::passing(self);
        }
        let fault = Fault::failure(format!("the server refused: {self}"));
        Failure::Lasting(match self.find() {
            Some(Code::Unauthenticated | Code::TokenExpired | Code::Forbidden) => fault.advise(format!(
                "Give a token that may read and write {NAMESPACE}:*, by --token or TIDINGS_TOKEN (`tidings token \
                 --help`)."
            )),
            _ => fault,
        })
    }

    fn find(&self) -> Option<Code> {
        Code::ALL
            .into_iter()
            .find(|code| code.as_str() == self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOT: Slot = Slot {
        at_us: 12_345_678_901,
        channel: 77,
    };

    fn event(data: &str) -> String {
        format!(
            r#"{{"type":"message","channel":"bench:x:77","seq":9,"prev":7,"id":"i","at":1,"from":"a","data":{data}}}"#
        )
    }

    #[test]
    fn data_has_the_size_asked_for_and_says_when_and_where() {
        for bytes in [DATA_BYTES_MIN, DATA_BYTES_MIN + 1, 128, 65536] {
            let data = Payload::new(bytes).data(SLOT);
            assert_eq!(data.len(), bytes);
            assert_eq!(read_data(&data), Some(SLOT));
        }
    }

    #[test]
    fn a_delivery_is_read_for_what_is_judged() {
        let json = event(&Payload::new(64).data(SLOT));
        let said = Said::parse(json.as_bytes()).unwrap();
        let delivery = said.delivery((77, "bench:x:77")).unwrap().unwrap();
        let (seq, prev, at_us) = (9, 7, SLOT.at_us);
        assert_eq!(delivery, Delivery { seq, prev, at_us });
    }

    #[test]
    fn a_message_of_another_channel_is_not_taken_for_ours() {
        let json = event(&Payload::new(64).data(SLOT));
        let said = Said::parse(json.as_bytes()).unwrap();
        for channel in [(78, "bench:x:77"), (77, "bench:x:78")] {
            assert!(said.delivery(channel).is_err());
        }
        for data in ["7", "\"\"", "\"€€€€€€€€€€€€€€€€€€€€€\"", "null"]
        {
            let json = event(data);
            let said = Said::parse(json.as_bytes()).unwrap();
            assert!(said.delivery((77, "bench:x:77")).is_err(), "{data}");
        }
    }

    #[test]
    fn other_events_are_no_deliveries_and_complaints_are_heard() {
        let join =
            Said::parse(br#"{"type":"join","channel":"a","user":"\u00e9\"","at":1}"#).unwrap();
        assert_eq!(join.delivery((0, "a")), Ok(None));
        assert_eq!(join.complaint(), None);
        let error = br#"{"type":"error","req":3,"code":"busy","message":"later"}"#;
        let error = Said::parse(error).unwrap();
        assert_eq!(error.req, Some(3));
        let complaint = error.complaint().unwrap();
        assert_eq!(complaint.to_string(), "later (busy)");
        assert!(complaint.is_passing());
        let refused = br#"{"type":"error","code":"forbidden","message":"no"}"#;
        let failure = Said::parse(refused)
            .unwrap()
            .complaint()
            .unwrap()
            .into_failure();
        let fault = failure.into_fault().to_string();
        assert!(fault.contains("--token"), "{fault}");
    }
}
