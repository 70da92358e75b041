//! Whose page asks: the `Origin` and `Host` headers, read and compared.
//!
//! A browser tells the origin of the page that makes a request, and carries cookies (and the right
//! to be a guest on this machine) to whatever server the page names. So a request that bears an
//! `Origin` is answered only if that is the server's own or one that the configuration names.

use std::fmt;
use std::net::IpAddr;

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, Method};
use tidings_hub::Refusal;
use tidings_wire::Code;

/// A scheme, a host and a port (RFC 6454).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: String,
    authority: Authority,
}

impl Origin {
    /// Reads `https://example.org` or `http://localhost:8080`; `None` if there is more, or less.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
        if scheme.is_empty() || !scheme.bytes().all(name) {
            return None;
        }
        Some(Self {
            authority: Authority::parse(authority)?.without_default_port(&scheme),
            scheme,
        })
    }

    /// Whether a page from here comes from the server that was asked as `host`. The scheme is not
    /// compared: in front of the server there may be a proxy that speaks TLS.
    fn is_of(&self, host: &Authority) -> bool {
        self.authority == host.clone().without_default_port(&self.scheme)
    }
}

/// A host and perhaps a port.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Authority {
    /// In lower case; IPv6 in brackets.
    host: String,
    port: Option<u16>,
}

