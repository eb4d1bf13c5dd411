//! Protection against foreign pages: the checks of `Host` and `Origin` that precede every route.
//!
//! Any page in the user's browser can reach a loopback port. A foreign page names itself in `Origin` (RFC
//! 6454); a page that had its DNS name rebound to the gateway names itself in `Host`.

use std::net::{IpAddr, SocketAddr};

use super::Resource;
use super::problem::Problem;
use crate::http::{RequestHead, Response};
use crate::util::redact::Redacted;

/// The names of this gateway and the origins that are allowed.
#[derive(Debug, Clone)]
pub struct Policy {
    hosts: Vec<String>,
    allowed_origins: Vec<String>,
}

/// The page that makes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// No page, or a page of this gateway.
    Own,
    /// A page of an allowed origin, which needs CORS headers.
    Allowed(String),
    /// A page of an allowed origin whose browser sends credentials, which the gateway ignores.
    WithCredentials(String),
}

impl Policy {
    /// Returns a policy. `hosts`: names of this machine and those of the config, in lower case.
    pub fn new(hosts: Vec<String>, allowed_origins: Vec<String>) -> Self {
        Self {
            hosts,
            allowed_origins,
        }
    }

    /// Checks `Host` and `Origin` of a request; pages of the origins in `more` are allowed, too.
    pub fn check_with<'a>(
        &self,
        head: &RequestHead,
        local: SocketAddr,
        mut more: impl Iterator<Item = &'a String>,
    ) -> Result<Caller, Problem> {
        // HTTP/1.0 has no Host, and no browser uses HTTP/1.0.
        let host = head.host().unwrap_or_default().to_ascii_lowercase();
        if !host.is_empty() && !self.is_ours(&host, local.ip()) {
            let detail = format!(
                "{} is not a name of this gateway; add it to http.hosts if it is",
                Redacted(&host)
            );
            return Err(Problem::new(421, &detail).at("Host"));
        }
        let mut origins = head.headers.all("Origin");
        let (origin, second) = (origins.next(), origins.next());
        let Some(origin) = origin else {
            return Ok(Caller::Own);
        };
        let origin = std::str::from_utf8(origin)
            .unwrap_or("not text")
            .to_ascii_lowercase();
        if second.is_none() {
            let own = origin
                .strip_prefix("http://")
                .or_else(|| origin.strip_prefix("https://"));
            if own == Some(host.as_str()) {
                return Ok(Caller::Own);
            }
            if self.allowed_origins.contains(&origin) || more.any(|known| *known == origin) {
                return Ok(Caller::Allowed(origin));
            }
        }
        let detail = format!(
            "pages of {} may not use this gateway; add the origin to http.allowed_origins if \
             they should",
            Redacted(&origin)
        );
        Err(Problem::new(403, &detail).at("Origin"))
    }

    /// Returns whether pages of this origin, in lower case, may use the API.
    pub fn allows(&self, origin: &str) -> bool {
        self.allowed_origins.iter().any(|known| known == origin)
    }

    fn is_ours(&self, host: &str, local: IpAddr) -> bool {
        let name = without_port(host);
        let name = name.strip_suffix('.').unwrap_or(name);
        if name == "localhost" || self.hosts.iter().any(|ours| ours == name) {
            return true;
        }
        // An address cannot be rebound, so it is accepted if it is the connection's own address or loopback.
        let address = name.trim_start_matches('[').trim_end_matches(']');
        let address = address.parse::<IpAddr>();
        let address = address.map(|ip| ip.to_canonical());
        address.is_ok_and(|ip| ip == local.to_canonical() || ip.is_loopback())
    }
}

/// Refuses requests of foreign pages by `Sec-Fetch-Site`. Browsers send no `Origin` with a request whose
/// answer the page may not read, although such a request could hold an event stream open, but they do name
/// its site (Fetch Metadata). Pages, and the files that phones need to trust the gateway, may be linked from
/// anywhere.
pub fn check_fetch_site(head: &RequestHead, resource: &Resource) -> Result<(), Problem> {
    check_fetch_site_of(
        head,
        matches!(resource, Resource::Page(_) | Resource::Authority(_)),
    )
}

/// Checks `Sec-Fetch-Site` for a path that is not a [`Resource`] of this API.
pub fn check_fetch_site_of(head: &RequestHead, is_page: bool) -> Result<(), Problem> {
    let site = head.header("Sec-Fetch-Site").unwrap_or_default();
    let foreign = site == "cross-site" || site == "same-site";
    if !foreign || is_page || head.headers.first("Origin").is_some() {
        return Ok(());
    }
    let detail = "pages of other origins may not use this gateway";
    Err(Problem::new(403, detail).at("Sec-Fetch-Site"))
}

/// Returns `name` of `name:port`, `[v6]:port` or neither. Any port is accepted because it may have been
/// forwarded.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|b| b.is_ascii_digit())
                && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    }
}

impl Caller {
    /// Returns the caller with credentials allowed, for clients whose browser sends credentials in any case.
    #[must_use]
    pub fn with_credentials(self) -> Self {
        match self {
            Self::Allowed(origin) => Self::WithCredentials(origin),
            Self::Own | Self::WithCredentials(_) => self,
        }
    }

