//! Responses, and their form on the wire (RFC 9112 §4 and §6, RFC 9457 for problems).
//!
//! There is no `Date` because this module does not know the time of day (RFC 9110 §6.6.1 allows that).

use super::words::Version;

/// A response, built by its owner: status, headers and, perhaps, a body.
///
/// [`HttpConnection`](super::HttpConnection) writes the headers of the connection (`Connection`,
/// `Content-Length`, `Transfer-Encoding`); headers of these names are ignored here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Response {
    /// Returns a response without body.
    pub fn new(status: u16) -> Self {
        debug_assert!(
            (100..1000).contains(&status),
            "a status code has three digits"
        );
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Adds a header line.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        debug_assert!(is_token(name), "a header name is a token");
        debug_assert!(is_clean(value), "a header value is one line");
        self.headers.push((name, cleaned(value)));
        self
    }

    /// Sets the body, and `Content-Type`.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: Vec<u8>) -> Self {
        self.headers
            .retain(|(name, _)| !name.eq_ignore_ascii_case("Content-Type"));
        self.body = body;
        self.header("Content-Type", content_type)
    }

    /// Returns the status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the value of the first header of that name, whatever its case.
    pub fn value(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.iter();
        lines
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Returns the body.
    pub fn content(&self) -> &[u8] {
        &self.body
    }

    /// Writes the status line, the headers and the empty line.
    pub(super) fn write_head(&self, out: &mut Vec<u8>, framing: Framing, fate: Fate) {
        let status = self.status;
        // RFC 9112 §4: the space is required even if the reason is empty.
        out.extend_from_slice(format!("HTTP/1.1 {status} {}\r\n", reason(status)).as_bytes());
        for (name, value) in &self.headers {
            if !OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
                write_line(out, name, value);
            }
        }
        match framing {
            // RFC 9110 §8.6: responses of status 1xx and 204 must not have a length, and 304 need not.
            Framing::Length if status < 200 || status == 204 || status == 304 => {}
            Framing::Length => write_line(out, "Content-Length", &self.body.len().to_string()),
            Framing::Chunked => write_line(out, "Transfer-Encoding", "chunked"),
            Framing::None => {}
        }
        // RFC 9110 §7.8: a sender of `Upgrade` must also name it in `Connection`.
        let upgrade = self.value("Upgrade").map(|_| "upgrade");
        let options = [upgrade, fate.option()];
        let options: Vec<&str> = options.into_iter().flatten().collect();
        if !options.is_empty() {
            write_line(out, "Connection", &options.join(", "));
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Writes the whole response. A response to HEAD has everything except the body.
    pub(super) fn write(&self, out: &mut Vec<u8>, part: Part, fate: Fate) {
        self.write_head(out, Framing::Length, fate);
        let may_have_body = self.status >= 200 && self.status != 204 && self.status != 304;
        if part == Part::Whole && may_have_body {
            out.extend_from_slice(&self.body);
        }
    }
}

/// Returns a problem as RFC 9457 defines it; `kind` is a word for programs, or empty. `place` is the part of
/// the request that is at fault; the body has it as `where` unless it is empty.
pub fn problem(status: u16, kind: &str, detail: &str, place: &str) -> Response {
    // A fragment is the shortest suffix that makes the type specific to this program.
    let kind = if kind.is_empty() {
        "about:blank".to_owned()
    } else {
        format!("about:blank#{kind}")
    };
    let mut body = serde_json::json!({
        "type": kind,
        // §4.2.1: with `about:blank` the title is the status code's name.
        "title": reason(status),
        "status": status,
        "detail": detail,
    });
    if let Some(members) = body.as_object_mut().filter(|_| !place.is_empty()) {
        members.insert("where".to_owned(), place.into());
    }
    Response::new(status).body("application/problem+json", body.to_string().into_bytes())
}

/// The way in which the end of a response's body is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Length,
    Chunked,
    /// The connection is closed, or there is no body at all.
    None,
}

/// The part of a response to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Head,
}

/// The fate of the connection after a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Kept; a client that speaks HTTP/1.0 must be informed.
    Kept(Version),
    Closed,
    Upgraded,
}

