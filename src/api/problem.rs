//! Errors as `application/problem+json` (RFC 9457), saying what was wrong and where.

use crate::http::Response;
use crate::session::sdp::SdpError;

/// An answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: u16,
    detail: String,
    place: String,
    kind: &'static str,
    headers: Vec<(&'static str, String)>,
}

impl Problem {
    /// What is wrong, in a sentence for people.
    pub fn new(status: u16, detail: &str) -> Self {
        let (detail, place) = (detail.to_owned(), String::new());
        Self {
            status,
            detail,
            place,
            kind: "",
            headers: Vec::new(),
        }
    }

    /// The header, line or part of the request that it is about.
    #[must_use]
    pub fn at(mut self, place: &str) -> Self {
        place.clone_into(&mut self.place);
        self
    }

    /// One word for programs, in `type`.
    #[must_use]
    pub fn kind(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    /// Whether somebody may be guessing secrets, so that the answer takes its time.
    pub fn is_guess(&self) -> bool {
        matches!(self.kind, "token-unknown" | "share-unknown")
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
        let response = crate::http::problem(self.status, self.kind, &self.detail, &self.place);
        let headers = self.headers.iter();
        headers.fold(response, |response, (name, value)| {
            response.header(name, value)
        })
    }
}

impl From<SdpError> for Problem {
    fn from(error: SdpError) -> Self {
        let status = if error.unsupported { 422 } else { 400 };
        Self::new(status, &error.detail).at(&error.place)
    }
}
