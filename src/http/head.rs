//! Request heads (RFC 9112 §2 to §6, RFC 9110 §6 and §7): bytes become a [`RequestHead`] once, and any head
//! that could be read in two ways is refused.

use super::body::BodyLength;
use super::error::HttpError;
use super::target::{self, Target};
pub use super::words::{Headers, Method, Version};

/// A request without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The path: `*`, or an absolute path as it was written, percent-encoding included.
    pub path: String,
    /// The text after the first question mark, not decoded.
    pub query: Option<String>,
    /// The client's version of HTTP.
    pub version: Version,
    /// All header lines of the request.
    pub headers: Headers,
    host: Option<String>,
    body: BodyLength,
}

impl RequestHead {
    /// Parses a complete head, the empty line at its end included.
    pub fn parse(bytes: &[u8]) -> Result<Self, HttpError> {
        let mut lines = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut lines);
        match request.parse(bytes) {
            Ok(httparse::Status::Complete(n)) if n == bytes.len() => {}
            Ok(httparse::Status::Complete(_) | httparse::Status::Partial) => {
                return Err(HttpError::HeaderLine);
            }
            Err(error) => return Err(head_error(error, bytes)),
        }
        let (Some(method), Some(target), Some(minor)) =
            (request.method, request.path, request.version)
        else {
            return Err(HttpError::RequestLine);
        };
        let version = if minor == 0 {
            Version::Http10
        } else {
            Version::Http11
        };
        if method == "CONNECT" {
            return Err(HttpError::Connect);
        }
        let method = Method::from_token(method);
        let target = Target::parse(&method, target)?;
        let headers = Headers(
            request
                .headers
                .iter()
                .map(|line| (line.name.to_owned(), line.value.trim_ascii().to_vec()))
                .collect(),
        );
        let named_host = host_header(&headers, version)?;
        let body = BodyLength::of(&headers, version)?;
        if headers
            .elements("Expect")
            .any(|e| !e.eq_ignore_ascii_case(b"100-continue"))
        {
            return Err(HttpError::Expectation);
        }
        Ok(Self {
            method,
            path: target.path,
            query: target.query,
            version,
            host: target.host.or(named_host),
            headers,
            body,
        })
    }

    /// Returns the first header line of that name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.first(name)
    }

    /// Returns the host that the client addresses, `name` or `name:port`: the authority of an absolute
    /// target, else the `Host` header. Only an HTTP/1.0 request can have none.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// Returns the path, split at its slashes and percent-decoded piece by piece. `/` and `*` have no pieces.
    /// Dot segments are left as they are because they have no meaning here.
    pub fn segments(&self) -> Result<Vec<String>, HttpError> {
        target::segments(&self.path)
    }

    /// Returns how the body is delimited, if there is one.
    pub fn body_length(&self) -> BodyLength {
        self.body
    }

    /// Returns the `Sec-WebSocket-Key` if this request asks for a WebSocket (RFC 6455 §4.2.1), `None` if it
    /// does not. The error is for a client that asks incorrectly.
    pub fn wants_websocket(&self) -> Result<Option<&str>, HttpError> {
        // RFC 9110 §7.8: `Upgrade` has no meaning in HTTP/1.0, nor without `Connection: upgrade`.
        if self.version == Version::Http10
            || !self.headers.has_token("Upgrade", "websocket")
            || !self.headers.has_token("Connection", "upgrade")
        {
            return Ok(None);
        }
        if self.method != Method::Get || !self.body.is_empty() {
            return Err(HttpError::WebSocketRequest);
        }
        if self.header("Sec-WebSocket-Version") != Some("13") {
            return Err(HttpError::WebSocketVersion);
        }
        let mut keys = self.headers.all("Sec-WebSocket-Key");
        match (keys.next(), keys.next()) {
            (Some(key), None) if is_websocket_key(key) => Ok(Some(
                str::from_utf8(key).map_err(|_| HttpError::WebSocketRequest)?,
            )),
            (Some(_) | None, _) => Err(HttpError::WebSocketRequest),
        }
    }

    /// Returns whether the client waits for `100 Continue` before it sends its body (RFC 9110 §10.1.1).
    pub(super) fn expects_continue(&self) -> bool {
        self.version == Version::Http11
            && !self.body.is_empty()
            && self.headers.has_token("Expect", "100-continue")
    }

    /// Returns whether the client wants to keep the connection after this request (RFC 9112 §9.3).
    pub(super) fn wants_keep_alive(&self) -> bool {
        !self.headers.has_token("Connection", "close")
            && match self.version {
                Version::Http11 => true,
                Version::Http10 => self.headers.has_token("Connection", "keep-alive"),
            }
    }
}

