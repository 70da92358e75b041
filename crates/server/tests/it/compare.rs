//! `tidings compare` against a server that was named, and what it refuses.

use std::process::Output;

use serde_json::Value;

use crate::support::door::House;
use crate::support::server::{Server, tidings};

/// Runs it beside the test's own runtime; gives its exit code, what it printed and what it complained of.
async fn compare(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = tidings();
    command.arg("compare").args(arguments);
    let running = tokio::task::spawn_blocking(move || command.output().unwrap());
    let Output {
        status,
        stdout,
        stderr,
    } = running.await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// Compares ways over a server that was named, quickly; gives the figures.
async fn compared(server: &Server, ways: &str, format: &str) -> Vec<Value> {
    let (url, at) = (server.url(), server.at());
    let mut arguments = vec![
        "--quick",
        "--json",
        "--clients",
        "3",
        "--rate",
        "10",
        "--url",
        &url,
    ];
    let pictures = server.data().join("pictures");
    let page = server.data().join("pages/page.html");
    arguments.extend(["--way", ways, "--format", format]);
    arguments.extend(["--svg", pictures.to_str().unwrap()]);
    arguments.extend(["--html", page.to_str().unwrap()]);
    arguments.extend(at.iter().skip(2).map(String::as_str));
    let (code, printed, said) = compare(&arguments).await;
    assert_eq!(code, Some(0), "{said}");
    for (file, end) in [
        (pictures.join("latency-steady.svg"), "</svg>\n"),
        (page, "</html>\n"),
    ] {
        assert!(std::fs::read_to_string(file).unwrap().ends_with(end));
    }
    let figures: Value = serde_json::from_str(&printed).unwrap();
    figures["cells"].as_array().unwrap().clone()
}

/// All `messages` came, each counted once for each client, and what they took is known.
fn check(cell: &Value, way: &str, messages: u64) {
    assert_eq!(cell["way"], way);
    assert_eq!(cell["troubles"], serde_json::json!([]), "{cell}");
    let stream = &cell["streams"][0];
    for (figure, expected) in [("lost", 0), ("duplicated", 0), ("out_of_order", 0)] {
        assert_eq!(stream[figure], expected, "{cell}");
    }
    assert_eq!(stream["latency_us"]["count"], messages, "{cell}");
    // What so few deliveries take may be lost in what publishing takes; what the server took in all is not.
    let server_cpu_us = &stream["minute"]["server_cpu_us"];
    for (figure, least) in [
        (&stream["down_bytes"], 100.0),
        (server_cpu_us, 0.0),
        (&cell["opening"]["up_bytes"], 100.0),
    ] {
        assert!(figure.as_f64().is_some_and(|it| it > least), "{cell}");
    }
}

#[tokio::test]
async fn a_server_that_was_named_is_measured_by_its_polls() {
    let server = Server::start();
    let cells = compared(&server, "poll-1s-close", "json").await;
    // 10 messages a second for 3 clients, in 5 s and in the second before them.
    check(&cells[0], "poll-1s-close", 180);
    let minute = &cells[0]["idle"];
    for figure in ["requests", "connections"] {
        // Of the five polls of a client, one may fall on the other side of either end.
        let value = minute[figure].as_f64().unwrap();
        assert!((48.0..=72.0).contains(&value), "{minute}");
    }
}

#[tokio::test]
async fn a_way_that_does_not_get_through_is_left_out_and_told() {
    let server = Server::configured("[webtransport]\nenabled = false\n");
    let url = server.url();
    let mut ways = vec!["--way", "poll-1s,webtransport"];
    let more = [
        "--quick",
        "--json",
        "--clients",
        "2",
        "--rate",
        "10",
        "--url",
        &url,
    ];
    ways.extend(more);
    let (code, printed, said) = compare(&ways).await;
    assert_eq!(code, Some(0), "{said}");
    let figures: Value = serde_json::from_str(&printed).unwrap();
    check(&figures["cells"][0], "poll-1s", 120);
    assert_eq!(figures["cells"].as_array().unwrap().len(), 1);
    let told = figures["left_out"][0].as_str().unwrap();
    assert!(
        told.starts_with("WebTransport stream, 2 clients, was left out: "),
        "{told}"
    );
    let (code, _, said) = compare(&["--way", "webtransport", "--quick", "--url", &url]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("could not be opened"), "{said}");
}

#[tokio::test]
async fn a_server_with_tls_is_measured_by_its_sockets_in_cbor() {
    let server = House::Tls.start();
    let cells = compared(&server, "websocket-h2-deflate,webtransport", "cbor").await;
    // 2.5 s for 3 clients.
    check(&cells[0], "websocket-h2-deflate", 75);
    check(&cells[1], "webtransport", 75);
    assert_eq!(cells[0]["format"], "cbor");
    assert_eq!(cells[0]["total"]["connections"], 3);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    for (arguments, words) in [
        (&["--clients", "0"][..], "--clients"),
        (&["--clients", "20001"], "--clients"),
        (&["--way", "pigeon"], "poll-1s"),
        (&["--size", "29"], "--size"),
        (&["--rate", "101"], "--rate"),
        (&["--token", "guest:a"], "--url"),
        (&["--url", "http://127.0.0.1:1", "--quick"], "started"),
        (&["--svg", "/dev/null/pictures"], "cannot make"),
        (&["--html", "/dev/null/page.html"], "cannot make"),
    ] {
        let (code, _, said) = compare(arguments).await;
        assert!(code.is_some_and(|code| code > 0), "{arguments:?}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}
