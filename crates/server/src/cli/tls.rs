//! TLS for the terminal commands: whom they trust.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tidings_websocket::tokio::tls::system_client_config;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::client::Failure;
use crate::fault::Fault;
use crate::tls::trust::trusting;

/// Whom to trust at the other end of https and wss.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct TrustArgs {
    /// Trust the certificates in this file (PEM) in place of the system's: a private CA, or a server's
    /// self-signed one.
    #[arg(long, env = "TIDINGS_CA_CERTIFICATE", value_name = "FILE")]
    ca_certificate: Option<PathBuf>,
    /// Take whatever certificate a server shows: nobody knows then who it is.
    #[arg(long = "insecure", conflicts_with = "ca_certificate")]
    takes_any: bool,
}

impl TrustArgs {
    /// What a client of https needs.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, Fault> {
        if self.takes_any {
            return taking_any().map(Arc::new).map_err(Fault::failure);
        }
        match &self.ca_certificate {
            Some(path) => trusting(path),
            None => system_client_config().map_err(|error| {
                Fault::failure(error).advise("Or name whom to trust: --ca-certificate FILE.")
            }),
        }
    }
}

/// Who asks nobody.
pub(super) fn taking_any() -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TakesAny(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Why a TLS handshake has failed, and whether to try again.
pub(super) fn failure(error: io::Error) -> Failure {
    let advice = match error.get_ref().and_then(|error| error.downcast_ref()) {
        Some(Error::InvalidCertificate(_)) => {
            "If it is the right server, trust its certificate, or who signed that, by --ca-certificate FILE; \
             for a trial, --insecure takes any."
        }
        Some(Error::InvalidMessage(_)) => {
            "Does the server speak TLS there? Without, it is http://."
        }
        _ => return Failure::passing(format!("the TLS handshake failed: {error}")),
    };
    let fault = Fault::failure(format!("the TLS handshake failed: {error}"));
    Failure::Lasting(fault.advise(advice))
}

/// Asks nobody who a certificate is from. That the server has its key is looked at all the same.
#[derive(Debug)]
struct TakesAny(Arc<CryptoProvider>);

impl ServerCertVerifier for TakesAny {
    fn verify_server_cert(
        &self,
        _own: &CertificateDer<'_>,
        _others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
