//! What a server says when it starts: where to click, what is open, what to try next.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;

use crate::config::{Config, Durability, EngineConfig};
use crate::tls::Known;

/// Prints the banner. Nobody may be there to read it, which is no reason not to serve.
///
/// `file` is where the settings were read, for the commands that need them as well.
pub(crate) fn print(
    config: &Config,
    file: Option<&Path>,
    addresses: Addresses,
    known: Option<&Known>,
    insecure: bool,
) {
    let mut out = std::io::stdout().lock();
    // As this program was called, so that what is pasted finds it.
    let program = std::env::args().next().unwrap_or_else(|| "tidings".into());
    let signs = match file {
        Some(file) => format!("{program} token --config '{}'", file.display()),
        None => format!("{program} token"),
    };
    let text = text(&program, &signs, config, addresses, known, insecure);
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// Prints that the server ends.
pub(crate) fn farewell() {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "\nEnding. Once more to end at once.");
}

/// Where what is.
pub(crate) struct Addresses {
    /// The server.
    pub(crate) server: SocketAddr,
    /// Whether the port is also one of UDP.
    pub(crate) has_webtransport: bool,
    /// Whether there is a lab.
    pub(crate) has_lab: bool,
    /// The metrics, if they are elsewhere.
    pub(crate) metrics: Option<SocketAddr>,
}

