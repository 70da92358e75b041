//! What is spoken inside TLS, as both sides agree by ALPN (RFC 7301).

/// A protocol above TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/2.
    Http2,
    /// HTTP/1.1, and what it is upgraded to.
    Http1,
    /// Nothing: a certificate authority wants to see a certificate, and has seen it (RFC 8737).
    Challenge,
}

impl Protocol {
    /// What is offered, the one we like best first.
    const OFFERED: [Self; 3] = [Self::Http2, Self::Http1, Self::Challenge];

    /// As rustls is told.
    pub(super) fn offered() -> Vec<Vec<u8>> {
        Self::OFFERED.iter().map(|it| it.name().to_vec()).collect()
    }

    /// The one that was agreed on. A client that asked for none speaks HTTP/1.1.
    pub(super) fn agreed(alpn: Option<&[u8]>) -> Self {
        let mut offered = Self::OFFERED.into_iter();
        offered
            .find(|it| Some(it.name()) == alpn)
            .unwrap_or(Self::Http1)
    }

    /// As IANA has registered it.
    pub(super) fn name(self) -> &'static [u8] {
        match self {
            Self::Http2 => b"h2",
            Self::Http1 => b"http/1.1",
            Self::Challenge => b"acme-tls/1",
        }
    }
}
