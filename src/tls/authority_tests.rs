//! Tests of the names and the time for which a device that trusts the authority accepts a server.

use std::sync::Arc;

use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{Error, RootCertStore};

use super::*;

const NOW: u64 = 1_800_000_000;

fn hosts() -> Vec<String> {
    ["board.local", "board.example", "192.0.2.7", "2001:db8::7"]
        .map(str::to_owned)
        .to_vec()
}

fn made() -> Authority {
    Authority::make(hosts(), NOW).expect("made")
}

/// Returns the verdict of a device with the authority on a certificate at a host.
fn verdict(authority: &Authority, certificate: &str, host: &str, now: u64) -> Result<(), Error> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from(authority.public().expect("public").certificate);
    roots.add(root).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = verifier.build().expect("a verifier");
    let shown = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM");
    let name = ServerName::try_from(host.to_owned()).expect("a host");
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
    verifier
        .verify_server_cert(&shown, &[], &name, &[], now)
        .map(drop)
}

#[test]
fn a_device_that_trusts_the_authority_opens_all_of_the_hosts_and_no_other() {
    let authority = made();
    let server = authority.server().expect("signed");
    for host in hosts() {
        verdict(&authority, &server.certificate, &host, NOW)
            .unwrap_or_else(|e| panic!("{host}: {e}"));
    }
    for host in ["other.local", "192.0.2.8", "example.org"] {
        assert!(
            verdict(&authority, &server.certificate, host, NOW).is_err(),
            "{host}"
        );
    }
}

#[test]
fn a_stolen_key_signs_for_no_other_site() {
    let authority = made();
    let stolen = KeyPair::from_pem(&authority.key).expect("a key");
    let issuer = Issuer::new(authority.params(), stolen);
    for (host, good) in [
        ("board.local", true),
        ("bank.example", false),
        ("192.0.2.8", false),
    ] {
        let params = CertificateParams::new(vec![host.to_owned()]).expect("a name");
        let key = KeyPair::generate().expect("a key");
        let forged = params.signed_by(&key, &issuer).expect("signed").pem();
        assert_eq!(
            verdict(&authority, &forged, host, NOW).is_ok(),
            good,
            "{host}"
        );
    }
}

/// Checks boards without an address or a name: a board that has no cable when its authority is made has no
/// address, and a board that is known by its address only has no name.
#[test]
fn what_is_not_named_is_not_free() {
    for hosts in [vec!["board.local".to_owned()], vec!["192.0.2.7".to_owned()]] {
        let authority = Authority::make(hosts.clone(), NOW).expect("made");
        let stolen = KeyPair::from_pem(&authority.key).expect("a key");
        let issuer = Issuer::new(authority.params(), stolen);
        for host in ["1.1.1.1", "2606:4700::1111", "bank.example", "192.168.1.1"] {
            let params = CertificateParams::new(vec![host.to_owned()]).expect("a name");
            let key = KeyPair::generate().expect("a key");
            let forged = params.signed_by(&key, &issuer).expect("signed").pem();
            assert!(
                verdict(&authority, &forged, host, NOW).is_err(),
                "{hosts:?}: {host}"
            );
        }
    }
}

#[test]
fn what_was_made_while_the_clock_was_ahead_is_made_again() {
    let ahead = made();
    let day = DAY.as_secs();
    assert!(ahead.is_due(NOW - 30 * day) && !ahead.covers(&hosts(), NOW - 30 * day));
    assert!(!ahead.is_due(NOW) && ahead.covers(&hosts(), NOW));
}

#[test]
fn the_certificate_is_renewed_in_time_and_the_authority_stays() {
    let mut authority = made();
    let root = authority.public().expect("public");
    let day = DAY.as_secs();
    assert!(!authority.is_due(NOW) && !authority.is_due(NOW + 263 * day));
    assert!(authority.is_due(NOW + 265 * day));
    let later = NOW + 300 * day;
    let before = authority.server().expect("signed").certificate.clone();
    authority.sign(later).expect("signed");
    let server = authority.server().expect("signed");
    assert_ne!(server.certificate, before);
    assert_eq!(authority.public().expect("public"), root);
    let at = |when: u64| verdict(&authority, &server.certificate, "board.local", when);
    assert!(at(later).is_ok() && at(later + 395 * day).is_ok());
    assert!(at(later + 397 * day).is_err(), "Apple's limit is 825 days");
    assert!(!authority.is_due(later));
}

#[test]
fn what_is_kept_is_the_same_when_it_is_read_again() {
    let authority = made();
    let text = serde_json::to_string(&authority).expect("JSON");
    let mut again: Authority = serde_json::from_str(&text).expect("as it was written");
    assert!(again.covers(&hosts(), NOW) && !again.covers(&["other".to_owned()], NOW));
    again.sign(NOW).expect("signed");
    let server = again.server().expect("signed");
    verdict(&authority, &server.certificate, "board.local", NOW).expect("the same authority");
}
