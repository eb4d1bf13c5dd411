//! The requests that belong to the API of SkyWay's gateway.

use crate::api::skyway::{self, Call, FieldError};
use crate::http::{Method, Response};
use crate::signaling::dialect::{Claim, Paths};

/// The paths of programs.
pub(crate) const PATHS: Paths = Paths {
    may_claim: |first, _| matches!(first, "peers" | "data" | "media"),
    claims: |path| skyway::resolve(&Method::Options, path).is_some(),
    allow: |path| skyway::allow(path).unwrap_or_else(|| "OPTIONS".to_owned()),
    not_allowed: |claim| match skyway::resolve(&claim.method, &claim.path()) {
        Some(Err(other)) => Some(other.response()),
        Some(Ok(_)) | None => None,
    },
    takes_body: |claim| call(claim).is_some_and(|call| call.wants_body()),
    error,
    keys: |config| &config.skyway_keys,
    #[cfg(test)]
    routes: || skyway::routes().map(|(_, path)| path).collect(),
};

/// Returns the call of a request.
pub(super) fn call(claim: &Claim) -> Option<Call> {
    skyway::resolve(&claim.method, &claim.path())?.ok()
}

fn error(claim: &Claim, status: u16, field: &'static str, detail: &str) -> Response {
    match skyway::resolve(&claim.method, &claim.path()) {
        Some(Ok(call)) => {
            let fault = FieldError::new(field, detail.to_owned());
            skyway::error(status, call.command(), &[fault])
        }
        Some(Err(other)) if status == 405 => other.response(),
        Some(Err(_)) | None => claim.problem(status, field, detail),
    }
}
