//! Text whose characters above U+FFFF are two surrogates of three bytes each (CESU-8, Unicode
//! Technical Report 26) in place of four bytes.
//!
//! js-binarypack 0.0.9 reads sequences of up to three bytes only, so this is the one form in which such a
//! character reaches a page of SkyWay-JS. Both libraries read this form.

/// Returns how many bytes [`push`] appends. js-binarypack 0.0.9 takes this number for the length in UTF-8,
/// too.
pub(super) fn len(text: &str) -> usize {
    let wide = text.chars().filter(|character| character.len_utf8() == 4);
    text.len() + 2 * wide.count()
}

/// Appends text in this form; without characters above U+FFFF it is UTF-8.
pub(super) fn push(text: &str, out: &mut Vec<u8>) {
    for character in text.chars() {
        if character.len_utf8() < 4 {
            let mut buffer = [0; 4];
            out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
            continue;
        }
        let mut buffer = [0; 2];
        for surrogate in character.encode_utf16(&mut buffer) {
            let [high, low] = surrogate.to_be_bytes();
            out.extend([
                0xed,
                0x80 | (high & 0x0f) << 2 | low >> 6,
                0x80 | low & 0x3f,
            ]);
        }
    }
}

/// Reads text in this form, which may hold characters in UTF-8 as well.
pub(super) fn join(mut bytes: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(bytes.len());
    loop {
        let error = match std::str::from_utf8(bytes) {
            Ok(rest) => {
                text.push_str(rest);
                return Some(text);
            }
            Err(error) => error,
        };
        let (valid, rest) = bytes.split_at_checked(error.valid_up_to())?;
        text.push_str(std::str::from_utf8(valid).ok()?);
        let (pair, rest) = rest.split_first_chunk()?;
        text.push(character(*pair)?);
        bytes = rest;
    }
}

fn character(pair: [u8; 6]) -> Option<char> {
    let [
        0xed,
        a @ 0xa0..=0xaf,
        b @ 0x80..=0xbf,
        0xed,
        c @ 0xb0..=0xbf,
        d @ 0x80..=0xbf,
    ] = pair
    else {
        return None;
    };
    let half = |first: u8, second: u8| u32::from(first & 0x0f) << 6 | u32::from(second & 0x3f);
    char::from_u32(0x10000 + (half(a, b) << 10 | half(c, d)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_comes_back() {
        let all: String = (0..=0x10_ffff).filter_map(char::from_u32).collect();
        let mut bytes = Vec::new();
        push(&all, &mut bytes);
        assert_eq!(bytes.len(), len(&all));
        assert_eq!(join(&bytes).as_deref(), Some(all.as_str()));
        assert_eq!(join(all.as_bytes()).as_deref(), Some(all.as_str()));
    }

    #[test]
    fn a_character_above_ffff_is_two_surrogates() {
        let mut bytes = Vec::new();
        push("a\u{1f600}\u{e9}", &mut bytes);
        assert_eq!(bytes, b"a\xed\xa0\xbd\xed\xb8\x80\xc3\xa9");
    }

    #[test]
    fn what_is_no_pair_is_no_text() {
        for bytes in [
            &b"\xed\xa0\xbd"[..],
            b"\xed\xa0\xbd\xed\xa0\xbd",
            b"\xed\xb8\x80\xed\xa0\xbd",
            b"ok\xff",
            b"\xed\xa0\xbd\xed\xb8",
        ] {
            assert_eq!(join(bytes), None, "{bytes:x?}");
        }
    }
}
