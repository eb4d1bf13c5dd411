//! Tokens as text: `tw_<id>_<secret>`. The id finds the entry. The secret is compared by its hash in constant
//! time, and is not stored.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use rand::RngCore;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The hash of a secret. The secret has 256 random bits, so it needs no salt and no slow hash.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretHash([u8; 32]);

/// A new secret, which is shown once.
pub struct Secret {
    /// The id of the entry that the secret belongs to.
    pub id: String,
    text: String,
    /// The hash, which is stored.
    pub hash: SecretHash,
}

/// The prefix of a token.
pub const TOKEN: &str = "tw";
/// The prefix of a share's code.
pub const SHARE: &str = "ts";

impl Secret {
    /// Makes a new secret.
    pub fn generate(prefix: &str, random: &mut impl RngCore) -> Self {
        let (mut id, mut secret) = ([0; 6], [0; 32]);
        random.fill_bytes(&mut id);
        random.fill_bytes(&mut secret);
        let id = HEXLOWER.encode(&id);
        let secret = BASE64URL_NOPAD.encode(&secret);
        Self {
            text: format!("{prefix}_{id}_{secret}"),
            hash: SecretHash::of(&secret),
            id,
        }
    }

    /// Returns the text, which only its holder may see.
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

impl SecretHash {
    /// Returns the hash of a secret.
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// Returns whether this is the secret. The time taken does not reveal how much of it is right.
    pub fn is_of(&self, secret: &str) -> bool {
        self.0.ct_eq(&Self::of(secret).0).into()
    }

    /// Returns the text for the file.
    pub fn to_hex(&self) -> String {
        HEXLOWER.encode(&self.0)
    }

    /// Reads the text of the file.
    pub fn from_hex(text: &str) -> Option<Self> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }
}

impl std::fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret({})", self.id)
    }
}

/// Returns whether a text contains a token or a code, or the beginning of one, at the start of any word.
pub fn is_in(text: &str) -> bool {
    [TOKEN, SHARE].iter().any(|prefix| {
        let mut places = text.match_indices(prefix);
        places.any(|(at, _)| {
            let before = text.get(..at).and_then(|before| before.chars().next_back());
            let after = text.get(at + prefix.len()..).unwrap_or_default();
            let is_word = before.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '_');
            // Other programs use words that begin like a code, such as `ts_2024_01`. The secret of a code is
            // long.
            let is_long = || {
                parse(SHARE, text.get(at..).unwrap_or_default())
                    .is_some_and(|(_, secret)| secret.len() >= 16)
            };
            is_word && after.starts_with('_') && (*prefix == TOKEN || is_long())
        })
    })
}

/// Returns the id and the secret of a token or a code. A secret may contain underscores.
pub fn parse<'t>(prefix: &str, text: &'t str) -> Option<(&'t str, &'t str)> {
    let (id, secret) = text
        .strip_prefix(prefix)?
        .strip_prefix('_')?
        .split_once('_')?;
    (!id.is_empty() && !secret.is_empty() && text.len() <= 256).then_some((id, secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_where_words_begin() {
        for text in [
            "tw_a_b",
            "x=tw_a_b",
            "Bearer tw_a_b",
            "ts_1_0123456789abcdef",
            "auth=Bearer+tw_",
        ] {
            assert!(is_in(text), "{text}");
        }
        for text in [
            "",
            "tw",
            "newtw_a",
            "tw-a_b",
            "a_tw_b",
            "twig_",
            "id=artist_1",
            "utm=ts_2024_x",
        ] {
            assert!(!is_in(text), "{text}");
        }
    }
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn a_secret_is_found_by_its_id_and_known_by_its_hash() {
        let mut random = StdRng::from_seed([7; 32]);
        let (one, two) = (
            Secret::generate(TOKEN, &mut random),
            Secret::generate(TOKEN, &mut random),
        );
        let (id, secret) = parse(TOKEN, one.reveal()).expect("well-formed");
        assert_eq!(id, one.id);
        assert!(one.hash.is_of(secret) && !two.hash.is_of(secret));
        assert_eq!(parse(SHARE, one.reveal()), None);
        let again = SecretHash::from_hex(&one.hash.to_hex()).expect("as it was");
        assert!(again.is_of(secret));
        let shown = format!("{one:?} {:?}", one.hash);
        assert!(
            !shown.contains(secret) && !shown.contains(&one.hash.to_hex()),
            "{shown}"
        );
        assert!(
            one.reveal()
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        );
    }

    #[test]
    fn rubbish_is_no_token() {
        for text in [
            "",
            "tw",
            "tw_",
            "tw__",
            "tw_a",
            "tw_a_",
            "xx_a_b",
            "tw_a_b\u{e9}".repeat(60).as_str(),
        ] {
            assert_eq!(parse(TOKEN, text), None, "{text}");
        }
        assert_eq!(parse(TOKEN, "tw_a_b_c"), Some(("a", "b_c")));
    }
}
