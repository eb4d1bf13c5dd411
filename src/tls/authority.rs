//! A certificate authority of this machine, so that phones accept its certificate without an exception.
//!
//! A person adds the authority to a device once. It can sign for this machine's names and addresses only
//! (name constraints, RFC 5280 §4.2.1.10), so a thief of the key cannot impersonate any other site. The
//! authority signs the certificate of the server, and the daemon renews that certificate itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use data_encoding::HEXUPPER;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// The lifetime of an authority: a phone needs no other authority for as long as its board is likely to last.
const AUTHORITY_LIFETIME: Duration = DAY.saturating_mul(3650);
/// The lifetime of the server's certificate. Apple's systems refuse certificates of servers that are valid
/// for more than 825 days, whichever authority has signed them.
const SERVER_LIFETIME: Duration = DAY.saturating_mul(396);
/// The remaining lifetime below which the server's certificate is renewed.
const RENEW_BEFORE: Duration = DAY.saturating_mul(132);
/// How far certificates are backdated, because the clocks of phones differ from the board's.
const BACKDATED: Duration = DAY;

/// An authority with its key and the certificate that it has signed, in the form that is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authority {
    /// The name that a device's list of authorities shows.
    name: String,
    /// The names and addresses of this machine.
    hosts: Vec<String>,
    /// The certificate in PEM.
    certificate: String,
    /// The key in PEM.
    key: String,
    /// The beginning of validity in seconds since 1970.
    not_before: u64,
    server: Option<Server>,
}

/// The certificate that the server shows.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// The certificate in PEM.
    pub certificate: String,
    /// The key in PEM.
    pub key: String,
    /// The beginning of validity in seconds since 1970.
    not_before: u64,
    /// The end of validity in seconds since 1970.
    not_after: u64,
}

/// The public part of an authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicAuthority {
    /// The name that a device's list of authorities shows.
    pub name: String,
    /// The names and addresses that the authority signs for.
    pub hosts: Vec<String>,
    /// The certificate in DER.
    pub certificate: Vec<u8>,
    /// SHA-256 of the certificate: pairs of digits with colons.
    pub fingerprint: String,
}

impl Authority {
    /// Makes an authority for these names and addresses. `now`: seconds since 1970.
    ///
    /// # Errors
    /// Fails if a name cannot be in a certificate, or if the system has no random numbers.
    pub fn make(hosts: Vec<String>, now: u64) -> Result<Self, String> {
        let first = hosts.first().map_or("this machine", String::as_str);
        let day = date(now)?.date();
        let mut authority = Self {
            name: format!("thingway on {first} ({day})"),
            hosts,
            certificate: String::new(),
            key: String::new(),
            not_before: now.saturating_sub(BACKDATED.as_secs()),
            server: None,
        };
        let mut params = authority.params();
        params.not_before = date(authority.not_before)?;
        params.not_after = date(now.saturating_add(AUTHORITY_LIFETIME.as_secs()))?;
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: constraints(&authority.hosts),
            excluded_subtrees: Vec::new(),
        });
        let key = KeyPair::generate().map_err(plain)?;
        authority.certificate = params.self_signed(&key).map_err(plain)?.pem();
        authority.key = key.serialize_pem();
        authority.sign(now)?;
        Ok(authority)
    }

    /// Returns whether the authority signs for all of `hosts` now. An authority that was made while the clock
    /// was ahead is not valid yet.
    pub fn covers(&self, hosts: &[String], now: u64) -> bool {
        self.not_before <= now && hosts.iter().all(|host| self.hosts.contains(host))
    }

    /// Returns whether the server's certificate must be renewed.
    pub fn is_due(&self, now: u64) -> bool {
        let server = self.server.as_ref();
        server.is_none_or(|server| {
            let soon = now.saturating_add(RENEW_BEFORE.as_secs());
            soon >= server.not_after || now < server.not_before
        })
    }

    /// Signs another certificate for the server.
    ///
    /// # Errors
    /// Fails if the stored authority is damaged.
    pub fn sign(&mut self, now: u64) -> Result<(), String> {
        let not_before = now.saturating_sub(BACKDATED.as_secs());
        let not_after = now.saturating_add(SERVER_LIFETIME.as_secs());
        let mut params = CertificateParams::new(self.hosts.clone()).map_err(plain)?;
        let first = self.hosts.first().map_or("thingway", String::as_str);
        params.distinguished_name.push(DnType::CommonName, first);
        params.not_before = date(not_before)?;
        params.not_after = date(not_after)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let own = KeyPair::from_pem(&self.key).map_err(plain)?;
        let issuer = Issuer::new(self.params(), own);
        let key = KeyPair::generate().map_err(plain)?;
        let certificate = params.signed_by(&key, &issuer).map_err(plain)?;
        self.server = Some(Server {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            not_before,
            not_after,
        });
        Ok(())
    }

    /// Returns the certificate that the server shows.
    pub fn server(&self) -> Option<&Server> {
        self.server.as_ref()
    }

    /// Returns the public part of the authority.
    ///
    /// # Errors
    /// Fails if the stored authority is damaged.
    pub fn public(&self) -> Result<PublicAuthority, String> {
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes());
        let certificate = certificate.map_err(|error| error.to_string())?.to_vec();
        Ok(PublicAuthority {
            name: self.name.clone(),
            hosts: self.hosts.clone(),
            fingerprint: fingerprint(&certificate),
            certificate,
        })
    }

    /// Returns the parameters of the authority's certificate.
    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, self.name.as_str());
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // Servers only: no mail, no programs, no clients.
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params
    }
}

/// Returns SHA-256 in pairs of digits, as browsers show it.
pub fn fingerprint(certificate: &[u8]) -> String {
    let digest = Sha256::digest(certificate);
    let pairs: Vec<_> = digest
        .iter()
        .map(|byte| HEXUPPER.encode(&[*byte]))
        .collect();
    pairs.join(":")
}

/// Returns the names that the authority may sign for. A kind of name without any constraint would be
/// unrestricted, so each kind has at least one name that is of no use to an attacker.
fn constraints(hosts: &[String]) -> Vec<GeneralSubtree> {
    let addresses = || hosts.iter().filter_map(|host| host.parse::<IpAddr>().ok());
    let mut all: Vec<String> = hosts.to_vec();
    if !addresses().any(|address| address.is_ipv4()) {
        all.push(Ipv4Addr::LOCALHOST.to_string());
    }
    if !addresses().any(|address| address.is_ipv6()) {
        all.push(Ipv6Addr::LOCALHOST.to_string());
    }
    if addresses().count() == hosts.len() {
        all.push("thingway.invalid".to_owned());
    }
    all.iter().map(|host| subtree(host)).collect()
}

fn subtree(host: &str) -> GeneralSubtree {
    match host.parse::<IpAddr>() {
        Ok(address) => {
            let bits = if address.is_ipv4() { 32 } else { 128 };
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, bits))
        }
        Err(_) => GeneralSubtree::DnsName(host.to_owned()),
    }
}

fn date(seconds: u64) -> Result<OffsetDateTime, String> {
    let seconds = i64::try_from(seconds).map_err(|error| error.to_string())?;
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|error| error.to_string())
}

fn plain(error: rcgen::Error) -> String {
    error.to_string()
}

#[cfg(test)]
#[path = "authority_tests.rs"]
mod tests;
