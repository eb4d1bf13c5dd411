//! Answers to requests, and orders to the links.

use super::{Facade, Wrong};
use crate::access::visitors::Right;
use crate::api::skyway::{FieldError, error, request};
use crate::http::Response;
use crate::ids::RequestId;
use crate::signaling::call::Order;
use crate::signaling::dialect::{Output, Shown};

pub(super) fn wrong(status: u16, field: &'static str, message: impl Into<String>) -> Wrong {
    (status, vec![FieldError::new(field, message.into())])
}

pub(super) fn bad(faults: request::Faults) -> Wrong {
    (400, faults)
}

impl Facade {
    /// Answers a request, and notes the key that the client has shown with a successful call.
    pub(super) fn answer_done(
        &mut self,
        request: RequestId,
        command: &'static str,
        done: Result<Response, Wrong>,
    ) {
        if done.is_ok() {
            self.show_key(request);
        }
        let response = done.unwrap_or_else(|(status, faults)| error(status, command, &faults));
        self.answer(request, response);
    }

    pub(super) fn show_key(&mut self, request: RequestId) {
        let shown = Output::ShowRight(Shown::Request(request), Right::Key);
        self.outputs.push_back(shown);
    }

    pub(super) fn answer(&mut self, request: RequestId, response: Response) {
        self.outputs.push_back(Output::Answer(request, response));
    }

    pub(super) fn order(&mut self, order: Order) {
        self.outputs.push_back(Output::Link(order));
    }
}
