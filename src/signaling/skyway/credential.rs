//! Peer authentication: a page proves with a keyed hash from its own server that it may have a name, and for
//! how long.

use std::fmt;

use aws_lc_rs::hmac;
use data_encoding::BASE64;
use serde_json::Value;

use crate::limits;
use crate::signaling::fault::{Fault, Wrong};
use crate::signaling::fields;

/// The credential that a page has from its server. `Debug` does not show its token, because a client with the
/// token can be that peer.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The time at which the credential was made, in seconds since 1970.
    pub timestamp: u64,
    /// The lifetime of the credential, in seconds.
    pub ttl: u64,
    /// HMAC-SHA-256 (RFC 2104) of `timestamp:ttl:peer id`.
    auth_token: Vec<u8>,
}

/// The end of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expiry {
    /// The time in seconds since 1970.
    pub at_unix: u64,
}

impl Expiry {
    /// Returns how many seconds are left.
    #[cfg(any(test, feature = "testing"))]
    pub fn remaining(self, now_unix: u64) -> u64 {
        self.at_unix.saturating_sub(now_unix)
    }
}

impl Credential {
    /// Reads a page's credential from a JSON object.
    pub fn parse(value: &Value) -> Result<Self, Fault> {
        let object = value.as_object();
        let object = object.ok_or_else(|| Fault::new("credential", Wrong::NotAnObject))?;
        let token = fields::text(object, "authToken", limits::AUTH_TOKEN)?;
        let auth_token = BASE64
            .decode(token.as_bytes())
            .map_err(|_| Fault::new("authToken", Wrong::NotBase64))?;
        Ok(Self {
            timestamp: fields::number(object, "timestamp")?,
            ttl: fields::number(object, "ttl")?,
            auth_token,
        })
    }

    /// Checks that the holder of the secret made the credential for this peer, and that it is valid now. The
    /// times are checked last, so that only a client with a genuine credential learns the gateway's time.
    pub fn verify(&self, secret: &str, peer_id: &str, now_unix: u64) -> Result<Expiry, Invalid> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let signed = format!("{}:{}:{peer_id}", self.timestamp, self.ttl);
        // The comparison takes constant time, so its duration does not reveal how much of the token is right.
        hmac::verify(&key, signed.as_bytes(), &self.auth_token).map_err(|_| Invalid::Token)?;
        if !(SHORTEST..=LONGEST).contains(&self.ttl) {
            return Err(Invalid::Ttl);
        }
        if self.timestamp > now_unix.saturating_add(AHEAD) {
            return Err(Invalid::Future);
        }
        let at_unix = self.timestamp.saturating_add(self.ttl);
        if at_unix <= now_unix {
            return Err(Invalid::Expired);
        }
        Ok(Expiry { at_unix })
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("timestamp", &self.timestamp)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

/// The reason why a credential is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    /// The hash is not that of the secret, these times and this peer.
    Token,
    /// The lifetime is too short or too long.
    Ttl,
    /// The time of making is in the future.
    Future,
    /// The credential has expired.
    Expired,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token => f.write_str("authToken is not the one for this peer, timestamp and ttl"),
            Self::Ttl => write!(f, "ttl is not between {SHORTEST} and {LONGEST} seconds"),
            Self::Future => f.write_str("timestamp is in the future; do the clocks agree?"),
            Self::Expired => f.write_str("the credential has expired"),
        }
    }
}

impl std::error::Error for Invalid {}

/// The shortest lifetime that SkyWay accepts, in seconds.
const SHORTEST: u64 = 600;
/// The longest lifetime, see [`SHORTEST`].
const LONGEST: u64 = 90_000;

