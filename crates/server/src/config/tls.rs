//! `[tls]`: where the certificate comes from, and how connections are encrypted.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;

use serde::Deserialize;

use super::units::Span;
use crate::fault::Fault;

/// How connections are encrypted; without a certificate of any kind they are not.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TlsConfig {
    /// PEM: the server's certificate, and behind it those that lead to a root.
    pub(crate) certificate: Option<PathBuf>,
    /// PEM: the private key of the first.
    pub(crate) key: Option<PathBuf>,
    /// A certificate of our own making, for development.
    pub(crate) self_signed: bool,
    /// Certificates that are ordered from an authority.
    pub(crate) acme: Option<AcmeConfig>,
    /// The oldest version that is spoken.
    pub(crate) min_version: TlsVersion,
    /// How long a handshake may take.
    pub(crate) handshake_timeout: Span,
    /// For how long browsers are to remember that this host is reached by TLS only.
    pub(crate) hsts: Option<Span>,
    /// `HOST:PORT` without TLS that only leads to the one with it.
    pub(crate) redirect_from: Option<String>,
    /// The port that it leads to, as clients know it; the one that is listened on if it is not set.
    pub(crate) redirect_to: Option<NonZeroU16>,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            certificate: None,
            key: None,
            self_signed: false,
            acme: None,
            min_version: TlsVersion::Tls12,
            // Two round trips on the worst of paths, a lost packet or two among them.
            handshake_timeout: Span::seconds(10),
            hsts: None,
            redirect_from: None,
            redirect_to: None,
        }
    }
}

/// Certificates that are ordered from an authority, by ACME (RFC 8555).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AcmeConfig {
    /// For these hosts, at least one.
    pub(crate) domains: Vec<String>,
    /// Whom the authority may write to, such as `mailto:admin@example.org`.
    #[serde(default)]
    pub(crate) contact: Vec<String>,
    /// The authority.
    #[serde(default = "lets_encrypt")]
    pub(crate) directory: String,
    /// PEM: whom to trust at the authority's URL in place of whom the system trusts.
    pub(crate) root: Option<PathBuf>,
}

fn lets_encrypt() -> String {
    "https://acme-v02.api.letsencrypt.org/directory".to_owned()
}

impl AcmeConfig {
    fn check(&self) -> Result<(), Fault> {
        // Wildcards are given out for a challenge that is answered by the domain's name server.
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
        let wrong = |domain: &&String| {
            !domain.contains('.')
                || !domain.bytes().all(is_plain)
                || domain.parse::<IpAddr>().is_ok()
        };
        if self.domains.is_empty() {
            return Err(Fault::setup("tls.acme.domains is empty")
                .advise("Name the hosts, such as [\"chat.example.org\"]."));
        }
        if let Some(domain) = self.domains.iter().find(wrong) {
            return Err(Fault::setup(format!(
                "{domain:?} in tls.acme.domains is no name of a host"
            ))
            .advise(
                "Each is named, in lower case, such as \"chat.example.org\"; there is no \"*\".",
            ));
        }
        if !self.directory.starts_with("https://") {
            return Err(
                Fault::setup(format!("tls.acme.directory is {:?}", self.directory))
                    .advise("It is an https:// URL, which the authority tells."),
            );
        }
        Ok(())
    }
}

/// A version of TLS. Older ones are broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
pub(crate) enum TlsVersion {
    /// TLS 1.2, RFC 5246.
    #[serde(rename = "1.2")]
    #[value(name = "1.2")]
    Tls12,
    /// TLS 1.3, RFC 8446.
    #[serde(rename = "1.3")]
    #[value(name = "1.3")]
    Tls13,
}

/// Where the certificate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CertificateSource<'a> {
    /// From files that somebody else keeps.
    Files {
        certificate: &'a PathBuf,
        key: &'a PathBuf,
    },
    /// Made here.
    SelfSigned,
    /// From an authority.
    Acme(&'a AcmeConfig),
}

