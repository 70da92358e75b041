//! The client that Autobahn's fuzzing server examines: echoes in every case, then asks for the
//! report.
//!
//! `autobahn_client ws://127.0.0.1:9002 AGENT [--deflate] [--takeover] [--ca ROOT.pem]`
//!
//! `--takeover` remembers messages where the server agrees; `--ca` names the certificate to trust
//! at a `wss:` address, and needs the crate's feature `rustls`.

use std::error::Error;
use std::fs;
use std::time::Duration;

use tidings_websocket::handshake::client;
use tidings_websocket::tokio::{MaybeTls, Options, WebSocket, connect};
use tidings_websocket::{Config, Event};
use tokio::net::TcpStream;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut client = Client {
        url: arguments
            .next()
            .ok_or("usage: autobahn_client ws://HOST:PORT AGENT [--deflate] [--ca ROOT.pem]")?,
        options: options(),
        root: None,
    };
    let agent = arguments.next().unwrap_or_else(|| "tidings".to_owned());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            #[cfg(feature = "deflate")]
            "--deflate" => client.options.config.deflate = Some(deflate::small_too()),
            #[cfg(feature = "deflate")]
            "--takeover" => client.options.config.deflate = Some(deflate::remembering()),
            "--ca" => client.root = Some(fs::read(arguments.next().ok_or("--ca needs a file")?)?),
            other => return Err(format!("there is no option '{other}' in this build").into()),
        }
    }

    let count = client.open("/getCaseCount").await?.recv().await?;
    let Some(Event::Text(count)) = count else {
        return Err("the server did not say how many cases there are".into());
    };
    for case in 1..=count.parse()? {
        let case: u32 = case;
        let path = format!("/runCase?case={case}&agent={agent}");
        if let Err(error) = echo(client.open(&path).await?).await {
            println!("case {case}: {error}");
        }
    }
    let path = format!("/updateReports?agent={agent}");
    let mut websocket = client.open(&path).await?;
    while websocket.recv().await?.is_some() {}
    println!("{count} cases run");
    Ok(())
}

struct Client {
    url: String,
    options: Options,
    /// What to trust in place of what the system trusts, as PEM.
    root: Option<Vec<u8>>,
}

impl Client {
    async fn open(&self, path: &str) -> Result<WebSocket<MaybeTls<TcpStream>>, Box<dyn Error>> {
        let url = format!("{}{path}", self.url);
        let offer = client::Options::default(); // compression is in the configuration
        let connected = match &self.root {
            #[cfg(feature = "rustls")]
            Some(root) => {
                let config = tls::trusting(root)?;
                tidings_websocket::tokio::tls::connect_with(&url, &offer, self.options, config)
                    .await?
            }
            #[cfg(not(feature = "rustls"))]
            Some(_) => return Err("--ca needs the feature `rustls`".into()),
            None => connect(&url, &offer, self.options).await?,
        };
        Ok(connected.websocket)
    }
}

async fn echo(mut websocket: WebSocket<MaybeTls<TcpStream>>) -> Result<(), Box<dyn Error>> {
    while let Some(event) = websocket.recv().await? {
        if event.is_message() {
            websocket.feed(event)?;
        }
    }
    Ok(())
}

fn options() -> Options {
    let config = Config {
        frame_bytes_max: MESSAGE_BYTES_MAX,
        message_bytes_max: MESSAGE_BYTES_MAX,
        ..Config::default()
    };
    Options {
        config,
        unsent_bytes_max: MESSAGE_BYTES_MAX,
        // The suite is one thread of Python, which is busy for seconds with a case's end.
        handshake_within: Duration::from_secs(120),
        ..Options::default()
    }
}

/// The largest message of the suite.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

#[cfg(feature = "deflate")]
mod deflate {
    use tidings_websocket::deflate::{ContextTakeover, Policy};

    /// What is not compressed is not examined.
    pub(super) fn small_too() -> Policy {
        Policy {
            compress_from: 0,
            ..Policy::default()
        }
    }

    pub(super) fn remembering() -> Policy {
        Policy {
            server_context_takeover: ContextTakeover::Allow,
            client_context_takeover: ContextTakeover::Allow,
            ..small_too()
        }
    }
}

#[cfg(feature = "rustls")]
mod tls {
    use std::error::Error;
    use std::sync::Arc;

    use tidings_websocket::tokio::tls::client_config;
    use tidings_websocket::tokio::tls::rustls::pki_types::CertificateDer;
    use tidings_websocket::tokio::tls::rustls::pki_types::pem::PemObject as _;
    use tidings_websocket::tokio::tls::rustls::{ClientConfig, RootCertStore};

    pub(super) fn trusting(root: &[u8]) -> Result<Arc<ClientConfig>, Box<dyn Error>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(root)?)?;
        Ok(client_config(roots)?)
    }
}
