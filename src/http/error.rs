//! Reasons for which a connection refuses a request without asking its owner, and the response for each.

use std::fmt;

use super::response::{Response, problem};

/// A fault in the bytes of a request. Each maps to exactly one status code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpError {
    /// The request line is not `method SP target SP version`.
    RequestLine,
    /// A control byte (NUL among them) or a carriage return that ends no line, in the head.
    ControlByte,
    /// A header line is malformed, folded, or has white space before its colon.
    HeaderLine,
    /// The request target has none of the forms of RFC 9112 §3.2 that fit its method.
    Target,
    /// A percent-encoded path does not decode to UTF-8.
    PathEncoding,
    /// No `Host`, more than one, or one that is not a host (RFC 9112 §3.2).
    Host,
    /// `Content-Length` is not one decimal number.
    ContentLength,
    /// `Content-Length` beside `Transfer-Encoding` (RFC 9112 §6.1: a smuggling attempt).
    LengthAndCoding,
    /// `Transfer-Encoding` in an HTTP/1.0 request, where it is not allowed.
    CodingBefore11,
    /// A chunk size, the end of a chunk, or the trailers are malformed or too long.
    Chunk,
    /// An upgrade to WebSocket that is not a GET without body, or has no valid key.
    WebSocketRequest,
    /// Head or body did not arrive in time.
    Timeout,
    /// The body is larger than the limit.
    BodyTooLarge,
    /// The request target is longer than 8 KiB.
    TargetTooLong,
    /// `Expect` with something else than `100-continue`.
    Expectation,
    /// An upgrade to a version of WebSocket other than 13.
    WebSocketVersion,
    /// The head is larger than the limit, or has more than 64 header lines.
    HeadTooLarge,
    /// `CONNECT`: this is no proxy.
    Connect,
    /// A transfer coding other than `chunked` alone.
    TransferCoding,
    /// A version of HTTP other than 1.0 and 1.1.
    Version,
}

impl HttpError {
    /// Returns the status code of the response to the peer.
    pub fn status(self) -> u16 {
        match self {
            Self::RequestLine
            | Self::ControlByte
            | Self::HeaderLine
            | Self::Target
            | Self::PathEncoding
            | Self::Host
            | Self::ContentLength
            | Self::LengthAndCoding
            | Self::CodingBefore11
            | Self::Chunk
            | Self::WebSocketRequest => 400,
            Self::Timeout => 408,
            Self::BodyTooLarge => 413,
            Self::TargetTooLong => 414,
            Self::Expectation => 417,
            Self::WebSocketVersion => 426,
            Self::HeadTooLarge => 431,
            Self::Connect | Self::TransferCoding => 501,
            Self::Version => 505,
        }
    }

    /// Returns the part of the request that is at fault.
    pub fn place(self) -> &'static str {
        match self {
            Self::RequestLine | Self::Target | Self::TargetTooLong | Self::Version => {
                "request line"
            }
            Self::ControlByte | Self::HeaderLine | Self::HeadTooLarge => "head",
            Self::PathEncoding => "path",
            Self::Host => "Host",
            Self::ContentLength | Self::LengthAndCoding => "Content-Length",
            Self::CodingBefore11 | Self::TransferCoding => "Transfer-Encoding",
            Self::Chunk | Self::BodyTooLarge => "body",
            Self::WebSocketRequest | Self::WebSocketVersion => "Upgrade",
            Self::Timeout => "",
            Self::Expectation => "Expect",
            Self::Connect => "method",
        }
    }

    /// Returns the whole response, with the headers that the status code requires.
    pub fn response(self) -> Response {
        let response = problem(self.status(), "", &self.to_string(), self.place());
        if self == Self::WebSocketVersion {
            // RFC 9110 §15.5.22 and RFC 6455 §4.2.2: the response names what is supported.
            return response
                .header("Upgrade", "websocket")
                .header("Sec-WebSocket-Version", "13");
        }
        response
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RequestLine => "malformed request line",
            Self::ControlByte => "control byte in the request head",
            Self::HeaderLine => "malformed header line",
            Self::Target => "malformed request target",
            Self::PathEncoding => "path is not percent-encoded UTF-8",
            Self::Host => "exactly one valid Host header is needed",
            Self::ContentLength => "Content-Length is not one decimal number",
            Self::LengthAndCoding => "Content-Length beside Transfer-Encoding",
            Self::CodingBefore11 => "Transfer-Encoding needs HTTP/1.1",
            Self::Chunk => "malformed chunked body",
            Self::WebSocketRequest => "malformed WebSocket upgrade",
            Self::Timeout => "the request did not arrive in time",
            Self::BodyTooLarge => "the body is too large",
            Self::TargetTooLong => "the request target is too long",
            Self::Expectation => "only 100-continue can be expected",
            Self::WebSocketVersion => "only WebSocket version 13 is spoken",
            Self::HeadTooLarge => "the request head is too large",
            Self::Connect => "CONNECT is not implemented",
            Self::TransferCoding => "no transfer coding but chunked is implemented",
            Self::Version => "only HTTP/1.0 and HTTP/1.1 are spoken",
        })
    }
}

impl std::error::Error for HttpError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wrong_websocket_version_is_answered_with_the_right_one() {
        let response = HttpError::WebSocketVersion.response();
        assert_eq!(response.status(), 426);
        assert_eq!(response.value("sec-websocket-version"), Some("13"));
        assert_eq!(response.value("upgrade"), Some("websocket"));
        assert_eq!(HttpError::Host.response().value("upgrade"), None);
    }

    #[test]
    fn the_detail_is_in_the_body() {
        let body = HttpError::Connect.response().content().to_vec();
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let wanted = serde_json::json!({
            "type": "about:blank",
            "title": "Not Implemented",
            "status": 501,
            "detail": "CONNECT is not implemented",
            "where": "method",
        });
        assert_eq!(json, wanted);
    }
}
