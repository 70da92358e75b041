//! The terminal commands, as a person runs them.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::door::House;
use crate::support::server::{SECRET, Server, tidings};
use crate::support::subscriber::Subscriber;
use crate::support::until;

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn publish(server: &Server, arguments: &[&str]) -> Command {
    let mut command = tidings();
    command
        .arg("publish")
        .args(arguments)
        .args(server.at())
        .args(["--token", "guest:alice"]);
    command
}

const TRANSPORTS: [&str; 4] = ["poll", "long-poll", "sse", "websocket"];

#[tokio::test]
async fn what_is_published_in_one_terminal_is_printed_in_the_others() {
    for house in [House::Plain, House::Tls] {
        printed_in_the_others(house.start()).await;
    }
}

async fn printed_in_the_others(server: Server) {
    // History tells that a subscriber is there: it prints the last message first.
    server.publish("chat:a", "\"before\"").await;
    let subscribers: Vec<_> = TRANSPORTS
        .iter()
        .map(|transport| {
            let arguments = ["chat:a", "--history", "1", "--transport", transport];
            Subscriber::start(server.at(), &arguments)
        })
        .collect();
    for subscriber in &subscribers {
        assert!(subscriber.line().ends_with(": before"));
    }
    assert_eq!(run(&mut publish(&server, &["chat:a", "hello"])).0, Some(0));
    let json = ["chat:a", "--json", r#"{"text":"from a chat"}"#];
    assert_eq!(run(&mut publish(&server, &json)).0, Some(0));
    let mut lines = publish(&server, &["chat:a", "-"]);
    let mut lines = lines.stdin(Stdio::piped()).spawn().unwrap();
    lines
        .stdin
        .take()
        .unwrap()
        .write_all(b"one\ntwo\n")
        .unwrap();
    assert!(lines.wait().unwrap().success());
    for subscriber in &subscribers {
        for text in ["hello", "from a chat", "one", "two"] {
            let line = subscriber.line();
            assert!(line.ends_with(&format!(" alice: {text}")), "{line}");
        }
    }
}

#[tokio::test]
async fn a_guest_of_any_script_talks_in_the_terminal() {
    let server = Server::start();
    for transport in TRANSPORTS {
        let channel = format!("chat:{transport}");
        let mut publish = tidings();
        publish
            .args(["publish", &channel, "你好", "--url", &server.url()])
            .args(["--token", "guest:李雷"]);
        let (code, _, complaint) = run(&mut publish);
        assert_eq!(code, Some(0), "{complaint}");
        let arguments = [
            &channel,
            "--history",
            "1",
            "--transport",
            transport,
            "--token",
            "guest:韩梅梅",
        ];
        let line = Subscriber::start(server.at(), &arguments).line();
        assert!(line.ends_with(" 李雷: 你好"), "{line}");
    }
}

#[tokio::test]
async fn subscribers_come_back_when_the_server_has_told_them_to() {
    const RESTART: Duration = Duration::from_secs(3);
    // Without joins, by which a long poll is answered, and may be between two when the server ends.
    let config = format!(
        "[drain]\nrestart = \"{}s\"\n[namespaces.chat]\npresence = false\n",
        RESTART.as_secs()
    );
    let mut server = Server::configured(&config);
    server.publish("chat:a", "\"before\"").await;
    // A short poll is not there to be told.
    let subscribers: Vec<_> = ["long-poll", "sse", "websocket"]
        .map(|transport| {
            let arguments = ["chat:a", "--history", "1", "--transport", transport];
            let subscriber = Subscriber::start(server.at(), &arguments);
            assert!(subscriber.line().ends_with(": before"));
            (transport, subscriber)
        })
        .into();
    until("everybody to wait", async || {
        let metrics = server.metrics().await;
        let waits = |(transport, _): &(&str, Subscriber)| {
            metrics.value(&format!(
                "tidings_links{{transport=\"{transport}\",shard=\"0\"}}"
            )) == 1.0
        };
        subscribers.iter().all(waits).then_some(())
    })
    .await;
    let ended = Instant::now();
    server.terminate();
    assert_eq!(server.ended().await.code(), Some(0));
    server.restart();
    server.publish("chat:a", "\"after\"").await;
    for (transport, subscriber) in &subscribers {
        assert!(subscriber.line().ends_with(": after"));
        // They were told so some moment after it was asked to end, and none of them throws dice.
        assert!(ended.elapsed() >= RESTART, "{transport}");
    }
}

#[tokio::test]
async fn subscribers_lose_and_double_nothing_when_the_server_is_killed_and_restarted() {
    let mut server = Server::start();
    server.publish("chat:a", "\"before\"").await;
    let subscribers: Vec<_> = TRANSPORTS
        .iter()
        .map(|transport| {
            let arguments = [
                "chat:a",
                "--json",
                "--history",
                "1",
                "--transport",
                transport,
            ];
            Subscriber::start(server.at(), &arguments)
        })
        .collect();
    for subscriber in &subscribers {
        assert!(subscriber.line().contains("before"));
    }
    for round in 0..4 {
        for number in 0..25 {
            server
                .publish("chat:a", &(round * 25 + number).to_string())
                .await;
        }
        if round < 3 {
            server.kill();
            server.restart();
        }
    }
    for (subscriber, transport) in subscribers.iter().zip(TRANSPORTS) {
        let mut next = 0;
        while next < 100 {
            let line = subscriber.line();
            let event: serde_json::Value = serde_json::from_str(&line).unwrap();
            if event["type"] == "message" {
                assert_eq!(event["data"], next, "{transport}");
                next += 1;
            }
        }
    }
}

#[tokio::test]
async fn tokens_are_needed_where_there_is_a_secret_and_made_with_it() {
    let server = Server::with_secret();
    let url = server.url();
    let mut command = tidings();
    let (code, _, said) = run(command.args(["publish", "a", "hello", "--url", &url]));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("401") && said.contains("--token"), "{said}");
    let mut command = tidings();
    command.args(["subscribe", "a", "--url", &url, "--token", "nonsense"]);
    assert_eq!(run(&mut command).0, Some(1));
    let mut command = tidings();
    command.args(["token", "--user", "bot", "--write", "a"]);
    let (code, token, said) = run(command.env("TIDINGS_AUTH_SECRET", SECRET));
    assert_eq!(code, Some(0), "{said}");
    let mut command = tidings();
    command.args(["publish", "a", "hello", "--url", &url]);
    let (code, _, said) = run(command.env("TIDINGS_TOKEN", token.trim()));
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn wrong_questions_are_answered_with_what_to_do() {
    for (arguments, advice) in [
        (
            &["token", "--user", "a", "--read", "*"][..],
            "TIDINGS_AUTH_SECRET",
        ),
        (&["publish", "a", "x", "--url", "ftp://a"], "http://"),
        (&["publish", "a", "{", "--json"], "--json"),
        (&["subscribe", "a*"], "*"),
        (&["subscribe", "a", "--after", "7"], "cursor"),
        (&["dance"], "--help"),
    ] {
        let (code, _, said) = run(tidings().args(arguments));
        assert_eq!(code, Some(2), "{arguments:?}: {said}");
        assert!(said.contains(advice), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn a_certificate_is_trusted_only_when_somebody_says_so() {
    let server = House::Tls.start();
    let url = server.url();
    let ask = |arguments: &[&str], url: &str| {
        let mut command = tidings();
        run(command
            .args(["publish", "a", "x", "--url", url])
            .args(arguments))
    };
    let (code, _, said) = ask(&[], &url);
    assert_eq!(code, Some(1), "{said}");
    for advice in ["--ca-certificate", "--insecure"] {
        assert!(said.contains(advice), "{said}");
    }
    let own = server.data().join("tls/self-signed.pem");
    let own = own.to_str().unwrap();
    let other = House::Tls.start();
    let others = other.data().join("tls/self-signed.pem");
    let others = others.to_str().unwrap();
    assert_eq!(ask(&["--insecure"], &url).0, Some(0));
    assert_eq!(ask(&["--ca-certificate", own], &url).0, Some(0));
    assert_eq!(ask(&["--ca-certificate", others], &url).0, Some(1));
    let (code, _, said) = ask(&["--ca-certificate", "/nowhere"], &url);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("/nowhere"), "{said}");
    let plain = Server::start();
    let (code, _, said) = ask(&[], &plain.url().replace("http", "https"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("http://"), "{said}");
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let mut command = tidings();
    command.args(["publish", "a", "x", "--url", "http://127.0.0.1:1"]);
    let (code, _, said) = run(&mut command);
    assert_eq!(code, Some(1));
    assert!(said.contains("http://127.0.0.1:1"), "{said}");
}

#[test]
fn help_teaches_by_examples() {
    let (code, help, _) = run(tidings().arg("--help"));
    assert_eq!(code, Some(0));
    for word in [
        "Examples:",
        "curl",
        "tidings subscribe",
        "--listen",
        "TIDINGS_DATA",
    ] {
        assert!(help.contains(word), "{word}: {help}");
    }
    let (_, version, _) = run(tidings().arg("--version"));
    assert_eq!(
        version.trim(),
        concat!("tidings ", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn the_printed_configuration_is_the_documented_one() {
    let (code, printed, _) = run(tidings().arg("config"));
    assert_eq!(code, Some(0));
    assert!(printed.contains("[limits]") && printed.contains("listen ="));
}
