//! Nchan: a channel is a place in the URL; see `nginx.conf` in `bench/scripts`.

use super::{Begin, Held, Protocol, Role, Said};

pub(crate) struct Nchan;

/// With this subprotocol each message is led by its id, which is where a follower comes back to.
const WITH_IDS: &str = "Sec-WebSocket-Protocol: ws+meta.nchan\r\n";

impl Protocol for Nchan {
    fn handshake(&self, role: Role<'_>) -> (String, &'static str) {
        match role {
            Role::Publisher { channel } => (format!("/pub/{channel}"), ""),
            Role::Follower { channel, from } => match from {
                Begin::Now => (format!("/sub/{channel}"), ""),
                Begin::NowToReturn => (format!("/sub/{channel}"), WITH_IDS),
                Begin::At(id) => (format!("/sub/{channel}?last_event_id={id}"), WITH_IDS),
            },
        }
    }

    fn greeting(&self, _: Role<'_>) -> Vec<String> {
        Vec::new()
    }

    fn publish(&self, _: u32, _: u64, data: &str) -> String {
        data.to_owned()
    }

    fn said(&self, text: &[u8], _: u32) -> Said {
        match text {
            [b'q', b'u', b'e', b'u', b'e', b'd', ..] => Said::Acknowledged,
            _ => Said::Nothing,
        }
    }

    fn acknowledges(&self) -> bool {
        true
    }

    fn keep_place(&self, place: &mut String, text: &[u8]) {
        let text = std::str::from_utf8(text).unwrap_or_default();
        if let Some(id) = text.strip_prefix("id: ") {
            place.clear();
            place.push_str(id.lines().next().unwrap_or_default());
        }
    }

    fn resumes(&self) -> bool {
        true
    }

    fn held(&self, held: Held, _: &str) -> Option<(String, &'static str)> {
        let headers = match held {
            Held::Sse => "Accept: text/event-stream\r\n",
            Held::LongPoll => "",
        };
        Some(("/sub/0".to_owned(), headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_the_id_of_the_last_message() {
        let mut place = String::new();
        Nchan.keep_place(&mut place, b"id: 1795755679:2\n\ntwo");
        assert_eq!(place, "1795755679:2");
    }
}
