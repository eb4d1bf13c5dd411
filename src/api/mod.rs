//! The HTTP API without its state: the routes, the actions that they need, and the form of the answers.
//! `docs/api.yaml` describes the API; a test keeps the two in agreement.

pub mod authority;
pub(crate) mod bodies;
pub(crate) mod media;
pub mod metrics;
pub(crate) mod offers;
pub mod origin;
pub mod page;
pub mod problem;
pub(crate) mod shapes;
pub mod skyway;
pub mod whip;

use crate::http::{Method, RequestHead};
use problem::Problem;

/// Every route with its methods. HEAD is allowed wherever GET is, OPTIONS everywhere.
pub const ROUTES: &[(&str, &[&str])] = &[
    ("/", &["GET"]),
    ("/assets/{name}", &["GET"]),
    ("/client/{name}", &["GET"]),
    ("/basic", &["GET"]),
    ("/app.js", &["GET"]),
    ("/style.css", &["GET"]),
    ("/player.js", &["GET"]),
    ("/sessions", &["GET", "POST"]),
    ("/sessions/{id}", &["GET", "PATCH", "DELETE"]),
    ("/endpoints", &["GET"]),
    ("/endpoints/{name}", &["GET", "PUT", "DELETE"]),
    ("/endpoints/{name}/config", &["GET"]),
    ("/endpoints/{name}/sdp", &["GET"]),
    ("/endpoints/{name}/line", &["POST"]),
    ("/endpoints/{name}/lease", &["POST"]),
    ("/whep/{name}", &["POST"]),
    ("/whip/{name}", &["POST"]),
    ("/ports", &["GET"]),
    ("/access", &["GET"]),
    ("/tickets", &["POST"]),
    ("/tokens", &["GET", "POST"]),
    ("/tokens/{name}", &["DELETE"]),
    ("/shares", &["POST"]),
    ("/shares/redeem", &["POST"]),
    ("/setup", &["POST", "DELETE"]),
    ("/events", &["GET"]),
    ("/ca", &["GET"]),
    ("/ca/{name}", &["GET"]),
    ("/healthz", &["GET"]),
    ("/readyz", &["GET"]),
    ("/metrics", &["GET"]),
];

/// The resource that a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are the routes")]
pub enum Resource {
    Page(page::Asset),
    Sessions,
    Session(String),
    Endpoints,
    Endpoint(String),
    EndpointFile(String),
    EndpointSdp(String),
    Line(String),
    Lease(String),
    Whep(String),
    Whip(String),
    Ports,
    Access,
    Tickets,
    Tokens,
    Token(String),
    Shares,
    Redeem,
    Setup,
    Events,
    Authority(authority::File),
    Health,
    Ready,
    Metrics,
    /// The target of `OPTIONS *`.
    Everything,
}

/// The action that a request asks of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "the names are those of RFC 9110 §9.3 and RFC 5789"
)]
pub enum Action {
    Get,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

impl Resource {
    /// Returns the resource that a request's path names.
    pub fn resolve(head: &RequestHead) -> Result<Self, Problem> {
        if head.path == "*" {
            return Ok(Self::Everything);
        }
        let segments = head.segments().map_err(|error| {
            Problem::new(error.status(), "the path is not properly percent-encoded").at("path")
        })?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            [] | [""] => Ok(Self::Page(page::Asset::home())),
            ["basic"] => Ok(Self::Page(page::Asset::Html)),
            ["assets", name] => {
                let asset = page::Asset::of_console(name).unwrap_or(page::Asset::Missing);
                Ok(Self::Page(asset))
            }
            ["client", name] => Ok(Self::Page(page::Asset::of_client(name))),
            ["app.js"] => Ok(Self::Page(page::Asset::Script)),
            ["style.css"] => Ok(Self::Page(page::Asset::Style)),
            ["player.js"] => Ok(Self::Page(page::Asset::PlayerScript)),
            ["sessions"] => Ok(Self::Sessions),
            ["sessions", id] => Ok(Self::Session((*id).to_owned())),
            ["endpoints"] => Ok(Self::Endpoints),
            ["endpoints", name] => Ok(Self::Endpoint((*name).to_owned())),
            ["endpoints", name, "config"] => Ok(Self::EndpointFile((*name).to_owned())),
            ["endpoints", name, "sdp"] => Ok(Self::EndpointSdp((*name).to_owned())),
            ["endpoints", name, "line"] => Ok(Self::Line((*name).to_owned())),
            ["endpoints", name, "lease"] => Ok(Self::Lease((*name).to_owned())),
            ["whep", _] if page::wants_page(head) => Ok(Self::Page(page::Asset::Player)),
            ["whep", name] => Ok(Self::Whep((*name).to_owned())),
            ["whip", name] => Ok(Self::Whip((*name).to_owned())),
            ["ports"] => Ok(Self::Ports),
            ["access"] => Ok(Self::Access),
            ["tickets"] => Ok(Self::Tickets),
            ["tokens"] => Ok(Self::Tokens),
            ["tokens", name] => Ok(Self::Token((*name).to_owned())),
            ["shares"] => Ok(Self::Shares),
            ["shares", "redeem"] => Ok(Self::Redeem),
            ["setup"] => Ok(Self::Setup),
            ["events"] => Ok(Self::Events),
            ["ca"] => Ok(Self::Authority(authority::File::Page)),
            ["ca", name] => Ok(Self::Authority(authority::File::named(name))),
            ["healthz"] => Ok(Self::Health),
            ["readyz"] => Ok(Self::Ready),
            ["metrics"] => Ok(Self::Metrics),
            _ => Err(Problem::new(404, "there is nothing at this path").at("path")),
        }
    }

