//! One order, from the wish to the certificate (RFC 8555, section 7.4).

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Error, Identifier, NewOrder, Order, OrderStatus,
    Problem, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use tokio_rustls::rustls::crypto::ring::sign::any_supported_type;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::sign::CertifiedKey;

use super::super::pair::PairError;
use super::super::shown::Shown;

/// How long an order may take, whatever it waits for.
pub(super) const WITHIN: Duration = Duration::from_secs(5 * 60);

/// How long the authority may take to look at what we show it, and then again to make the certificate.
const PATIENCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(2 * 60));

/// Why no certificate came.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrderError {
    /// It could not be asked, or refused.
    #[error("the authority: {0}")]
    Acme(#[from] Error),
    /// It has looked, and did not find what it wanted at this domain.
    #[error("the authority cannot see that {domain} is this server: {problem}")]
    Unseen { domain: String, problem: Problem },
    #[error("the authority offers no challenge tls-alpn-01 for {domain}")]
    NoChallenge { domain: String },
    /// It is in a state from which no certificate comes.
    #[error("the order is {0:?}")]
    Ended(OrderStatus),
    #[error("it took longer than {} s", WITHIN.as_secs())]
    Late,
    #[error("what was to be shown to the authority could not be made: {0}")]
    Make(#[from] rcgen::Error),
    #[error("what came is of no use: {0}")]
    Useless(#[from] PairError),
    #[error("it could not be kept: {0}")]
    Keep(#[from] io::Error),
}

impl OrderError {
    /// What to do.
    pub(super) fn advice(&self) -> &'static str {
        let kind = match self {
            Self::Unseen { .. } => return UNSEEN,
            Self::Acme(Error::Api(problem)) => problem.r#type.as_deref().unwrap_or_default(),
            Self::Keep(_) => return "is there room on the disk, and may this user write there?",
            Self::NoChallenge { .. } => {
                return "choose another authority, or bring certificates as files";
            }
            _ => {
                return "can this machine reach the directory's URL? tls.acme.root names whom to trust there";
            }
        };
        match kind.rsplit(':').next().unwrap_or_default() {
            "rateLimited" => "it has been asked too often: it is asked again later",
            "rejectedIdentifier" | "caa" => {
                "it may not or will not certify this domain: look at tls.acme.domains"
            }
            "invalidContact" | "unsupportedContact" => {
                "look at tls.acme.contact: mailto:NAME@DOMAIN"
            }
            "accountDoesNotExist" => {
                "delete account.json in the data directory's tls for a new account"
            }
            "externalAccountRequired" => {
                "it wants an account made elsewhere, which is not supported: choose another"
            }
            _ => "the authority's own words say what it wants",
        }
    }
}

const UNSEEN: &str = "does the domain lead to this machine (A and AAAA records), and does its port 443 lead to this \
                      server's port, through firewalls and without a proxy that ends TLS?";

/// Orders a certificate for `domains`; gives it and its key as PEM. Meanwhile the authority is shown what it
/// asks for.
pub(super) async fn place(
    account: &Account,
    domains: &[String],
    shown: &Shown,
) -> Result<String, OrderError> {
    let identifiers: Vec<_> = domains.iter().cloned().map(Identifier::Dns).collect();
    let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
    prove(&mut order, shown).await?;
    let error = match order.poll_ready(&PATIENCE).await {
        Ok(OrderStatus::Ready) => None,
        Ok(status) => Some(OrderError::Ended(status)),
        Err(error) => Some(error.into()),
    };
    if let Some(error) = error {
        // Which domain is at fault stands elsewhere.
        return Err(unseen(&mut order).await.ok().flatten().unwrap_or(error));
    }
    let key = order.finalize().await?;
    let chain = order.poll_certificate(&PATIENCE).await?;
    Ok(key + &chain)
}

/// Shows what proves that the domains are ours, and says so.
async fn prove(order: &mut Order, shown: &Shown) -> Result<(), OrderError> {
    let mut challenges = BTreeMap::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue; // from an order before
        }
        let domain = authorization.identifier().to_string();
        let Some(mut challenge) = authorization.challenge(ChallengeType::TlsAlpn01) else {
            return Err(OrderError::NoChallenge { domain });
        };
        let proof = proof(&domain, challenge.key_authorization().digest().as_ref())?;
        challenges.insert(domain, proof);
        shown.replace_challenges(challenges.clone());
        challenge.set_ready().await?;
    }
    Ok(())
}

/// The certificate that an authority is shown (RFC 8737, section 3).
fn proof(domain: &str, digest: &[u8]) -> Result<Arc<CertifiedKey>, OrderError> {
    let mut params = CertificateParams::new([domain.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    let chain = vec![params.self_signed(&key)?.into()];
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let key = any_supported_type(&key).map_err(PairError::from)?;
    // Not looked at once more: of that extension, which has to be critical, rustls knows nothing.
    Ok(Arc::new(CertifiedKey::new(chain, key)))
}

/// What the authority says that it did not see.
async fn unseen(order: &mut Order) -> Result<Option<OrderError>, Error> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        let state = authorization.refresh().await?;
        let domain = state.identifier().to_string();
        let mut problems = state.challenges.iter().filter_map(|it| it.error.as_ref());
        if let Some(problem) = problems.next() {
            // `Problem` cannot be cloned.
            let problem = Problem {
                r#type: problem.r#type.clone(),
                detail: problem.detail.clone(),
                status: problem.status,
                subproblems: Vec::new(),
            };
            return Ok(Some(OrderError::Unseen { domain, problem }));
        }
    }
    Ok(None)
}
