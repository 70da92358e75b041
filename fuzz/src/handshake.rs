//! Heads and header fields from strangers, at both ends of the handshake.
//!
//! No bytes do harm, every refusal has a status to answer with, and what is accepted tungstenite
//! accepts too, with the same answer to the key.

use std::io::{self, Read, Write};

use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderMap, HeaderName, Request, StatusCode, Version};
use tidings_websocket::handshake::{client, head, server};
use tungstenite::handshake::client::ClientHandshake;
use tungstenite::handshake::server::create_response;

/// One byte that chooses what follows: a request's head, or a response's.
pub fn run(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else {
        return;
    };
    match choice % 2 {
        0 => request(rest),
        _ => response(rest),
    }
}

/// Spoken at both ends.
const SUBPROTOCOLS: [&str; 2] = ["chat.v2", "chat.v1"];

fn request(bytes: &[u8]) {
    let Ok(Some((request, length))) = head::parse_request(bytes) else {
        return;
    };
    is_whole_only_at(length, |length| {
        head::parse_request(&bytes[..length]).map(|head| head.is_some())
    });
    let written = head::write_request(&request);
    // Without the spaces around values it can only have become shorter, but for an absolute URI
    // whose empty path became "/".
    let (again, _) = head::parse_request(&written)
        .expect("what was read can be written")
        .expect("whole");
    assert_eq!(again.headers(), request.headers());
    assert_eq!(again.uri(), request.uri());
    assert_eq!(again.method(), request.method());

    let options = server::Options {
        subprotocols: &SUBPROTOCOLS,
        ..server::Options::default()
    };
    let accepted = match server::accept(&request, &options) {
        Ok(accepted) => accepted,
        Err(refusal) => {
            assert!(refusal.status().is_client_error() || refusal.status().is_server_error());
            let response = refusal.response();
            assert_eq!(response.status(), refusal.status());
            assert!(!response.body().is_empty());
            return;
        }
    };
    let response = accepted.response();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let chosen = response.headers().get(SEC_WEBSOCKET_PROTOCOL);
    assert_eq!(
        chosen.map(|value| value.as_bytes()),
        accepted.subprotocol.map(str::as_bytes)
    );
    assert!(
        accepted
            .subprotocol
            .is_none_or(|chosen| SUBPROTOCOLS.contains(&chosen))
    );
    match create_response(&request) {
        Ok(its) => assert_eq!(
            response.headers()[SEC_WEBSOCKET_ACCEPT],
            its.headers()[SEC_WEBSOCKET_ACCEPT]
        ),
        Err(error) => assert!(
            it_reads_lists_worse(request.headers()),
            "{error}: {request:?}"
        ),
    }
}

/// Where tungstenite refuses a request that the RFC allows: it looks at the first field of a name
/// alone, takes no tab for space in `Connection`, and wants `Upgrade` to name nothing else.
fn it_reads_lists_worse(headers: &HeaderMap) -> bool {
    let is_alone = |name: &HeaderName| headers.get_all(name).iter().count() == 1;
    let has = |name: &HeaderName, byte: u8| headers[name].as_bytes().contains(&byte);
    !is_alone(&UPGRADE)
        || !is_alone(&CONNECTION)
        || has(&UPGRADE, b',')
        || has(&CONNECTION, b'\t')
        || headers[CONNECTION].to_str().is_err()
}

fn response(bytes: &[u8]) {
    let Ok(Some((response, length))) = head::parse_response(bytes) else {
        return;
    };
    is_whole_only_at(length, |length| {
        head::parse_response(&bytes[..length]).map(|head| head.is_some())
    });
    let (again, _) = head::parse_response(&head::write_response(&response))
        .expect("what was read can be written")
        .expect("whole");
    assert_eq!(again.headers(), response.headers());
    assert_eq!(again.status(), response.status());

    let request = request_of_ours();
    let Ok(_) = client::check(&request, &response) else {
        return;
    };
    if let Err(error) = its_verdict(&request, &bytes[..length]) {
        assert!(it_asks_for_more(&response), "{error}: {response:?}");
    }
}

/// The dictionary knows the answer to this key.
fn request_of_ours() -> Request<()> {
    let uri = "ws://example.org/chat".parse().expect("an address");
    let options = client::Options {
        subprotocols: &SUBPROTOCOLS,
        ..client::Options::default()
    };
    client::request(&uri, [7; 16], &options).expect("a request that can be made")
}

/// Where tungstenite rejects a response that the RFC allows: it wants `Connection` to name nothing
/// else and its first field of the name to do so, and a subprotocol where some were offered.
fn it_asks_for_more<B>(response: &http::Response<B>) -> bool {
    let headers = response.headers();
    !headers[CONNECTION]
        .as_bytes()
        .eq_ignore_ascii_case(b"upgrade")
        || !headers.contains_key(SEC_WEBSOCKET_PROTOCOL)
        || response.version() == Version::HTTP_10
}

fn its_verdict(ours: &Request<()>, response: &[u8]) -> Result<(), String> {
    let mut request = Request::new(());
    *request.headers_mut() = ours.headers().clone();
    *request.uri_mut() = "ws://example.org/chat".parse().expect("an address");
    let stream = Answer(response.to_vec());
    let handshake =
        ClientHandshake::start(stream, request, None).map_err(|error| error.to_string())?;
    handshake
        .handshake()
        .map(drop)
        .map_err(|error| error.to_string())
}

/// A stream that answers whatever is written.
struct Answer(Vec<u8>);

impl Read for Answer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = buffer.len().min(self.0.len());
        buffer[..bytes].copy_from_slice(&self.0[..bytes]);
        self.0.drain(..bytes);
        Ok(bytes)
    }
}

impl Write for Answer {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A head that is whole at `length` is not whole, and not wrong, with a byte less.
fn is_whole_only_at<E: std::fmt::Debug>(length: usize, parse: impl Fn(usize) -> Result<bool, E>) {
    // A head is long and the parser begins anew each time: look at the ends, and some between.
    let between = (0..length).step_by(1 + length / 16);
    for cut in between.chain(length.saturating_sub(5)..length) {
        let whole = parse(cut).expect("the beginning of a head is no mistake");
        assert!(!whole, "whole after {cut} of {length} bytes");
    }
    assert!(parse(length).expect("a head"));
}
