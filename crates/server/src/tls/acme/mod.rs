//! Certificates that an authority gives by itself (ACME, RFC 8555): ordered when there is none, renewed in
//! time, and kept in the data directory with the account that they were ordered for.
//!
//! The authority sees that a domain is ours by a connection to this very server (TLS-ALPN-01, RFC 8737), so
//! nothing else has to listen anywhere. [`schedule`] decides when to order, [`order`] does it, [`authority`]
//! carries what is said, and [`store`] keeps what comes of it.

mod authority;
mod order;
mod schedule;
mod store;

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use instant_acme::{Account, NewAccount};
use tidings_websocket::tokio::tls::system_client_config;
use tokio::time::{sleep, timeout};
use tokio_rustls::rustls::ClientConfig;

use super::pair::{Pair, Validity};
use super::shown::Shown;
use super::trust::trusting;
use crate::config::AcmeConfig;
use crate::fault::Fault;
use authority::Authority;
use order::OrderError;
use schedule::Schedule;
use store::Store;

/// See the module.
pub(crate) struct Acme {
    config: AcmeConfig,
    trust: Arc<ClientConfig>,
    store: Store,
    shown: Arc<Shown>,
    /// Of the certificate that is shown now.
    validity: Option<Validity>,
}

impl Acme {
    /// Shows the certificate that is kept below `directory`, if it is still for the configured domains.
    pub(super) fn begin(config: &AcmeConfig, directory: &Path) -> Result<Self, Fault> {
        let trust = match &config.root {
            Some(root) => trusting(root)?,
            None => system_client_config().map_err(Fault::failure)?,
        };
        let store = Store::new(directory, &config.directory);
        let shown = Arc::new(Shown::default());
        let kept = store.pair().filter(|pair| pair.is_for(&config.domains));
        let validity = kept.map(|pair| show(pair, &shown));
        Ok(Self {
            config: config.clone(),
            trust,
            store,
            shown,
            validity,
        })
    }

    /// What clients are shown.
    pub(super) fn shown(&self) -> Arc<Shown> {
        Arc::clone(&self.shown)
    }

    /// Orders what is needed when it is needed, for as long as the runtime lives.
    pub(crate) async fn run(mut self) {
        let mut schedule = Schedule::default();
        let domains = self.config.domains.join(", ");
        loop {
            sleep(schedule.wait(self.validity, SystemTime::now())).await;
            tracing::info!(%domains, directory = %self.config.directory, "ordering a certificate");
            let ordered = timeout(order::WITHIN, self.order()).await;
            self.shown.replace_challenges(Default::default());
            match ordered.unwrap_or(Err(OrderError::Late)) {
                Ok(pair) => {
                    self.validity = Some(show(pair, &self.shown));
                    schedule.handle_success();
                    tracing::info!(%domains, "a new certificate is shown from now on");
                }
                Err(error) => {
                    schedule.handle_failure();
                    let left = self.validity.and_then(|it| it.left(SystemTime::now()));
                    let hours_left = left.map_or(0, |left| left.as_secs() / 3600);
                    let again_in_s = schedule.pause().as_secs();
                    let advice = error.advice();
                    tracing::error!(%domains, hours_left, again_in_s, "no certificate: {error}; {advice}");
                }
            }
        }
    }

    async fn order(&self) -> Result<Pair, OrderError> {
        let account = self.account().await?;
        let pem = order::place(&account, &self.config.domains, &self.shown).await?;
        let pair = Pair::parse(pem.as_bytes(), pem.as_bytes())?;
        self.store.keep_pair(&pem)?;
        Ok(pair)
    }

    /// The account that is kept, or a new one.
    async fn account(&self) -> Result<Account, OrderError> {
        let authority = || Box::new(Authority::new(Arc::clone(&self.trust)));
        if let Some(credentials) = self.store.account() {
            let builder = Account::builder_with_http(authority());
            return Ok(builder.from_credentials(credentials).await?);
        }
        let contact: Vec<_> = self.config.contact.iter().map(String::as_str).collect();
        let wanted = NewAccount {
            contact: &contact,
            // Whoever configures it has agreed: docs/tls.md says so.
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let directory = self.config.directory.clone();
        let builder = Account::builder_with_http(authority());
        let (account, credentials) = builder.create(&wanted, directory, None).await?;
        self.store.keep_account(&credentials)?;
        Ok(account)
    }
}

fn show(pair: Pair, shown: &Shown) -> Validity {
    shown.replace(pair.certified);
    pair.validity
}
