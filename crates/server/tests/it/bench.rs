//! The load tool against a real server, and against one that does not keep its word.

use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::support::door::House;
use crate::support::liar::{Liar, Lie};
use crate::support::server::{SECRET, Server, tidings};
use crate::support::{DEADLINE, until};

/// A second of a small load.
const SMALL: [&str; 10] = [
    "--clients",
    "6",
    "--channels",
    "3",
    "--publishers",
    "2",
    "--rate",
    "50",
    "--seconds",
    "1",
];

/// Runs `tidings bench --json` beside the test's own runtime; gives its exit code, its figures and what it
/// complained of.
async fn bench(url: &str, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let mut command = tidings();
    command
        .args(["bench", "--json", "--warmup", "0", "--url", url])
        .args(arguments);
    let running = tokio::task::spawn_blocking(move || command.output().unwrap());
    let Output {
        status,
        stdout,
        stderr,
    } = running.await.unwrap();
    let figures = serde_json::from_slice(&stdout).unwrap_or_default();
    (status.code(), figures, String::from_utf8(stderr).unwrap())
}

#[tokio::test]
async fn everything_is_delivered_and_measured_over_every_transport() {
    for house in [House::Plain, House::Tls] {
        everything_is_delivered_and_measured(house.start()).await;
    }
}

async fn everything_is_delivered_and_measured(server: Server) {
    let at: Vec<_> = server.at().into_iter().skip(2).collect();
    let at: Vec<_> = at.iter().map(String::as_str).collect();
    for transport in ["websocket", "sse", "long-poll", "short-poll"] {
        let arguments = [&SMALL[..], &["--transport", transport], &at].concat();
        let (code, figures, said) = bench(&server.url(), &arguments).await;
        assert_eq!(code, Some(0), "{transport}: {said} {figures}");
        assert_eq!(said, "", "nobody looks at a progress bar here");
        // 50 messages, each to the two clients of its channel.
        let correctness = &figures["correctness"];
        assert_eq!(correctness["acknowledged"], 50, "{transport}: {figures}");
        for (figure, expected) in [
            ("promised", 100),
            ("delivered", 100),
            ("lost", 0),
            ("duplicated", 0),
            ("out_of_order", 0),
            ("broken_connections", 0),
        ] {
            assert_eq!(
                correctness[figure], expected,
                "{transport}: {figure}: {figures}"
            );
        }
        for measured in ["delivery_us", "acknowledgement_us"] {
            let quantiles = &figures[measured];
            let at = |name: &str| quantiles[name].as_u64().unwrap();
            assert!(0 < at("p50"), "{transport}: {figures}");
            assert!(
                at("p50") <= at("p99") && at("p99") <= at("max"),
                "{transport}: {figures}"
            );
        }
        assert_eq!(
            figures["delivery_us"]["count"], 100,
            "{transport}: {figures}"
        );
        assert_eq!(
            figures["acknowledgement_us"]["count"], 50,
            "{transport}: {figures}"
        );
        // What carries 128 bytes of data takes more than them on the wire.
        for (figure, least) in [("publishers_sent", 128 * 40), ("clients_received", 128)] {
            assert!(
                figures["bytes"][figure].as_u64().unwrap() > least,
                "{transport}: {figures}"
            );
        }
        let points = figures["timeline"].as_array().unwrap();
        assert!((1..=4).contains(&points.len()), "{transport}: {points:?}");
    }
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_server_on_the_same_machine_is_found_with_what_it_takes() {
    let server = Server::start();
    let (_, figures, said) = bench(&server.url(), &SMALL).await;
    let found = &figures["server"];
    assert_eq!(found["pid"], server.pid(), "{said} {figures}");
    assert_eq!(found["name"], "tidings");
    assert!(found["cpu_s"].as_f64().unwrap() > 0.0, "{figures}");
    assert!(
        found["rss_before_bytes"].as_u64().unwrap() > 1 << 20,
        "{figures}"
    );
    let named = std::process::id().to_string();
    let (_, figures, _) = bench(&server.url(), &[&SMALL[..], &["--pid", &named]].concat()).await;
    assert_eq!(figures["server"]["pid"], std::process::id(), "{figures}");
}

#[tokio::test]
async fn what_a_server_loses_doubles_or_reorders_is_counted_and_a_failure() {
    for (lie, lost, duplicated, out_of_order) in [
        (Lie::None, 0, 0, 0),
        (Lie::Lose, 1, 0, 0),
        (Lie::Double, 0, 1, 0),
        (Lie::Swap, 0, 0, 1),
    ] {
        let liar = Liar::start(lie).await;
        let arguments = [
            "--transport",
            "short-poll",
            "--clients",
            "1",
            "--publishers",
            "1",
            "--rate",
            "20",
            "--seconds",
            "1",
        ];
        let (code, figures, said) = bench(&liar.url(), &arguments).await;
        let expected = i32::from(!matches!(lie, Lie::None));
        assert_eq!(code, Some(expected), "{lie:?}: {said} {figures}");
        let correctness = &figures["correctness"];
        assert_eq!(correctness["promised"], 20, "{lie:?}: {figures}");
        assert_eq!(
            json!([
                correctness["lost"],
                correctness["duplicated"],
                correctness["out_of_order"]
            ]),
            json!([lost, duplicated, out_of_order]),
            "{lie:?}: {figures}"
        );
    }
}

#[tokio::test]
async fn an_interrupt_ends_it_early_with_a_report_and_a_page() {
    let server = Server::start();
    let page = server.data().join("reports/report.html");
    let mut command = tidings();
    command
        .args([
            "bench",
            "--seconds",
            "60",
            "--warmup",
            "0",
            "--clients",
            "5",
            "--url",
            &server.url(),
        ])
        .arg("--html")
        .arg(&page)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    some_messages(&server).await;
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    let output = tokio::time::timeout(DEADLINE, ended)
        .await
        .unwrap()
        .unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{report}");
    for words in ["Delivery latency", "p99.9", "It was ended early."] {
        assert!(report.contains(words), "{words}: {report}");
    }
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("<svg") && page.ends_with("</html>\n"));
}