impl TlsConfig {
    /// The one source that is named; `None` where there is to be no TLS.
    pub(crate) fn source(&self) -> Result<Option<CertificateSource<'_>>, Fault> {
        let files = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Some(CertificateSource::Files { certificate, key }),
            (None, None) => None,
            (certificate, _) => {
                let (has, lacks) = match certificate {
                    Some(_) => ("certificate", "key"),
                    None => ("key", "certificate"),
                };
                return Err(
                    Fault::setup(format!("[tls] has a {has} and no {lacks}")).advise(format!(
                        "Name both: --tls-certificate and --tls-key ({lacks} is missing)."
                    )),
                );
            }
        };
        let self_signed = self.self_signed.then_some(CertificateSource::SelfSigned);
        let acme = self.acme.as_ref().map(CertificateSource::Acme);
        let mut sources = [files, self_signed, acme].into_iter().flatten();
        let source = sources.next();
        match sources.next() {
            Some(_) => Err(Fault::setup("[tls] names more than one certificate")
                .advise("Choose one: files (certificate and key), self_signed, or [tls.acme].")),
            None => Ok(source),
        }
    }

    /// Whether all of it makes sense together.
    pub(super) fn check(&self) -> Result<(), Fault> {
        if self.redirect_to.is_some() && self.redirect_from.is_none() {
            return Err(
                Fault::setup("tls.redirect_to is set, and nothing redirects").advise(
                    "Name the port without TLS as well, such as --redirect-from 0.0.0.0:80.",
                ),
            );
        }
        if let Some(source) = self.source()? {
            return match source {
                CertificateSource::Acme(acme) => acme.check(),
                _ => Ok(()),
            };
        }
        for (name, is_set) in [
            ("hsts", self.hsts.is_some()),
            ("redirect_from", self.redirect_from.is_some()),
        ] {
            if is_set {
                return Err(Fault::setup(format!("tls.{name} is set, and there is no TLS"))
                    .advise(
                        "Name a certificate (--tls-certificate and --tls-key), or --tls self-signed, or [tls.acme].",
                    ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> TlsConfig {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_certificate_comes_from_one_source_or_none() {
        assert_eq!(read("").source().unwrap(), None);
        let files = read("certificate = \"a\"\nkey = \"b\"\n");
        assert!(matches!(
            files.source().unwrap(),
            Some(CertificateSource::Files { .. })
        ));
        let own = read("self_signed = true\n");
        assert_eq!(own.source().unwrap(), Some(CertificateSource::SelfSigned));
        for text in [
            "certificate = \"a\"\n",
            "key = \"a\"\n",
            "certificate = \"a\"\nkey = \"b\"\nself_signed = true\n",
            "self_signed = true\n[acme]\ndomains = [\"a.example\"]\n",
        ] {
            assert!(read(text).source().is_err(), "{text}");
        }
    }

    #[test]
    fn an_authority_is_asked_for_hosts_by_name() {
        let read = |domains: &str| read(&format!("[acme]\ndomains = {domains}\n"));
        let good = read("[\"a.example\", \"b-1.a.example\"]");
        assert!(good.check().is_ok());
        assert!(good.acme.unwrap().directory.contains("letsencrypt"));
        for domains in [
            "[]",
            "[\"*.a.example\"]",
            "[\"A.example\"]",
            "[\"1.2.3.4\"]",
            "[\"a\"]",
        ] {
            assert!(read(domains).check().is_err(), "{domains}");
        }
        let mut plain = read("[\"a.example\"]");
        plain.acme.as_mut().unwrap().directory = "http://a.example/".to_owned();
        assert!(plain.check().is_err());
    }

    #[test]
    fn what_needs_tls_is_not_set_without() {
        for text in ["hsts = \"1d\"\n", "redirect_from = \"0.0.0.0:80\"\n"] {
            assert!(read(text).check().is_err(), "{text}");
            assert!(read(&format!("self_signed = true\n{text}")).check().is_ok());
        }
    }

    #[test]
    fn only_what_redirects_leads_somewhere() {
        let own = |text: &str| read(&format!("self_signed = true\nredirect_to = 443\n{text}"));
        assert!(own("").check().is_err());
        assert!(own("redirect_from = \"0.0.0.0:80\"\n").check().is_ok());
        assert!(toml::from_str::<TlsConfig>("redirect_to = 0").is_err());
    }

    #[test]
    fn versions_that_are_broken_are_not_known() {
        assert_eq!(read("min_version = \"1.3\"").min_version, TlsVersion::Tls13);
        assert!(toml::from_str::<TlsConfig>("min_version = \"1.1\"").is_err());
    }
}
