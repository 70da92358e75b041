//! wss, both roles in one process.

use std::sync::Arc;

use http::{Request, Response, StatusCode};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use tidings_websocket::handshake::{client, server};
use tidings_websocket::tokio::tls::rustls::crypto::ring;
use tidings_websocket::tokio::tls::rustls::{
    CertificateError, ClientConfig, Error as RustlsError, RootCertStore, ServerConfig,
    SupportedProtocolVersion, version,
};
use tidings_websocket::tokio::tls::{self, TlsError};
use tidings_websocket::tokio::{Accepted, Connected, HandshakeError, MaybeTls, Options, connect};
use tidings_websocket::{Close, CloseCode, Event};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::support::in_time;

/// A server's certificate for "localhost", and what trusts it.
struct Identity(CertifiedKey<KeyPair>);

impl Identity {
    fn new() -> Self {
        Self(generate_simple_self_signed(["localhost".to_owned()]).unwrap())
    }

    fn server(&self) -> Arc<ServerConfig> {
        let key = self.0.signing_key.serialize_pem();
        tls::server_config(self.0.cert.pem().as_bytes(), key.as_bytes()).unwrap()
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.cert.der().clone()).unwrap();
        roots
    }

    fn client(&self) -> Arc<ClientConfig> {
        tls::client_config(self.roots()).unwrap()
    }
}

type Ends = (
    Result<Accepted<MaybeTls<TcpStream>>, HandshakeError>,
    Result<Connected<MaybeTls<TcpStream>>, HandshakeError>,
);

/// Connects to a server that calls itself localhost by another of its names.
async fn talk(host: &str, server: Arc<ServerConfig>, client: Arc<ClientConfig>) -> Ends {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://{host}:{}/", listener.local_addr().unwrap().port());
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        tls::accept(
            stream,
            server,
            &server::Options::default(),
            Options::default(),
        )
        .await
    };
    let offer = client::Options::default();
    let connect = tls::connect_with(&url, &offer, Options::default(), client);
    in_time(async { tokio::join!(serve, connect) }).await
}

fn alpn(stream: &MaybeTls<TcpStream>) -> Option<&[u8]> {
    match stream {
        MaybeTls::Tls(stream) => stream.get_ref().1.alpn_protocol(),
        _ => None,
    }
}

fn spoken(stream: &MaybeTls<TcpStream>) -> Option<u16> {
    match stream {
        MaybeTls::Tls(stream) => stream.get_ref().1.protocol_version().map(u16::from),
        _ => None,
    }
}

#[tokio::test]
async fn a_client_and_a_server_talk_and_part_in_order() {
    let identity = Identity::new();
    let (accepted, connected) = talk("localhost", identity.server(), identity.client()).await;
    let (mut server, mut client) = (accepted.unwrap().websocket, connected.unwrap().websocket);
    assert_eq!(alpn(client.stream()), Some(&b"http/1.1"[..]));
    assert!(client.stream().is_encrypted() && server.stream().is_encrypted());
    let big = "x".repeat(1_000_000);
    let echo = async {
        while let Some(event) = server.recv().await.unwrap() {
            if event.is_message() {
                server.feed(event).unwrap();
            }
        }
    };
    let ask = async {
        client.send(big.as_str()).await.unwrap();
        assert_eq!(
            client.recv().await.unwrap(),
            Some(Event::from(big.as_str()))
        );
        let goodbye = Close::new(CloseCode::NORMAL, "");
        client
            .close(goodbye, std::time::Duration::from_secs(10))
            .await
    };
    let ((), answer) = in_time(async { tokio::join!(echo, ask) }).await;
    assert_eq!(answer.unwrap().code, CloseCode::NORMAL);
}

#[tokio::test]
async fn a_server_declines_what_its_judge_does_not_like() {
    let identity = Identity::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        let offer = server::Options::default();
        let judge = |_: &Request<()>| {
            let declined = Response::builder().status(403).body(String::new());
            Err(Box::new(declined.unwrap()))
        };
        tls::accept_with(stream, identity.server(), &offer, Options::default(), judge).await
    };
    let offer = client::Options::default();
    let connect = tls::connect_with(&url, &offer, Options::default(), identity.client());
    let (accepted, connected) = in_time(async { tokio::join!(serve, connect) }).await;
    assert!(matches!(accepted, Err(HandshakeError::Declined { .. })));
    let status = connected.unwrap_err().status();
    assert_eq!(status, Some(StatusCode::FORBIDDEN));
}

