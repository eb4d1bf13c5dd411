//! Request targets (RFC 9112 §3.2), hosts (RFC 3986 §3.2) and percent-encoded paths.

use super::error::HttpError;
use super::words::Method;

/// A request target, split but not decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The path: `*`, or a text that begins with a slash.
    pub(super) path: String,
    pub(super) query: Option<String>,
    /// The authority of an absolute-form target, which outranks `Host` (RFC 9112 §3.2.2).
    pub(super) host: Option<String>,
}

impl Target {
    pub(super) fn parse(method: &Method, target: &str) -> Result<Self, HttpError> {
        if target.contains('#') {
            return Err(HttpError::Target);
        }
        if target == "*" && *method == Method::Options {
            return Ok(Self {
                path: target.to_owned(),
                query: None,
                host: None,
            });
        }
        if target.starts_with('/') {
            let (path, query) = split_query(target);
            return Ok(Self {
                path: path.to_owned(),
                query,
                host: None,
            });
        }
        Self::parse_absolute(method, target)
    }

    fn parse_absolute(method: &Method, target: &str) -> Result<Self, HttpError> {
        let (scheme, rest) = target.split_once("://").ok_or(HttpError::Target)?;
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return Err(HttpError::Target);
        }
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.is_empty() || !is_host(authority) {
            return Err(HttpError::Target);
        }
        let (path, query) = split_query(rest);
        let path = match (path, method, &query) {
            // RFC 9112 §3.2.4: the form that `OPTIONS *` takes on its way through a proxy.
            ("", Method::Options, None) => "*",
            ("", _, _) => "/",
            (path, _, _) => path,
        };
        Ok(Self {
            path: path.to_owned(),
            query,
            host: Some(authority.to_owned()),
        })
    }
}

/// Returns whether `text` is `uri-host [":" port]`. Empty text is a host too: a client sends it when its own
/// URI has no authority (RFC 9110 §7.2).
pub(super) fn is_host(text: &str) -> bool {
    let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            let valid = address.bytes().all(|b| {
                b.is_ascii_alphanumeric() || matches!(b, b':' | b'.' | b'%' | b'-' | b'_')
            });
            if address.is_empty() || !valid {
                return false;
            }
            match rest.strip_prefix(':') {
                Some(port) => ("", port),
                None => return rest.is_empty(),
            }
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    name.bytes().all(is_reg_name_byte) && port.bytes().all(|b| b.is_ascii_digit())
}

/// Decodes each segment of `path` separately, so that `%2F` is a byte of a segment and never a separator. `/`
/// has no segments and `/a/` has two, the second one empty.
pub(super) fn segments(path: &str) -> Result<Vec<String>, HttpError> {
    match path.strip_prefix('/').unwrap_or_default() {
        "" => Ok(Vec::new()),
        rest => rest.split('/').map(percent_decode).collect(),
    }
}

/// Undoes percent-encoding as a less strict server might: invalid escapes stay as they are. For finding text
/// that a path must not contain.
pub fn decode_leniently(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        let digits = match (byte, after) {
            (b'%', [high, low, after @ ..]) => {
                let both = hex_digit(Some(*high)).ok().zip(hex_digit(Some(*low)).ok());
                both.map(|(high, low)| (high << 4 | low, after))
            }
            _ => None,
        };
        match digits {
            Some((value, after)) => {
                decoded.push(value);
                rest = after;
            }
            None => decoded.push(*byte),
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Undoes percent-encoding (RFC 3986 §2.1). A plus sign stays a plus sign because it means a space in forms
/// only.
pub fn percent_decode(segment: &str) -> Result<String, HttpError> {
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = hex_digit(bytes.next())?;
            let low = hex_digit(bytes.next())?;
            decoded.push(high << 4 | low);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).map_err(|_| HttpError::PathEncoding)
}

fn hex_digit(byte: Option<u8>) -> Result<u8, HttpError> {
    match byte {
        Some(byte @ b'0'..=b'9') => Ok(byte - b'0'),
        Some(byte @ b'a'..=b'f') => Ok(byte - b'a' + 10),
        Some(byte @ b'A'..=b'F') => Ok(byte - b'A' + 10),
        Some(_) | None => Err(HttpError::PathEncoding),
    }
}

fn split_query(text: &str) -> (&str, Option<String>) {
    match text.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (text, None),
    }
}

