//! Responses to failed token checks, held back to slow down guessing.

use std::time::{Duration, Instant};

use super::Front;
use super::event::TimerKey;
use crate::api::problem::Problem;
use crate::http::Response;
use crate::ids::RequestId;
use crate::sources::Context;

/// How long the response to a wrong token is held back.
const DELAY: Duration = Duration::from_millis(500);
/// The most responses held back at once. Only clients that guess from many places at once cause more.
const MAX_DELAYED: usize = 256;
/// A response that is held back.
pub(super) struct Delayed {
    at: Instant,
    request: RequestId,
    response: Response,
}

impl Front {
    /// Answers a request with a problem. A problem that looks like guessing is sent later.
    #[inline(never)]
    pub(crate) fn refuse(&mut self, cx: &mut Context<'_>, request: RequestId, problem: &Problem) {
        if problem.is_guess() {
            self.answer_later(cx, request, problem.response());
        } else {
            self.connections.answer(cx, request, problem.response());
        }
    }

    /// Answers a request later, to slow down a client that guesses.
    pub(super) fn answer_later(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        response: Response,
    ) {
        if self.delayed.len() >= MAX_DELAYED {
            return self.connections.answer(cx, request, response);
        }
        let at = cx.now + DELAY;
        self.delayed.push_back(Delayed {
            at,
            request,
            response,
        });
        if !self.connections.timers.is_set(TimerKey::Delayed) {
            self.connections.timers.set(TimerKey::Delayed, Some(at));
        }
    }

    pub(super) fn answer_delayed(&mut self, cx: &mut Context<'_>) {
        while self.delayed.front().is_some_and(|it| it.at <= cx.now)
            && let Some(delayed) = self.delayed.pop_front()
        {
            self.connections
                .answer(cx, delayed.request, delayed.response);
        }
        let next = self.delayed.front().map(|delayed| delayed.at);
        self.connections.timers.set(TimerKey::Delayed, next);
    }

    /// Answers a request with what its owner has done, or with a problem. `None`: the response is sent later.
    #[inline(never)]
    pub(crate) fn respond(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        done: Result<Option<Response>, Problem>,
    ) {
        match done {
            Ok(Some(response)) => self.connections.answer(cx, request, response),
            Ok(None) => {}
            Err(problem) => self.refuse(cx, request, &problem),
        }
    }
}
