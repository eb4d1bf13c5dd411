//! The ids of the API: a prefix for the kind, and a random UUID (RFC 9562 §5.4) in lower case, 39 ASCII
//! characters together, because programs refuse anything else. Also the ids of peers, which people choose.
//!
//! The crate `uuid` would bring its own forms, and this module would still have to check the case, the
//! version and the prefix.

use crate::limits;

/// The kind of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(any(test, feature = "testing")),
    expect(
        dead_code,
        reason = "media is the next part of this API, and its words are pinned by golden tests already"
    )
)]
pub enum Kind {
    /// A peer's token, which is a secret of the program that made the peer.
    Token,
    /// A port that accepts datagrams for data connections.
    Data,
    /// A data connection.
    DataConnection,
    /// A port that accepts RTP with video.
    Video,
    /// A port that accepts RTP with audio.
    Audio,
    /// A port that accepts RTCP.
    Rtcp,
    /// A media connection.
    MediaConnection,
}

impl Kind {
    /// Returns the prefix of ids of this kind.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Token => "pt-",
            Self::Data => "da-",
            Self::DataConnection => "dc-",
            Self::Video => "vi-",
            Self::Audio => "au-",
            Self::Rtcp => "rc-",
            Self::MediaConnection => "mc-",
        }
    }
}

/// An id that is well-formed, whether or not an object of this name exists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(String);

impl Id {
    /// Returns the id of a new object. Six of the 128 bits are the UUID's own.
    pub fn new(kind: Kind, random: [u8; 16]) -> Self {
        let mut uuid = u128::from_be_bytes(random);
        uuid = uuid & !(0xf << 76) | 4 << 76;
        uuid = uuid & !(0b11 << 62) | 0b10 << 62;
        let digits = format!("{uuid:032x}");
        let mut text = String::with_capacity(LENGTH);
        text.push_str(kind.prefix());
        for (place, digit) in digits.chars().enumerate() {
            if HYPHENS.contains(&place) {
                text.push('-');
            }
            text.push(digit);
        }
        Self(text)
    }

    /// Parses an id. Returns `None` if the text is no id of this kind, so that no object can have this name.
    pub fn parse(kind: Kind, text: &str) -> Option<Self> {
        let uuid = text.strip_prefix(kind.prefix())?;
        if uuid.len() != LENGTH - PREFIX {
            return None;
        }
        let is_right = |(place, byte): (usize, u8)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            14 => byte == b'4',
            19 => matches!(byte, b'8' | b'9' | b'a' | b'b'),
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        };
        let mut bytes = uuid.bytes().enumerate();
        bytes.all(is_right).then(|| Self(text.to_owned()))
    }

    /// Returns the id as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns whether a peer may have this id: `^[A-Za-z0-9_-]+(?:[ _-][A-Za-z0-9]+)*$` as in `skyway-js` 4.4.5,
/// and `+`, which the gateway has accepted since its release 0.3.0.
pub fn is_peer_id(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'+';
    // The text before the first space may have hyphens anywhere, the text after it only between words.
    let (head, tail) = match text.split_once(' ') {
        Some((head, tail)) => (head, Some(tail)),
        None => (text, None),
    };
    let head_is_right = !head.is_empty() && head.bytes().all(|b| is_word(b) || b"_-".contains(&b));
    let tail_is_right = tail.is_none_or(|tail| {
        let mut words = tail.split([' ', '_', '-']);
        words.all(|word| !word.is_empty() && word.bytes().all(is_word))
    });
    text.len() <= limits::PEER_ID && head_is_right && tail_is_right
}

/// The length of an id in bytes.
pub const LENGTH: usize = 39;

/// The length of a prefix in bytes.
const PREFIX: usize = 3;

