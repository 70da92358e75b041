//! Pusher's protocol 7, as Sockudo speaks it: client events on a private channel, which who follows it
//! and who publishes to it have to sign for.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{Protocol, Role, Said, quoted};

pub(crate) struct Pusher;

/// As in `bench/scripts/sockudo.json`.
const KEY: &str = "bench-key";
const SECRET: &str = "bench-secret";

impl Protocol for Pusher {
    fn handshake(&self, _: Role<'_>) -> (String, &'static str) {
        (format!("/app/{KEY}?protocol=7"), "")
    }

    /// What is to be signed comes with the server's own greeting.
    fn greeting(&self, _: Role<'_>) -> Vec<String> {
        Vec::new()
    }

    fn greetings(&self, _: Role<'_>) -> usize {
        1
    }

    fn publish(&self, channel: u32, _: u64, data: &str) -> String {
        format!(r#"{{"event":"client-message","channel":"private-{channel}","data":"{data}"}}"#)
    }

    fn said(&self, text: &[u8], channel: u32) -> Said {
        match quoted(text, r#""event":""#) {
            Some("pusher:connection_established") => {
                // A JSON text in a JSON string.
                match quoted(text, r#"\"socket_id\":\""#) {
                    Some(id) => Said::Asks(subscribe(id.trim_end_matches('\\'), channel)),
                    None => Said::Refused,
                }
            }
            Some("pusher_internal:subscription_succeeded") => Said::Greeted,
            Some("pusher:ping") => Said::Asks(r#"{"event":"pusher:pong","data":{}}"#.to_owned()),
            Some("pusher:error" | "pusher:subscription_error") => Said::Refused,
            _ => Said::Nothing,
        }
    }
}

fn subscribe(socket_id: &str, channel: u32) -> String {
    let channel = format!("private-{channel}");
    let signature = sign(&format!("{socket_id}:{channel}"));
    format!(
        r#"{{"event":"pusher:subscribe","data":{{"channel":"{channel}","auth":"{KEY}:{signature}"}}}}"#
    )
}

fn sign(text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key will do");
    mac.update(text.as_bytes());
    let mut hex = String::with_capacity(64);
    for byte in mac.finalize().into_bytes() {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_is_signed_for() {
        let established = br#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"12.34\",\"activity_timeout\":120}"}"#;
        // printf 12.34:private-0 | openssl dgst -sha256 -hmac bench-secret
        let expected = "d18095b165cfc7b330ad73e2594773168154953f7ae9d11c297e04d91c6b75a2";
        let Said::Asks(subscribe) = Pusher.said(established, 0) else {
            panic!("no answer");
        };
        let auth = format!(r#""channel":"private-0","auth":"bench-key:{expected}""#);
        assert!(subscribe.contains(&auth), "{subscribe}");
    }
}
