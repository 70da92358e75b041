//! Certificates in files: shown, replaced while connections are open, and refused when they are broken.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rcgen::{CertificateParams, KeyPair};
use rustix::process::Signal;
use tempfile::TempDir;
use tidings_wire::Format;
use tokio::net::TcpStream;

use crate::support::door::{Follower, Way};
use crate::support::http::Http;
use crate::support::server::Server;
use crate::support::tls;
use crate::support::webtransport;
use crate::support::{soon, until};

/// The two files that a server is told of.
struct Files {
    directory: TempDir,
}

/// What the files are filled up to, so that another pair is no longer and no shorter, in bytes.
const FILE_BYTES: usize = 2048;

impl Files {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let files = Self { directory };
        files.replace("first");
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The settings of a server with them.
    fn config(&self) -> String {
        format!(
            "[tls]\ncertificate = {:?}\nkey = {:?}\n",
            self.path("chain.pem"),
            self.path("key.pem")
        )
    }

    /// Puts another pair into them, whose certificate is kept as `name` as well, for those who trust it.
    fn replace(&self, name: &str) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        fs::write(self.path(name), &certificate).unwrap();
        self.write("chain.pem", &certificate);
        self.write("key.pem", &key.serialize_pem());
    }

    /// Outside of its marks, PEM may hold anything.
    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), format!("{text:<FILE_BYTES$}")).unwrap();
    }

    fn start(&self) -> Server {
        let mut server = Server::configured(&self.config());
        server.be_trusted_by(tls::trusting(&self.path("first")));
        server
    }
}

/// Whether new connections are shown the certificate in that file.
async fn shows(server: &Server, certificate: &Path) -> bool {
    let connecting = TcpStream::connect(server.address());
    let stream = soon("a connection", connecting).await.unwrap();
    let connecting = tls::connect(tls::trusting(certificate), "127.0.0.1", stream);
    soon("a handshake", connecting).await.is_ok()
}

async fn shown(server: &Server, certificate: &Path) {
    until("the certificate", async || {
        shows(server, certificate).await.then_some(())
    })
    .await;
}

#[tokio::test]
async fn another_certificate_is_shown_and_nobody_is_cut_off() {
    let files = Files::new();
    let server = files.start();
    let mut publisher = Http::to(&server).await;
    let mut followers = Vec::new();
    for door in [
        Way::LongPoll(Format::Json),
        Way::Sse,
        Way::WebSocket(Format::Cbor),
    ] {
        followers.push(Follower::open(&server, door, "bob", &["a"]).await);
    }
    assert!(shows(&server, &files.path("first")).await);
    files.replace("second");
    shown(&server, &files.path("second")).await;
    assert!(!shows(&server, &files.path("first")).await);
    // On connections that were opened with the first one.
    let json = [("content-type", "application/json")];
    let path = "/v1/channels/a/messages";
    publisher.send("POST", path, &json, b"{\"data\":1}").await;
    assert_eq!(publisher.response().await.status, 201);
    for follower in &mut followers {
        assert_eq!(follower.message().await.number(), 1);
    }
}

#[tokio::test]
async fn webtransport_shows_the_same_one() {
    let files = Files::new();
    let server = files.start();
    let info = server.get("/v1/info").await.json();
    assert_eq!(info["webtransport"], serde_json::json!({}), "no hashes");
    let opens = async |name: &str| {
        let endpoint = webtransport::endpoint_trusting(&files.path(name));
        let request = webtransport::request(&server, "");
        webtransport::connect(&endpoint, server.address(), request).await
    };
    let before = opens("first").await.unwrap();
    files.replace("second");
    shown(&server, &files.path("second")).await;
    assert!(opens("second").await.is_ok());
    assert!(
        before.close_reason().is_none(),
        "it keeps what it was opened with"
    );
}

#[tokio::test]
async fn a_signal_has_the_files_read_at_once() {
    let files = Files::new();
    let server = files.start();
    let written = |name: &str| fs::metadata(files.path(name)).unwrap().modified().unwrap();
    let times = ["chain.pem", "key.pem"].map(|name| (name, written(name)));
    files.replace("second");
    // So that nothing else tells that they have changed.
    for (name, time) in times {
        let file = File::options().append(true).open(files.path(name)).unwrap();
        file.set_modified(time).unwrap();
    }
    server.signal(Signal::HUP);
    shown(&server, &files.path("second")).await;
}

#[tokio::test]
async fn a_broken_pair_is_told_of_and_the_one_before_stays() {
    let files = Files::new();
    let server = files.start();
    let key = fs::read_to_string(files.path("key.pem")).unwrap();
    files.replace("second");
    files.write("key.pem", &key);
    server.has_said("do not belong together").await;
    assert!(shows(&server, &files.path("first")).await);
    fs::remove_file(files.path("chain.pem")).unwrap();
    server.has_said("cannot read").await;
    assert!(shows(&server, &files.path("first")).await);
    files.replace("third");
    shown(&server, &files.path("third")).await;
}

#[tokio::test]
async fn one_that_ends_soon_is_told_of() {
    let files = Files::new();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let day = std::time::Duration::from_secs(24 * 3600);
    params.not_before = (SystemTime::now() - 89 * day).into();
    params.not_after = (SystemTime::now() + day).into();
    let certificate = params.self_signed(&key).unwrap().pem();
    files.write("chain.pem", &certificate);
    files.write("key.pem", &key.serialize_pem());
    let server = files.start();
    server.has_said("ends soon").await;
}
