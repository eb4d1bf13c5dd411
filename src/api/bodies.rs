//! The bodies of requests of this program's own API, and responses that depend on nothing but the request.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Resource;
use super::origin::Caller;
use super::problem::Problem;
use crate::api::whip;
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

/// Returns the response to a preflight (Fetch §3.3.7): the methods and bodies that a resource accepts.
pub(crate) fn options(resource: &Resource, caller: &Caller) -> Response {
    let allow = resource.allow();
    let response = Response::new(204).header("Allow", &allow);
    let response = if *resource == Resource::Sessions {
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