/// The largest number of header lines, more than any browser sends; each costs two allocations.
const MAX_HEADERS: usize = 64;

fn host_header(headers: &Headers, version: Version) -> Result<Option<String>, HttpError> {
    let mut hosts = headers.all("Host");
    match (hosts.next(), hosts.next()) {
        (None, _) if version == Version::Http10 => Ok(None),
        (Some(host), None) => match str::from_utf8(host) {
            Ok(host) if target::is_host(host) => Ok(Some(host.to_owned())),
            Ok(_) | Err(_) => Err(HttpError::Host),
        },
        (Some(_) | None, _) => Err(HttpError::Host),
    }
}

fn head_error(error: httparse::Error, head: &[u8]) -> HttpError {
    match error {
        httparse::Error::TooManyHeaders => HttpError::HeadTooLarge,
        httparse::Error::HeaderName | httparse::Error::HeaderValue => HttpError::HeaderLine,
        httparse::Error::Version if claims_a_version(head) => HttpError::Version,
        httparse::Error::Version
        | httparse::Error::NewLine
        | httparse::Error::Status
        | httparse::Error::Token => HttpError::RequestLine,
    }
}

/// Returns whether the third word of the request line looks like a version of HTTP, because the preface of
/// HTTP/2 deserves another answer than garbage does.
fn claims_a_version(head: &[u8]) -> bool {
    let line = head.split(|&b| b == b'\n').next().unwrap_or_default();
    line.split(|&b| b == b' ')
        .nth(2)
        .is_some_and(|word| word.starts_with(b"HTTP/"))
}

