//! Positions where text may be cut: between characters, in bytes that are UTF-8 but may contain anything else
//! as well (RFC 3629 §3).

/// The length of the longest character, in bytes.
pub(crate) const LONGEST: usize = 4;

/// Returns the length without an incomplete last character. Bytes that cannot be a character in any case
/// stay.
pub(crate) fn whole(bytes: &[u8]) -> usize {
    let last = bytes.len().saturating_sub(LONGEST - 1);
    for (at, byte) in bytes.iter().enumerate().skip(last).rev() {
        if is_continuation(*byte) {
            continue;
        }
        let end = bytes.get(at..).unwrap_or_default();
        let is_begun = std::str::from_utf8(end).is_err_and(|error| error.error_len().is_none());
        return if is_begun { at } else { bytes.len() };
    }
    bytes.len()
}

/// Returns how many bytes at the beginning are the rest of a character whose first byte is missing.
pub(crate) fn rest(bytes: &[u8]) -> usize {
    let longest = bytes.iter().take(LONGEST - 1);
    longest.take_while(|byte| is_continuation(**byte)).count()
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_without_its_end_is_left_out() {
        for character in ["x", "°", "€", "🙂"] {
            let text = format!("ab{character}").into_bytes();
            assert_eq!(whole(&text), text.len());
            for cut in 3..text.len() {
                assert_eq!(whole(&text[..cut]), 2, "{character} without its end");
            }
        }
        assert_eq!(whole(b""), 0);
        assert_eq!(whole(b"\xe2"), 0);
        assert_eq!(whole(b"\xff\xe2\x82"), 1, "whatever was before it");
    }

    #[test]
    fn what_can_be_no_character_waits_for_nothing() {
        for bytes in [
            &b"\xff"[..],
            b"a\x80",
            b"\x80\x80\x80\x80",
            b"\xc0",
            b"\xed\xa0",
            b"\xf5",
        ] {
            assert_eq!(whole(bytes), bytes.len(), "{bytes:x?}");
        }
    }

    #[test]
    fn the_rest_of_a_character_is_found_at_the_beginning() {
        assert_eq!(rest("x€".as_bytes()), 0);
        assert_eq!(rest(&"€x".as_bytes()[1..]), 2);
        assert_eq!(rest(&"🙂x".as_bytes()[1..]), 3);
        assert_eq!(rest(b"\x80\x80\x80\x80"), 3);
        assert_eq!(rest(b""), 0);
    }
}
