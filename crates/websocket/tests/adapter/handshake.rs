//! The handshake on a stream, where the two ends do not simply say yes.

use std::time::Duration;

use futures_util::future::join;
use http::header::SEC_WEBSOCKET_PROTOCOL;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tidings_websocket::Event;
#[cfg(feature = "deflate")]
use tidings_websocket::deflate::{Agreement, Policy};
use tidings_websocket::handshake::head::{self, Incoming};
use tidings_websocket::handshake::{client, server};
use tidings_websocket::tokio::{Connected, HandshakeError, Options, accept, accept_with, open};
use tokio::io::{
    AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex, join as both, repeat, sink,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::support::in_time;

// As the server

#[tokio::test]
async fn a_client_that_is_still_sending_sees_why_it_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut theirs = TcpStream::connect(address).await.unwrap();
    let (ours, _) = listener.accept().await.unwrap();
    let head = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 40000\r\n\r\n";
    theirs.write_all(head).await.unwrap();
    theirs.write_all(&[b'x'; 20_000]).await.unwrap();
    let refuse = async {
        let offer = server::Options::default();
        accept(ours, &offer, Options::default()).await.unwrap_err()
    };
    let read = async {
        theirs.readable().await.unwrap();
        // After a reset it could not, and on some systems not read the answer either.
        theirs.write_all(&[b'x'; 20_000]).await.unwrap();
        let mut answer = String::new();
        theirs.read_to_string(&mut answer).await.unwrap();
        drop(theirs);
        answer
    };
    let (refused, answer) = in_time(join(refuse, read)).await;
    assert!(matches!(
        refused,
        HandshakeError::Refused(server::Refusal::Method)
    ));
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
}

