//! The vocabulary of the other parts of HTTP: methods, versions and header lines.

use std::fmt;

/// A request method. Methods are case-sensitive (RFC 9110 §9.1): `get` is not GET.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "the names are those of RFC 9110 §9.3 and RFC 5789"
)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    /// Any other token.
    Other(String),
}

impl Method {
    /// Returns the method as it is written in a request line.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Other(name) => name,
        }
    }

    pub(super) fn from_token(token: &str) -> Self {
        match token {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The version of the protocol that the client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: no chunked coding, no `100 Continue`, closed after the answer unless the client asks
    /// otherwise.
    Http10,
    /// HTTP/1.1 (RFC 9112).
    Http11,
}

/// The header lines of a request, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(pub(super) Vec<(String, Vec<u8>)>);

impl Headers {
    /// Returns the value of the first line of that name, whatever its case. Returns `None` also for a value
    /// that is not UTF-8, because no header that this program reads may contain other bytes.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.all(name)
            .next()
            .and_then(|value| str::from_utf8(value).ok())
    }

    /// Returns the values of every line of that name.
    pub fn all<'s>(&'s self, name: &str) -> impl Iterator<Item = &'s [u8]> {
        self.iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Returns all lines, names as they were written, values without surrounding white space.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// Returns whether a line of that name, read as a comma-separated list, contains `token`.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.elements(name)
            .any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// Returns the elements of all lines of that name, each read as a comma-separated list.
    pub(super) fn elements<'s>(&'s self, name: &str) -> impl Iterator<Item = &'s [u8]> {
        self.all(name)
            .flat_map(|value| value.split(|&b| b == b','))
            .map(<[u8]>::trim_ascii)
    }
}
