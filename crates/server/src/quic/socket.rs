//! The UDP socket that all connections of QUIC share.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

/// What the kernel is asked to hold of datagrams that came, and of those that are to go, in bytes each: everybody's, where
/// TCP has buffers for each. What finds no room is lost and sent again: with Linux' 208 KiB a burst of a thousand loses
/// most of itself.
const BUFFER_BYTES: usize = 4 << 20;

/// A socket on `address`.
pub(super) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    socket.bind(&address.into())?;
    // The kernel gives what it may, and fails for nothing.
    let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(BUFFER_BYTES);
    let given = usable(socket.recv_buffer_size()?).min(usable(socket.send_buffer_size()?));
    if given < BUFFER_BYTES {
        tell_of_little(address, given);
    }
    Ok(socket.into())
}

/// Linux says twice what was asked for: half of it is for its own books.
fn usable(said: usize) -> usize {
    said / 2
}

fn tell_of_little(address: SocketAddr, given: usize) {
    let advice =
        format!("sysctl -w net.core.rmem_max={BUFFER_BYTES} net.core.wmem_max={BUFFER_BYTES}");
    let (given, asked) = (given >> 10, BUFFER_BYTES >> 10);
    match address.ip().is_loopback() {
        // Where one developer is the only client there are no bursts.
        true => tracing::info!(given, asked, %advice, "little room for UDP, in KiB"),
        false => tracing::warn!(
            given, asked, %advice, "little room for UDP, in KiB: bursts over WebTransport are lost and sent again"
        ),
    }
}
