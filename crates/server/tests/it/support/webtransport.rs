//! Frames over another's client of WebTransport.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Endpoint, NoneTokenStore, TransportConfig, VarInt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tidings_wire::Format;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, version};
use url::Url;
use web_transport_quinn::proto::ConnectRequest;
use web_transport_quinn::{
    ClientError, RecvStream, SendStream, Session, SessionError, WebTransportError,
};

use super::server::Server;
use super::soon;
use super::tls::roots;

/// A session with its stream, that speaks one format.
pub(crate) struct Frames {
    pub(crate) endpoint: Endpoint,
    pub(crate) session: Session,
    pub(crate) send: SendStream,
    recv: RecvStream,
    read: BytesMut,
    unsaid: Vec<u8>,
    format: Format,
}

/// A client's socket, and what it trusts: the certificates in a file.
pub(crate) fn endpoint_trusting(path: &Path) -> Endpoint {
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_root_certificates(roots(path))
        .with_no_client_auth();
    endpoint_with(tls)
}

/// A client's socket, and what it trusts: the certificates whose hashes the server tells.
pub(crate) async fn endpoint(server: &Server) -> Endpoint {
    let info = server.get("/v1/info").await.json();
    let hashes = info["webtransport"]["certificate_hashes"].as_array();
    let hashes = hashes.unwrap_or_else(|| panic!("no hashes: {info}"));
    let trusted = hashes.iter().map(|hash| hash.as_str().unwrap().to_owned());
    let provider = Arc::new(ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(by_hash::ByHash {
            trusted: trusted.collect(),
            provider,
        }))
        .with_no_client_auth();
    endpoint_with(tls)
}

fn endpoint_with(mut tls: ClientConfig) -> Endpoint {
    tls.alpn_protocols = vec![web_transport_quinn::ALPN.as_bytes().to_vec()];
    let tls = QuicClientConfig::try_from(tls).unwrap();
    // Of another address than servers have, whose ports shall be free.
    let mut endpoint = Endpoint::client(([127, 0, 0, 2], 0).into()).unwrap();
    let mut config = quinn::ClientConfig::new(Arc::new(tls));
    // Each connection is a stranger's, whose address was never seen before.
    config.token_store(Arc::new(NoneTokenStore));
    // It takes whatever comes, so that what the server holds back is the server's doing.
    let mut transport = TransportConfig::default();
    transport.stream_receive_window(VarInt::from_u32(64 << 20));
    config.transport_config(Arc::new(transport));
    endpoint.set_default_client_config(config);
    endpoint
}

/// Opens a session at an address, with a query and headers of the test's own.
pub(crate) async fn connect(
    endpoint: &Endpoint,
    address: SocketAddr,
    request: ConnectRequest,
) -> Result<Session, ClientError> {
    let connecting = endpoint.connect(address, "127.0.0.1").unwrap();
    let connection = soon("a QUIC handshake", connecting).await?;
    soon("an answer", Session::connect(connection, request)).await
}

/// A request for the server's door.
pub(crate) fn request(server: &Server, query: &str) -> ConnectRequest {
    let url = format!("https://{}/v1/connect{query}", server.address());
    ConnectRequest::new(Url::parse(&url).unwrap())
}

impl Frames {
    /// Opens a session and its stream; nothing is said yet.
    pub(crate) async fn open(server: &Server, format: Format) -> Self {
        Self::try_open(server, format).await.unwrap()
    }

    /// The same, where the server may be away.
    pub(crate) async fn try_open(server: &Server, format: Format) -> Result<Self, ClientError> {
        let offer = request(server, "").with_protocol(format.subprotocol());
        let endpoint = endpoint(server).await;
        let session = connect(&endpoint, server.address(), offer).await?;
        Ok(Self::over(endpoint, session, format).await)
    }

    /// Opens the stream of a session.
    pub(crate) async fn over(endpoint: Endpoint, session: Session, format: Format) -> Self {
        let (send, recv) = soon("a stream", session.open_bi()).await.unwrap();
        Self {
            endpoint,
            session,
            send,
            recv,
            read: BytesMut::new(),
            unsaid: Vec::new(),
            format,
        }
    }

