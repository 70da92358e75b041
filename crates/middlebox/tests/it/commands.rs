//! The program, as tests in other languages use it.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};

use crate::bench::PATIENCE;

/// The program, killed if the test ends before it does.
struct Program {
    child: Child,
    input: Option<ChildStdin>,
    /// Its lines; over when it has ended.
    output: Receiver<String>,
}

impl Program {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_middlebox"))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, receiver) = channel();
        thread::spawn(move || {
            for line in output.lines() {
                // It fails when the test is over.
                let _ = sender.send(line.unwrap());
            }
        });
        Self {
            input: child.stdin.take(),
            output: receiver,
            child,
        }
    }

    fn hear(&mut self) -> Value {
        let line = self.output.recv_timeout(PATIENCE).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn ask(&mut self, line: &str) -> Value {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
        self.hear()
    }

    fn error(&mut self, line: &str) -> String {
        self.ask(line)["error"].as_str().unwrap().to_owned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_says_where_it_listens_and_does_as_it_is_told() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut program = Program::start(&["--to", &server.local_addr().unwrap().to_string()]);
    let listening: SocketAddr = serde_json::from_value(program.hear()["listening"].take()).unwrap();
    let _client = TcpStream::connect(listening).unwrap();
    server.accept().unwrap();
    assert_eq!(
        program.ask(r#"{"set":{"latency_ms":1,"upgrade":"strip"}}"#),
        json!({"ok": true})
    );
    let stats =
        json!({"ok": true, "open": 1, "accepted": 1, "refused": 0, "up": 0, "down": 0, "lost": 0});
    assert_eq!(program.ask(r#"{"stats":{}}"#), stats);
    assert_eq!(
        program.ask(r#"{"cut":"reset"}"#),
        json!({"ok": true, "cut": 1})
    );
    assert_eq!(program.ask(r#"{"stats":{}}"#)["open"], 0);
}

#[test]
fn what_it_cannot_do_it_says_and_goes_on() {
    let mut program = Program::start(&["--to", "127.0.0.1:9"]);
    program.hear();
    for (line, said) in [
        ("nonsense", r#"{"stats":{}}"#),
        (r#"{"kut":"reset"}"#, "`cut`"),
        (r#"{"set":{"latency":1}}"#, "`latency_ms`"),
        (r#"{"set":{"latency_ms":600001}}"#, "from 0 to 600000"),
        (r#"{"set":{"upgrade":404}}"#, "400, 403 or 502"),
        (r#"{"cut":"whole"}"#, "`half`"),
        (r#"{"rebind":{}}"#, "cut"),
    ] {
        let error = program.error(line);
        assert!(error.contains(said), "{line}: {error}");
    }
    assert_eq!(program.ask(r#"{"set":{}}"#), json!({"ok": true}));
}

#[test]
fn it_carries_datagrams_when_asked_to() {
    let mut program = Program::start(&["--udp", "--to", "127.0.0.1:9"]);
    program.hear();
    assert_eq!(program.ask(r#"{"set":{"loss":0.5}}"#), json!({"ok": true}));
    assert_eq!(program.ask(r#"{"rebind":{}}"#), json!({"ok": true}));
    assert!(program.error(r#"{"cut":"reset"}"#).contains("rebind"));
    assert!(program.error(r#"{"set":{"captive":true}}"#).contains("TCP"));
}

#[test]
fn the_same_seed_loses_the_same_datagrams() {
    let arrived = |seed: &str| {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_read_timeout(Some(PATIENCE)).unwrap();
        let to = server.local_addr().unwrap().to_string();
        let mut program = Program::start(&["--udp", "--seed", seed, "--to", &to]);
        let listening: SocketAddr =
            serde_json::from_value(program.hear()["listening"].take()).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        program.ask(r#"{"set":{"loss":0.5}}"#);
        for number in 0..64 {
            client.send_to(&[number], listening).unwrap();
        }
        let mut lost = 0;
        let deadline = Instant::now() + PATIENCE;
        let mut passed = 0;
        while passed + lost < 64 {
            assert!(Instant::now() < deadline, "{passed} passed, {lost} lost");
            let stats = program.ask(r#"{"stats":{}}"#);
            passed = stats["up"].as_u64().unwrap();
            lost = stats["lost"].as_u64().unwrap();
        }
        let mut datagram = [0];
        let mut numbers = Vec::new();
        for _ in 0..passed {
            server.recv(&mut datagram).unwrap();
            numbers.push(datagram[0]);
        }
        numbers
    };
    let first = arrived("7");
    assert_eq!(first, arrived("7"));
    assert_ne!(first, arrived("8"));
}

#[test]
fn it_ends_with_its_input() {
    let mut program = Program::start(&["--to", "127.0.0.1:9"]);
    program.hear();
    program.input = None;
    let end = program.output.recv_timeout(PATIENCE);
    assert_eq!(end, Err(RecvTimeoutError::Disconnected));
    assert!(program.child.wait().unwrap().success());
}
