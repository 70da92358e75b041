//! `tidings.v1.json`; see docs/protocol.md.

use super::{Begin, Held, Protocol, Role, Said, quoted};

pub(crate) struct Tidings;

impl Protocol for Tidings {
    fn handshake(&self, _: Role<'_>) -> (String, &'static str) {
        (
            "/v1/connect".to_owned(),
            "Sec-WebSocket-Protocol: tidings.v1.json\r\n",
        )
    }

    fn greeting(&self, role: Role<'_>) -> Vec<String> {
        let hello = r#"{"type":"hello"}"#.to_owned();
        match role {
            Role::Publisher { .. } => vec![hello],
            Role::Follower { channel, from } => {
                let after = match from {
                    Begin::At(place) => format!(r#","after":"{place}""#),
                    Begin::Now | Begin::NowToReturn => String::new(),
                };
                let subscribe =
                    format!(r#"{{"type":"subscribe","req":1,"channel":"bench:{channel}"{after}}}"#);
                vec![hello, subscribe]
            }
        }
    }

    fn publish(&self, channel: u32, number: u64, data: &str) -> String {
        format!(
            r#"{{"type":"publish","req":{number},"channel":"bench:{channel}","data":"{data}"}}"#
        )
    }

    fn said(&self, text: &[u8], _: u32) -> Said {
        match quoted(text, r#""type":""#) {
            Some("hello" | "subscribed") => Said::Greeted,
            Some("published") => Said::Acknowledged,
            // To a follower, a hole that it is told of is one all the same.
            Some("error" | "truncated" | "reconnect" | "unsubscribed") => Said::Refused,
            _ => Said::Nothing,
        }
    }

    fn acknowledges(&self) -> bool {
        true
    }

    /// The cursor of `subscribed`, then its epoch with the `seq` of each message.
    fn keep_place(&self, place: &mut String, text: &[u8]) {
        if let Some(cursor) = quoted(text, r#""cursor":""#) {
            *place = cursor.to_owned();
            return;
        }
        let text = std::str::from_utf8(text).unwrap_or_default();
        let seq = text
            .split_once(r#""seq":"#)
            .and_then(|(_, seq)| seq.split(',').next());
        if let (Some(seq), Some(dash)) = (seq, place.find('-')) {
            place.replace_range(dash + 1.., seq);
        }
    }

    fn resumes(&self) -> bool {
        true
    }

    fn held(&self, held: Held, cursor: &str) -> Option<(String, &'static str)> {
        Some(match held {
            Held::Sse => (
                "/v1/events?channel=bench:0".to_owned(),
                "Accept: text/event-stream\r\n",
            ),
            Held::LongPoll => (
                format!("/v1/events?channel=bench:0&wait=60&after={cursor}"),
                "",
            ),
        })
    }

    fn cursor_target(&self) -> Option<String> {
        Some("/v1/events?channel=bench:0".to_owned())
    }

    fn cursor(&self, body: &str) -> Option<String> {
        quoted(body.as_bytes(), r#""cursor":""#).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_the_cursor_and_moves_with_each_message() {
        let mut place = String::new();
        let subscribed = br#"{"type":"subscribed","req":1,"channel":"bench:0","cursor":"k3f9-7","truncated":false}"#;
        Tidings.keep_place(&mut place, subscribed);
        assert_eq!(place, "k3f9-7");
        let message = br#"{"type":"message","channel":"bench:0","seq":48213,"prev":7,"data":"x"}"#;
        Tidings.keep_place(&mut place, message);
        assert_eq!(place, "k3f9-48213");
    }

    #[test]
    fn answers_are_told_by_their_type() {
        assert_eq!(
            Tidings.said(br#"{"req":1,"type":"published","seq":9}"#, 0),
            Said::Acknowledged
        );
        assert_eq!(
            Tidings.said(br#"{"type":"error","code":"busy"}"#, 0),
            Said::Refused
        );
        assert_eq!(
            Tidings.said(br#"{"type":"join","user":"a"}"#, 0),
            Said::Nothing
        );
    }
}