    /// Returns whether every client may have the resource: it reveals nothing about this machine, or clients
    /// need it to get access.
    pub fn is_public(&self) -> bool {
        matches!(
            self,
            Self::Page(_)
                | Self::Authority(_)
                | Self::Health
                | Self::Ready
                | Self::Redeem
                | Self::Everything
        )
    }

    /// Returns the path as [`ROUTES`] has it.
    pub fn template(&self) -> &'static str {
        match self {
            Self::Page(asset) => asset.template(),
            Self::Sessions => "/sessions",
            Self::Session(_) => "/sessions/{id}",
            Self::Endpoints => "/endpoints",
            Self::Endpoint(_) => "/endpoints/{name}",
            Self::EndpointFile(_) => "/endpoints/{name}/config",
            Self::EndpointSdp(_) => "/endpoints/{name}/sdp",
            Self::Line(_) => "/endpoints/{name}/line",
            Self::Lease(_) => "/endpoints/{name}/lease",
            Self::Whep(_) => "/whep/{name}",
            Self::Whip(_) => "/whip/{name}",
            Self::Ports => "/ports",
            Self::Access => "/access",
            Self::Tickets => "/tickets",
            Self::Tokens => "/tokens",
            Self::Token(_) => "/tokens/{name}",
            Self::Shares => "/shares",
            Self::Redeem => "/shares/redeem",
            Self::Setup => "/setup",
            Self::Events => "/events",
            Self::Authority(authority::File::Page) => "/ca",
            Self::Authority(_) => "/ca/{name}",
            Self::Health => "/healthz",
            Self::Ready => "/readyz",
            Self::Metrics => "/metrics",
            Self::Everything => "*",
        }
    }

    /// Returns the methods of [`ROUTES`]. The page at a player's path is a resource of its own, because WHEP
    /// has no GET.
    fn methods(&self) -> &'static [&'static str] {
        if *self == Self::Page(page::Asset::Player) {
            return &["GET"];
        }
        let row = ROUTES
            .iter()
            .find(|(template, _)| *template == self.template());
        row.map_or(&[], |(_, methods)| methods)
    }

    /// Returns the value of `Allow`.
    pub fn allow(&self) -> String {
        let mut methods = self.methods().to_vec();
        if methods.contains(&"GET") {
            methods.insert(1, "HEAD");
        }
        methods.push("OPTIONS");
        methods.join(", ")
    }

    /// Returns the action that a method asks of this resource.
    pub fn action(&self, method: &Method) -> Result<Action, Problem> {
        let allowed = |name| self.methods().contains(&name);
        match method {
            Method::Get | Method::Head if allowed("GET") => Ok(Action::Get),
            Method::Post if allowed("POST") => Ok(Action::Post),
            Method::Put if allowed("PUT") => Ok(Action::Put),
            Method::Patch if allowed("PATCH") => Ok(Action::Patch),
            Method::Delete if allowed("DELETE") => Ok(Action::Delete),
            Method::Options => Ok(Action::Options),
            Method::Get
            | Method::Head
            | Method::Post
            | Method::Put
            | Method::Patch
            | Method::Delete
            | Method::Other(_) => {
                let allow = self.allow();
                let detail = format!("this resource takes {allow}");
                Err(Problem::new(405, &detail)
                    .at("method")
                    .header("Allow", &allow))
            }
        }
    }
}

/// Checks a request's media type (RFC 9110 §8.3), parameters aside.
pub fn check_content_type(
    head: &RequestHead,
    wanted: &'static str,
    accept_header: &'static str,
) -> Result<(), Problem> {
    let given = head.header("Content-Type").unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    let detail = if essence.is_empty() {
        format!("a body of type {wanted} is expected")
    } else {
        format!(
            "the body must be {wanted}, not {}",
            crate::util::redact::Redacted(essence)
        )
    };
    Err(Problem::new(415, &detail)
        .at("Content-Type")
        .header(accept_header, wanted))
}