/// The tolerated difference between the clocks of a page's server and a board, in seconds.
const AHEAD: u64 = 300;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Made by `openssl dgst -sha256 -hmac secret -binary | base64`, of `1600000000:3600:alice`.
    const TOKEN: &str = "vAXDCYbRhkuv02SVt9dt4D0HnsPoypfPFaIWn078Td4=";
    const MADE: u64 = 1_600_000_000;

    fn value() -> Value {
        json!({ "timestamp": MADE, "ttl": 3600, "authToken": TOKEN })
    }

    /// Returns a credential with a valid hash, whatever the times are.
    fn signed(timestamp: u64, ttl: u64) -> Credential {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
        let tag = hmac::sign(&key, format!("{timestamp}:{ttl}:alice").as_bytes());
        Credential {
            timestamp,
            ttl,
            auth_token: tag.as_ref().to_vec(),
        }
    }

    #[test]
    fn the_hash_is_that_of_everybody() {
        let credential = Credential::parse(&value()).expect("good");
        let expiry = credential.verify("secret", "alice", MADE + 10);
        let at_unix = MADE + 3600;
        assert_eq!(expiry, Ok(Expiry { at_unix }));
        assert_eq!(Expiry { at_unix }.remaining(MADE + 10), 3590);
        assert_eq!(Expiry { at_unix }.remaining(u64::MAX), 0);
        for (secret, peer) in [("secret", "bob"), ("", "alice"), ("secret2", "alice")] {
            let verified = credential.verify(secret, peer, MADE);
            assert_eq!(verified, Err(Invalid::Token));
        }
        let shown = format!("{credential:?}");
        assert!(shown.contains("3600") && !shown.contains("auth"), "{shown}");
        for other in [
            Credential {
                timestamp: MADE + 1,
                ..credential.clone()
            },
            Credential {
                ttl: 3601,
                ..credential.clone()
            },
            Credential {
                auth_token: Vec::new(),
                ..credential
            },
        ] {
            let verified = other.verify("secret", "alice", MADE);
            assert_eq!(verified, Err(Invalid::Token));
        }
    }

    #[test]
    fn times_have_bounds() {
        for (timestamp, ttl, now, expected) in [
            (MADE, 600, MADE, Ok(MADE + 600)),
            (MADE, 90_000, MADE + 89_999, Ok(MADE + 90_000)),
            (MADE, 90_000, MADE + 90_000, Err(Invalid::Expired)),
            (MADE, 599, MADE, Err(Invalid::Ttl)),
            (MADE, 90_001, MADE, Err(Invalid::Ttl)),
            (MADE, 600, MADE - 300, Ok(MADE + 600)),
            (MADE, 600, MADE - 301, Err(Invalid::Future)),
            (u64::MAX, 600, MADE, Err(Invalid::Future)),
            (u64::MAX, 600, u64::MAX, Err(Invalid::Expired)),
            (0, u64::MAX, 0, Err(Invalid::Ttl)),
        ] {
            let verified = signed(timestamp, ttl).verify("secret", "alice", now);
            let expected = expected.map(|at_unix| Expiry { at_unix });
            assert_eq!(verified, expected, "{timestamp} {ttl} {now}");
        }
    }

    #[test]
    fn every_fault_names_its_field() {
        let fault = Fault::new("credential", Wrong::NotAnObject);
        assert_eq!(Credential::parse(&json!("x")), Err(fault));
        for (field, value, wrong) in [
            ("timestamp", json!(null), Wrong::Missing),
            ("timestamp", json!("1600000000"), Wrong::NotANumber),
            ("timestamp", json!(-1), Wrong::NotANumber),
            ("ttl", json!(null), Wrong::Missing),
            ("ttl", json!(600.5), Wrong::NotANumber),
            ("authToken", json!(null), Wrong::Missing),
            ("authToken", json!(1), Wrong::NotText),
            ("authToken", json!("%%%"), Wrong::NotBase64),
            ("authToken", json!("a".repeat(129)), Wrong::TooLong(128)),
        ] {
            let mut credential = self::value();
            credential[field] = value;
            let fault = Fault::new(field, wrong);
            assert_eq!(Credential::parse(&credential), Err(fault));
        }
    }
}
