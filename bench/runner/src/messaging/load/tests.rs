//! The load against servers that do as they should, and against one for each way in which they may not.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::{Pace, Target, Window, accept, fanout};
use crate::messaging::protocol::{Plain, Protocol, Role, Said};

/// What becomes of the messages of one read, on their way to a follower.
type Fault = fn(Vec<Vec<u8>>) -> Vec<Vec<u8>>;

const FOLLOWERS: usize = 5;
const BYTES: usize = 128;
/// Of a client's frame of so many bytes: two, and two of length; and the mask.
const HEADER: usize = 4;
const MASK: usize = 4;

/// A broadcast server with a fault; its threads end with their connections.
fn server(fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let followers = Arc::new(Mutex::new(Vec::new()));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let followers = Arc::clone(&followers);
            thread::spawn(move || serve(stream.unwrap(), &followers, fault));
        }
    });
    address
}

fn serve(mut stream: TcpStream, followers: &Mutex<Vec<TcpStream>>, fault: Fault) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        request.extend_from_slice(&byte);
    }
    // In the list before it is told so: the generator may publish at once.
    if request.starts_with(b"GET /sub") {
        followers.lock().unwrap().push(stream.try_clone().unwrap());
    }
    stream
        .write_all(
            b"HTTP/1.1 101 Switching Protocols\r\n\
              Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        )
        .unwrap();
    let mut burst = [0; 2 * (HEADER + MASK + BYTES)];
    while stream.read_exact(&mut burst).is_ok() {
        let frames = burst.chunks(burst.len() / 2).map(unmasked).collect();
        let answer = fault(frames).concat();
        for mut follower in followers.lock().unwrap().iter() {
            // One who has seen enough may have gone.
            let _ = follower.write_all(&answer);
        }
    }
}

fn unmasked(frame: &[u8]) -> Vec<u8> {
    let (header, rest) = frame.split_at(HEADER);
    let (mask, payload) = rest.split_at(MASK);
    let mut plain = header.to_vec();
    plain[1] &= 0x7f;
    let bytes = payload.iter().zip(mask.iter().cycle());
    plain.extend(bytes.map(|(byte, key)| byte ^ key));
    plain
}

fn outcome(fault: Fault) -> Result<u64, String> {
    let target = Target {
        address: v4(server(fault)),
        process: std::process::id(),
        protocol: &Plain,
    };
    let window = Window {
        warm_up: Duration::ZERO,
        measured: Duration::ZERO,
    };
    let fanned = fanout(target, FOLLOWERS, BYTES, Pace::Bursts(2), window)?;
    Ok(fanned.deliveries)
}

#[test]
fn each_message_is_a_delivery_to_each_follower() {
    assert_eq!(outcome(|messages| messages), Ok(2 * FOLLOWERS as u64));
}

#[test]
fn a_server_that_loses_doubles_or_turns_round_messages_has_failed() {
    let faults: [(Fault, &str); 3] = [
        (|mut messages| messages.split_off(1), "skipped, 0 came"),
        (
            |messages| [messages.clone(), messages].concat(),
            "WRONG: 0 messages were skipped",
        ),
        (|messages| messages.into_iter().rev().collect(), "WRONG: "),
    ];
    for (fault, expected) in faults {
        let reason = outcome(fault).unwrap_err();
        assert!(reason.contains(expected), "{reason}");
    }
}

#[test]
fn a_server_that_closes_has_failed() {
    let reason = outcome(|_| vec![vec![0x88, 0x02, 0x03, 0xf3]]).unwrap_err();
    assert!(reason.contains("closed the connection: 1011"), "{reason}");
}

/// A server that answers its one client with these pieces, each in a write of its own.
fn answering(pieces: &'static [&[u8]]) -> SocketAddrV4 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = v4(listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        for piece in pieces {
            stream.write_all(piece).unwrap();
        }
        // Until the other side has read it and gone.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    address
}

fn v4(address: SocketAddr) -> SocketAddrV4 {
    match address {
        SocketAddr::V4(address) => address,
        SocketAddr::V6(_) => panic!("127.0.0.1 is an IPv4 address"),
    }
}

#[test]
fn whoever_answers_the_handshake_otherwise_is_named_with_the_answer() {
    let target = Target {
        address: answering(&[b"HTTP/1.1 404 Not Found\r\n\r\n"]),
        process: std::process::id(),
        protocol: &Plain,
    };
    let reason = accept(target, 1).unwrap_err();
    assert!(reason.contains("404 Not Found"), "{reason}");
}

/// A server of this protocol says `welcome` first.
struct Welcoming;

impl Protocol for Welcoming {
    fn handshake(&self, role: Role<'_>) -> (String, &'static str) {
        Plain.handshake(role)
    }

    fn greeting(&self, _: Role<'_>) -> Vec<String> {
        Vec::new()
    }

    fn greetings(&self, _: Role<'_>) -> usize {
        1
    }

    fn publish(&self, _: u32, _: u64, data: &str) -> String {
        data.to_owned()
    }

    fn said(&self, text: &[u8], _: u32) -> Said {
        match text {
            b"welcome" => Said::Greeted,
            _ => Said::Nothing,
        }
    }
}

#[test]
fn what_comes_with_the_handshakes_answer_counts() {
    let together: &[&[u8]] = &[b"HTTP/1.1 101 Switching Protocols\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x07welcome"];
    let cut: &[&[u8]] = &[
        b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: ",
        b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x07wel",
        b"come",
    ];
    for pieces in [together, cut] {
        let target = Target {
            address: answering(pieces),
            process: std::process::id(),
            protocol: &Welcoming,
        };
        accept(target, 1).unwrap();
    }
}
