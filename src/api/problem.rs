//! Errors as `application/problem+json` (RFC 9457), which say what is wrong and where.

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
    /// Returns a problem. `detail` says what is wrong, in a sentence for people.
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

    /// Sets the header, line or part of the request that is at fault.
    #[must_use]
    pub fn at(mut self, place: &str) -> Self {
        place.clone_into(&mut self.place);
        self
    }

    /// Sets one word for programs, in `type`.
    #[must_use]
    pub fn kind(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    /// Returns whether the client may be guessing secrets, so that the answer is delayed.
    pub fn is_guess(&self) -> bool {
        matches!(self.kind, "token-unknown" | "share-unknown")
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Returns the status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the sentence for people.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Returns the answer.
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
