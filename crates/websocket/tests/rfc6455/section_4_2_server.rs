//! The server's handshake: every demand of section 4.2.1, each broken in turn.

use http::{HeaderName, HeaderValue, Request, StatusCode, Version};
use tidings_websocket::handshake::server::{Options, Refusal, accept};

fn request() -> Request<()> {
    Request::get("/chat")
        .header("host", "example.org")
        .header("upgrade", "websocket")
        .header("connection", "Upgrade")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-version", "13")
        .body(())
        .unwrap()
}

fn with(name: &'static str, values: &[&'static str]) -> Request<()> {
    let mut request = request();
    request.headers_mut().remove(name);
    for value in values {
        request.headers_mut().append(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    request
}

fn refusal(request: &Request<()>) -> Refusal {
    accept(request, &Options::default()).unwrap_err()
}

#[test]
fn the_answer_has_the_headers_of_section_4_2_2() {
    let response = accept(&request(), &Options::default()).unwrap().response();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(response.headers()["upgrade"], "websocket");
    assert_eq!(response.headers()["connection"], "Upgrade");
    assert_eq!(
        response.headers()["sec-websocket-accept"],
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    );
    assert_eq!(response.headers().len(), 3);
}

#[test]
fn a_key_is_whatever_decodes_to_16_bytes_and_answered_as_it_came() {
    // 4.1, 7 has this one as its example. The answer is SHA-1's, computed by `openssl dgst`.
    let request = with("sec-websocket-key", &["AQIDBAUGBwgJCgsMDQ4PEC=="]);
    let response = accept(&request, &Options::default()).unwrap().response();
    assert_eq!(
        response.headers()["sec-websocket-accept"],
        "OfS0wDaT5NoxF2gqm7Zj2YtetzM="
    );
}

#[test]
fn headers_in_other_forms_that_mean_the_same_are_accepted() {
    for request in [
        with("upgrade", &["WebSocket"]),
        with("upgrade", &["h2c, websocket"]),
        with("upgrade", &["HTTP/2.0", "websocket"]),
        with("connection", &["keep-alive, UPGRADE"]),
        with("connection", &["keep-alive", "upgrade"]),
        with(
            "sec-websocket-extensions",
            &["permessage-deflate; client_max_window_bits, x; y=\"z\""],
        ),
        with("sec-websocket-protocol", &[" a , b", "c"]),
        with("origin", &["https://elsewhere.example"]),
    ] {
        assert_eq!(
            accept(&request, &Options::default()).err(),
            None,
            "{request:?}"
        );
    }
}

#[test]
fn every_broken_demand_is_refused_with_its_reason() {
    for (name, values, expected) in [
        ("host", &[][..], Refusal::Host),
        ("host", &["a", "b"], Refusal::Host),
        ("upgrade", &[], Refusal::NoUpgrade),
        ("upgrade", &["websockets"], Refusal::NoUpgrade),
        ("connection", &[], Refusal::NoConnectionUpgrade),
        ("connection", &["keep-alive"], Refusal::NoConnectionUpgrade),
        ("sec-websocket-version", &[], Refusal::Version),
        ("sec-websocket-version", &["8"], Refusal::Version),
        ("sec-websocket-version", &["13, 8"], Refusal::Version),
        ("sec-websocket-version", &["13", "13"], Refusal::Version),
        ("sec-websocket-key", &[], Refusal::Key),
        (
            "sec-websocket-key",
            &["dGhlIHNhbXBsZSBub25jZQ=="; 2],
            Refusal::Key,
        ),
        (
            "sec-websocket-key",
            &["dGhlIHNhbXBsZSBub25jZQ"],
            Refusal::Key,
        ),
        ("sec-websocket-key", &["dG9vIHNob3J0"], Refusal::Key),
        (
            "sec-websocket-key",
            &["!!!!IHNhbXBsZSBub25jZQ=="],
            Refusal::Key,
        ),
        ("sec-websocket-protocol", &["a b"], Refusal::Subprotocols),
        ("sec-websocket-protocol", &["a, a"], Refusal::Subprotocols),
        (
            "sec-websocket-protocol",
            &["a", "b, a"],
            Refusal::Subprotocols,
        ),
        ("sec-websocket-protocol", &["a/b"], Refusal::Subprotocols),
        (
            "sec-websocket-extensions",
            &["permessage-deflate; ="],
            Refusal::Extensions,
        ),
    ] {
        assert_eq!(refusal(&with(name, values)), expected, "{name}: {values:?}");
    }
    let mut post = request();
    *post.method_mut() = http::Method::POST;
    assert_eq!(refusal(&post), Refusal::Method);
    let mut old = request();
    *old.version_mut() = Version::HTTP_10;
    assert_eq!(refusal(&old), Refusal::HttpVersion);
}

#[test]
fn a_request_that_offers_more_subprotocols_than_anybody_means_is_refused() {
    for (number, expected) in [
        (63, None),
        (64, None),
        (65, Some(Refusal::Subprotocols)),
        (10_000, Some(Refusal::Subprotocols)),
    ] {
        let names: Vec<_> = (0..number).map(|name| name.to_string()).collect();
        let mut request = request();
        let offered = HeaderValue::try_from(names.join(",")).unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", offered);
        assert_eq!(
            accept(&request, &Options::default()).err(),
            expected,
            "{number}"
        );
    }
}

#[test]
fn each_refusal_has_its_status_and_the_headers_that_go_with_it() {
    for (refusal, status, headers) in [
        (Refusal::Method, 405, &[("allow", "GET")][..]),
        (Refusal::HttpVersion, 505, &[]),
        (Refusal::Host, 400, &[]),
        (
            Refusal::NoUpgrade,
            426,
            &[
                ("upgrade", "websocket"),
                ("connection", "Upgrade"),
                ("sec-websocket-version", "13"),
            ],
        ),
        (Refusal::NoConnectionUpgrade, 400, &[]),
        (
            Refusal::Version,
            426,
            &[
                ("upgrade", "websocket"),
                ("connection", "Upgrade"),
                ("sec-websocket-version", "13"),
            ],
        ),
        (Refusal::Key, 400, &[]),
        (Refusal::Subprotocols, 400, &[]),
        (Refusal::Extensions, 400, &[]),
    ] {
        let response = refusal.response();
        assert_eq!(response.status(), status, "{refusal:?}");
        assert_eq!(refusal.headers().len(), headers.len(), "{refusal:?}");
        for (name, value) in headers {
            assert_eq!(response.headers()[*name], value, "{refusal:?}");
        }
        assert!(response.body().len() > 10);
    }
}

#[test]
fn the_servers_favourite_among_the_offered_subprotocols_is_chosen() {
    let options = Options {
        subprotocols: &["v2", "v1"],
        ..Options::default()
    };
    for (offered, expected) in [
        (&["v1, v2"][..], Some("v2")),
        (&["v3", "v1"], Some("v1")),
        (&["V2"], None), // subprotocols are compared as they are
        (&["v3"], None),
        (&[], None),
    ] {
        let accepted = accept(&with("sec-websocket-protocol", offered), &options).unwrap();
        assert_eq!(accepted.subprotocol, expected, "{offered:?}");
        let response = accepted.response();
        let header = response
            .headers()
            .get("sec-websocket-protocol")
            .map(|value| value.to_str().unwrap());
        assert_eq!(header, expected);
    }
}