/// Returns whether a key is Base64 of 16 bytes: 22 digits and two pads.
fn is_websocket_key(key: &[u8]) -> bool {
    key.len() == 24
        && key.strip_suffix(b"==").is_some_and(|digits| {
            digits
                .iter()
                .all(|&b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(head: &str) -> Result<RequestHead, HttpError> {
        RequestHead::parse(head.as_bytes())
    }

    fn websocket(lines: &str) -> Result<Option<String>, HttpError> {
        let head = parse(&format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n"))?;
        head.wants_websocket().map(|key| key.map(ToOwned::to_owned))
    }

    const UPGRADE: &str = "Upgrade: h2c, WebSocket\r\nConnection: keep-alive, Upgrade\r\n";
    const KEY: &str = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";

    #[test]
    fn a_whole_head() {
        let head = parse("POST /a%20b?c HTTP/1.1\r\nHost: x:1\r\nA:\tb \r\na: c\r\nE:\r\n\r\n");
        let head = head.unwrap();
        assert_eq!(head.method, Method::Post);
        assert_eq!(
            (head.path.as_str(), head.query.as_deref()),
            ("/a%20b", Some("c"))
        );
        assert_eq!(head.segments().unwrap(), ["a b"]);
        assert_eq!(head.host(), Some("x:1"));
        assert_eq!(head.header("a"), Some("b"));
        assert_eq!(head.headers.all("A").collect::<Vec<_>>(), [b"b", b"c"]);
        assert_eq!(head.header("e"), Some(""));
        assert_eq!(head.header("f"), None);
        assert_eq!(head.headers.iter().count(), 4);
        assert_eq!(head.body_length(), BodyLength::None);
    }

    #[test]
    fn the_absolute_target_outranks_the_host_header() {
        let head = parse("GET http://a/b HTTP/1.1\r\nHost: c\r\n\r\n").unwrap();
        assert_eq!((head.host(), head.path.as_str()), (Some("a"), "/b"));
        assert_eq!(
            parse("GET http://a/b HTTP/1.1\r\n\r\n"),
            Err(HttpError::Host)
        );
        assert_eq!(parse("GET / HTTP/1.0\r\n\r\n").unwrap().host(), None);
    }

    #[test]
    fn nothing_may_follow_a_head_or_be_missing() {
        assert!(parse("GET / HTTP/1.0\r\n\r\nmore").is_err());
        assert!(parse("GET / HTTP/1.0\r\n").is_err());
    }

    #[test]
    fn unknown_methods_are_kept_and_case_counts() {
        assert_eq!(
            parse("get / HTTP/1.0\r\n\r\n").unwrap().method,
            Method::Other("get".into())
        );
        assert_eq!(
            parse("TRACE / HTTP/1.0\r\n\r\n")
                .unwrap()
                .method
                .to_string(),
            "TRACE"
        );
    }

    #[test]
    fn a_value_that_is_not_utf8_is_kept_as_bytes() {
        let head = RequestHead::parse(b"GET / HTTP/1.0\r\nA: \xff\r\n\r\n").unwrap();
        assert_eq!(head.header("A"), None);
        assert_eq!(head.headers.all("A").next(), Some(b"\xff".as_slice()));
    }

    #[test]
    fn keep_alive() {
        let wants = |head: &str| parse(head).unwrap().wants_keep_alive();
        assert!(wants("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(!wants(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n"
        ));
        assert!(!wants("GET / HTTP/1.0\r\n\r\n"));
        assert!(wants("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
        assert!(!wants(
            "GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n"
        ));
    }

    #[test]
    fn expectations() {
        let post = |version: &str, lines: &str| {
            parse(&format!("POST / HTTP/{version}\r\nHost: a\r\n{lines}\r\n"))
        };
        let length = "Content-Length: 1\r\n";
        let waits = format!("Expect: 100-Continue\r\n{length}");
        assert!(post("1.1", &waits).unwrap().expects_continue());
        assert!(!post("1.0", &waits).unwrap().expects_continue());
        assert!(!post("1.1", length).unwrap().expects_continue());
        assert!(
            !post("1.1", "Expect: 100-continue\r\n")
                .unwrap()
                .expects_continue()
        );
        let more = format!("Expect: 100-continue, tea\r\n{length}");
        assert_eq!(post("1.1", &more), Err(HttpError::Expectation));
    }

    #[test]
    fn a_websocket_upgrade() {
        let key = "AAAAAAAAAAAAAAAAAAAAAA==";
        assert_eq!(
            websocket(&[UPGRADE, KEY, VERSION].concat()),
            Ok(Some(key.to_owned()))
        );
        assert_eq!(websocket(&[KEY, VERSION].concat()), Ok(None));
        assert_eq!(
            websocket("Upgrade: websocket\r\nConnection: keep-alive\r\n"),
            Ok(None)
        );
        let http10 = format!("GET / HTTP/1.0\r\n{UPGRADE}{KEY}{VERSION}\r\n");
        assert_eq!(parse(&http10).unwrap().wants_websocket(), Ok(None));
    }

    #[test]
    fn a_wrong_websocket_upgrade() {
        use HttpError::{WebSocketRequest, WebSocketVersion};
        let old = "Sec-WebSocket-Version: 8\r\n";
        assert_eq!(websocket(&[UPGRADE, KEY].concat()), Err(WebSocketVersion));
        assert_eq!(
            websocket(&[UPGRADE, KEY, old].concat()),
            Err(WebSocketVersion)
        );
        assert_eq!(
            websocket(&[UPGRADE, VERSION].concat()),
            Err(WebSocketRequest)
        );
        assert_eq!(
            websocket(&[UPGRADE, VERSION, KEY, KEY].concat()),
            Err(WebSocketRequest)
        );
        for key in [
            "",
            "AAAA",
            "AAAAAAAAAAAAAAAAAAAAAAA=",
            "AAAAAAAAAAAAAAAAAAAAA===",
            "AAA",
        ] {
            let lines = format!("{UPGRADE}{VERSION}Sec-WebSocket-Key: {key}\r\n");
            assert_eq!(websocket(&lines), Err(WebSocketRequest), "{key}");
        }
        let body = [UPGRADE, KEY, VERSION, "Content-Length: 1\r\n"].concat();
        assert_eq!(websocket(&body), Err(WebSocketRequest));
        let post = format!("POST / HTTP/1.1\r\nHost: a\r\n{UPGRADE}{KEY}{VERSION}\r\n");
        assert_eq!(
            parse(&post).unwrap().wants_websocket(),
            Err(WebSocketRequest)
        );
    }
}
