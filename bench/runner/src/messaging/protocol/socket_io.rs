//! Socket.IO 4 (Engine.IO 4) over WebSocket alone, as `bench/scripts/broadcast_socket_io.mjs` and
//! `bench/peers/src/socketioxide.rs` answer it: the room to enter is in the query.

use super::{Begin, Protocol, Role, Said, quoted};

/// With `recovers`, connection state recovery is on, which not all servers have.
pub(crate) struct SocketIo {
    pub(crate) recovers: bool,
}

impl Protocol for SocketIo {
    fn handshake(&self, role: Role<'_>) -> (String, &'static str) {
        let room = match role {
            Role::Follower { channel, .. } => format!("&room={channel}"),
            Role::Publisher { .. } => String::new(),
        };
        (format!("/socket.io/?EIO=4&transport=websocket{room}"), "")
    }

    /// `40` enters the main namespace; what was kept says who comes back, and behind what.
    fn greeting(&self, role: Role<'_>) -> Vec<String> {
        let back = match role {
            Role::Follower {
                from: Begin::At(place),
                ..
            } => place
                .split_once(' ')
                .map(|(pid, offset)| format!(r#"{{"pid":"{pid}","offset":"{offset}"}}"#)),
            _ => None,
        };
        vec![format!("40{}", back.unwrap_or_default())]
    }

    fn publish(&self, channel: u32, number: u64, data: &str) -> String {
        format!(r#"42{number}["publish","{channel}","{data}"]"#)
    }

    fn said(&self, text: &[u8], _: u32) -> Said {
        match text {
            [b'4', b'0', ..] => Said::Greeted,
            [b'4', b'3', ..] => Said::Acknowledged,
            [b'4', b'1' | b'4', ..] | [b'1', ..] => Said::Refused,
            b"2" => Said::Asks("3".to_owned()),
            _ => Said::Nothing,
        }
    }

    fn acknowledges(&self) -> bool {
        true
    }

    /// `pid` comes with the greeting's answer, and an offset as the last argument of each event.
    fn keep_place(&self, place: &mut String, text: &[u8]) {
        if let Some(pid) = quoted(text, r#""pid":""#) {
            *place = pid.to_owned();
        } else if text.starts_with(b"42[")
            && let Some(last) = text.rsplit(|byte| *byte == b'"').nth(1)
        {
            let pid = place.split(' ').next().unwrap_or_default();
            *place = format!("{pid} {}", String::from_utf8_lossy(last));
        }
    }

    fn resumes(&self) -> bool {
        self.recovers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_private_id_and_the_last_offset() {
        let protocol = SocketIo { recovers: true };
        let mut place = String::new();
        protocol.keep_place(&mut place, br#"40{"sid":"a","pid":"b-1"}"#);
        protocol.keep_place(&mut place, br#"42["message","SQ=0000000000abc","xyz"]"#);
        assert_eq!(place, "b-1 xyz");
        let role = Role::Follower {
            channel: 0,
            from: Begin::At(&place),
        };
        assert_eq!(
            protocol.greeting(role),
            [r#"40{"pid":"b-1","offset":"xyz"}"#]
        );
    }
}