#[tokio::test]
async fn either_version_is_spoken() {
    fn only(version: &'static SupportedProtocolVersion, identity: &Identity) -> Arc<ClientConfig> {
        let provider = Arc::new(ring::default_provider());
        // It offers nothing by ALPN: `connect_with` adds that.
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(identity.roots())
            .with_no_client_auth();
        Arc::new(config)
    }
    let identity = Identity::new();
    for version in [&version::TLS12, &version::TLS13] {
        let client = only(version, &identity);
        let (accepted, connected) = talk("localhost", identity.server(), client).await;
        let (mut server, mut client) = (accepted.unwrap().websocket, connected.unwrap().websocket);
        assert_eq!(spoken(client.stream()), Some(version.version.into()));
        assert_eq!(alpn(server.stream()), Some(&b"http/1.1"[..]));
        client.send("hello").await.unwrap();
        assert_eq!(
            in_time(server.recv()).await.unwrap(),
            Some(Event::from("hello"))
        );
    }
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused_and_both_names_are_told() {
    let identity = Identity::new();
    let (accepted, connected) = talk("127.0.0.1", identity.server(), identity.client()).await;
    let error = connected.unwrap_err();
    assert!(matches!(
        &error,
        HandshakeError::Tls(TlsError::Rustls(RustlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        )))
    ));
    let told = error.to_string();
    assert!(
        told.contains("127.0.0.1") && told.contains("localhost"),
        "{told}"
    );
    // The server was told, too.
    assert!(matches!(
        accepted.unwrap_err(),
        HandshakeError::Tls(TlsError::Rustls(RustlsError::AlertReceived(_)))
    ));
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let identity = Identity::new();
    let (_, connected) = talk("localhost", identity.server(), Identity::new().client()).await;
    let told = connected.unwrap_err().to_string();
    assert!(told.contains("certificate"), "{told}");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_found_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        stream
    };
    let offer = client::Options::default();
    let config = Identity::new().client();
    let connect = tls::connect_with(&url, &offer, Options::default(), config);
    let (_stream, connected) = in_time(async { tokio::join!(serve, connect) }).await;
    assert!(matches!(connected, Err(HandshakeError::Tls(_))));
}

#[tokio::test]
async fn a_stream_cut_without_farewell_ends_with_1006() {
    let identity = Identity::new();
    let (accepted, connected) = talk("localhost", identity.server(), identity.client()).await;
    let (mut server, client) = (accepted.unwrap().websocket, connected.unwrap().websocket);
    drop(client); // neither a Close nor TLS's close_notify
    let last = in_time(server.recv()).await.unwrap();
    assert_eq!(last, Some(Event::Close(Close::abnormal())));
}

#[tokio::test]
async fn a_stream_that_tls_ends_without_a_close_ends_with_1006() {
    let identity = Identity::new();
    let (accepted, connected) = talk("localhost", identity.server(), identity.client()).await;
    let (mut server, client) = (accepted.unwrap().websocket, connected.unwrap().websocket);
    client.into_parts().stream.shutdown().await.unwrap(); // close_notify
    let last = in_time(server.recv()).await.unwrap();
    assert_eq!(last, Some(Event::Close(Close::abnormal())));
}

#[tokio::test]
async fn a_ws_address_needs_no_tls_with_whatever_configuration() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        let offer = server::Options::default();
        tidings_websocket::tokio::accept(stream, &offer, Options::default()).await
    };
    let offer = client::Options::default();
    let config = Identity::new().client();
    let ask = tls::connect_with(&url, &offer, Options::default(), config);
    let (_accepted, connected) = in_time(async { tokio::join!(serve, ask) }).await;
    assert!(!connected.unwrap().websocket.stream().is_encrypted());
}

#[tokio::test]
async fn connect_trusts_what_the_system_trusts() {
    let identity = Identity::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        let offer = server::Options::default();
        tls::accept(stream, identity.server(), &offer, Options::default()).await
    };
    let offer = client::Options::default();
    let ask = connect(&url, &offer, Options::default());
    // On a machine that trusts nobody the server is not even asked.
    let connected = tokio::select! {
        connected = ask => connected,
        _ = serve => unreachable!("the client waits for an answer or fails"),
    };
    assert!(matches!(
        connected.unwrap_err(),
        HandshakeError::Tls(
            TlsError::NoRoots(_) | TlsError::Rustls(RustlsError::InvalidCertificate(_))
        )
    ));
}

#[test]
fn files_that_are_no_certificates_are_told_apart() {
    let identity = Identity::new();
    let (chain, key) = (
        identity.0.cert.pem(),
        identity.0.signing_key.serialize_pem(),
    );
    let other = Identity::new().0.signing_key.serialize_pem();
    for (chain, key, expected) in [
        ("", key.as_str(), "certificates"),
        (chain.as_str(), "nonsense", "private key"),
        (key.as_str(), key.as_str(), "certificates"),
        (chain.as_str(), other.as_str(), "keys"),
    ] {
        let error = tls::server_config(chain.as_bytes(), key.as_bytes()).unwrap_err();
        assert!(
            error.to_string().to_lowercase().contains(expected),
            "{error}"
        );
    }
}
