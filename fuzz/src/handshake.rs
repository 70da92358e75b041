//! Heads and header fields from strangers, at both ends of the handshake.
//!
//! No bytes do harm, every refusal has a status to answer with, and what is accepted tungstenite
//! accepts too, with the same answer to the key.

use std::io::{self, Read, Write};

use bytes::BufMut;
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use http::{HeaderMap, HeaderName, Method, Request, StatusCode, Uri, Version};
use tidings_websocket::deflate::{Agreement, ContextTakeover, Policy};
use tidings_websocket::handshake::{client, head, http2, server};
use tungstenite::handshake::client::ClientHandshake;
use tungstenite::handshake::server::create_response;

/// A [`Policy`]'s two bytes, the second of which also chooses what follows: a request's head, a
/// response's, or the policy of the other end.
pub fn run(data: &[u8]) {
    let Some((&[windows, choices], rest)) = data.split_first_chunk::<2>() else {
        return;
    };
    let deflate = policy([windows, choices]);
    match (choices >> 6, rest) {
        (0 | 1, _) => request(rest, deflate),
        (2, _) => response(rest, deflate),
        (_, &[windows, choices, ..]) => negotiation(deflate, policy([windows, choices])),
        _ => {}
    }
}

/// Any windows and takeovers, or none at all.
pub fn policy([windows, choices]: [u8; 2]) -> Option<Policy> {
    let takeover = |bit: u8| match choices >> bit & 1 {
        0 => ContextTakeover::Refuse,
        _ => ContextTakeover::Allow,
    };
    (choices & 4 == 0).then_some(Policy {
        server_context_takeover: takeover(0),
        client_context_takeover: takeover(1),
        server_max_window_bits: 8 + (windows & 7),
        client_max_window_bits: 8 + (windows >> 4 & 7),
        ..Policy::default()
    })
}

/// The real handshake between two ends of ours, in memory.
pub fn negotiate(
    client: Option<Policy>,
    server: Option<Policy>,
) -> (Option<Agreement>, Option<Agreement>) {
    let request = request_of_ours(client);
    let options = server_options(server);
    let accepted = server::accept(&request, &options).expect("a request of ours");
    let agreed = client::check(&request, &accepted.response()).expect("an answer of ours");
    assert_eq!(agreed.subprotocol.as_deref(), accepted.subprotocol);

    // Over HTTP/2 they agree on the same.
    let request = http2::request(&uri(), &client_options(client)).expect("a request of ours");
    let over_http2 = http2::accept(&request, Some("websocket"), &options).expect("the same");
    assert_eq!(over_http2.deflate, accepted.deflate);
    assert_eq!(over_http2.subprotocol, accepted.subprotocol);
    let over_http2 = http2::check(&request, &over_http2.response()).expect("the same");
    assert_eq!(over_http2, agreed);
    (agreed.deflate, accepted.deflate)
}

/// What two ends of ours make of each other's policies is what both policies allow, and the same;
/// but the server may use a smaller window than it said.
fn negotiation(client: Option<Policy>, server: Option<Policy>) {
    let (at_client, at_server) = negotiate(client, server);
    let (Some(client), Some(server)) = (client, server) else {
        assert_eq!((at_client, at_server), (None, None));
        return;
    };
    let (Some(at_client), Some(at_server)) = (at_client, at_server) else {
        panic!("both can compress: {at_client:?}, {at_server:?}");
    };
    is_the_same(at_client, at_server);
    let refuses = |one, other| one == ContextTakeover::Refuse || other == ContextTakeover::Refuse;
    assert_eq!(
        at_server.server_no_context_takeover,
        refuses(
            client.server_context_takeover,
            server.server_context_takeover
        )
    );
    assert_eq!(
        at_server.client_no_context_takeover,
        refuses(
            client.client_context_takeover,
            server.client_context_takeover
        )
    );
    assert_eq!(
        at_server.server_max_window_bits,
        client
            .server_max_window_bits
            .min(server.server_max_window_bits)
    );
    assert_eq!(
        at_client.client_max_window_bits,
        client
            .client_max_window_bits
            .min(server.client_max_window_bits)
    );
}

/// The client inflates whatever the server may send.
fn is_the_same(at_client: Agreement, at_server: Agreement) {
    assert!(at_client.server_max_window_bits >= at_server.server_max_window_bits);
    let server_max_window_bits = at_server.server_max_window_bits;
    assert_eq!(
        Agreement {
            server_max_window_bits,
            ..at_client
        },
        at_server
    );
}

/// Spoken at both ends.
const SUBPROTOCOLS: [&str; 2] = ["chat.v2", "chat.v1"];

fn server_options(deflate: Option<Policy>) -> server::Options<'static> {
    server::Options {
        subprotocols: &SUBPROTOCOLS,
        deflate,
    }
}

fn request(bytes: &[u8], deflate: Option<Policy>) {
    let Ok(Some((request, length))) = head::parse_request(bytes) else {
        return;
    };
    is_whole_only_at(length, |length| {
        head::parse_request(&bytes[..length]).map(|head| head.is_some())
    });
    comes_in_pieces(bytes, length, head::parse_request);
    let written = head::write_request(&request);
    // Without the spaces around values it can only have become shorter, but for an absolute URI
    // whose empty path became "/".
    let (again, _) = head::parse_request(&written)
        .expect("what was read can be written")
        .expect("whole");
    assert_eq!(again.headers(), request.headers());
    assert_eq!(again.uri(), request.uri());
    assert_eq!(again.method(), request.method());

    let options = server_options(deflate);
    let over_http2 = over_http2(&request, &options);
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
    assert_eq!(over_http2, Some((accepted.subprotocol, accepted.deflate)));
    what_was_offered_is_answered(&request, &accepted, deflate);
    match create_response(&request) {
        Ok(its) => assert_eq!(
            response.headers()[SEC_WEBSOCKET_ACCEPT],
            its.headers()[SEC_WEBSOCKET_ACCEPT]
        ),
        Err(error) => assert!(
            it_reads_lists_worse(request.headers()) || it_reads_keys_strictly(request.headers()),
            "{error}: {request:?}"
        ),
    }
}