    /// Adds the headers that an allowed page needs to read the answer (Fetch standard, CORS protocol).
    #[must_use]
    pub fn dress(&self, response: Response) -> Response {
        let response = response.header("X-Content-Type-Options", "nosniff");
        let allowed = |response: Response, origin: &str| {
            response
                .header("Access-Control-Allow-Origin", origin)
                .header("Access-Control-Expose-Headers", "Location, ETag, Link")
                .header("Vary", "Origin")
        };
        match self {
            Self::Own => response.header("Cross-Origin-Resource-Policy", "same-origin"),
            Self::Allowed(origin) => allowed(response, origin),
            Self::WithCredentials(origin) => {
                allowed(response, origin).header("Access-Control-Allow-Credentials", "true")
            }
        }
    }

    /// Adds the headers that a preflight asks for.
    #[must_use]
    pub fn dress_preflight(&self, response: Response, allow: &str) -> Response {
        match self {
            Self::Own => response,
            Self::Allowed(_) | Self::WithCredentials(_) => response
                .header("Access-Control-Allow-Methods", allow)
                .header(
                    "Access-Control-Allow-Headers",
                    "authorization, content-type, if-match",
                )
                .header("Access-Control-Max-Age", "600"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &str) -> Result<Caller, u16> {
        let policy = Policy::new(
            vec!["board".into(), "board.local".into(), "203.0.113.5".into()],
            vec!["https://ok.example".into()],
        );
        let request = format!("GET / HTTP/1.1\r\n{lines}\r\n\r\n");
        let head = RequestHead::parse(request.as_bytes()).expect("a head");
        let local = "192.0.2.7:8000".parse().unwrap();
        policy
            .check_with(&head, local, std::iter::empty())
            .map_err(|problem| problem.status())
    }

    #[test]
    fn hosts_that_are_ours() {
        for host in [
            "127.0.0.1:8000",
            "localhost",
            "LOCALHOST:9000",
            "[::1]:8000",
            "[::1]",
            "192.0.2.7:8000",
            "board",
            "board.local.:80",
            "203.0.113.5:8000",
            "[::ffff:127.0.0.1]:8000",
            "[::ffff:192.0.2.7]",
        ] {
            assert_eq!(check(&format!("Host: {host}")), Ok(Caller::Own), "{host}");
        }
        for host in [
            "evil.example",
            "192.0.2.8",
            "localhost.evil.example",
            "boardx",
        ] {
            assert_eq!(check(&format!("Host: {host}")), Err(421), "{host}");
        }
    }

    #[test]
    fn each_header_is_there_once() {
        for caller in [
            Caller::Own,
            Caller::Allowed("https://ok.example".into()),
            Caller::WithCredentials("https://ok.example".into()),
        ] {
            let text = format!("{:?}", caller.dress(Response::new(200))).to_lowercase();
            for name in ["nosniff", "access-control-allow-origin", "vary"] {
                assert!(text.matches(name).count() <= 1, "{caller:?}: {text}");
            }
        }
    }

    #[test]
    fn requests_that_browsers_make_for_foreign_pages() {
        let head = |lines: &str| {
            let request = format!("GET /events HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n\r\n");
            RequestHead::parse(request.as_bytes()).expect("a head")
        };
        let events = Resource::Events;
        for lines in ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"] {
            let problem = check_fetch_site(&head(lines), &events).expect_err("foreign");
            assert_eq!(problem.status(), 403);
            let page = Resource::Page(crate::api::page::Asset::Html);
            assert_eq!(
                check_fetch_site(&head(lines), &page),
                Ok(()),
                "a link to us"
            );
            // With an Origin, only the Origin counts.
            let lines = format!("{lines}\r\nOrigin: https://ok.example");
            assert_eq!(check_fetch_site(&head(&lines), &events), Ok(()));
        }
        for lines in [
            "Sec-Fetch-Site: same-origin",
            "Sec-Fetch-Site: none",
            "Accept: */*",
        ] {
            assert_eq!(check_fetch_site(&head(lines), &events), Ok(()), "{lines}");
        }
    }

    #[test]
    fn origins_that_may() {
        let own = "Host: localhost:8000\r\nOrigin: ";
        assert_eq!(
            check(&format!("{own}http://localhost:8000")),
            Ok(Caller::Own)
        );
        assert_eq!(
            check(&format!("{own}https://LocalHost:8000")),
            Ok(Caller::Own)
        );
        let allowed = Caller::Allowed("https://ok.example".into());
        assert_eq!(check(&format!("{own}https://ok.example")), Ok(allowed));
        for origin in [
            "null",
            "http://localhost:8001",
            "http://127.0.0.1:8000",
            "http://ok.example",
            "https://ok.example.evil.example",
            "https://evil.example",
            "",
            "http://localhost:8000\r\nOrigin: https://ok.example",
        ] {
            assert_eq!(check(&format!("{own}{origin}")), Err(403), "{origin}");
        }
    }
}
