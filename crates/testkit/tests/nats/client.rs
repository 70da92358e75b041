//! The NATS protocol by hand: requests, one at a time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// When to give up waiting for what a healthy server does.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// When to ask again: whoever was asked may have just ceased to lead.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// How long to let those alone who cannot answer yet.
pub(crate) const GLANCE: Duration = Duration::from_millis(25);

/// A connection to a server.
pub(crate) struct Client {
    stream: TcpStream,
    said: Receiver<Said>,
    requests: u64,
}

/// What a server says: a line of the protocol, and the payload of a message.
struct Said {
    line: String,
    payload: Vec<u8>,
}

impl Client {
    /// Connects, and is known to the server as a client.
    pub(crate) fn connect(url: &str) -> Self {
        let client = Self::begin(url);
        client.until_line("PONG");
        client
    }

    /// Connects, and asks to be let in.
    pub(crate) fn begin(url: &str) -> Self {
        let stream = TcpStream::connect(url.strip_prefix("nats://").unwrap()).unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        let (hear, said) = channel();
        thread::spawn(|| read(reader, hear));
        let mut client = Self {
            stream,
            said,
            requests: 0,
        };
        client.send("CONNECT {\"verbose\":false,\"protocol\":1,\"headers\":true,\"no_responders\":true}\r\n");
        client.send("SUB inbox.* 1\r\nPING\r\n");
        client
    }

    /// Fails silently on a connection that is gone.
    pub(crate) fn send(&mut self, words: &str) {
        let _ = self.stream.write_all(words.as_bytes());
    }

    /// Waits for this line.
    pub(crate) fn until_line(&self, line: &str) {
        while self.said.recv_timeout(PATIENCE).unwrap().line != line {}
    }

    /// All that is said until the connection is gone.
    pub(crate) fn until_gone(&self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.said.recv_timeout(PATIENCE) {
                Ok(said) => lines.push(said.line),
                Err(RecvTimeoutError::Disconnected) => return lines,
                Err(RecvTimeoutError::Timeout) => panic!("never gone: {lines:?}"),
            }
        }
    }

    /// Sends a request whose answer is not waited for. A stream takes what has the same body for the same.
    pub(crate) fn ask(&mut self, subject: &str, body: &str) {
        self.requests += 1;
        let head = format!("NATS/1.0\r\nNats-Msg-Id: id-{body}\r\n\r\n");
        let (n, length) = (self.requests, head.len());
        let total = length + body.len();
        self.send(&format!(
            "HPUB {subject} inbox.{n} {length} {total}\r\n{head}{body}\r\n"
        ));
    }

    /// Makes a stream of this name and subject.
    pub(crate) fn create_stream(&mut self, name: &str, replicas: u32) {
        let config = json!({"name": name, "subjects": [name], "num_replicas": replicas});
        let create = format!("$JS.API.STREAM.CREATE.{name}");
        self.until(&create, &config.to_string(), |made| {
            made["config"].is_object()
        });
    }

    /// Publishes until it is stored, which it is once.
    pub(crate) fn store(&mut self, stream: &str, body: &str) {
        self.until(stream, body, |stored| stored["seq"].is_u64());
    }

    /// Waits until a stream has so many messages, as whoever takes himself for its leader says.
    pub(crate) fn until_count(&mut self, stream: &str, count: u64) {
        let info = format!("$JS.API.STREAM.INFO.{stream}");
        self.until(&info, "", |info| info["state"]["messages"] == count);
    }

    /// Asks until the answer will do: who is to give it may be just being elected.
    fn until(&mut self, subject: &str, body: &str, will_do: impl Fn(&Value) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.ask(subject, body);
            let answer = self.answer();
            if answer.as_ref().is_some_and(&will_do) {
                return;
            }
            assert!(Instant::now() < deadline, "{subject}: {answer:?}");
            thread::sleep(GLANCE);
        }
    }

    /// The answer to the newest request, if it comes.
    fn answer(&mut self) -> Option<Value> {
        let wanted = format!("inbox.{}", self.requests);
        loop {
            let Said { line, payload } = self.said.recv_timeout(ANSWER_MAX).ok()?;
            match line.split(' ').nth(1) {
                _ if line == "PING" => self.send("PONG\r\n"),
                Some(subject) if subject == wanted => return serde_json::from_slice(&payload).ok(),
                _ => {}
            }
        }
    }
}

fn read(mut stream: BufReader<TcpStream>, hear: Sender<Said>) {
    let mut line = String::new();
    while stream.read_line(&mut line).is_ok_and(|length| length > 0) {
        let line = std::mem::take(&mut line).trim_end().to_owned();
        let mut payload = Vec::new();
        if line.starts_with("MSG ") || line.starts_with("HMSG ") {
            let length: usize = line.rsplit(' ').next().unwrap().parse().unwrap();
            payload.resize(length + 2, 0);
            if stream.read_exact(&mut payload).is_err() {
                return;
            }
        }
        if hear.send(Said { line, payload }).is_err() {
            return;
        }
    }
}
