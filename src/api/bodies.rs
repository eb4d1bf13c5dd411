//! The bodies of requests of this program's own API, and responses that depend on nothing but the request.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::Resource;
use super::origin::Caller;
use super::problem::Problem;
use crate::api::whip;
use crate::config::{
    Config, ConfigPlace, EndpointConfig, EndpointKind, endpoint_file, endpoint_toml,
};
use crate::http::Response;
use crate::util::json;

/// The media type of JSON.
pub(crate) const JSON: &str = "application/json";

/// The body of `POST /endpoints/{name}/line`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LineBody<'a> {
    #[serde(borrow, rename = "do")]
    pub(crate) script: Option<&'a RawValue>,
    pub(crate) after: Option<u64>,
}

/// The body of `POST /endpoints/{name}/lease`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LeaseBody {
    #[serde(rename = "do")]
    pub(crate) what: String,
    pub(crate) to: Option<String>,
}

/// Reads a body in JSON.
pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    json::from_body(body).map_err(|error| Problem::new(400, &error.to_string()).at("body"))
}

/// Returns a response of plain text.
pub(crate) fn text(text: &str) -> Response {
    Response::new(200).body("text/plain; charset=utf-8", text.as_bytes().to_vec())
}

/// Returns the response to `GET /readyz`.
pub(crate) fn ready(is_ready: bool) -> Result<Response, Problem> {
    match is_ready {
        true => Ok(text("ready\n")),
        false => Err(Problem::new(503, "starting or shutting down")),
    }
}

/// Returns the response to `GET /metrics`.
pub(crate) fn metrics(figures: String) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Response::new(200).body(kind, figures.into_bytes())
}

/// Returns the response to a preflight (Fetch §3.3.7): the methods and bodies that a resource accepts.
pub(crate) fn options(resource: &Resource, caller: &Caller) -> Response {
    let allow = resource.allow();
    let response = Response::new(204).header("Allow", &allow);
    let is_offer = matches!(
        resource,
        Resource::Sessions | Resource::Whep(_) | Resource::Whip(_)
    );
    let response = if is_offer {
        response.header("Accept-Post", whip::SDP)
    } else if matches!(resource, Resource::Line(_) | Resource::Lease(_)) {
        response.header("Accept-Post", JSON)
    } else if matches!(resource, Resource::Session(_)) {
        response.header("Accept-Patch", whip::FRAGMENT)
    } else {
        response
    };
    caller.dress_preflight(response, &allow)
}

/// Reads the body of `PUT /endpoints/{name}`. Returns the endpoint, and the text of its file.
pub(crate) fn endpoint(name: &str, body: &[u8]) -> Result<(EndpointConfig, String), Problem> {
    let value: Value =
        json::from_body(body).map_err(|error| Problem::new(400, &error.to_string()).at("body"))?;
    let text =
        endpoint_toml(name, &value).map_err(|detail| Problem::new(400, &detail).at("body"))?;
    let config = Config::parse(&text).map_err(|faults| {
        let all: Vec<_> = faults.into_iter().map(|fault| fault.message).collect();
        Problem::new(422, &all.join("; ")).at("body")
    })?;
    let [mut endpoint] = <[_; 1]>::try_from(config.endpoints)
        .map_err(|_| Problem::new(422, "the body is one endpoint").at("body"))?;
    endpoint.place = ConfigPlace::File {
        file: endpoint_file(name),
        line: 1,
    };
    Ok((endpoint, text))
}

/// Returns the problem of an endpoint that would lead back into this daemon.
pub(crate) fn leads_back(endpoint: &EndpointConfig, why: &str) -> Problem {
    // Each track of an RTP endpoint has addresses of its own.
    let is_rtp = matches!(endpoint.kind, EndpointKind::Rtp(_));
    Problem::new(422, why).at(if is_rtp { "body" } else { "remote" })
}

/// Returns the problem of an endpoint that needs what another endpoint uses.
pub(crate) fn is_taken(new: &EndpointConfig, other: &EndpointConfig) -> Problem {
    let name = &other.name;
    let detail = if matches!(new.kind, EndpointKind::Rtp(_)) {
        format!("endpoint {name} receives RTP or RTCP at one of these ports")
    } else {
        format!("endpoint {name} has this path")
    };
    Problem::new(409, &detail).at("body")
}
