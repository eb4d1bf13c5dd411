//! Pages inside the binary: the console, where it has been built, and the first page, which needs no tools
//! except Rust and is always at `/basic`.

use super::problem::Problem;
use crate::http::{Method, RequestHead, Response};

/// Makes a policy that allows nothing from other origins and no embedding in a frame. `script` is what may
/// run beside the files of this gateway.
macro_rules! policy {
    ($script:expr) => {
        concat!(
            "default-src 'none'; script-src 'self'",
            $script,
            "; style-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; manifest-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
    };
}

/// A file of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "one per file of the first page")]
pub enum Asset {
    Html,
    Script,
    Style,
    /// The page that plays an endpoint.
    Player,
    PlayerScript,
    /// A file of the console.
    Console(&'static File),
    /// A file of the client library.
    Client(&'static File),
    /// A name that no file of the client library has.
    NoClient,
    /// A name that no file of the console has.
    Missing,
}

/// A file of the console or of the client library, put here by `build.rs`.
#[derive(Debug, PartialEq, Eq)]
pub struct File {
    name: &'static str,
    content_type: &'static str,
    /// The entity tag (RFC 9110 §8.8.3). Weak, because it is the same for all codings.
    tag: &'static str,
    /// The uncompressed file; empty for files that every browser accepts compressed.
    plain: &'static [u8],
    gzip: &'static [u8],
}

mod console {
    use super::File;
    include!(concat!(env!("OUT_DIR"), "/console.rs"));
}

const HTML: &[u8] = include_bytes!("../../web/page/index.html");
const SCRIPT: &[u8] = include_bytes!("../../web/page/app.js");
const PLAYER: &[u8] = include_bytes!("../../web/page/player.html");
const PLAYER_SCRIPT: &[u8] = include_bytes!("../../web/page/player.js");
const STYLE: &[u8] = include_bytes!("../../web/page/style.css");

/// The policy for pages without inline scripts.
const POLICY: &str = policy!("");

const INDEX: &str = "index.html";

impl Asset {
    /// Returns the page at `/`.
    pub fn home() -> Self {
        Self::of_console(INDEX).unwrap_or(Self::Html)
    }

    /// Returns a file of the console by its name, which contains its hash.
    pub fn of_console(name: &str) -> Option<Self> {
        let mut files = console::FILES.iter();
        files.find(|file| file.name == name).map(Self::Console)
    }

    /// Returns a file of the client library by its name.
    pub fn of_client(name: &str) -> Self {
        let mut files = console::CLIENT.iter();
        let found = files.find(|file| file.name == name);
        found.map_or(Self::NoClient, Self::Client)
    }

    /// Returns the path as [`super::ROUTES`] has it.
    pub fn template(self) -> &'static str {
        match self {
            Self::Html => "/basic",
            Self::Script => "/app.js",
            Self::Style => "/style.css",
            Self::Player => "/whep/{name}",
            Self::PlayerScript => "/player.js",
            Self::Console(file) if file.name == INDEX => "/",
            Self::Console(_) | Self::Missing => "/assets/{name}",
            Self::Client(_) | Self::NoClient => "/client/{name}",
        }
    }

    /// Returns the file as an answer.
    pub fn response(self, head: &RequestHead) -> Result<Response, Problem> {
        let (content_type, bytes) = match self {
            Self::Html => ("text/html; charset=utf-8", HTML),
            Self::Script => ("text/javascript; charset=utf-8", SCRIPT),
            Self::Style => ("text/css; charset=utf-8", STYLE),
            Self::PlayerScript => ("text/javascript; charset=utf-8", PLAYER_SCRIPT),
            // Players get something else at this path (RFC 9110 §12.5.5).
            Self::Player => {
                let page = answer("no-cache", POLICY).header("Vary", "Accept");
                return Ok(page.body("text/html; charset=utf-8", PLAYER.to_vec()));
            }
            Self::Console(file) => return file.response(head),
            Self::Client(file) => return file.of_library(head),
            Self::NoClient => {
                let detail = if console::CLIENT.is_empty() {
                    "this daemon was built without the client library"
                } else {
                    "the client library has no file of this name"
                };
                return Err(Problem::new(404, detail).at("path"));
            }
            Self::Missing => {
                return Err(Problem::new(404, "there is nothing at this path").at("path"));
            }
        };
        Ok(answer("no-cache", POLICY).body(content_type, bytes.to_vec()))
    }
}

impl File {
    /// Returns a file of the client library. Pages of other origins request it by a name that stays the same,
    /// so browsers must revalidate it each time.
    fn of_library(&self, head: &RequestHead) -> Result<Response, Problem> {
        let known = head.header("If-None-Match").unwrap_or_default();
        // RFC 9110 §13.1.2: any tag of a list, compared weakly.
        let strength = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        let mut tags = known.split(',');
        let is_known = tags.any(|tag| tag.trim() == "*" || strength(tag) == strength(self.tag));
        if is_known {
            // RFC 9110 §15.4.5: the headers that control caching are repeated.
            let unchanged = Response::new(304)
                .header("Cache-Control", "no-cache")
                .header("Vary", "Accept-Encoding");
            return Ok(unchanged.header("ETag", self.tag));
        }
        let coded = self.coded(head, answer("no-cache", POLICY))?;
        Ok(coded.header("ETag", self.tag))
    }

    fn response(&self, head: &RequestHead) -> Result<Response, Problem> {
        // A new version of the daemon must not meet an old script, so the index is revalidated; a file with
        // its hash in its name never changes.
        let caching = if self.name == INDEX {
            "no-cache"
        } else {
            "public, max-age=31536000, immutable"
        };
        let policy = if self.name == INDEX {
            console::PAGE_POLICY
        } else {
            POLICY
        };
        self.coded(head, answer(caching, policy))
    }

    /// Returns the file compressed if the client takes gzip.
    fn coded(&self, head: &RequestHead, response: Response) -> Result<Response, Problem> {
        let response = response.header("Vary", "Accept-Encoding");
        if takes_gzip(head) {
            let packed = response.header("Content-Encoding", "gzip");
            return Ok(packed.body(self.content_type, self.gzip.to_vec()));
        }
        if self.plain.is_empty() {
            let detail = "this file is here compressed only: send Accept-Encoding: gzip";
            return Err(Problem::new(406, detail).at("Accept-Encoding"));
        }
        Ok(response.body(self.content_type, self.plain.to_vec()))
    }
}

/// Returns a page that is made for each request.
pub(super) fn own(html: Vec<u8>) -> Response {
    answer("no-store", POLICY).body("text/html; charset=utf-8", html)
}

fn answer(caching: &str, policy: &str) -> Response {
    Response::new(200)
        .header("Content-Security-Policy", policy)
        .header("Referrer-Policy", "no-referrer")
        .header("Cache-Control", caching)
}

/// Returns whether a request is a browser's that opens a page. Programs accept anything and name no HTML.
pub(super) fn wants_page(head: &RequestHead) -> bool {
    let accepted = head.header("Accept").unwrap_or_default();
    let mut ranges = accepted.split(',');
    matches!(head.method, Method::Get | Method::Head)
        && ranges.any(|range| {
            let essence = range.split(';').next().unwrap_or_default().trim();
            essence.eq_ignore_ascii_case("text/html")
        })
}

/// Returns whether the client accepts gzip (RFC 9110 §12.5.3). A weight of zero means no; clients use no
/// other weight to refuse.
fn takes_gzip(head: &RequestHead) -> bool {
    let given = head.header("Accept-Encoding").unwrap_or_default();
    given.split(',').any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let name = name.trim();
        let is_gzip = name.eq_ignore_ascii_case("gzip") || name == "*";
        is_gzip && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Action, Resource};

    fn asked(encoding: &str) -> RequestHead {
        let text = format!("GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: {encoding}\r\n\r\n");
        RequestHead::parse(text.as_bytes()).expect("a head")
    }

    #[test]
    fn gzip_is_for_who_takes_it() {
        for yes in ["gzip", "gzip, deflate, br, zstd", "br;q=1, GZIP;q=0.5", "*"] {
            assert!(takes_gzip(&asked(yes)), "{yes}");
        }
        for no in ["", "identity", "br", "gzip;q=0", "gzipped"] {
            assert!(!takes_gzip(&asked(no)), "{no}");
        }
    }

    #[test]
    fn a_browser_gets_the_player_and_programs_do_not() {
        let parse = |head: &str| {
            let text = format!("{head}\r\nHost: x\r\n\r\n");
            RequestHead::parse(text.as_bytes()).expect("a head")
        };
        let firefox = "text/html,application/xhtml+xml,*/*;q=0.8";
        for method in ["GET", "HEAD"] {
            let head = parse(&format!(
                "{method} /whep/camera HTTP/1.1\r\nAccept: {firefox}"
            ));
            let resource = Resource::resolve(&head).expect("a route");
            assert_eq!(resource, Resource::Page(Asset::Player));
            assert_eq!(resource.action(&head.method), Ok(Action::Get));
            let page = Asset::Player.response(&head).expect("a page");
            assert_eq!(page.value("Vary"), Some("Accept"));
            assert_eq!(page.value("Content-Security-Policy"), Some(POLICY));
        }
        for other in [
            "GET /whep/camera HTTP/1.1\r\nAccept: */*",
            "GET /whep/camera HTTP/1.1\r\nAccept: application/sdp",
            "GET /whep/camera HTTP/1.1",
            "DELETE /whep/camera HTTP/1.1\r\nAccept: text/html",
        ] {
            let head = parse(other);
            let resource = Resource::resolve(&head).expect("a route");
            let refused = resource.action(&head.method).expect_err("405");
            assert_eq!(refused.status(), 405, "{other}");
            assert_eq!(resource.allow(), "POST, OPTIONS");
        }
        let post = parse("POST /whep/camera HTTP/1.1\r\nAccept: text/html");
        let resource = Resource::resolve(&post).expect("a route");
        assert_eq!(resource, Resource::Whep("camera".to_owned()));
    }

    #[test]
    fn files_with_a_hash_are_kept_and_the_page_is_asked_for_again() {
        static PAGE: File = File {
            name: INDEX,
            content_type: "text/html",
            tag: "W/\"1\"",
            plain: b"<p>",
            gzip: b"\x1f\x8b",
        };
        static SCRIPT: File = File {
            name: "a-1.js",
            content_type: "text/javascript",
            tag: "W/\"2\"",
            plain: b"",
            gzip: b"\x1f\x8b",
        };
        let get = |file: &'static File, encoding| Asset::Console(file).response(&asked(encoding));
        let page = get(&PAGE, "gzip").expect("an answer");
        assert_eq!(page.value("Cache-Control"), Some("no-cache"));
        assert_eq!(
            (page.value("Content-Encoding"), page.content()),
            (Some("gzip"), PAGE.gzip)
        );
        let plain = get(&PAGE, "identity").expect("an answer");
        assert_eq!(
            (plain.value("Content-Encoding"), plain.content()),
            (None, PAGE.plain)
        );
        let script = get(&SCRIPT, "gzip").expect("an answer");
        assert!(
            script
                .value("Cache-Control")
                .is_some_and(|value| value.contains("immutable"))
        );
        assert!(script.value("Content-Security-Policy").is_some());
        assert_eq!(get(&SCRIPT, "br").expect_err("none").status(), 406);
    }

    #[test]
    fn a_file_of_the_library_is_sent_once_and_named_by_a_tag() {
        static LIBRARY: File = File {
            name: "thingway.js",
            content_type: "text/javascript",
            tag: "W/\"3\"",
            plain: b"export {}",
            gzip: b"\x1f\x8b",
        };
        let first = Asset::Client(&LIBRARY).response(&asked("br"));
        let first = first.expect("an answer");
        assert_eq!(
            (first.content(), first.value("ETag")),
            (LIBRARY.plain, Some("W/\"3\""))
        );
        for (known, status) in [
            ("W/\"3\"", 304),
            ("\"x\", \"3\"", 304),
            ("*", 304),
            ("W/\"4\"", 200),
        ] {
            let text = format!("GET / HTTP/1.1\r\nHost: x\r\nIf-None-Match: {known}\r\n\r\n");
            let head = RequestHead::parse(text.as_bytes()).expect("a head");
            let again = Asset::Client(&LIBRARY).response(&head).expect("an answer");
            assert_eq!(again.status(), status, "{known}");
            assert_eq!(again.content().is_empty(), status == 304);
        }
        let missing = Asset::of_client("no.js").response(&asked("gzip"));
        assert_eq!(missing.expect_err("none").status(), 404);
    }
}