#[tokio::test]
async fn what_a_refused_client_goes_on_to_send_is_read_only_so_far() {
    let much = 1 << 20;
    let mut stream = both(repeat(b'!').take(much), sink());
    let offer = server::Options::default();
    let refused = in_time(accept(&mut stream, &offer, Options::default())).await;
    assert!(matches!(refused, Err(HandshakeError::Head(_))));
    let read = much - stream.reader().limit();
    assert!(read >= 64 * 1024, "{read} bytes");
    assert!(
        read <= 64 * 1024 + head::HEAD_BYTES_MAX as u64,
        "{read} bytes"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_client_that_does_not_end_is_not_waited_for_long() {
    let (ours, mut theirs) = duplex(1 << 20);
    theirs.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let begin = Instant::now();
    let refused = accept(ours, &server::Options::default(), Options::default()).await;
    assert!(matches!(refused, Err(HandshakeError::Refused(_))));
    assert_eq!(begin.elapsed().as_secs(), 1);
}

/// What a server and `request` make of each other where `judge` has its say.
async fn judged(
    request: &str,
    judge: impl FnOnce(&Request<()>) -> Result<HeaderMap, Box<Response<String>>>,
) -> (Result<Option<String>, HandshakeError>, String) {
    let (ours, mut theirs) = duplex(1 << 20);
    theirs.write_all(request.as_bytes()).await.unwrap();
    theirs.shutdown().await.unwrap();
    let spoken = server::Options {
        subprotocols: &["a"],
        ..server::Options::default()
    };
    let accepted = in_time(accept_with(ours, &spoken, Options::default(), judge)).await;
    let accepted = accepted.map(|accepted| accepted.subprotocol);
    let mut answer = String::new();
    in_time(theirs.read_to_string(&mut answer)).await.unwrap();
    (accepted, answer)
}

const REQUEST: &str = "GET /chat HTTP/1.1\r\nhost: h\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    sec-websocket-protocol: a, b\r\n\r\n";

#[tokio::test]
async fn what_a_judge_declines_is_answered_as_the_judge_says() {
    let (accepted, answer) = judged(REQUEST, |request| {
        assert_eq!(request.uri(), "/chat");
        let response = Response::builder()
            .status(401)
            .header("www-authenticate", "Bearer")
            .header("connection", "keep-alive")
            .header("transfer-encoding", "chunked")
            .body("who are you?".to_owned());
        Err(Box::new(response.unwrap()))
    })
    .await;
    let Err(HandshakeError::Declined { response }) = accepted else {
        panic!("it was declined");
    };
    assert_eq!(response.status(), 401);
    assert_eq!(
        answer,
        "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer\r\nconnection: close\r\n\
         content-length: 12\r\n\r\nwho are you?"
    );
}

#[tokio::test]
async fn a_judge_adds_headers_to_the_101_but_not_instead_of_the_handshakes() {
    let (accepted, answer) = judged(REQUEST, |_| {
        let added = [
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("upgrade", "h2c"),
            ("connection", "close"),
            ("content-length", "5"),
            ("transfer-encoding", "chunked"),
            ("sec-websocket-accept", "x"),
            ("sec-websocket-extensions", "x"),
            ("sec-websocket-protocol", "c"), // not offered
        ]
        .map(|(name, value)| {
            let value = HeaderValue::from_static(value);
            (HeaderName::from_static(name), value)
        });
        Ok(added.into_iter().collect())
    })
    .await;
    assert_eq!(accepted.unwrap().as_deref(), Some("a"));
    assert_eq!(
        answer,
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nsec-websocket-protocol: a\r\n\
         set-cookie: a=1\r\nset-cookie: b=2\r\n\r\n"
    );
}

#[tokio::test]
async fn a_judge_chooses_among_the_subprotocols_that_the_client_offers() {
    let (accepted, answer) = judged(REQUEST, |_| {
        let chosen = HeaderValue::from_static("b");
        Ok(HeaderMap::from_iter([(SEC_WEBSOCKET_PROTOCOL, chosen)]))
    })
    .await;
    assert_eq!(accepted.unwrap().as_deref(), Some("b"));
    assert!(
        answer.contains("\r\nsec-websocket-protocol: b\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_judge_is_not_asked_about_what_cannot_become_a_websocket() {
    let (accepted, answer) = judged("GET / HTTP/1.1\r\nhost: h\r\n\r\n", |_| {
        panic!("it was asked")
    })
    .await;
    assert!(matches!(
        accepted,
        Err(HandshakeError::Refused(server::Refusal::NoUpgrade))
    ));
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_has_little_time_is_told_why_it_failed_all_the_same() {
    let options = Options {
        handshake_within: Duration::from_millis(400),
        ..Options::default()
    };
    let (ours, mut theirs) = duplex(1 << 20);
    theirs.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let refused = accept(ours, &server::Options::default(), options).await;
    assert!(matches!(refused, Err(HandshakeError::Refused(_))));

    let (ours, mut theirs) = duplex(1 << 20);
    let answer = b"HTTP/1.1 401 Unauthorized\r\n\r\nreason";
    theirs.write_all(answer).await.unwrap();
    let uri = "ws://example.org/".parse().unwrap();
    let opened = open(ours, &uri, &client::Options::default(), options).await;
    assert!(matches!(opened, Err(HandshakeError::Rejected { .. })));
}

// As the client

/// What a client makes of `before`, a 101 and a message "hello", which come `piece` bytes at a time.
async fn open_after(
    before: &[u8],
    piece: usize,
) -> Result<Connected<DuplexStream>, HandshakeError> {
    let (ours, mut theirs) = duplex(1 << 20);
    let uri = "ws://example.org/".parse().unwrap();
    let offer = client::Options::default();
    let serve = async {
        let mut request = Incoming::new();
        let request = loop {
            theirs.read_buf(&mut request.room()).await.unwrap();
            if let Some((request, _)) = request.parse(head::parse_request).unwrap() {
                break request;
            }
        };
        let accepted = server::accept(&request, &server::Options::default()).unwrap();
        let yes = head::write_response(&accepted.response());
        for piece in [before, &yes, b"\x81\x05hello"].concat().chunks(piece) {
            theirs.write_all(piece).await.unwrap();
            // The client, which waits for it, has the thread now.
            tokio::task::yield_now().await;
        }
    };
    let ((), opened) = in_time(join(serve, open(ours, &uri, &offer, Options::default()))).await;
    opened
}

#[tokio::test]
async fn a_client_reads_past_interim_answers_in_any_pieces() {
    let interim = b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n\
                    HTTP/1.1 102 Processing\r\n\r\n";
    for piece in [1, 2, 7, 50, 1000] {
        let mut connected = open_after(interim, piece).await.unwrap();
        assert_eq!(connected.response.status(), 101, "pieces of {piece}");
        let event = in_time(connected.websocket.recv()).await.unwrap();
        assert_eq!(event, Some(Event::from("hello")), "pieces of {piece}");
    }
}

#[tokio::test]
async fn a_client_reads_so_many_interim_answers_and_no_more() {
    for (number, expected) in [(7, None), (8, None), (9, Some(103))] {
        let interim = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(number);
        let status = open_after(&interim, 1000).await.err();
        let status = status.map(|error| error.status().unwrap().as_u16());
        assert_eq!(status, expected, "{number}");
    }
}

/// What a client says of `answer`, which comes `piece` bytes at a time. The server then ends the
/// stream, or stays.
async fn rejected(answer: &[u8], piece: usize, stays: bool) -> Response<Vec<u8>> {
    let (ours, mut theirs) = duplex(1 << 20);
    let uri = "ws://example.org/".parse().unwrap();
    let offer = client::Options::default();
    let serve = async {
        for piece in answer.chunks(piece) {
            // It may have enough before the end.
            if theirs.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        stays.then_some(theirs)
    };
    let (_theirs, opened) =
        in_time(join(serve, open(ours, &uri, &offer, Options::default()))).await;
    match opened.unwrap_err() {
        HandshakeError::Rejected { response, .. } => *response,
        error => panic!("{error}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejected_client_has_the_body_that_says_why() {
    let begin = Instant::now();
    for (answer, body) in [
        (
            "401 Unauthorized\r\ncontent-length: 7\r\n\r\n{\"a\":1}and more",
            "{\"a\":1}",
        ),
        ("404 Not Found\r\ncontent-length: 0\r\n\r\nmore", ""),
        ("304 Not Modified\r\ncontent-length: 4\r\n\r\nmore", ""),
        ("204 No Content\r\n\r\nmore", ""),
        ("101 Switching Protocols\r\n\r\n\u{1}\u{2}", ""),
        (
            "403 Forbidden\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
            "",
        ),
    ] {
        for piece in [1, 3, 1000] {
            let answer = format!("HTTP/1.1 {answer}");
            let response = rejected(answer.as_bytes(), piece, true).await;
            assert_eq!(response.body(), body.as_bytes(), "{answer}, {piece}");
        }
    }
    // A body whose length is known is waited for no longer than it takes.
    assert_eq!(begin.elapsed().as_millis(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_say_its_length_or_lies_is_what_came_until_the_end() {
    for head in ["", "content-length: 9\r\n", "content-length: x\r\n"] {
        for (piece, stays, seconds) in [(1, false, 0), (1000, false, 0), (1000, true, 1)] {
            let begin = Instant::now();
            let answer = format!("HTTP/1.1 401 Unauthorized\r\n{head}\r\nreason");
            let response = rejected(answer.as_bytes(), piece, stays).await;
            assert_eq!(response.body(), b"reason", "{head}");
            assert_eq!(begin.elapsed().as_secs(), seconds, "{head}");
        }
    }
}

#[tokio::test]
async fn so_much_of_a_body_is_read_and_no_more() {
    let limit = 16 * 1024;
    for (length, expected) in [(limit - 1, limit - 1), (limit, limit), (limit + 1, limit)] {
        for head in [String::new(), format!("content-length: {length}\r\n")] {
            let answer = format!("HTTP/1.1 500 Oh\r\n{head}\r\n{}", "x".repeat(length));
            let response = rejected(answer.as_bytes(), 1000, false).await;
            assert_eq!(response.body().len(), expected, "{length}");
        }
    }
}

// Both

#[cfg(feature = "deflate")]
#[tokio::test]
async fn both_ends_are_told_what_compression_they_agreed_on() {
    let small = Policy {
        server_max_window_bits: 10,
        ..Policy::with_context_takeover()
    };
    for (ours, theirs) in [(None, Some(small)), (Some(Policy::default()), Some(small))] {
        let (client_end, server_end) = duplex(1 << 12);
        let offer = client::Options {
            deflate: theirs,
            ..client::Options::default()
        };
        let policy = server::Options {
            deflate: ours,
            ..server::Options::default()
        };
        let uri = "ws://h/".parse().unwrap();
        let opening = open(client_end, &uri, &offer, Options::default());
        let accepting = accept(server_end, &policy, Options::default());
        let (connected, accepted) = in_time(join(opening, accepting)).await;
        let agreed = accepted.unwrap().deflate;
        assert_eq!(connected.unwrap().deflate, agreed);
        let expected = ours.map(|_| Agreement {
            server_no_context_takeover: true,
            client_no_context_takeover: true,
            server_max_window_bits: 10,
            ..Agreement::default()
        });
        assert_eq!(agreed, expected);
    }
}
