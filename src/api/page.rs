//! The first page: plain HTML, style and script of ours, inside the binary.

use crate::http::Response;

/// The files of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "one per file")]
pub enum Asset {
    Html,
    Script,
    Style,
}

const HTML: &[u8] = include_bytes!("../../web/page/index.html");
const SCRIPT: &[u8] = include_bytes!("../../web/page/app.js");
const STYLE: &[u8] = include_bytes!("../../web/page/style.css");

/// Nothing from anywhere else, nothing inline, and no frame around us.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

impl Asset {
    /// The file as an answer.
    pub fn response(self) -> Response {
        let (content_type, bytes) = match self {
            Self::Html => ("text/html; charset=utf-8", HTML),
            Self::Script => ("text/javascript; charset=utf-8", SCRIPT),
            Self::Style => ("text/css; charset=utf-8", STYLE),
        };
        Response::new(200)
            .header("Content-Security-Policy", POLICY)
            .header("Referrer-Policy", "no-referrer")
            // A new version of the daemon must not meet an old script.
            .header("Cache-Control", "no-cache")
            .body(content_type, bytes.to_vec())
    }
}