impl Authority {
    fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(v6) => {
                let (address, rest) = v6.split_once(']')?;
                address.parse::<std::net::Ipv6Addr>().ok()?;
                (&text[..address.len() + 2], rest)
            }
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => Some(port.parse().ok()?),
            None if port.is_empty() => None,
            _ => return None,
        };
        let plain = |b: u8| b.is_ascii_graphic() && !b"/?#@\\*\"<>".contains(&b);
        if host.is_empty() || !host.bytes().all(plain) {
            return None;
        }
        Some(Self {
            host: host.to_ascii_lowercase(),
            port,
        })
    }

    fn without_default_port(mut self, scheme: &str) -> Self {
        let default = match scheme {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        if self.port == default {
            self.port = None;
        }
        self
    }

    fn is_loopback(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        match host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => host == "localhost" || host.ends_with(".localhost"),
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// What pages and hosts are let in.
#[derive(Clone, Debug)]
pub(crate) struct OriginPolicy {
    /// Besides the server's own.
    pub(crate) allowed: Vec<Origin>,
    /// Whether the server may be asked by any name. Where guests are let in it may not: a page
    /// could give its own name this machine's address (DNS rebinding) and would then be of the
    /// server's own origin.
    pub(crate) any_host: bool,
    /// The port whose pages may use this server by other ports of the same host: the lab's lanes lead here.
    pub(crate) lab_port: Option<u16>,
}

/// What brought the user's identity along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carried {
    /// The page put it there: a header, a ticket, a frame.
    Request,
    /// The browser adds it to whatever page's request: a cookie.
    Cookie,
    /// Nothing: whoever reaches the server may be a guest.
    Nothing,
}

impl OriginPolicy {
    /// Whether the server may be asked by the name in `Host`.
    pub(crate) fn check_host(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        if self.any_host {
            return Ok(());
        }
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        match host.and_then(Authority::parse) {
            Some(host) if host.is_loopback() => Ok(()),
            _ => Err(refuse(
                "without [auth] this server answers only to localhost, 127.0.0.1 and [::1]; \
                 configure [auth] secret to serve it under other names",
            )),
        }
    }

    /// Whether the page that asks, if a page does, may use this server; on success its origin,
    /// where it is not the server's own, for the CORS headers of the answer.
    pub(crate) fn check_origin(&self, headers: &HeaderMap) -> Result<Option<HeaderValue>, Refusal> {
        let Some(value) = headers.get(ORIGIN) else {
            return Ok(None);
        };
        let text = value.to_str().unwrap_or("?");
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = host.and_then(Authority::parse);
        match Origin::parse(text) {
            Some(origin) if host.as_ref().is_some_and(|host| origin.is_of(host)) => Ok(None),
            Some(origin) if self.allowed.contains(&origin) => Ok(Some(value.clone())),
            Some(origin)
                if host
                    .as_ref()
                    .is_some_and(|host| self.is_lab_of(&origin, host)) =>
            {
                Ok(Some(value.clone()))
            }
            _ => Err(refuse(format!(
                "pages of {text} may not use this server; add it to allowed_origins if they should"
            ))),
        }
    }

    /// Whether it is this server's own page that asks, by a lane of the lab.
    fn is_lab_of(&self, origin: &Origin, host: &Authority) -> bool {
        let port = origin.authority.port.unwrap_or(80);
        origin.scheme == "http" && self.lab_port == Some(port) && origin.authority.host == host.host
    }

    /// Whether an identity that came along by itself is meant: [`OriginPolicy::check_origin`] has
    /// let a request with an `Origin` pass, this looks at those without.
    ///
    /// - A cookie on anything but a GET, or on a WebSocket, needs an `Origin`: browsers send it.
    /// - A GET that the browser says another site caused is refused, unless somebody followed a link.
    pub(crate) fn check_carried(
        &self,
        method: &Method,
        headers: &HeaderMap,
        carried: Carried,
    ) -> Result<(), Refusal> {
        if carried == Carried::Request || headers.contains_key(ORIGIN) {
            return Ok(());
        }
        let upgrades = headers.contains_key(http::header::UPGRADE);
        if carried == Carried::Cookie && (method != Method::GET || upgrades) {
            return Err(refuse(
                "a request with the cookie needs an Origin header, which browsers send; \
                 programs send Authorization: Bearer instead",
            ));
        }
        let header = |name| headers.get(name).map(HeaderValue::as_bytes);
        let foreign = matches!(header("sec-fetch-site"), Some(b"cross-site" | b"same-site"));
        let followed_link = header("sec-fetch-mode") == Some(b"navigate");
        match foreign && !followed_link {
            true => Err(refuse("another site's page may not use this server")),
            false => Ok(()),
        }
    }
}

fn refuse(detail: impl Into<String>) -> Refusal {
    Refusal::new(Code::OriginRefused, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect()
    }

    fn policy() -> OriginPolicy {
        OriginPolicy {
            allowed: vec![Origin::parse("https://app.example.org").unwrap()],
            any_host: false,
            lab_port: None,
        }
    }

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port() {
        assert_eq!(
            Origin::parse("HTTPS://Example.org:443"),
            Origin::parse("https://example.org")
        );
        assert_ne!(
            Origin::parse("https://example.org:80"),
            Origin::parse("https://example.org")
        );
        assert!(Origin::parse("http://[::1]:7007").is_some());
        for text in [
            "null",
            "*",
            "https://",
            "https://*",
            "https://a/b",
            "https://a:b",
            "https://a:",
            "https://u@a",
            "https://[::1",
        ] {
            assert_eq!(Origin::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_page_of_the_server_itself_may_ask() {
        for (origin, host) in [
            ("http://127.0.0.1:7007", "127.0.0.1:7007"),
            ("http://[::1]:7007", "[::1]:7007"),
            ("http://LOCALHOST:7007", "localhost:7007"),
            // Behind a proxy that speaks TLS.
            ("https://chat.example.org", "chat.example.org"),
            ("https://chat.example.org", "chat.example.org:443"),
        ] {
            let headers = headers(&[("origin", origin), ("host", host)]);
            assert_eq!(policy().check_origin(&headers).unwrap(), None, "{origin}");
        }
    }

    #[test]
    fn a_page_from_elsewhere_may_ask_only_if_it_is_named() {
        let ask = |origin| {
            policy().check_origin(&headers(&[("origin", origin), ("host", "127.0.0.1:7007")]))
        };
        assert_eq!(
            ask("https://app.example.org").unwrap().unwrap(),
            "https://app.example.org"
        );
        for origin in [
            "null",
            "https://evil.example.org",
            "http://app.example.org",
            "https://app.example.org:8443",
            "http://127.0.0.1:7008",
            "http://127.0.0.1",
            "https://app.example.org.evil.org",
        ] {
            assert_eq!(
                ask(origin).unwrap_err().code,
                Code::OriginRefused,
                "{origin}"
            );
        }
    }

    #[test]
    fn guests_are_let_in_only_under_a_loopback_name() {
        let ask = |host| policy().check_host(&headers(&[("host", host)]));
        for host in ["localhost", "127.0.0.1:7007", "[::1]:7007", "a.localhost:1"] {
            assert!(ask(host).is_ok(), "{host}");
        }
        for host in ["example.org", "localhost.example.org", "10.0.0.1:7007", ""] {
            assert!(ask(host).is_err(), "{host}");
        }
        assert!(policy().check_host(&HeaderMap::new()).is_err());
    }

    #[test]
    fn a_cookie_without_an_origin_only_reads() {
        let check =
            |method, pairs| policy().check_carried(&method, &headers(pairs), Carried::Cookie);
        assert!(check(Method::GET, &[]).is_ok());
        assert!(check(Method::POST, &[]).is_err());
        assert!(check(Method::GET, &[("upgrade", "websocket")]).is_err());
        assert!(check(Method::POST, &[("origin", "http://checked.before")]).is_ok());
    }

    #[test]
    fn a_foreign_page_that_hides_its_origin_reads_nothing() {
        for carried in [Carried::Cookie, Carried::Nothing] {
            let check = |pairs| policy().check_carried(&Method::GET, &headers(pairs), carried);
            assert!(check(&[("sec-fetch-site", "cross-site")]).is_err());
            assert!(check(&[("sec-fetch-site", "same-site")]).is_err());
            assert!(check(&[("sec-fetch-site", "same-origin")]).is_ok());
            assert!(check(&[("sec-fetch-site", "none")]).is_ok());
            let link = [
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate"),
            ];
            assert!(check(&link).is_ok());
        }
    }
}