    /// Says one object.
    pub(crate) async fn say(&mut self, object: &impl Serialize) {
        self.feed(object);
        let unsaid = std::mem::take(&mut self.unsaid);
        let written = soon("room to write", self.send.write_all(&unsaid)).await;
        written.unwrap();
    }

    /// Says one object, later.
    pub(crate) fn feed(&mut self, object: &impl Serialize) {
        let object = self.format.encode(object);
        self.unsaid.extend(varint(object.len()));
        self.unsaid.extend(object);
    }

    /// Says one object as a datagram.
    pub(crate) fn say_apart(&self, object: &impl Serialize) {
        let object = Bytes::from(self.format.encode(object));
        self.session.send_datagram(object).unwrap();
    }

    /// What the server says next, on the stream or beside it; the session's end is an error.
    pub(crate) async fn hear<T: DeserializeOwned>(&mut self) -> Result<T, SessionError> {
        soon("a frame", async {
            loop {
                if let Some(object) = self.take_frame() {
                    return Ok(self.format.decode(&object).unwrap());
                }
                tokio::select! {
                    datagram = self.session.read_datagram() => {
                        return Ok(self.format.decode(&datagram?).unwrap());
                    }
                    chunk = self.recv.read_chunk(usize::MAX, true) => match chunk {
                        Ok(Some(chunk)) => self.read.extend_from_slice(&chunk.bytes),
                        Ok(None) => {
                            // We have read everything, and say so.
                            let _ = self.send.finish();
                            return Err(self.session.closed().await);
                        }
                        Err(_) => return Err(self.session.closed().await),
                    }
                }
            }
        })
        .await
    }

    /// What comes next as a datagram.
    pub(crate) async fn hear_apart<T: DeserializeOwned>(&self) -> T {
        let datagram = soon("a datagram", self.session.read_datagram()).await;
        self.format.decode(&datagram.unwrap()).unwrap()
    }

    /// The code that the server closes with; what it says before is dropped.
    pub(crate) async fn close_code(&mut self) -> u32 {
        loop {
            if let Err(error) = self.hear::<serde::de::IgnoredAny>().await {
                return close_code(&error);
            }
        }
    }

    fn take_frame(&mut self) -> Option<Bytes> {
        let first = *self.read.first()?;
        let header = 1 << (first >> 6);
        let digits = self.read.get(..header)?.iter().skip(1);
        let length = digits.fold(usize::from(first & 0x3F), |number, digit| {
            number << 8 | usize::from(*digit)
        });
        if self.read.len() < header + length {
            return None;
        }
        let _ = self.read.split_to(header);
        Some(self.read.split_to(length).freeze())
    }
}

/// The code that a session was closed with.
pub(crate) fn close_code(error: &SessionError) -> u32 {
    match error {
        SessionError::WebTransportError(WebTransportError::Closed(code, _)) => *code,
        other => panic!("{other} is no close"),
    }
}

/// A length as four bytes, whatever it is (RFC 9000, section 16).
pub(crate) fn varint(length: usize) -> [u8; 4] {
    (u32::try_from(length).unwrap() | 0x8000_0000).to_be_bytes()
}

/// What browsers do with `serverCertificateHashes`.
mod by_hash {
    use std::sync::Arc;

    use sha2::{Digest as _, Sha256};
    use tokio_rustls::rustls::client::danger::{
        HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
    };
    use tokio_rustls::rustls::crypto::{
        CryptoProvider, verify_tls12_signature, verify_tls13_signature,
    };
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use tokio_rustls::rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

    #[derive(Debug)]
    pub(super) struct ByHash {
        /// In hexadecimal.
        pub(super) trusted: Vec<String>,
        pub(super) provider: Arc<CryptoProvider>,
    }

    impl ServerCertVerifier for ByHash {
        fn verify_server_cert(
            &self,
            end_entity: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            let hash = Sha256::digest(end_entity);
            let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            match self.trusted.contains(&hash) {
                true => Ok(ServerCertVerified::assertion()),
                false => Err(CertificateError::UnknownIssuer.into()),
            }
        }

        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let schemes = &self.provider.signature_verification_algorithms;
            verify_tls12_signature(message, certificate, signed, schemes)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let schemes = &self.provider.signature_verification_algorithms;
            verify_tls13_signature(message, certificate, signed, schemes)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            let schemes = &self.provider.signature_verification_algorithms;
            schemes.supported_schemes()
        }
    }
}
