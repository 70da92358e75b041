//! Where connections of QUIC begin: one UDP socket for all clients of a cell, whose bytes are counted.

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use quinn::crypto::rustls::QuicClientConfig;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, Endpoint, EndpointConfig, Runtime, TokioRuntime, UdpPoller};
use web_transport_quinn::Session;
use web_transport_quinn::proto::ConnectRequest;

use super::super::super::client::Failure;
use super::super::super::tls::taking_any;
use super::super::super::traffic::Traffic;
use crate::fault::Fault;

/// See the module.
pub(in super::super) struct Quic {
    endpoint: Endpoint,
    server: SocketAddr,
    traffic: Arc<Traffic>,
}

impl Quic {
    /// Towards `server`, counting in `traffic`.
    ///
    /// It takes any certificate: a server's for its guests lasts for days and is vouched for by nobody, and what is sent
    /// here is only good for being counted.
    pub(in super::super) fn bind(
        server: SocketAddr,
        traffic: &Arc<Traffic>,
    ) -> Result<Self, Fault> {
        let fault = |error| Fault::failure(format!("no UDP socket for WebTransport: {error}"));
        let mut tls = taking_any().map_err(Fault::failure)?;
        tls.alpn_protocols = vec![web_transport_quinn::ALPN.as_bytes().to_vec()];
        let tls = QuicClientConfig::try_from(tls).map_err(Fault::failure)?;
        let local: SocketAddr = match server {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(local).map_err(fault)?;
        // As the server's: what finds no room is sent again, and that would be counted.
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(BUFFER_BYTES);
        let runtime = Arc::new(TokioRuntime);
        let counted = Counted {
            socket: runtime.wrap_udp_socket(socket).map_err(fault)?,
            traffic: Arc::clone(traffic),
        };
        let config = EndpointConfig::default();
        let endpoint = Endpoint::new_with_abstract_socket(config, None, Arc::new(counted), runtime);
        let mut endpoint = endpoint.map_err(fault)?;
        let mut config = quinn::ClientConfig::new(Arc::new(tls));
        // Each connection is a stranger's, whose address was never seen before.
        config.token_store(Arc::new(quinn::NoneTokenStore));
        endpoint.set_default_client_config(config);
        Ok(Self {
            endpoint,
            server,
            traffic: Arc::clone(traffic),
        })
    }

    /// Opens a session.
    pub(super) async fn connect(&self, request: ConnectRequest) -> Result<Session, Failure> {
        let name = self.server.ip().to_string();
        let connecting = self.endpoint.connect(self.server, &name);
        let connection = connecting.map_err(Failure::passing)?.await;
        self.traffic.connect();
        self.traffic.request();
        let connection = connection.map_err(Failure::passing)?;
        let session = Session::connect(connection, request).await;
        session.map_err(Failure::passing)
    }

    /// Says that all sessions are over, and waits until that has gone out.
    pub(in super::super) async fn close(self) {
        self.endpoint.close(0u32.into(), b"");
        self.endpoint.wait_idle().await;
    }
}

/// As much as the server's own socket asks for, in bytes.
const BUFFER_BYTES: usize = 4 << 20;

/// A socket whose bytes are counted.
#[derive(Debug)]
struct Counted {
    socket: Arc<dyn AsyncUdpSocket>,
    traffic: Arc<Traffic>,
}

impl AsyncUdpSocket for Counted {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.socket).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.socket.try_send(transmit)?;
        self.traffic.send(transmit.contents.len());
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(self.socket.poll_recv(context, buffers, meta))?;
        for received in &meta[..count] {
            self.traffic.receive(received.len);
        }
        Poll::Ready(Ok(count))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.socket.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.socket.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.socket.may_fragment()
    }
}
