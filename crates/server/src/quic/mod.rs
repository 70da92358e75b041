//! QUIC (RFC 9000): the connections of WebTransport, on the UDP port of the same number as the server's.
//!
//! There is one endpoint for all shards, on a thread that carries no connection: it takes datagrams from the one
//! [`socket`] and knows by their connection id whose they are. So a client whose address changes stays where it is
//! (with a socket for each shard the kernel would send it elsewhere), and a shard that is busy for a moment loses
//! no datagrams. Whoever [arrives](arrival) is handed to the shard that has least to do, which encrypts,
//! decrypts, and has its session. The bounds of a connection are in [`settings`].

mod arrival;
mod settings;
mod socket;
mod told;

use std::fmt;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, TokioRuntime};

pub(crate) use arrival::Arrival;
pub(crate) use told::{Told, WebTransportInfo};

use crate::balance::Share;
use crate::config::{Config, HeartbeatConfig};
use crate::fault::Fault;
use crate::shutdown::Drain;
use crate::tls::{Opened, QuicTls};

/// What is needed for an endpoint, before there is a runtime.
pub(crate) struct Quic {
    socket: UdpSocket,
    tls: QuicTls,
    heartbeat: HeartbeatConfig,
    handshake_within: Duration,
}

impl Quic {
    /// Binds the port, if there is to be one. `opened` is the TLS of the TCP port.
    ///
    /// # Errors
    ///
    /// It is asked for by name, and cannot be had: where it is there by default, the server does without. Or there is no
    /// certificate for it.
    pub(crate) fn prepare(
        config: &Config,
        address: SocketAddr,
        opened: Option<&Opened>,
    ) -> Result<Option<Self>, Fault> {
        let wanted = config.webtransport.enabled;
        // With a secret, a server that only this machine reaches stands behind a proxy, which carries no UDP.
        let develops = address.ip().is_loopback() && config.auth.secret.is_none();
        if !wanted.unwrap_or(opened.is_some() || develops) {
            return Ok(None);
        }
        let socket = match socket::bind(address) {
            Ok(socket) => socket,
            Err(error) if wanted.is_some() => {
                return Err(Fault::setup(format!("no WebTransport on UDP {address}: {error}")).advise(
                    "Free the port (`ss -lunp` names who has it), or do without: --webtransport false.",
                ));
            }
            Err(error) => {
                tracing::warn!(%address, %error, "no WebTransport: its UDP port cannot be had; all else is as ever");
                return Ok(None);
            }
        };
        Ok(Some(Self {
            socket,
            tls: QuicTls::open(opened)?,
            heartbeat: config.heartbeat,
            handshake_within: config.tls.handshake_timeout.0,
        }))
    }

    /// What clients are told of it.
    pub(crate) fn told(&self) -> Told {
        Told {
            hashes: self.tls.hashes(),
            handshake_within: self.handshake_within,
        }
    }

    /// Begins to receive, for as long as the runtime lives, of which this is called inside. `share` is any shard's.
    ///
    /// # Errors
    ///
    /// The runtime cannot watch the socket.
    pub(crate) fn start(self, share: Share, drain: Drain) -> Result<(), Fault> {
        let QuicTls { config, keeper } = self.tls;
        let fault = |error: &dyn fmt::Display| Fault::failure(format!("no QUIC: {error}"));
        let crypto = QuicServerConfig::try_from(config).map_err(|error| fault(&error))?;
        let endpoint = Endpoint::new(
            settings::endpoint(),
            Some(settings::server(Arc::new(crypto), self.heartbeat)),
            self.socket,
            Arc::new(TokioRuntime),
        );
        let endpoint = endpoint.map_err(|error| fault(&error))?;
        if let Some(keeper) = keeper {
            tokio::spawn(keeper.run());
        }
        tokio::spawn(arrival::receive(endpoint, share, drain));
        Ok(())
    }
}
