//! Section 7.1: what is offered, what is answered, and what the two ends then hold to.

use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use tidings_websocket::deflate::{Agreement, ContextTakeover, Policy};
use tidings_websocket::handshake::client::{self, Agreed, Rejection};
use tidings_websocket::handshake::server::{self, Accepted, Refusal};

const EXTENSIONS: &str = "sec-websocket-extensions";

/// Wants nothing of anybody.
const LIBERAL: Policy = Policy {
    server_context_takeover: ContextTakeover::Allow,
    client_context_takeover: ContextTakeover::Allow,
    server_max_window_bits: 15,
    client_max_window_bits: 15,
    compress_from: 0,
    level: 6,
};

/// Remembers nothing: the default.
const FRUGAL: Policy = Policy {
    server_context_takeover: ContextTakeover::Refuse,
    client_context_takeover: ContextTakeover::Refuse,
    ..LIBERAL
};

/// Small windows on both sides.
const NARROW: Policy = Policy {
    server_max_window_bits: 10,
    client_max_window_bits: 11,
    ..LIBERAL
};

fn offering(offers: &[&str]) -> Request<()> {
    let mut request = client::request(
        &Uri::from_static("ws://example.org/"),
        [7; 16],
        &client::Options::default(),
    )
    .unwrap();
    *request.version_mut() = http::Version::HTTP_11;
    for offer in offers {
        let offer = HeaderValue::from_str(offer).unwrap();
        request.headers_mut().append(EXTENSIONS, offer);
    }
    request
}

fn accept(request: &Request<()>, policy: Option<Policy>) -> Result<Accepted<'static>, Refusal> {
    let options = server::Options {
        deflate: policy,
        ..server::Options::default()
    };
    server::accept(request, &options)
}

fn extensions(headers: &HeaderMap) -> Option<&str> {
    assert!(headers.get_all(EXTENSIONS).iter().count() <= 1);
    headers.get(EXTENSIONS).map(|value| value.to_str().unwrap())
}

/// Whether the server and the client take their contexts over, and the bits of their windows.
fn agreement(takeover: (bool, bool), bits: (u8, u8)) -> Agreement {
    Agreement {
        server_no_context_takeover: !takeover.0,
        client_no_context_takeover: !takeover.1,
        server_max_window_bits: bits.0,
        client_max_window_bits: bits.1,
    }
}