/// What is agreed on if the same fields come over HTTP/2.
fn over_http2<'o>(
    request: &Request<()>,
    options: &server::Options<'o>,
) -> Option<(Option<&'o str>, Option<Agreement>)> {
    let mut request = request.clone();
    *request.method_mut() = Method::CONNECT;
    *request.version_mut() = Version::HTTP_2;
    match http2::accept(&request, Some("websocket"), options) {
        Ok(accepted) => {
            assert_eq!(accepted.response().status(), StatusCode::OK);
            Some((accepted.subprotocol, accepted.deflate))
        }
        Err(refusal) => {
            assert!(refusal.status().is_client_error() || refusal.status().is_server_error());
            assert_eq!(refusal.response().status(), refusal.status());
            None
        }
    }
}

/// Extensions are answered as the stranger's offer allows: our own client, had it offered that, is
/// content. With several offers it would not know which one is meant.
fn what_was_offered_is_answered(
    request: &Request<()>,
    accepted: &server::Accepted<'_>,
    deflate: Option<Policy>,
) {
    let offers = request.headers().get_all(SEC_WEBSOCKET_EXTENSIONS);
    let mentions: usize = offers
        .iter()
        .filter_map(|field| field.to_str().ok())
        .map(|field| field.matches("permessage-deflate").count())
        .sum();
    assert!(accepted.deflate.is_none() || deflate.is_some() && mentions > 0);
    if mentions <= 1 {
        let agreed = client::check(request, &accepted.response());
        let agreed = agreed.expect("an answer to what was offered");
        assert_eq!(agreed.deflate.is_some(), accepted.deflate.is_some());
        if let (Some(at_client), Some(at_server)) = (agreed.deflate, accepted.deflate) {
            is_the_same(at_client, at_server);
        }
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

/// Where tungstenite refuses a key that decodes to 16 bytes, as the RFC's own example does: the last of
/// its letters has four bits left over, and it wants them to be zero.
fn it_reads_keys_strictly(headers: &HeaderMap) -> bool {
    let last = headers[SEC_WEBSOCKET_KEY].as_bytes().get(21);
    last.is_some_and(|letter| !b"AQgw".contains(letter))
}

fn response(bytes: &[u8], deflate: Option<Policy>) {
    let Ok(Some((response, length))) = head::parse_response(bytes) else {
        return;
    };
    is_whole_only_at(length, |length| {
        head::parse_response(&bytes[..length]).map(|head| head.is_some())
    });
    comes_in_pieces(bytes, length, head::parse_response);
    let (again, _) = head::parse_response(&head::write_response(&response))
        .expect("what was read can be written")
        .expect("whole");
    assert_eq!(again.headers(), response.headers());
    assert_eq!(again.status(), response.status());

    let request = request_of_ours(deflate);
    let Ok(agreed) = client::check(&request, &response) else {
        return;
    };
    match (agreed.deflate, deflate) {
        (Some(agreed), Some(policy)) => is_within(agreed, policy),
        (agreed, policy) => assert!(agreed.is_none(), "{policy:?} agreed on {agreed:?}"),
    }
    if let Err(error) = its_verdict(&request, &bytes[..length]) {
        assert!(it_asks_for_more(&response), "{error}: {response:?}");
    }
}

/// What the client's policy demands, and what it promised to keep to itself.
fn is_within(agreed: Agreement, policy: Policy) {
    assert!(agreed.server_max_window_bits <= policy.server_max_window_bits);
    assert!(agreed.client_max_window_bits <= policy.client_max_window_bits);
    if policy.server_context_takeover == ContextTakeover::Refuse {
        assert!(agreed.server_no_context_takeover);
    }
    if policy.client_context_takeover == ContextTakeover::Refuse {
        assert!(agreed.client_no_context_takeover);
    }
}

/// The dictionary knows the answer to this key.
fn request_of_ours(deflate: Option<Policy>) -> Request<()> {
    client::request(&uri(), [7; 16], &client_options(deflate)).expect("a request that can be made")
}

fn client_options(deflate: Option<Policy>) -> client::Options<'static> {
    client::Options {
        subprotocols: &SUBPROTOCOLS,
        deflate,
        ..client::Options::default()
    }
}

fn uri() -> Uri {
    Uri::from_static("ws://example.org/chat")
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
    *request.uri_mut() = uri();
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

/// However small its pieces are, a head is found with the one that ends it, and what came after it
/// is given back.
fn comes_in_pieces<H>(
    bytes: &[u8],
    length: usize,
    parse: impl Fn(&[u8]) -> Result<Option<(H, usize)>, head::InvalidHead>,
) {
    if bytes.len() > head::HEAD_BYTES_MAX {
        return;
    }
    for step in [1, 2, 3, 7, 100] {
        let mut head = head::Incoming::new();
        for (at, piece) in bytes.chunks(step).enumerate() {
            head.room().put_slice(piece);
            let given = at * step + piece.len();
            let found = head.parse(&parse).expect("the beginning of a head");
            assert_eq!(
                found.is_some(),
                given >= length,
                "{given} of {length} bytes"
            );
            if let Some((_, read_ahead)) = found {
                assert_eq!(read_ahead, bytes[length..given]);
                break;
            }
        }
    }
}
