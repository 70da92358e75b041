//! Who taps a middlebox hears everything that passes.

use std::sync::{Arc, Mutex};

use tidings_middlebox::{Cut, Direction, Event, Heard, Tap, Tcp, Transport, Udp};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use crate::bench::{LOCALHOST, faults, soon, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What was heard, in words.
#[derive(Debug, Default)]
struct Ear(Mutex<Vec<String>>);

impl Tap for Ear {
    fn hear(&self, heard: Heard<'_>) {
        let event = match heard.event {
            Event::Passed(Direction::Up, bytes) => format!("up {}", String::from_utf8_lossy(bytes)),
            Event::Passed(Direction::Down, bytes) => {
                format!("down {}", String::from_utf8_lossy(bytes))
            }
            event => format!("{event:?}"),
        };
        let kind = match heard.transport {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        };
        let line = format!("{kind} {} {event}", heard.connection);
        self.0.lock().unwrap().push(line);
    }
}

impl Ear {
    async fn until(&self, lines: &[&str]) {
        until(|| *self.0.lock().unwrap() == lines).await;
    }
}

#[tokio::test]
async fn a_connection_is_heard_from_its_beginning_to_its_end() {
    let server = TcpListener::bind(LOCALHOST).await.unwrap();
    let ear = Arc::new(Ear::default());
    let to = server.local_addr().unwrap();
    let tcp = Tcp::open_tapped(LOCALHOST, to, ear.clone()).await.unwrap();
    let mut client = TcpStream::connect(tcp.address()).await.unwrap();
    let (mut served, _) = soon(server.accept()).await.unwrap();
    client.write_all(b"hello").await.unwrap();
    soon(served.read_exact(&mut [0; 5])).await.unwrap();
    served.write_all(b"hi").await.unwrap();
    soon(client.read_exact(&mut [0; 2])).await.unwrap();
    let mut lines = vec!["tcp 1 Open", "tcp 1 up hello", "tcp 1 down hi"];
    ear.until(&lines).await;
    tcp.set(faults(r#"{"black_hole":"up"}"#)).unwrap();
    tcp.settle().await;
    client.write_all(b"lost").await.unwrap();
    lines.push("tcp 1 Lost(4)");
    ear.until(&lines).await;
    tcp.cut(Cut::Reset).await;
    lines.push("tcp 1 Close");
    ear.until(&lines).await;
    tcp.set(faults(r#"{"refuse":true}"#)).unwrap();
    let _refused = TcpStream::connect(tcp.address()).await;
    lines.push("tcp 0 Refused");
    ear.until(&lines).await;
}

#[tokio::test]
async fn datagrams_are_heard() {
    let server = UdpSocket::bind(LOCALHOST).await.unwrap();
    let ear = Arc::new(Ear::default());
    let to = server.local_addr().unwrap();
    let udp = Udp::open_tapped(LOCALHOST, to, ear.clone()).await.unwrap();
    let client = UdpSocket::bind(LOCALHOST).await.unwrap();
    client.send_to(b"hello", udp.address()).await.unwrap();
    let (_, from) = soon(server.recv_from(&mut [0; 9])).await.unwrap();
    server.send_to(b"hi", from).await.unwrap();
    soon(client.recv(&mut [0; 9])).await.unwrap();
    ear.until(&["udp 1 Open", "udp 1 up hello", "udp 1 down hi"])
        .await;
}
