//! Memory of connections that wait, and of connections that wait again after a message.

use std::net::SocketAddrV4;
use std::thread;
use std::time::Duration;

use super::Trouble;
use super::echo::{self, Window};
use super::messages::Messages;
use super::open::open;
use crate::process::{Cpu, resident_bytes};
use crate::websocket::scenario::{Compression, Payload, TOUCH_BYTES};

/// Bytes of the server's resident memory, divided by the connections.
#[derive(Debug, Clone)]
pub(crate) struct Idle {
    pub(crate) opened_bytes: f64,
    /// After each has echoed a message.
    pub(crate) touched_bytes: f64,
    /// Connections that the server opened per second of its CPU time.
    pub(crate) opened_per_cpu_second: f64,
    pub(crate) wrong: u64,
}

/// Few, so that what is measured is what a connection keeps, not what a crowd needs.
const TOUCHED_AT_ONCE: usize = 64;
/// For what a server puts off: timers that close nothing, memory that is given back.
const SETTLES: Duration = Duration::from_millis(500);

/// Opens `count` connections and sends a message on each, while looking at process `server`.
pub(crate) fn run(
    address: SocketAddrV4,
    count: usize,
    compression: Compression,
    server: u32,
) -> Result<Idle, Trouble> {
    let memory_before = resident_bytes(server);
    let cpu_before = Cpu::of(server);
    let opened = open(address, count, compression)?;
    let cpu = Cpu::of(server).since(cpu_before);
    thread::sleep(SETTLES);
    let per_connection = |now: u64| (now as f64 - memory_before as f64) / count as f64;
    let opened_bytes = per_connection(resident_bytes(server));

    let payload = match compression {
        Compression::None => Payload::Ascii,
        _ => Payload::Chat,
    };
    let (sockets, takeover) = (opened.sockets, opened.takeover);
    let messages = Messages::for_echo(payload, TOUCH_BYTES, compression, takeover, 1)?;
    let once = Window {
        warm_up: Duration::ZERO,
        measured: Duration::ZERO,
        drained: true,
    };
    let mut wrong = 0;
    for few in sockets.chunks(TOUCHED_AT_ONCE) {
        wrong += echo::run(few, takeover, &messages, 1, once, server)?.wrong;
    }
    thread::sleep(SETTLES);
    let touched_bytes = per_connection(resident_bytes(server));
    drop(sockets);
    Ok(Idle {
        opened_bytes,
        touched_bytes,
        opened_per_cpu_second: count as f64 / cpu.total,
        wrong,
    })
}
