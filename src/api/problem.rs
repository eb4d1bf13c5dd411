//! Errors as `application/problem+json` (RFC 9457), saying what was wrong and where.

use serde::Serialize;

use crate::http::Response;
use crate::session::sdp::SdpError;

/// An answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: u16,
    detail: String,
    place: String,
    headers: Vec<(&'static str, String)>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(rename = "where", skip_serializing_if = "str::is_empty")]
    place: &'a str,
}

impl Problem {
    /// What is wrong, in a sentence for people.
    pub fn new(status: u16, detail: &str) -> Self {
        let (detail, place) = (detail.to_owned(), String::new());
        Self {
            status,
            detail,
            place,
            headers: Vec::new(),
        }
    }

    /// The header, line or part of the request that it is about.
    #[must_use]
    pub fn at(mut self, place: &str) -> Self {
        place.clone_into(&mut self.place);
        self
    }

    /// A header of the answer.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The sentence for people.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The answer.
    pub fn response(&self) -> Response {
        let body = Body {
            r#type: "about:blank",
            title: title(self.status),
            status: self.status,
            detail: &self.detail,
            place: &self.place,
        };
        let json = serde_json::to_vec(&body).expect("strings and a number");
        let mut response = Response::new(self.status);
        for (name, value) in &self.headers {
            response = response.header(name, value);
        }
        response.body("application/problem+json", json)
    }
}

impl From<SdpError> for Problem {
    fn from(error: SdpError) -> Self {
        let status = if error.unsupported { 422 } else { 400 };
        Self::new(status, &error.detail).at(&error.place)
    }
}

/// RFC 9457 §3.1.3: with `about:blank` the title is the status code's name.
fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        _ => "Error",
    }
}