#[tokio::test]
async fn a_server_that_dies_meanwhile_is_reported_with_what_it_still_owed() {
    for transport in ["websocket", "sse"] {
        let mut server = Server::start();
        let mut command = tidings();
        command
            .args([
                "bench",
                "--json",
                "--seconds",
                "20",
                "--warmup",
                "0",
                "--rate",
                "20",
            ])
            .args([
                "--clients",
                "2",
                "--transport",
                transport,
                "--url",
                &server.url(),
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        some_messages(&server).await;
        server.kill();
        let ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
        let output = tokio::time::timeout(DEADLINE, ended)
            .await
            .unwrap()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let figures: Value = serde_json::from_slice(&output.stdout).expect(&said);
        assert!(
            figures["correctness"]["broken_connections"].as_u64() >= Some(2),
            "{figures}"
        );
        assert!(
            figures["correctness"]["acknowledged"].as_u64() > Some(0),
            "{figures}"
        );
    }
}

/// Waits until some messages are stored.
async fn some_messages(server: &Server) {
    until("some messages", async || {
        let metrics = server.get("/metrics").await;
        let head = metrics
            .text()
            .lines()
            .find_map(|line| line.strip_prefix("tidings_log_head ")?.parse::<u64>().ok());
        head.filter(|messages| *messages > 20)
    })
    .await;
}

#[tokio::test]
async fn a_load_that_cannot_run_says_what_to_do() {
    let (code, _, said) = bench("http://127.0.0.1:1", &[]).await;
    assert_eq!(code, Some(1));
    assert!(
        said.contains("http://127.0.0.1:1") && said.contains("--url"),
        "{said}"
    );
    let server = Server::with_secret();
    for transport in ["websocket", "sse", "long-poll", "short-poll"] {
        let (code, _, said) = bench(&server.url(), &["--transport", transport]).await;
        assert_eq!(code, Some(1), "{transport}: {said}");
        assert!(said.contains("--token"), "{transport}: {said}");
    }
    // Whoever may read and not write learns that as well.
    let mut command = tidings();
    command.args(["token", "--user", "a", "--read", "bench:*"]);
    let token = command.env("TIDINGS_AUTH_SECRET", SECRET).output().unwrap();
    let token = String::from_utf8(token.stdout).unwrap();
    for transport in ["websocket", "sse"] {
        let arguments = ["--transport", transport, "--token", token.trim()];
        let (code, _, said) = bench(&server.url(), &arguments).await;
        assert_eq!(code, Some(1), "{transport}: {said}");
        assert!(
            said.contains("403") || said.contains("forbidden"),
            "{transport}: {said}"
        );
    }
}