#[test]
fn a_server_answers_what_it_accepts_of_an_offer() {
    const BOTH: (bool, bool) = (true, true);
    const NEITHER: (bool, bool) = (false, false);
    for (offer, policy, answer, takeover, bits) in [
        // The examples of 7.1.3.
        (
            "permessage-deflate",
            LIBERAL,
            "permessage-deflate",
            BOTH,
            (15, 15),
        ),
        (
            "permessage-deflate; client_max_window_bits; server_max_window_bits=10",
            LIBERAL,
            "permessage-deflate; server_max_window_bits=10",
            BOTH,
            (10, 15),
        ),
        (
            "permessage-deflate; client_max_window_bits; server_max_window_bits=10, \
             permessage-deflate; client_max_window_bits",
            LIBERAL,
            "permessage-deflate; server_max_window_bits=10",
            BOTH,
            (10, 15),
        ),
        // Chromium, and `ws` and Python `websockets` as clients, by default.
        (
            "permessage-deflate; client_max_window_bits",
            FRUGAL,
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            NEITHER,
            (15, 15),
        ),
        (
            "permessage-deflate; client_max_window_bits",
            LIBERAL,
            "permessage-deflate",
            BOTH,
            (15, 15),
        ),
        (
            "permessage-deflate; client_max_window_bits",
            NARROW,
            "permessage-deflate; client_max_window_bits=11",
            BOTH,
            (10, 11),
        ),
        // Firefox.
        (
            "permessage-deflate",
            FRUGAL,
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            NEITHER,
            (15, 15),
        ),
        // 7.1.2.2: without the parameter in the offer it must not be in the answer.
        (
            "permessage-deflate",
            NARROW,
            "permessage-deflate",
            BOTH,
            (10, 15),
        ),
        // 7.1.1.1: a demand, granted by saying so. 7.1.1.2: a promise.
        (
            "permessage-deflate; server_no_context_takeover",
            LIBERAL,
            "permessage-deflate; server_no_context_takeover",
            (false, true),
            (15, 15),
        ),
        (
            "permessage-deflate; client_no_context_takeover",
            LIBERAL,
            "permessage-deflate; client_no_context_takeover",
            (true, false),
            (15, 15),
        ),
        // 7.1.2.1: "with the same or smaller value as the offer".
        (
            "permessage-deflate; server_max_window_bits=8",
            NARROW,
            "permessage-deflate; server_max_window_bits=8",
            BOTH,
            (8, 15),
        ),
        (
            "permessage-deflate; server_max_window_bits=15",
            NARROW,
            "permessage-deflate; server_max_window_bits=10",
            BOTH,
            (10, 15),
        ),
        // 7.1.2.2: "with a value equal to or smaller than the received value".
        (
            "permessage-deflate; client_max_window_bits=9",
            LIBERAL,
            "permessage-deflate; client_max_window_bits=9",
            BOTH,
            (15, 9),
        ),
        (
            "permessage-deflate; client_max_window_bits=12",
            NARROW,
            "permessage-deflate; client_max_window_bits=11",
            BOTH,
            (10, 11),
        ),
        // RFC 6455, 9.1: a value may stand between quotation marks.
        (
            "permessage-deflate; server_max_window_bits=\"10\"; client_max_window_bits=\"9\"",
            LIBERAL,
            "permessage-deflate; server_max_window_bits=10; client_max_window_bits=9",
            BOTH,
            (10, 9),
        ),
        // `ws` with all its options, and Autobahn's client.
        (
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=9; client_max_window_bits=9",
            LIBERAL,
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=9; client_max_window_bits=9",
            NEITHER,
            (9, 9),
        ),
        (
            "permessage-deflate; client_no_context_takeover; client_max_window_bits; \
             server_no_context_takeover; server_max_window_bits=9, permessage-deflate; \
             client_no_context_takeover; client_max_window_bits; server_no_context_takeover, \
             permessage-deflate; client_no_context_takeover; client_max_window_bits",
            LIBERAL,
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=9",
            NEITHER,
            (9, 15),
        ),
        // What others offer beside it is not accepted.
        (
            "x-webkit-deflate-frame, permessage-bzip2; a=b, permessage-deflate",
            LIBERAL,
            "permessage-deflate",
            BOTH,
            (15, 15),
        ),
    ] {
        let accepted = accept(&offering(&[offer]), Some(policy)).unwrap();
        let response = accepted.response();
        assert_eq!(extensions(response.headers()), Some(answer), "{offer}");
        assert_eq!(accepted.deflate, Some(agreement(takeover, bits)), "{offer}");
    }
}

#[test]
fn a_server_declines_an_invalid_offer_and_looks_at_the_next() {
    for parameters in [
        "client_no_context_takeover=1",
        "server_no_context_takeover=true",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "server_max_window_bits",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=010",
        "server_max_window_bits=+9",
        "server_max_window_bits=9.0",
        "server_max_window_bits=99999999999999999999",
        "server_max_window_bits=9; server_max_window_bits=9",
        "client_max_window_bits=0",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=08",
        "client_max_window_bits; client_max_window_bits",
        "client_max_window_bits; client_max_window_bits=9",
        "Server_No_Context_Takeover",
        "mux",
        "a=b",
    ] {
        let bad = format!("permessage-deflate; {parameters}");
        let accepted = accept(&offering(&[&bad]), Some(LIBERAL)).unwrap();
        assert_eq!(accepted.deflate, None, "{bad}");
        assert_eq!(extensions(accepted.response().headers()), None, "{bad}");
        let good = "permessage-deflate; client_no_context_takeover";
        for offers in [&[&format!("{bad}, {good}")[..]][..], &[&bad, good]] {
            let accepted = accept(&offering(offers), Some(LIBERAL)).unwrap();
            assert_eq!(
                extensions(accepted.response().headers()),
                Some(good),
                "{bad}"
            );
        }
    }
}

