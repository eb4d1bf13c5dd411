//! Reading of JSON bodies that programs send.

use serde::Deserialize;

use super::halves;

/// Reads a body. A byte order mark before the JSON is skipped, as RFC 8259 §8.1 allows, because editors and
/// .NET write one.
///
/// # Errors
/// Fails where serde fails.
pub(crate) fn from_body<'a, T: Deserialize<'a>>(body: &'a [u8]) -> serde_json::Result<T> {
    serde_json::from_slice(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body))
}

/// Reads a body in which U+FFFD stands for [halves] of surrogate pairs.
///
/// # Errors
/// Fails where serde fails.
pub(crate) fn with_halves(body: &[u8]) -> serde_json::Result<serde_json::Value> {
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    match std::str::from_utf8(text) {
        Ok(text) => halves::parse(text).map(halves::plain),
        // The body is not UTF-8, so serde fails, and its error says where.
        Err(_) => serde_json::from_slice(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mark_before_the_text_is_passed_over() {
        assert_eq!(from_body::<u32>(b"\xef\xbb\xbf 7").ok(), Some(7));
        assert_eq!(from_body::<u32>(b"7").ok(), Some(7));
        for bad in [
            &b"\xef\xbb\xbf\xef\xbb\xbf7"[..],
            b"\xef\xbb7",
            b"\xef\xbb\xbf",
            b"7\xef\xbb\xbf",
        ] {
            assert!(from_body::<u32>(bad).is_err(), "{bad:x?}");
        }
    }
}
