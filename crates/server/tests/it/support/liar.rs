//! Just enough of a server to be put under load over short polls by one client, and to break its word.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What it does with a message that it has acknowledged.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lie {
    None,
    /// It never delivers it.
    Lose,
    /// It delivers it twice.
    Double,
    /// It delivers it after the next one.
    Swap,
}

/// Which message the lie is about.
const VICTIM: usize = 4;

/// The server; it ends with the test's runtime.
pub(crate) struct Liar {
    address: SocketAddr,
}

impl Liar {
    pub(crate) async fn start(lie: Lie) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let messages = Arc::default();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, lie, Arc::clone(&messages)));
            }
        });
        Self { address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn serve(mut stream: TcpStream, lie: Lie, messages: Arc<Mutex<Vec<Value>>>) -> Option<()> {
    let mut input = Vec::new();
    loop {
        let (head, body) = request(&mut stream, &mut input).await?;
        let target = head.split(' ').nth(1)?;
        let answer = answer(target, &body, lie, &mut messages.lock().unwrap()).to_string();
        let length = answer.len();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{answer}");
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

/// A head and a body; `None` at the end.
async fn request(stream: &mut TcpStream, input: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    loop {
        if let Some(end) = input.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&input[..end]).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if input.len() >= end + 4 + length {
                let head = String::from_utf8_lossy(&input[..end]).into_owned();
                let body = input.drain(..end + 4 + length).skip(end + 4).collect();
                return Some((head, body));
            }
        }
        if stream.read_buf(input).await.ok()? == 0 {
            return None;
        }
    }
}

fn answer(target: &str, body: &[u8], lie: Lie, messages: &mut Vec<Value>) -> Value {
    if let Some(channel) = target.strip_prefix("/v1/channels/") {
        let said: Value = serde_json::from_slice(body).unwrap();
        let seq = messages.len() + 1;
        messages.push(json!({
            "type": "message",
            "channel": channel.trim_end_matches("/messages"),
            "seq": seq,
            "prev": seq - 1,
            "data": said["data"],
        }));
        return json!({ "seq": seq });
    }
    let after = target
        .split_once("after=e-")
        .map(|(_, after)| after.parse::<usize>().unwrap());
    // As long as it is the last one, a message cannot change places with the next.
    let end = match messages.len() {
        VICTIM => VICTIM - 1,
        all => all,
    };
    let begin = after.unwrap_or(end);
    let mut events = messages[begin..end].to_vec();
    if let Some(at) = (VICTIM - 1)
        .checked_sub(begin)
        .filter(|at| *at < events.len())
    {
        match lie {
            Lie::None => {}
            Lie::Lose => drop(events.remove(at)),
            Lie::Double => events.insert(at, events[at].clone()),
            Lie::Swap => events.swap(at, at + 1),
        }
    }
    json!({ "cursor": format!("e-{end}"), "events": events, "truncated": false, "more": false })
}
