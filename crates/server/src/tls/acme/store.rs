//! What is kept of one authority: the account, and the newest certificate with its key.
//!
//! Each authority has a directory of its own, so that a trial with Let's Encrypt's staging leaves nothing
//! behind that production would take for its own.

use std::path::{Path, PathBuf};
use std::{fs, io};

use instant_acme::AccountCredentials;

use super::super::files::write_secret;
use super::super::pair::{Files, Pair};

/// See the module.
#[derive(Debug)]
pub(super) struct Store {
    directory: PathBuf,
}

impl Store {
    /// Below `directory`, for the authority of that URL.
    pub(super) fn new(directory: &Path, authority: &str) -> Self {
        let name = authority.trim_start_matches("https://");
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '.';
        let name = name.replace(|c| !plain(c), "-");
        Self {
            directory: directory.join(format!("acme-{name}")),
        }
    }

    /// The certificate and its key: one file, so that they are replaced together.
    pub(super) fn pair(&self) -> Option<Pair> {
        let path = self.pair_path();
        let files = Files {
            certificate: path.clone(),
            key: path.clone(),
        };
        match path.exists().then(|| files.read())? {
            Ok(pair) => Some(pair),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a certificate that was kept is of no use");
                None
            }
        }
    }

    /// Keeps both, as PEM.
    pub(super) fn keep_pair(&self, pem: &str) -> io::Result<()> {
        write_secret(&self.pair_path(), pem.as_bytes())
    }

    /// The account.
    pub(super) fn account(&self) -> Option<AccountCredentials> {
        let path = self.account_path();
        let json = fs::read(&path).ok()?;
        match serde_json::from_slice(&json) {
            Ok(credentials) => Some(credentials),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "an account that was kept is of no use");
                None
            }
        }
    }

    /// Keeps the account.
    pub(super) fn keep_account(&self, credentials: &AccountCredentials) -> io::Result<()> {
        let json = serde_json::to_vec(credentials)?;
        write_secret(&self.account_path(), &json)
    }

    fn pair_path(&self) -> PathBuf {
        self.directory.join("certificate-and-key.pem")
    }

    fn account_path(&self) -> PathBuf {
        self.directory.join("account.json")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_do_not_share_what_is_kept() {
        let name = |url| {
            let Store { directory } = Store::new(Path::new("data/tls"), url);
            directory.to_str().unwrap().to_owned()
        };
        let staging = name("https://acme-staging-v02.api.letsencrypt.org/directory");
        assert_eq!(
            staging,
            "data/tls/acme-acme-staging-v02.api.letsencrypt.org-directory"
        );
        assert_eq!(
            name("https://[::1]:14000/../dir"),
            "data/tls/acme----1--14000-..-dir"
        );
    }

    #[test]
    fn what_is_broken_is_as_if_it_were_not_there() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path(), "https://a.example/");
        assert!(store.pair().is_none() && store.account().is_none());
        store.keep_pair("broken").unwrap();
        write_secret(&store.account_path(), b"broken").unwrap();
        assert!(store.pair().is_none() && store.account().is_none());
    }
}
