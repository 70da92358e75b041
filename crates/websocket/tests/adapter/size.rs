//! What a task costs that does a handshake and then holds the connection.

use tidings_websocket::handshake::{client, server};
use tidings_websocket::tokio::{Options, accept, connect};
use tokio::io::duplex;

#[test]
fn a_handshake_leaves_little_room_taken_in_its_task() {
    let (stream, _) = duplex(1);
    let (server, client) = (server::Options::default(), client::Options::default());
    let accepting = size_of_val(&accept(stream, &server, Options::default()));
    let connecting = size_of_val(&connect("", &client, Options::default()));
    assert!(accepting <= 1024, "{accepting} bytes to accept");
    assert!(connecting <= 1536, "{connecting} bytes to connect");
}
