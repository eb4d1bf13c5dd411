//! The certificate for TLS: the operator's, or one of our own that is made once.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::HEXUPPER;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

use super::{addresses, identity, plain};
use crate::config::TlsFiles;
use crate::session::crypto::self_signed;
use crate::tls::TlsIdentity;

/// Certificate and key, in this order.
const FILE: &str = "tls.pem";

/// Reads the operator's files, or our own, which is made at the first time.
pub(super) fn load(files: Option<&TlsFiles>) -> Result<TlsIdentity, String> {
    let (certificates, key) = match files {
        Some(files) => (
            read(&files.certificate)?,
            (read(&files.key)?, files.key.clone()),
        ),
        None => own()?,
    };
    let (key, key_path) = key;
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(certificates.as_bytes()).collect();
    let chain = chain.map_err(|error| format!("the certificate: {error}"))?;
    // The error of a parser says what it met, and never what a key is.
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|error| format!("{}: {error}", key_path.display()))?;
    let first = chain.first().ok_or("there is no certificate in the file")?;
    let fingerprint = fingerprint(first);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
    let mut config = config.map_err(|error| error.to_string())?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsIdentity {
        config: Arc::new(config),
        fingerprint,
    })
}

/// Whether the operator's files can be used.
///
/// # Errors
/// What is wrong with them, with the file's name.
pub fn check(files: &TlsFiles) -> Result<(), String> {
    load(Some(files)).map(drop)
}

/// SHA-256 in pairs of digits, as browsers show it.
fn fingerprint(certificate: &[u8]) -> String {
    let digest = Sha256::digest(certificate);
    let pairs: Vec<_> = digest
        .iter()
        .map(|byte| HEXUPPER.encode(&[*byte]))
        .collect();
    pairs.join(":")
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {}", path.display(), plain(&error)))
}

type Pem = (String, (String, PathBuf));

fn own() -> Result<Pem, String> {
    let directory = identity::state_directory().map_err(|error| error.to_string())?;
    let path = directory.join(FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = make().map_err(|error| format!("making one: {error}"))?;
            if let Err(error) = identity::store(&directory, &path, &text) {
                log::warn!("{}", identity::not_kept(&path, &error));
            }
            text
        }
        Err(error) => return Err(format!("{}: {}", path.display(), plain(&error))),
    };
    Ok((text.clone(), (text, path)))
}

/// Self-signed, for the names that this machine has.
fn make() -> Result<String, rcgen::Error> {
    let mut names = vec!["localhost".to_owned()];
    names.extend(addresses::host_names());
    let (certificate, key) = self_signed(names)?;
    Ok(certificate.pem() + &key.serialize_pem())
}
