//! Our identity towards peers: one DTLS certificate for all sessions, kept across restarts, so that an
//! operator can write down its fingerprint and compare it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use pem_rfc7468::LineEnding;
use rcgen::{Certificate, CertificateParams, DnType, KeyPair, date_time_ymd};
use str0m::Rtc;
use str0m::config::{CryptoProvider, DtlsCert};

use super::dtls;

/// A certificate with its key and the crypto provider that uses them.
pub struct Identity {
    pub(super) cert: DtlsCert,
    /// The crypto provider, made once at the start. str0m's builder requires the `Arc`.
    pub(super) provider: Arc<CryptoProvider>,
    fingerprint: String,
}

/// Why a stored identity cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityError {
    /// The text is not the two PEM blocks that [`Identity::to_pem`] writes.
    Malformed,
    /// The certificate and the key cannot be used together.
    Unusable,
    /// Making a certificate failed.
    Generation,
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a CERTIFICATE and a PRIVATE KEY in PEM",
            Self::Unusable => "the certificate and the key do not work together",
            Self::Generation => "no certificate could be made",
        })
    }
}

impl std::error::Error for IdentityError {}

const CERTIFICATE: &str = "CERTIFICATE";
const PRIVATE_KEY: &str = "PRIVATE KEY";

impl Identity {
    /// Makes a new self-signed certificate (RFC 8827 §6.5).
    pub fn generate() -> Result<Self, IdentityError> {
        let made = self_signed(Vec::new()).map_err(|_| IdentityError::Generation)?;
        let (certificate, key) = made;
        let cert = DtlsCert {
            certificate: certificate.der().to_vec(),
            private_key: key.serialize_der(),
        };
        Ok(Self::new(Arc::new(dtls::provider()), cert))
    }

    /// Reads what [`Self::to_pem`] wrote, and tries it, because str0m would otherwise panic at the first
    /// peer.
    pub fn from_pem(now: Instant, text: &str) -> Result<Self, IdentityError> {
        let second = text.rfind("-----BEGIN").ok_or(IdentityError::Malformed)?;
        let (first, second) = text
            .split_at_checked(second)
            .ok_or(IdentityError::Malformed)?;
        let certificate = decode(first, CERTIFICATE)?;
        let private_key = decode(second, PRIVATE_KEY)?;
        if !is_signed_by(&certificate, &private_key) {
            return Err(IdentityError::Unusable);
        }
        let provider = Arc::new(dtls::provider());
        let identity = Self::new(
            provider,
            DtlsCert {
                certificate,
                private_key,
            },
        );
        let trial = catch_unwind(AssertUnwindSafe(|| drop(identity.builder().build(now))));
        trial.map_err(|_| IdentityError::Unusable)?;
        Ok(identity)
    }

    /// Returns the certificate and the private key, for a file that only the daemon's user may read.
    pub fn to_pem(&self) -> String {
        let encode = |label, der: &[u8]| {
            pem_rfc7468::encode_string(label, LineEnding::LF, der).expect("a label of our own")
        };
        encode(CERTIFICATE, &self.cert.certificate) + &encode(PRIVATE_KEY, &self.cert.private_key)
    }

    /// Returns the SHA-256 of the certificate, as in `a=fingerprint` (RFC 8122 §5).
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Returns the settings with which every session starts.
    pub(super) fn builder(&self) -> str0m::RtcConfig {
        Rtc::builder()
            .set_crypto_provider(Arc::clone(&self.provider))
            .set_dtls_cert(self.cert.clone())
    }

    fn new(provider: Arc<CryptoProvider>, cert: DtlsCert) -> Self {
        let digest = provider.sha256_provider.sha256(&cert.certificate);
        let pairs: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        Self {
            cert,
            provider,
            fingerprint: format!("sha-256 {}", pairs.join(":")),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.fingerprint)
    }
}

/// Makes a self-signed certificate for these names, and its key. The certificate is valid from 1970 until
/// 2049, because a board may not know the time (str0m's own is valid for a year from now).
pub fn self_signed(names: Vec<String>) -> Result<(Certificate, KeyPair), rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params
        .distinguished_name
        .push(DnType::CommonName, "thingway");
    params.not_before = date_time_ymd(1970, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    let key = KeyPair::generate()?;
    Ok((params.self_signed(&key)?, key))
}

