//! The client's handshake: what it asks, and every answer that it must not accept.

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri};
use tidings_websocket::handshake::client::{InvalidRequest, Options, Rejection, check, request};
use tidings_websocket::handshake::server;

fn ask(url: &'static str, subprotocols: &[&str]) -> Result<Request<()>, InvalidRequest> {
    request(
        &Uri::from_static(url),
        [7; 16],
        &Options {
            subprotocols,
            ..Options::default()
        },
    )
}

fn answer(request: &Request<()>) -> Response<()> {
    server::accept(
        request,
        &server::Options {
            subprotocols: &["b"],
            ..server::Options::default()
        },
    )
    .unwrap()
    .response()
}

#[test]
fn the_request_is_what_a_server_accepts() {
    let request = ask("ws://example.org/chat?x=1", &["a", "b"]).unwrap();
    assert_eq!(request.uri(), "/chat?x=1");
    assert_eq!(request.headers()["sec-websocket-protocol"], "a, b");
    assert_eq!(
        check(&request, &answer(&request)).unwrap().subprotocol,
        Some("b".to_owned())
    );
    let plain = ask("ws://example.org", &[]).unwrap();
    assert_eq!(plain.uri(), "/");
    assert_eq!(check(&plain, &answer(&plain)).unwrap().subprotocol, None);
}

#[test]
fn the_host_bears_the_port_unless_it_is_the_schemes_own() {
    for (url, host) in [
        ("ws://example.org/", "example.org"),
        ("ws://example.org:80/", "example.org"),
        ("ws://example.org:443/", "example.org:443"),
        ("wss://example.org:443/", "example.org"),
        ("wss://user:secret@example.org:7007/", "example.org:7007"),
        ("ws://[::1]:7007/", "[::1]:7007"),
    ] {
        assert_eq!(ask(url, &[]).unwrap().headers()["host"], host, "{url}");
    }
}

#[test]
fn what_cannot_be_asked_is_the_callers_mistake() {
    assert_eq!(
        ask("ftp://example.org/", &[]).err(),
        Some(InvalidRequest::Scheme)
    );
    assert_eq!(ask("/path", &[]).err(), Some(InvalidRequest::Scheme));
    assert_eq!(
        ask("ws://h/", &["a", "a"]).err(),
        Some(InvalidRequest::Subprotocols)
    );
    assert_eq!(
        ask("ws://h/", &["a b"]).err(),
        Some(InvalidRequest::Subprotocols)
    );
    assert_eq!(
        ask("ws://h/", &[""]).err(),
        Some(InvalidRequest::Subprotocols)
    );
    let names: Vec<_> = (0..65).map(|name| name.to_string()).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    assert_eq!(ask("ws://h/", &names[..64]).err(), None);
    assert_eq!(
        ask("ws://h/", &names).err(),
        Some(InvalidRequest::Subprotocols)
    );
}

#[test]
fn headers_of_the_application_are_sent_but_not_instead_of_the_handshakes() {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_static("Bearer x"));
    headers.insert("sec-websocket-version", HeaderValue::from_static("8"));
    headers.insert("sec-websocket-extensions", HeaderValue::from_static("x"));
    let options = Options {
        headers,
        ..Options::default()
    };
    let request = request(&Uri::from_static("ws://h/"), [7; 16], &options).unwrap();
    assert_eq!(request.headers()["authorization"], "Bearer x");
    assert_eq!(request.headers()["sec-websocket-version"], "13");
    assert!(!request.headers().contains_key("sec-websocket-extensions"));
}

#[test]
fn every_answer_that_is_not_a_yes_is_rejected_with_its_reason() {
    let request = ask("ws://example.org/", &["a", "b"]).unwrap();
    for (name, values, expected) in [
        ("upgrade", &[][..], Rejection::Upgrade),
        ("upgrade", &["h2c"], Rejection::Upgrade),
        ("upgrade", &["websocket", "websocket"], Rejection::Upgrade),
        ("connection", &[], Rejection::Connection),
        ("connection", &["close"], Rejection::Connection),
        ("sec-websocket-accept", &[], Rejection::Accept),
        (
            "sec-websocket-accept",
            &["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="],
            Rejection::Accept,
        ),
        (
            "sec-websocket-extensions",
            &["permessage-deflate"],
            Rejection::Extension,
        ),
        ("sec-websocket-protocol", &["c"], Rejection::Subprotocol),
        ("sec-websocket-protocol", &["a, b"], Rejection::Subprotocol),
        (
            "sec-websocket-protocol",
            &["a", "b"],
            Rejection::Subprotocol,
        ),
    ] {
        let mut response = answer(&request);
        response.headers_mut().remove(name);
        for value in values {
            response.headers_mut().append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        assert_eq!(
            check(&request, &response),
            Err(expected),
            "{name}: {values:?}"
        );
    }
    let mut response = answer(&request);
    *response.status_mut() = http::StatusCode::OK;
    assert_eq!(
        check(&request, &response),
        Err(Rejection::Status(http::StatusCode::OK))
    );
}

#[test]
fn an_answer_in_another_case_is_accepted() {
    let request = ask("ws://example.org/", &[]).unwrap();
    let mut response = answer(&request);
    response
        .headers_mut()
        .insert("upgrade", HeaderValue::from_static("WebSocket"));
    response.headers_mut().insert(
        "connection",
        HeaderValue::from_static("keep-alive, UPGRADE"),
    );
    assert_eq!(check(&request, &response).err(), None);
}
