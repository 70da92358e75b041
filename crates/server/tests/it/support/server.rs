//! The real server as a child process.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tidings_websocket::tokio::tls::rustls::ClientConfig;
use tokio::net::TcpStream;

use super::DEADLINE;
use super::exposition::Exposition;
use super::http::{Http, Response};
use super::{soon, tls};

/// A secret for tests, of the shortest length that is taken.
pub(crate) const SECRET: &str = "an example secret of 32 letters.";

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    /// What its clients trust, if it speaks TLS.
    trust: Option<Arc<ClientConfig>>,
    /// Where the metrics are, if they have an address of their own.
    metrics_address: Option<SocketAddr>,
    dir: TempDir,
    config: String,
    said: Arc<Mutex<String>>,
    secret: Option<&'static str>,
}

impl Server {
    /// A server in development mode.
    pub(crate) fn start() -> Self {
        Self::configured("")
    }

    /// A server that takes tokens only.
    pub(crate) fn with_secret() -> Self {
        Self::begin("", Some(SECRET))
    }

    /// A server with this configuration file.
    pub(crate) fn configured(config: &str) -> Self {
        Self::begin(config, None)
    }

    /// A server with this configuration file that takes tokens only.
    pub(crate) fn begin(config: &str, secret: Option<&'static str>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let said = Arc::default();
        let spawned = spawn("127.0.0.1:0", dir.path(), config, secret, &said);
        let (child, (address, metrics_address)) = spawned.unwrap();
        let trust = |path: std::path::PathBuf| path.exists().then(|| tls::trusting(&path));
        Self {
            child,
            address,
            trust: trust(dir.path().join("data/tls/self-signed.pem")),
            metrics_address,
            dir,
            config: config.to_owned(),
            said,
            secret,
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its metrics are.
    pub(crate) fn metrics_address(&self) -> SocketAddr {
        self.metrics_address.unwrap_or(self.address)
    }

    /// For `--url`.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.trust.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.address)
    }

    /// How the terminal commands are told where it is, and to trust it.
    pub(crate) fn at(&self) -> Vec<String> {
        let mut arguments = vec!["--url".to_owned(), self.url()];
        if self.trust.is_some() {
            let own = self.data().join("tls/self-signed.pem");
            arguments.extend([
                "--ca-certificate".to_owned(),
                own.to_str().unwrap().to_owned(),
            ]);
        }
        arguments
    }

    /// Where its WebSockets are.
    pub(crate) fn websocket_url(&self) -> String {
        self.url().replacen("http", "ws", 1)
    }

    /// What its clients trust.
    pub(crate) fn trust(&self) -> Arc<ClientConfig> {
        self.trust.clone().unwrap_or_else(tls::trusting_nobody)
    }

    /// A connection, encrypted if the server wants it.
    pub(crate) async fn dial(&self) -> tls::Stream {
        self.dial_for(b"http/1.1").await
    }

    /// A connection for that protocol (RFC 7301).
    pub(crate) async fn dial_for(&self, protocol: &[u8]) -> tls::Stream {
        let stream = soon("a connection", TcpStream::connect(self.address));
        let stream = stream.await.unwrap();
        let Some(trust) = &self.trust else {
            return tls::Stream::Plain(stream);
        };
        let mut trust = ClientConfig::clone(trust);
        trust.alpn_protocols = vec![protocol.to_vec()];
        let host = self.address.ip().to_string();
        let connecting = tls::connect(Arc::new(trust), &host, stream);
        soon("a TLS handshake", connecting).await.unwrap()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its data directory.
    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }

    /// How much memory it takes, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).unwrap();
        let mut lines = status.lines();
        let kib = lines.find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next());
        kib.unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Ends it as a power cut would, but for the disk's cache.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Has clients trust something else from now on.
    pub(crate) fn be_trusted_by(&mut self, config: Arc<ClientConfig>) {
        self.trust = Some(config);
    }

