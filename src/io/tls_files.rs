//! The certificate for TLS: the operator's, or one that this program makes.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{addresses, authority_file, identity, plain};
use crate::config::TlsFiles;
use crate::session::crypto::self_signed;
use crate::tls::TlsIdentity;
use crate::tls::authority::fingerprint;

/// The file with certificate and key, in this order.
const FILE: &str = "tls.pem";

/// Reads the operator's files, or the certificate that this machine's authority has signed, or a self-signed
/// certificate that is made the first time. `now`: seconds since 1970.
pub(super) fn load(files: Option<&TlsFiles>, now: u64) -> Result<TlsIdentity, String> {
    let authority = match files {
        Some(_) => None,
        None => authority_file::load(now)?,
    };
    let (certificates, key, key_path) = match (files, authority.as_ref().and_then(|a| a.server())) {
        (Some(files), _) => (
            read(&files.certificate)?,
            read(&files.key)?,
            files.key.clone(),
        ),
        (None, Some(server)) => (
            server.certificate.clone(),
            server.key.clone(),
            PathBuf::from("the authority's key"),
        ),
        (None, None) => own()?,
    };
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(certificates.as_bytes()).collect();
    let chain = chain.map_err(|error| format!("the certificate: {error}"))?;
    // A parser's error says what it found, and never contains the key.
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
    let public = authority.map(|authority| authority.public()).transpose()?;
    Ok(TlsIdentity {
        config: Arc::new(config),
        fingerprint,
        authority: public.map(Arc::new),
    })
}

/// A stamp that shows whether a file was replaced or written to: programs that renew certificates do either.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stamp(Vec<Option<(u64, u64, SystemTime)>>);

/// Returns the stamp of the operator's files. Links are followed, because those programs change their
/// targets.
pub(super) fn stamp(files: Option<&TlsFiles>) -> Stamp {
    let of = |path: &Path| {
        let found = fs::metadata(path).ok()?;
        Some((found.ino(), found.len(), found.modified().ok()?))
    };
    let paths = files.map(|files| [&files.certificate, &files.key]);
    Stamp(paths.into_iter().flatten().map(|path| of(path)).collect())
}

/// Checks whether the operator's files can be used.
///
/// # Errors
/// Fails with the name of the file that cannot be used, and the reason.
pub(crate) fn check(files: &TlsFiles) -> Result<(), String> {
    load(Some(files), 0).map(drop)
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {}", path.display(), plain(&error)))
}

/// Certificate and key in PEM, and the path of the key.
type Pem = (String, String, PathBuf);

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
    Ok((text.clone(), text, path))
}

/// Makes a self-signed certificate for the names of this machine.
fn make() -> Result<String, rcgen::Error> {
    let mut names = vec!["localhost".to_owned()];
    names.extend(addresses::host_names());
    let (certificate, key) = self_signed(names)?;
    Ok(certificate.pem() + &key.serialize_pem())
}