/// The indexes of the digits of a UUID that have a hyphen before them.
const HYPHENS: [usize; 4] = [8, 12, 16, 20];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KINDS: [Kind; 7] = [
        Kind::Token,
        Kind::Data,
        Kind::DataConnection,
        Kind::Video,
        Kind::Audio,
        Kind::Rtcp,
        Kind::MediaConnection,
    ];

    #[test]
    fn an_id_has_the_digits_it_was_given_but_for_version_and_variant() {
        let all = Id::new(Kind::Data, [0xff; 16]);
        assert_eq!(all.as_str(), "da-ffffffff-ffff-4fff-bfff-ffffffffffff");
        let none = Id::new(Kind::Token, [0; 16]);
        assert_eq!(none.to_string(), "pt-00000000-0000-4000-8000-000000000000");
        let counted = Id::new(
            Kind::DataConnection,
            [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        );
        assert_eq!(counted.as_str(), "dc-00010203-0405-4607-8809-0a0b0c0d0e0f");
    }

    #[test]
    fn ids_of_the_gateway_are_ids() {
        for (kind, text) in [
            (Kind::Data, "da-50a32bab-b3d9-4913-8e20-f79c90a6a211"),
            (Kind::Token, "pt-870c2c49-c16d-4c69-b1ad-fec7550564af"),
            (
                Kind::DataConnection,
                "dc-4995f372-fb6a-4196-b30a-ce11e5c7f56c",
            ),
            (Kind::Video, "vi-61769866-f16b-470c-9e8a-e1f8afc87096"),
            (Kind::Audio, "au-8f8e8955-460e-4f3a-9440-1c851af328b5"),
            (Kind::Rtcp, "rc-970f2e5d-4da0-43e7-92b6-796678c104ad"),
            (
                Kind::MediaConnection,
                "mc-102127d9-30de-413b-93f7-41a33e39d82b",
            ),
        ] {
            assert_eq!(Id::parse(kind, text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            "da-",
            "50a32bab-b3d9-4913-8e20-f79c90a6a211",
            "dc-50a32bab-b3d9-4913-8e20-f79c90a6a211",
            "da-50a32bab-b3d9-4913-8e20-f79c90a6a21",
            "da-50a32bab-b3d9-4913-8e20-f79c90a6a2111",
            "da-50A32BAB-b3d9-4913-8e20-f79c90a6a211",
            "da-50a32bab-b3d9-1913-8e20-f79c90a6a211",
            "da-50a32bab-b3d9-4913-7e20-f79c90a6a211",
            "da-50a32bab-b3d9-4913-ce20-f79c90a6a211",
            "da-50a32babb-3d9-4913-8e20-f79c90a6a211",
            "da-50a32bab-b3d9-4913-8e20-f79c90a6a21g",
            "da-50a32bab-b3d9-4913-8e20-f79c90a6a2é",
        ] {
            assert_eq!(Id::parse(Kind::Data, text), None, "{text}");
        }
    }

    #[test]
    fn names_of_peers() {
        let longest = "x".repeat(limits::PEER_ID);
        for good in [
            "a",
            "data_callee",
            "robot-1",
            "-",
            "__",
            "a-",
            "a b",
            "a- b",
            "a b-c_d",
            "a+b",
            "0 1",
            &longest,
        ] {
            assert!(is_peer_id(good), "{good}");
        }
        let too_long = "x".repeat(limits::PEER_ID + 1);
        for bad in [
            "", " ", "a ", " a", "a  b", "a b-", "a -b", "a b--c", "a.b", "a/b", "é", "a\n", "n/a",
            &too_long,
        ] {
            assert!(!is_peer_id(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_made_is_read_and_by_its_own_kind_only(
            random in any::<[u8; 16]>(), made in 0..KINDS.len(), read in 0..KINDS.len(),
        ) {
            let id = Id::new(KINDS[made], random);
            prop_assert_eq!(id.as_str().len(), LENGTH);
            let parsed = Id::parse(KINDS[read], id.as_str());
            prop_assert_eq!(parsed, (made == read).then_some(id));
        }

        #[test]
        fn any_text_is_an_id_or_not(text in "[ptda]{0,2}-?[0-9a-fA-F-]{0,40}\\PC{0,3}") {
            let is_one = Id::parse(Kind::Data, &text).is_some();
            prop_assert!(!is_one || text.len() == LENGTH);
            is_peer_id(&text);
        }
    }
}