    /// Waits until it has said so on stderr.
    pub(crate) async fn has_said(&self, what: &str) {
        super::until(what, async || {
            self.said.lock().unwrap().contains(what).then_some(())
        })
        .await;
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        super::until("the server's end", async || self.child.try_wait().unwrap()).await
    }

    /// From its next start on it has this configuration file.
    pub(crate) fn reconfigure(&mut self, config: &str) {
        config.clone_into(&mut self.config);
    }

    /// Starts it again on the same data and the same port.
    pub(crate) fn restart(&mut self) {
        let listen = self.address.to_string();
        let begun = Instant::now();
        loop {
            // Somebody else may have been given the port for a moment.
            let (dir, said) = (self.dir.path(), &self.said);
            match spawn(&listen, dir, &self.config, self.secret, said) {
                Ok((child, (_, metrics_address))) => {
                    self.child = child;
                    self.metrics_address = metrics_address;
                    return;
                }
                Err(error) if begun.elapsed() > DEADLINE => panic!("{error}"),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Asks once, on a connection of its own.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Response {
        let mut http = Http::to(self).await;
        http.send(method, path, headers, body.as_ref()).await;
        http.response().await
    }

    /// The metrics, after a look at whether they are well-formed.
    pub(crate) async fn metrics(&self) -> Exposition {
        let mut http = match self.metrics_address {
            Some(address) => Http::connect(address).await,
            None => Http::to(self).await,
        };
        http.send("GET", "/metrics", &[], b"").await;
        Exposition::parse(http.response().await.text())
    }

    /// Gets `path`.
    pub(crate) async fn get(&self, path: &str) -> Response {
        self.ask("GET", path, &[], "").await
    }

    /// Publishes `data`, which is JSON, and gives the message's place.
    pub(crate) async fn publish(&self, channel: &str, data: &str) -> u64 {
        let path = format!("/v1/channels/{channel}/messages");
        let body = format!("{{\"data\":{data}}}");
        let json = [("content-type", "application/json")];
        let response = self.ask("POST", &path, &json, body).await;
        assert_eq!(response.status, 201, "{response:?}");
        response.json()["seq"].as_u64().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary with nothing of this environment's own.
pub(crate) fn tidings() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    for (name, _) in std::env::vars() {
        if name.starts_with("TIDINGS_") {
            command.env_remove(name);
        }
    }
    command
}

fn spawn(
    listen: &str,
    dir: &Path,
    config: &str,
    secret: Option<&str>,
    said: &Arc<Mutex<String>>,
) -> Result<(Child, (SocketAddr, Option<SocketAddr>)), String> {
    let file = dir.join("tidings.toml");
    std::fs::write(&file, config).unwrap();
    let mut command = tidings();
    command
        .args(["serve", "--listen", listen])
        .arg("--data")
        .arg(dir.join("data"))
        .arg("--config")
        .arg(&file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(secret) = secret {
        command.env("TIDINGS_AUTH_SECRET", secret);
    }
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told = |what: &str, path: &str| {
        lines.by_ref().map_while(Result::ok).find_map(|line| {
            let url = line.trim().strip_prefix(what)?.trim().to_owned();
            let (_, rest) = url.split_once("://")?;
            rest.strip_suffix(path)?.parse().ok()
        })
    };
    let address = told("chat", "/");
    let has_metrics = config.contains("[metrics]");
    let metrics_address = has_metrics.then(|| told("metrics", "/metrics")).flatten();
    // Whoever prints must find a reader.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    match address {
        Some(address) => {
            let lines = BufReader::new(child.stderr.take().unwrap()).lines();
            let said = said.clone();
            std::thread::spawn(move || {
                for line in lines.map_while(Result::ok) {
                    eprintln!("{line}");
                    *said.lock().unwrap() += &line;
                }
            });
            Ok((child, (address, metrics_address)))
        }
        None => {
            let mut said = String::new();
            child
                .stderr
                .take()
                .unwrap()
                .read_to_string(&mut said)
                .unwrap();
            child.wait().unwrap();
            Err(said)
        }
    }
}
