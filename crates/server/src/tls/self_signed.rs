//! A certificate that we make ourselves, for development: browsers warn of it once.
//!
//! It is kept in the data directory, so that a browser's exception, or a client that was told to trust it,
//! holds beyond a restart.

use std::path::Path;
use std::time::{Duration, SystemTime};
use std::{fs, io};

use rcgen::PKCS_ECDSA_P256_SHA256;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};

use super::files::write_secret;
use super::pair::{Files, Validity};
use crate::fault::Fault;

/// For how long it is valid: less than the 825 days that Apple's systems accept of any certificate.
const VALID_FOR: Duration = days(800);

/// How far its beginning lies back, for clients whose clocks are slow.
const BACK_DATED: Duration = days(1);

/// It is made anew when a start finds less than this left.
const LEFT_MIN: Duration = days(60);

const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 3600)
}

/// Makes sure that there is one in `directory` which is valid for long enough.
pub(super) fn keep(directory: &Path) -> Result<Files, Fault> {
    let files = Files {
        certificate: directory.join("self-signed.pem"),
        key: directory.join("self-signed-key.pem"),
    };
    let now = SystemTime::now();
    let is_good = files.read().is_ok_and(|pair| {
        let left = pair.validity.left(now);
        pair.validity.begins <= now && left.is_some_and(|left| left > LEFT_MIN)
    });
    if !is_good {
        make(validity(now))
            .map_err(|error| error.to_string())
            .and_then(|(chain, key)| write(&files, &chain, &key).map_err(|error| error.to_string()))
            .map_err(|error| {
                Fault::failure(format!(
                    "cannot make a certificate in {}: {error}",
                    directory.display()
                ))
            })?;
    }
    Ok(files)
}

/// The names of this machine: what a browser here, or one nearby, may ask for.
fn names() -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy();
    // What is not a name is no name in a certificate either.
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
    if !host.is_empty() && host.bytes().all(is_name) && !names.iter().any(|name| *name == host) {
        names.push(host.into_owned());
    }
    names
}

fn validity(now: SystemTime) -> Validity {
    let begins = now - BACK_DATED;
    let ends = begins + VALID_FOR;
    Validity { begins, ends }
}

/// A certificate for this machine and its key, both PEM.
pub(super) fn make(validity: Validity) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(names())?;
    params.not_before = validity.begins.into();
    params.not_after = validity.ends.into();
    let name = &mut params.distinguished_name;
    name.push(DnType::CommonName, "Tidings, self-signed");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn write(files: &Files, chain: &str, key: &str) -> io::Result<()> {
    write_secret(&files.key, key.as_bytes())?;
    fs::write(&files.certificate, chain)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_made_once_and_its_key_is_nobody_elses() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().join("tls");
        let files = keep(&directory).unwrap();
        let first = fs::read(&files.certificate).unwrap();
        assert_eq!(keep(&directory).unwrap(), files);
        assert_eq!(fs::read(&files.certificate).unwrap(), first);
        let mode = fs::metadata(&files.key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(&files.certificate, "broken").unwrap();
        keep(&directory).unwrap();
        assert!(files.read().is_ok());
    }

    #[test]
    fn one_that_ends_is_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let files = keep(directory).unwrap();
        let now = SystemTime::now();
        for (age, is_kept) in [
            (VALID_FOR - LEFT_MIN - days(2), true),
            (VALID_FOR - LEFT_MIN, false),
        ] {
            let (chain, key) = make(validity(now - age)).unwrap();
            write(&files, &chain, &key).unwrap();
            keep(directory).unwrap();
            let kept = fs::read_to_string(&files.certificate).unwrap();
            assert_eq!(kept == chain, is_kept);
        }
    }
}