#[test]
fn without_a_policy_or_an_offer_nothing_is_compressed() {
    let request = offering(&["permessage-deflate"]);
    for (request, policy) in [
        (&request, None),
        (&offering(&[]), Some(LIBERAL)),
        (&offering(&["", "x-webkit-deflate-frame"]), Some(LIBERAL)),
        (&offering(&["Permessage-Deflate"]), Some(LIBERAL)),
    ] {
        let accepted = accept(request, policy).unwrap();
        assert_eq!(accepted.deflate, None);
        assert_eq!(extensions(accepted.response().headers()), None);
    }
}

#[test]
fn a_malformed_or_endless_list_is_refused() {
    for offers in [
        "permessage-deflate;",
        "permessage-deflate; server_max_window_bits=",
        "permessage-deflate; server_max_window_bits=\"9",
        "permessage deflate",
        &"permessage-deflate,".repeat(17),
        &format!("permessage-deflate{}", "; a".repeat(17)),
    ] {
        for policy in [None, Some(LIBERAL)] {
            let refused = accept(&offering(&[offers]), policy).err();
            assert_eq!(refused, Some(Refusal::Extensions), "{offers}");
        }
    }
}

fn ask(policy: Policy) -> Request<()> {
    let options = client::Options {
        deflate: Some(policy),
        ..client::Options::default()
    };
    client::request(&Uri::from_static("ws://example.org/"), [7; 16], &options).unwrap()
}

/// An answer to `request` with these extensions.
fn answering(request: &Request<()>, answers: &[&str]) -> Response<()> {
    let mut response = accept(request, None).unwrap().response();
    for answer in answers {
        let answer = HeaderValue::from_str(answer).unwrap();
        response.headers_mut().append(EXTENSIONS, answer);
    }
    response
}

fn check(request: &Request<()>, answers: &[&str]) -> Result<Option<Agreement>, Rejection> {
    let agreed: Agreed = client::check(request, &answering(request, answers))?;
    Ok(agreed.deflate)
}

#[test]
fn a_client_offers_what_its_policy_wants() {
    for (policy, offer) in [
        (LIBERAL, "permessage-deflate; client_max_window_bits"),
        (
            Policy::default(),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             client_max_window_bits",
        ),
        (
            NARROW,
            "permessage-deflate; server_max_window_bits=10; client_max_window_bits=11",
        ),
        // Numbers that cannot be said are taken for the nearest that can.
        (
            Policy {
                server_max_window_bits: 0,
                client_max_window_bits: 200,
                ..LIBERAL
            },
            "permessage-deflate; server_max_window_bits=8; client_max_window_bits",
        ),
    ] {
        assert_eq!(extensions(ask(policy).headers()), Some(offer));
    }
    assert_eq!(extensions(offering(&[]).headers()), None);
}

#[test]
fn a_client_agrees_to_an_answer_that_fits_its_offer() {
    for (policy, answer, takeover, bits) in [
        (LIBERAL, "permessage-deflate", (true, true), (15, 15)),
        // 7.1.1.1, 7.1.1.2, 7.1.2.1: a server may volunteer each of these, as uWebSockets, `ws`
        // and Autobahn do.
        (
            LIBERAL,
            "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
            (false, false),
            (15, 15),
        ),
        (
            LIBERAL,
            "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
            (true, true),
            (12, 12),
        ),
        (
            LIBERAL,
            "permessage-deflate; server_max_window_bits=\"8\"",
            (true, true),
            (8, 15),
        ),
        // What it said of itself it keeps to.
        (
            FRUGAL,
            "permessage-deflate; server_no_context_takeover",
            (false, false),
            (15, 15),
        ),
        (
            NARROW,
            "permessage-deflate; server_max_window_bits=10",
            (true, true),
            (10, 11),
        ),
        (
            NARROW,
            "permessage-deflate; server_max_window_bits=9; client_max_window_bits=8",
            (true, true),
            (9, 8),
        ),
    ] {
        assert_eq!(
            check(&ask(policy), &[answer]),
            Ok(Some(agreement(takeover, bits))),
            "{answer}"
        );
    }
    assert_eq!(check(&ask(LIBERAL), &[]), Ok(None));
}

