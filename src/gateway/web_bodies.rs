//! What the bodies about an endpoint say.

use std::time::Instant;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Gateway;
use super::line::After;
use super::web::not_found;
use crate::api::problem::Problem;
use crate::endpoint::script::Script;
use crate::http::Response;
use crate::ids::EndpointId;
use crate::session::control::Wish;
use crate::util::json;

impl Gateway {
    pub(super) fn parse_line_body(
        &self,
        name: &str,
        body: &[u8],
    ) -> Result<(EndpointId, Script, After), Problem> {
        let endpoint = self.find_endpoint(name).map_err(not_found)?;
        let fields: LineBody<'_> = json::from_body(body)
            .map_err(|error| Problem::new(400, &error.to_string()).at("body"))?;
        let script = Script::parse(fields.script.map_or("[]", RawValue::get)).map_err(|bad| {
            let place = bad
                .step
                .map_or_else(|| "do".to_owned(), |step| format!("do[{step}]"));
            Problem::new(400, &bad.to_string()).at(&place)
        })?;
        let after = fields
            .after
            .map_or(After::Now, |offset| After::Device { offset });
        Ok((endpoint, script, after))
    }

    pub(super) fn post_lease(
        &mut self,
        now: Instant,
        name: &str,
        body: &[u8],
    ) -> Result<Response, Problem> {
        let endpoint = self.find_endpoint(name).map_err(not_found)?;
        let fields: LeaseBody = json::from_body(body)
            .map_err(|error| Problem::new(400, &error.to_string()).at("body"))?;
        let wish = Wish::parse(&fields.what, false, fields.to)
            .map_err(|detail| Problem::new(400, &detail).at("do"))?;
        self.wish_lease(now, None, endpoint, &wish)
            .map_err(|(reason, detail)| {
                let place = if reason == "unknown-session" {
                    "to"
                } else {
                    "do"
                };
                Problem::new(409, &detail).at(place)
            })?;
        Ok(Response::new(200))
    }
}

/// The body of `POST /endpoints/{name}/line`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineBody<'a> {
    #[serde(borrow, rename = "do")]
    script: Option<&'a RawValue>,
    after: Option<u64>,
}

/// The body of `POST /endpoints/{name}/lease`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LeaseBody {
    #[serde(rename = "do")]
    what: String,
    to: Option<String>,
}