/// `program` is how it is called, and `signs` how it is asked for a token; `known` is what it is known by to those
/// who come with TLS.
fn text(
    program: &str,
    signs: &str,
    config: &Config,
    Addresses {
        server: address,
        has_webtransport,
        has_lab,
        metrics,
    }: Addresses,
    known: Option<&Known>,
    insecure: bool,
) -> String {
    // What listens everywhere is reached here as well.
    let mut local = address;
    if address.ip().is_unspecified() {
        local.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    let url = match known {
        None => format!("http://{local}"),
        Some(Known::Host(Some(host))) if local.port() == 443 => format!("https://{host}"),
        Some(Known::Host(Some(host))) => format!("https://{host}:{}", local.port()),
        Some(_) => format!("https://{local}"),
    };
    let (certificate, k, trust) = match known {
        Some(Known::SelfSigned(path)) => (
            format!(
                "  TLS      by a certificate made here ({}), which nobody else vouches for: in the\n           \
                 browser's warning click on Advanced, then on Proceed (or Accept the Risk)\n",
                path.display()
            ),
            " -k",
            " --insecure",
        ),
        _ => (String::new(), "", ""),
    };
    let has_secret = config.auth.secret.is_some();
    let access = match (has_secret, insecure) {
        (true, _) => "by token (HS256) only; `tidings token --user alice …` makes one",
        (false, false) => "guests from this machine, under any name; no passwords",
        (false, true) => "EVERYBODY, under any name (--insecure)",
    };
    let data = match (&config.engine, config.durability) {
        (EngineConfig::Embedded, Durability::Process) => {
            format!(
                "{} (messages survive a crash of the server)",
                config.data.display()
            )
        }
        (EngineConfig::Embedded, Durability::Disk) => {
            format!(
                "{} (messages survive a loss of power)",
                config.data.display()
            )
        }
        (EngineConfig::Nats(servers), _) => {
            // Who logs in there, and with what, is not for everybody's eyes.
            let host = |server: &String| {
                server
                    .rsplit(['@', '/'])
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            };
            let hosts: Vec<_> = servers.iter().map(host).collect();
            format!(
                "NATS JetStream at {}, as \"{}\"",
                hosts.join(", "),
                config.nats.name
            )
        }
    };
    let (token, header) = match has_secret {
        true => (
            format!(
                "  export TIDINGS_TOKEN=$({signs} --user alice --read 'chat:*' --write 'chat:*')\n"
            ),
            " -H \"Authorization: Bearer $TIDINGS_TOKEN\"",
        ),
        false => (String::new(), ""),
    };
    let warning = match insecure && !has_secret && !address.ip().is_loopback() {
        true => {
            "  WARNING  --insecure: whoever reaches this address can read and write everything,\n           \
             under anybody's name.\n\n"
        }
        false => "",
    };
    let metrics = metrics.map_or(String::new(), |address| {
        format!("  metrics  http://{address}/metrics\n")
    });
    let webtransport = match has_webtransport {
        true => "WebTransport (UDP), ",
        false => "",
    };
    let lab = match has_lab {
        true => format!("  lab      {url}/lab, where transports race and networks break\n"),
        false => String::new(),
    };
    let to_url = match address.port() {
        7007 if address.ip().is_loopback() && known.is_none() => String::new(),
        _ => format!(" --url {url}{trust}"),
    };
    format!(
        "\n\
         Tidings {version}\n\
         \n\
         \x20 chat     {url}/\n\
         {lab}\
         \x20 open     {webtransport}WebSocket, SSE, long polling, short polling\n\
         \x20 for      {access}\n\
         \x20 data     {data}\n\
         {certificate}\
         {metrics}\
         \n\
         {warning}\
         Open the chat in two windows, or try in other terminals:\n\
         \n\
         {token}\
         \x20 curl{k} -N '{url}/v1/events?channel=chat:lobby' -H 'Accept: text/event-stream'{header}\n\
         \x20 curl{k} -d 'hello' -H 'content-type: text/plain'{header} {url}/v1/channels/chat:lobby/messages\n\
         \x20 {program} subscribe chat:lobby{to_url}\n\
         \n\
         Ctrl-C ends it.\n\n",
        version = env!("CARGO_PKG_VERSION"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banner(config: &Config, address: &str, insecure: bool) -> String {
        let address = address.parse().unwrap();
        let addresses = Addresses {
            server: address,
            has_webtransport: true,
            has_lab: true,
            metrics: Some(([127, 0, 0, 1], 7008).into()),
        };
        let own = Known::SelfSigned("data/tls/self-signed.pem".into());
        let host = Known::Host(Some("chat.example.org".into()));
        let known = match &config.tls {
            tls if tls.self_signed => Some(&own),
            tls => tls.certificate.is_some().then_some(&host),
        };
        text(
            "tidings",
            "tidings token",
            config,
            addresses,
            known,
            insecure,
        )
    }

    #[test]
    fn it_says_where_to_click_and_what_to_paste() {
        let text = banner(&Config::default(), "127.0.0.1:7007", false);
        assert!(text.contains("http://127.0.0.1:7007/\n"), "{text}");
        assert!(text.contains("guests from this machine"), "{text}");
        assert!(text.contains("tidings subscribe chat:lobby\n"), "{text}");
        let metrics = "  metrics  http://127.0.0.1:7008/metrics\n";
        assert!(text.contains(metrics), "{text}");
        assert!(!text.contains("WARNING"), "{text}");
    }

    #[test]
    fn with_a_secret_the_commands_carry_a_token() {
        let mut config = Config::default();
        config.auth.secret = Some("x".repeat(32));
        let text = banner(&config, "0.0.0.0:8080", false);
        assert!(text.contains("Bearer $TIDINGS_TOKEN"), "{text}");
        assert!(text.contains("--url http://127.0.0.1:8080"), "{text}");
        assert!(!text.contains(&"x".repeat(32)), "{text}");
    }

    #[test]
    fn a_certificate_made_here_is_told_of_with_what_to_click() {
        let mut config = Config::default();
        config.tls.self_signed = true;
        let text = banner(&config, "127.0.0.1:7007", false);
        for part in [
            "https://127.0.0.1:7007/\n",
            "data/tls/self-signed.pem",
            "click on Advanced",
            "curl -k -N 'https://127.0.0.1:7007/v1",
            "subscribe chat:lobby --url https://127.0.0.1:7007 --insecure\n",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn a_host_is_called_by_the_name_that_its_certificate_is_for() {
        let mut config = Config::default();
        config.tls.certificate = Some("chain.pem".into());
        let text = banner(&config, "0.0.0.0:443", true);
        assert!(text.contains(" https://chat.example.org/\n"), "{text}");
        let text = banner(&config, "0.0.0.0:7007", true);
        assert!(
            text.contains("--url https://chat.example.org:7007\n"),
            "{text}"
        );
    }

    #[test]
    fn a_cluster_is_named_without_its_password() {
        let config = Config {
            engine: "nats://user:secret@a:4222,b:4222".parse().unwrap(),
            ..Config::default()
        };
        let text = banner(&config, "127.0.0.1:7007", false);
        assert!(
            text.contains("  data     NATS JetStream at a:4222, b:4222, as \"td\"\n"),
            "{text}"
        );
        assert!(!text.contains("secret"), "{text}");
    }

    #[test]
    fn insecurity_is_loud() {
        let text = banner(&Config::default(), "0.0.0.0:7007", true);
        assert!(text.contains("WARNING"), "{text}");
    }
}