/// Returns whether a byte may occur in a registered name (RFC 3986 §3.2.2). User information is not allowed
/// here (RFC 9110 §4.2.4), hence no `@`.
fn is_reg_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(method: Method, target: &str) -> Option<(String, Option<String>, Option<String>)> {
        Target::parse(&method, target)
            .ok()
            .map(|t| (t.path, t.query, t.host))
    }

    fn some(path: &str, query: Option<&str>, host: Option<&str>) -> Option<Triple> {
        Some((path.into(), query.map(Into::into), host.map(Into::into)))
    }

    type Triple = (String, Option<String>, Option<String>);

    #[test]
    fn origin_form() {
        assert_eq!(parse(Method::Get, "/"), some("/", None, None));
        assert_eq!(
            parse(Method::Get, "/a/b?c=d?e"),
            some("/a/b", Some("c=d?e"), None)
        );
        assert_eq!(parse(Method::Get, "/a?"), some("/a", Some(""), None));
        assert_eq!(parse(Method::Get, "//a"), some("//a", None, None));
    }

    #[test]
    fn absolute_form() {
        assert_eq!(
            parse(Method::Get, "http://a:80/b?c"),
            some("/b", Some("c"), Some("a:80"))
        );
        assert_eq!(
            parse(Method::Get, "HTTPS://[::1]"),
            some("/", None, Some("[::1]"))
        );
        assert_eq!(
            parse(Method::Get, "http://a?b"),
            some("/", Some("b"), Some("a"))
        );
        assert_eq!(
            parse(Method::Options, "http://a"),
            some("*", None, Some("a"))
        );
        assert_eq!(
            parse(Method::Options, "http://a?b"),
            some("/", Some("b"), Some("a"))
        );
    }

    #[test]
    fn asterisk_is_for_options() {
        assert_eq!(parse(Method::Options, "*"), some("*", None, None));
        assert_eq!(parse(Method::Get, "*"), None);
        assert_eq!(parse(Method::Options, "*a"), None);
    }

    #[test]
    fn everything_else_is_refused() {
        let bad = [
            "a",
            "a:80",
            "a/b",
            "/a#b",
            "ftp://a/",
            "http:///b",
            "http://u@a/",
            "http:/a",
        ];
        for target in bad {
            assert_eq!(parse(Method::Get, target), None, "{target}");
        }
    }

    #[test]
    fn hosts() {
        for good in [
            "",
            "a",
            "a:1",
            "a:",
            "127.0.0.1:8000",
            "[::1]",
            "[fe80::1%25eth0]:80",
            "a_b",
        ] {
            assert!(is_host(good), "{good}");
        }
        for bad in [
            "a b", "a/b", "u@a", "a:b", "a:1:2", "::1", "[]", "[::1]x", "[a/b]", "ä", "[a",
        ] {
            assert!(!is_host(bad), "{bad}");
        }
    }

    #[test]
    fn segments_are_decoded_one_by_one() {
        let ok = |path: &str| segments(path).unwrap();
        assert_eq!(ok("/"), Vec::<String>::new());
        assert_eq!(ok("*"), Vec::<String>::new());
        assert_eq!(ok("/a/b"), ["a", "b"]);
        assert_eq!(ok("/a/"), ["a", ""]);
        assert_eq!(ok("//a"), ["", "a"]);
        assert_eq!(ok("/a%2Fb/%c3%A4/+"), ["a/b", "ä", "+"]);
        for bad in ["/%", "/%1", "/%g0", "/%0g", "/a/%ff", "/%+1", "/%1/2"] {
            assert_eq!(segments(bad), Err(HttpError::PathEncoding), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_segment_survives_encoding(wanted in prop::collection::vec(".{1,8}", 1..4)) {
            let path: String = wanted
                .iter()
                .map(|s| s.bytes().fold("/".to_owned(), |p, b| format!("{p}%{b:02x}")))
                .collect();
            prop_assert_eq!(segments(&path).unwrap(), wanted);
        }

        #[test]
        fn no_target_panics(target in ".{0,40}") {
            let parsed = Target::parse(&Method::Options, &target);
            if let Ok(parsed) = parsed {
                prop_assert!(parsed.path == "*" || parsed.path.starts_with('/'));
                prop_assert!(segments(&parsed.path).is_ok_and(|s| s.iter().all(|s| s.len() <= 40 * 4))
                    || parsed.path.contains('%'));
            }
        }
    }
}