impl Fate {
    fn option(self) -> Option<&'static str> {
        match self {
            Self::Kept(Version::Http10) => Some("keep-alive"),
            Self::Kept(Version::Http11) | Self::Upgraded => None,
            Self::Closed => Some("close"),
        }
    }
}

/// The headers that an owner cannot set.
const OURS: [&str; 3] = ["Connection", "Content-Length", "Transfer-Encoding"];

fn write_line(out: &mut Vec<u8>, name: &str, value: &str) {
    for part in [name, ": ", value, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

fn is_token(name: &str) -> bool {
    let is_token_byte = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.bytes().all(is_token_byte)
}

/// Returns whether no byte of `value` could end the header line (RFC 9110 §5.5).
fn is_clean(value: &str) -> bool {
    !value.contains(['\r', '\n', '\0'])
}

fn cleaned(value: &str) -> String {
    value.replace(['\r', '\n', '\0'], " ")
}

/// Returns the reason phrase of RFC 9110 §15, for the codes that this program uses.
fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(response: &Response, part: Part, fate: Fate) -> String {
        let mut out = Vec::new();
        response.write(&mut out, part, fate);
        String::from_utf8(out).unwrap()
    }

    const KEPT: Fate = Fate::Kept(Version::Http11);

    #[test]
    fn a_response_with_a_body() {
        let response = Response::new(200)
            .header("ETag", "\"a\"")
            .body("text/plain", b"hi".to_vec());
        let head = "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Type: text/plain\r\n\
                    Content-Length: 2\r\n\r\n";
        assert_eq!(written(&response, Part::Whole, KEPT), format!("{head}hi"));
        assert_eq!(written(&response, Part::Head, KEPT), head);
    }

    #[test]
    fn a_response_without_a_body_has_a_length_unless_it_must_not() {
        assert_eq!(
            written(&Response::new(200), Part::Whole, Fate::Closed),
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        for status in [204, 304] {
            let response = Response::new(status).body("text/plain", b"ignored".to_vec());
            let text = written(&response, Part::Whole, KEPT);
            assert!(text.ends_with("Content-Type: text/plain\r\n\r\n"), "{text}");
        }
    }

    #[test]
    fn the_connection_header_is_ours() {
        let response = Response::new(599)
            .header("connection", "close")
            .header("content-length", "7")
            .header("Transfer-Encoding", "chunked");
        assert_eq!(
            written(&response, Part::Whole, Fate::Kept(Version::Http10)),
            "HTTP/1.1 599 \r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"
        );
        let response = Response::new(426).header("Upgrade", "websocket");
        assert!(written(&response, Part::Head, KEPT).contains("\r\nConnection: upgrade\r\n"));
        let text = written(&response, Part::Head, Fate::Closed);
        assert!(text.contains("\r\nConnection: upgrade, close\r\n"));
    }

    #[test]
    fn the_content_type_is_set_once() {
        let response = Response::new(200)
            .body("text/plain", vec![])
            .body("text/html", b"x".to_vec());
        assert_eq!(
            written(&response, Part::Head, KEPT)
                .matches("Content-Type")
                .count(),
            1
        );
        assert_eq!(response.value("content-TYPE"), Some("text/html"));
    }

    #[test]
    fn values_cannot_break_out_of_their_line() {
        assert_eq!(cleaned("a\r\nSet-Cookie: b\0"), "a  Set-Cookie: b ");
        assert!(!is_clean("a\nb") && !is_clean("\r") && !is_clean("\0") && is_clean("a\tb ä"));
        assert!(is_token("X-y") && !is_token("") && !is_token("a b") && !is_token("a:"));
    }

    #[test]
    fn a_problem_is_json_whatever_the_detail() {
        let response = problem(404, "", "no \"such\"\nthing", "path");
        let json: serde_json::Value = serde_json::from_slice(response.content()).unwrap();
        let wanted = serde_json::json!({
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "detail": "no \"such\"\nthing",
            "where": "path",
        });
        assert_eq!(json, wanted);
        assert_eq!(
            response.value("Content-Type"),
            Some("application/problem+json")
        );
    }
}
