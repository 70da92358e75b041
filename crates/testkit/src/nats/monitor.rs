//! A server's monitoring endpoint, over HTTP.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// What the server answers at `path`, or `None` where it does not, or not well: it may be down, or stopped.
pub(super) fn ask(address: SocketAddr, path: &str) -> Option<Value> {
    let answer = exchange(address, path).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?;
    (status == "200").then(|| serde_json::from_str(body).ok())?
}

fn exchange(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_MAX)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    // HTTP/1.0: the answer is not in chunks, and ends with the connection.
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// A server that runs answers at once; one that is stopped never does, and whoever asks all of them asks on.
const ANSWER_MAX: Duration = Duration::from_secs(1);
