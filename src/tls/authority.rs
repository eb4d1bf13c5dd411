//! A certificate authority of this machine, so that phones need no exception for its certificate.
//!
//! A person adds the authority to a device once. It can sign for this machine's names and addresses only
//! (name constraints, RFC 5280 §4.2.1.10), so a stolen key opens no other site to anybody. The certificate of
//! the server is signed by it, and renewed by the daemon itself.

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
/// A phone that has the authority needs no other for as long as its board is likely to last.
const AUTHORITY_LIFETIME: Duration = DAY.saturating_mul(3650);
/// Apple's systems refuse certificates of servers that hold longer than 825 days, whoever has signed them.
const SERVER_LIFETIME: Duration = DAY.saturating_mul(396);
/// The server's certificate is renewed when it holds no longer than this.
const RENEW_BEFORE: Duration = DAY.saturating_mul(132);
/// The clocks of phones differ from the board's.
const BACKDATED: Duration = DAY;

/// An authority with its key and what it has signed, as it is kept.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authority {
    /// What a device's list of authorities shows.
    name: String,
    /// Names and addresses of this machine.
    hosts: Vec<String>,
    /// PEM.
    certificate: String,
    /// PEM.
    key: String,
    /// Seconds since 1970.
    not_before: u64,
    server: Option<Server>,
}

/// The certificate that the server shows.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// PEM.
    pub certificate: String,
    /// PEM.
    pub key: String,
    /// Seconds since 1970.
    not_before: u64,
    /// Seconds since 1970.
    not_after: u64,
}

/// What everybody may know of an authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicAuthority {
    /// What a device's list of authorities shows.
    pub name: String,
    /// The names and addresses that it signs for.
    pub hosts: Vec<String>,
    /// DER.
    pub certificate: Vec<u8>,
    /// SHA-256 of the certificate: pairs of digits with colons.
    pub fingerprint: String,
}

impl Authority {
    /// Makes an authority for these names and addresses. `now`: seconds since 1970.
    ///
    /// # Errors
    /// A name that cannot be in a certificate, or no random numbers.
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

    /// Whether it signs for all of these now. One that was made while the clock was ahead does not yet.
    pub fn covers(&self, hosts: &[String], now: u64) -> bool {
        self.not_before <= now && hosts.iter().all(|host| self.hosts.contains(host))
    }

    /// Whether the server's certificate is to be renewed.
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
    /// What is kept has been damaged.
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

    /// What the server shows.
    pub fn server(&self) -> Option<&Server> {
        self.server.as_ref()
    }

    /// What everybody may know.
    ///
    /// # Errors
    /// What is kept has been damaged.
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

    /// What certificates that it signs say of it.
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

/// SHA-256 in pairs of digits, as browsers show it.
pub fn fingerprint(certificate: &[u8]) -> String {
    let digest = Sha256::digest(certificate);
    let pairs: Vec<_> = digest
        .iter()
        .map(|byte| HEXUPPER.encode(&[*byte]))
        .collect();
    pairs.join(":")
}

/// What the authority may sign for. A kind of name that is not constrained at all would be free, so each has at least a name that
/// is of no use to anybody.
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