/// Returns whether a certificate is signed by this key, as our certificates are signed by their own keys. If
/// not, one of the two is damaged or belongs to another identity, and each handshake would fail. Returns true
/// for other kinds of keys than ours, which the trial with str0m has to judge.
fn is_signed_by(certificate: &[u8], private_key: &[u8]) -> bool {
    let Ok(key) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, private_key) else {
        return true;
    };
    // RFC 5280 §4.1: the signed part, the algorithm, and the signature.
    let parts = element(certificate).and_then(|(_, parts, _)| {
        let (signed, _, rest) = element(parts)?;
        let (_, _, rest) = element(rest)?;
        let (_, bits, _) = element(rest)?;
        // The first byte of a bit string counts the unused bits of its last byte.
        Some((signed, bits.get(1..)?))
    });
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.public_key().as_ref());
    parts.is_some_and(|(signed, signature)| public.verify(signed, signature).is_ok())
}

/// Returns the first element of some DER (X.690 §8.1): the whole element, its contents, and the bytes after
/// it.
fn element(der: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (head, length) = match *der.get(1)? {
        short @ 0..=0x7f => (2, usize::from(short)),
        0x81 => (3, usize::from(*der.get(2)?)),
        0x82 => (
            4,
            usize::from(u16::from_be_bytes([*der.get(2)?, *der.get(3)?])),
        ),
        _ => return None,
    };
    let (whole, rest) = der.split_at_checked(head + length)?;
    Some((whole, whole.get(head..)?, rest))
}

fn decode(pem: &str, wanted: &str) -> Result<Vec<u8>, IdentityError> {
    match pem_rfc7468::decode_vec(pem.trim().as_bytes()) {
        Ok((label, der)) if label == wanted => Ok(der),
        Ok(_) | Err(_) => Err(IdentityError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_survives_being_written_and_read() {
        let now = Instant::now();
        let identity = Identity::generate().expect("one");
        let again = Identity::from_pem(now, &identity.to_pem()).expect("the same");
        assert_eq!(identity.fingerprint(), again.fingerprint());
        assert!(
            identity.fingerprint().starts_with("sha-256 "),
            "{identity:?}"
        );
        assert_eq!(identity.fingerprint().len(), "sha-256 ".len() + 32 * 3 - 1);
        assert_ne!(
            Identity::generate().expect("another").fingerprint(),
            again.fingerprint()
        );
        assert!(!format!("{identity:?}").contains("KEY"));
    }

    #[test]
    fn an_identity_holds_whatever_the_clock_says() {
        let identity = Identity::generate().expect("one");
        // RFC 5280 §4.1.2.5.1: UTCTime.
        for time in [b"700101000000Z", b"491231000000Z"] {
            let mut places = identity.cert.certificate.windows(time.len());
            assert!(places.any(|place| place == time));
        }
    }

    #[test]
    fn rubbish_is_refused() {
        let now = Instant::now();
        let pem = Identity::generate().expect("one").to_pem();
        let key_only = &pem[pem.rfind("-----BEGIN").unwrap()..];
        let empty_key = pem_rfc7468::encode_string(PRIVATE_KEY, LineEnding::LF, b"no").unwrap();
        let certificate = &pem[..pem.rfind("-----BEGIN").unwrap()];
        let mixed = certificate.to_owned() + &empty_key;
        let other = Identity::generate().expect("another").to_pem();
        let of_two = certificate.to_owned() + &other[other.rfind("-----BEGIN").unwrap()..];
        // Change one character in the middle of the certificate.
        let at = certificate.len() / 2;
        let character = if &pem[at..=at] == "A" { "B" } else { "A" };
        let damaged = [&pem[..at], character, &pem[at + 1..]].concat();
        for (text, error) in [
            ("", IdentityError::Malformed),
            ("-----BEGIN nothing", IdentityError::Malformed),
            (key_only, IdentityError::Malformed),
            (&mixed, IdentityError::Unusable),
            (&of_two, IdentityError::Unusable),
            (&damaged, IdentityError::Unusable),
        ] {
            assert_eq!(Identity::from_pem(now, text).err(), Some(error), "{text}");
        }
    }
}