#[test]
fn a_client_rejects_an_answer_that_does_not_fit_its_offer() {
    const FITS: &str = "permessage-deflate; server_no_context_takeover; server_max_window_bits=9";
    for (policy, answers, expected) in [
        // 7.1: unknown, twice, invalid.
        (
            LIBERAL,
            &["permessage-deflate; mux"][..],
            Rejection::Deflate,
        ),
        (
            LIBERAL,
            &["permessage-deflate; server_no_context_takeover; server_no_context_takeover"],
            Rejection::Deflate,
        ),
        (
            LIBERAL,
            &["permessage-deflate; server_no_context_takeover=1"],
            Rejection::Deflate,
        ),
        (
            LIBERAL,
            &["permessage-deflate; server_max_window_bits"],
            Rejection::Deflate,
        ),
        (
            LIBERAL,
            &["permessage-deflate; server_max_window_bits=16"],
            Rejection::Deflate,
        ),
        // Only an offer may leave out the value.
        (
            LIBERAL,
            &["permessage-deflate; client_max_window_bits"],
            Rejection::Deflate,
        ),
        // What was demanded and not granted.
        (FRUGAL, &["permessage-deflate"], Rejection::Deflate),
        (
            FRUGAL,
            &["permessage-deflate; client_no_context_takeover"],
            Rejection::Deflate,
        ),
        (NARROW, &["permessage-deflate"], Rejection::Deflate),
        (
            NARROW,
            &["permessage-deflate; server_max_window_bits=11"],
            Rejection::Deflate,
        ),
        (
            NARROW,
            &["permessage-deflate; server_max_window_bits=10; client_max_window_bits=12"],
            Rejection::Deflate,
        ),
        // One bit cannot say that a message was compressed twice.
        (FRUGAL, &[FITS, FITS], Rejection::Deflate),
        (
            LIBERAL,
            &["permessage-deflate, permessage-deflate"],
            Rejection::Deflate,
        ),
        // RFC 6455, 4.1: what was not offered.
        (LIBERAL, &["x-webkit-deflate-frame"], Rejection::Extension),
        (
            LIBERAL,
            &["permessage-deflate, permessage-bzip2"],
            Rejection::Extension,
        ),
        (
            LIBERAL,
            &["permessage-deflate;"],
            Rejection::MalformedExtensions,
        ),
    ] {
        let rejected = check(&ask(policy), answers);
        assert_eq!(rejected, Err(expected), "{answers:?}");
    }
    let plain = offering(&[]);
    assert_eq!(
        check(&plain, &["permessage-deflate"]),
        Err(Rejection::Extension)
    );
}

#[test]
fn any_two_policies_come_to_the_same_agreement_on_both_sides() {
    let policies = || {
        let takeovers = [ContextTakeover::Refuse, ContextTakeover::Allow];
        let bits = [0, 8, 9, 10, 14, 15, 99];
        takeovers.into_iter().flat_map(move |server| {
            takeovers.into_iter().flat_map(move |client| {
                bits.into_iter().flat_map(move |server_bits| {
                    bits.into_iter().map(move |client_bits| Policy {
                        server_context_takeover: server,
                        client_context_takeover: client,
                        server_max_window_bits: server_bits,
                        client_max_window_bits: client_bits,
                        ..Policy::default()
                    })
                })
            })
        })
    };
    for ours in policies() {
        let request = ask(ours);
        for theirs in policies() {
            let accepted = accept(&request, Some(theirs)).unwrap();
            let agreed = client::check(&request, &accepted.response()).unwrap();
            let (server, client) = (accepted.deflate.unwrap(), agreed.deflate.unwrap());
            // The server may use a smaller window than it tells, never a larger one.
            assert!(server.server_max_window_bits <= client.server_max_window_bits);
            let told = Agreement {
                server_max_window_bits: client.server_max_window_bits,
                ..server
            };
            assert_eq!(told, client, "{ours:?} {theirs:?}");
            for policy in [ours, theirs] {
                let window = |bits: u8| bits.clamp(8, 15);
                let refuses = |takeover| takeover == ContextTakeover::Refuse;
                assert!(server.server_max_window_bits <= window(policy.server_max_window_bits));
                assert!(server.client_max_window_bits <= window(policy.client_max_window_bits));
                assert!(
                    server.server_no_context_takeover || !refuses(policy.server_context_takeover)
                );
                assert!(
                    server.client_no_context_takeover || !refuses(policy.client_context_takeover)
                );
            }
        }
    }
}
