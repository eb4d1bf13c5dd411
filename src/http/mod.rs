//! The server side of HTTP/1.1 and HTTP/1.0 over one byte stream (RFC 9110, RFC 9112), without any
//! I/O: bytes go in, events and bytes come out.
//!
//! [`HttpConnection`] is the state machine, one request at a time, with keep-alive, pipelining, early
//! answers, answers that come minutes later, streams and upgrades. `httparse` parses heads and chunk sizes;
//! this module decides what they mean, and refuses input that could be interpreted in two ways. It does not
//! route, does not compress, does not serve files, and sends no `Date`.
//!
//! ```
//! use std::time::Instant;
//! use thingway::testing::connection::Connection;
//! use thingway::testing::http::{HttpConnection, HttpEvent, Limits, Response};
//!
//! # #[expect(clippy::disallowed_methods, reason = "an example has to begin somewhere")]
//! let now = Instant::now();
//! let mut http = HttpConnection::new(now, &Limits::default());
//! http.handle_input(now, b"GET /healthz HTTP/1.1\r\nHost: board\r\n\r\n");
//! while let Some(event) = http.poll_event() {
//!     match event {
//!         HttpEvent::Head(head) if head.path == "/healthz" => {
//!             http.respond(now, Response::new(200).body("text/plain", b"ok".to_vec()));
//!         }
//!         HttpEvent::Head(_) => http.respond(now, Response::new(404)),
//!         HttpEvent::Body(_) | HttpEvent::Gone => {}
//!     }
//! }
//! assert!(http.output().ends_with(b"Content-Length: 2\r\n\r\nok"));
//! ```

mod body;
mod connection;
mod error;
mod exchange;
mod head;
mod queue;
mod response;
mod scan;
mod target;
#[cfg(test)]
mod tests;
mod words;

use std::time::Duration;

pub use crate::connection::Full;
pub use body::BodyLength;
pub use connection::{HttpConnection, HttpEvent};
pub use error::HttpError;
pub use head::{Headers, Method, RequestHead, Version};
pub use response::{Response, problem};
pub use target::{decode_leniently, percent_decode};

/// Limits on what a client may cost. Every connection has a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest number of bytes of a request head, and of input that waits while a response is parked.
    pub head: usize,
    /// The largest number of bytes of a request body, decoded.
    pub body: usize,
    /// The time from the first byte of a head to its last.
    pub head_timeout: Duration,
    /// The time from the acceptance of a body to its last byte.
    pub body_timeout: Duration,
    /// The time from the acceptance of a connection to its first byte.
    pub first_timeout: Duration,
    /// The time between requests.
    pub idle_timeout: Duration,
    /// The time that output may wait without a single byte being taken.
    pub write_timeout: Duration,
    /// The number of bytes of output that a stream may have waiting, and above which the next pipelined
    /// request is not examined yet.
    pub output: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: 16 * 1024,
            body: 256 * 1024,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            first_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
            output: 64 * 1024,
        }
    }
}
