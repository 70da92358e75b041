//! The first words on a port with TLS: a handshake, or somebody who does not know that there is TLS.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tidings_websocket::tokio::MaybeTls;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::rustls::HandshakeKind;
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::{Protocol, Tls};
use crate::metrics::{Counts, Handshake};
use crate::socket::Stream;

/// What a connection turned out to be.
pub(crate) enum Greeted {
    /// What is said from now on is encrypted, and in this protocol.
    Secure(Stream, Protocol),
    /// It begins with something else, probably HTTP. Nothing of it was read.
    Plain(TcpStream),
}

/// The first byte of TLS: a record that carries a handshake (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 0x16;

impl Tls {
    /// Waits for a client's first words and answers them, all within the time that a handshake has.
    ///
    /// # Errors
    ///
    /// The client has gone, took too long, or wants what we do not have; it was told where there is a way to.
    pub(crate) async fn greet(&self, stream: TcpStream, counts: &Counts) -> io::Result<Greeted> {
        let greeting = async {
            let mut first = [0];
            match stream.peek(&mut first).await? {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                _ if first == [HANDSHAKE] => self.shake_hands(stream).await,
                _ => Ok(Greeted::Plain(stream)),
            }
        };
        let greeted = within(self.handshake_within, greeting).await;
        counts.tls_handshake(match &greeted {
            Ok(Greeted::Secure(stream, _)) if is_resumed(stream) => Handshake::Resumed,
            Ok(Greeted::Secure(..)) => Handshake::Full,
            Ok(Greeted::Plain(_)) => return greeted,
            Err(_) => Handshake::Failed,
        });
        greeted
    }

    async fn shake_hands(&self, stream: TcpStream) -> io::Result<Greeted> {
        let stream = TlsAcceptor::from(Arc::clone(&self.config))
            .accept(stream)
            .await?;
        let protocol = Protocol::agreed(stream.get_ref().1.alpn_protocol());
        let stream = MaybeTls::Tls(Box::new(TlsStream::from(stream)));
        Ok(Greeted::Secure(stream, protocol))
    }
}

/// Whether a ticket has spared the client the long way.
fn is_resumed(stream: &Stream) -> bool {
    match stream {
        MaybeTls::Tls(stream) => {
            stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed)
        }
        _ => false,
    }
}

async fn within<T>(time: Duration, greeting: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(time, greeting)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
