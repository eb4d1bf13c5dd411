//! Work that takes time: the expiry of tokens, the storing of tokens, and responses that are held back.

use std::time::Duration;

use serde_json::json;

use super::Front;
use super::event::{FrontEvent, TimerKey, TokenEnd};
use crate::access::{self};
use crate::api::problem::Problem;
use crate::http::Response;
use crate::ids::RequestId;
use crate::sources::{Command, Context};

/// How long after a failure storing the tokens is tried again.
const STORE_AGAIN: Duration = Duration::from_secs(10);
/// A response that waits until the tokens are stored.
pub(super) type Stored = (RequestId, Response);

impl Front {
    // ---- time ----

    /// Handles a clock that was set and so jumped by this many seconds. Tokens made before the jump keep the
    /// lifetime that was asked for.
    pub(crate) fn handle_clock_set(&mut self, cx: &mut Context<'_>, by: u64) {
        if self.access.handle_clock_set(by) {
            self.store_without_answer(cx);
        }
        self.schedule_expiry(cx);
    }

    /// Ends the tokens that have expired.
    pub(super) fn expire_tokens(&mut self, cx: &mut Context<'_>) {
        for id in self.access.expire(cx.unix_time()) {
            self.end_token(cx, id, TokenEnd::Expired);
        }
        self.schedule_expiry(cx);
    }

    /// Ends a token, and tells the owner to end everything that uses the token.
    pub(super) fn end_token(&mut self, cx: &mut Context<'_>, id: String, why: TokenEnd) {
        self.connections.end_event_streams_of(cx, &id);
        self.connections
            .events
            .push_back(FrontEvent::TokenEnded { id, why });
    }

    /// Sets the deadline for the next expiry, at most an hour ahead, because the clock may be set meanwhile.
    pub(crate) fn schedule_expiry(&mut self, cx: &Context<'_>) {
        let time = cx.unix_time();
        let next = self.access.next_expiry(time);
        let wait = next.map(|at| Duration::from_secs((at - time).min(3600)));
        let at = wait.map(|wait| cx.now + wait);
        self.connections.timers.set(TimerKey::Expiry, at);
    }

    /// Adds a warning to responses that create an expiring credential while the clock is not set.
    pub(super) fn doubt_expiry(
        &self,
        cx: &Context<'_>,
        expires: bool,
        response: Response,
    ) -> Response {
        if !expires || access::is_clock_set(cx.unix_time()) {
            return response;
        }
        let warning =
            "the clock of this machine is not set: it ends with the daemon, if not before";
        with_warning(response, warning)
    }

    // ---- the file ----

    /// Stores the tokens, and sends a response when the tokens are stored.
    pub(super) fn store(&mut self, cx: &mut Context<'_>, request: RequestId, response: Response) {
        self.storing.push_back(Some((request, response)));
        self.ask_to_store(cx);
        self.schedule_expiry(cx);
    }

    fn store_without_answer(&mut self, cx: &mut Context<'_>) {
        self.storing.push_back(None);
        self.ask_to_store(cx);
    }

    fn ask_to_store(&mut self, cx: &mut Context<'_>) {
        let text = self.access.to_text();
        cx.sources.ask(Command::StoreAccess { text });
    }

    /// Tries again to store the tokens.
    pub(super) fn store_again(&mut self, cx: &mut Context<'_>) {
        self.store_without_answer(cx);
        // This deadline applies until the result of storing arrives.
        let again = Some(cx.now + STORE_AGAIN);
        self.connections.timers.set(TimerKey::Store, again);
    }

    /// Handles the result of [`Command::StoreAccess`].
    pub(crate) fn handle_stored(&mut self, cx: &mut Context<'_>, result: Result<(), String>) {
        let stored = self.storing.pop_front().flatten();
        self.note_stored(cx, &result);
        let Some((request, response)) = stored else {
            return;
        };
        let response = match result {
            Ok(()) => response,
            // The response still contains the new secret, because the operator cannot get the secret again.
            Err(why) if response.status() == 201 => with_warning(
                response,
                &format!(
                    "this holds until the next start only, unless it can be stored before: {why}"
                ),
            ),
            Err(why) => {
                let detail = format!(
                    "this holds now, but could not be stored, and a restart would undo it: {why}; the gateway goes on trying"
                );
                Problem::new(507, &detail).kind("not-stored").response()
            }
        };
        self.connections.answer(cx, request, response);
    }

    /// Notes the result of storing. After a failure the tokens are stored again until that succeeds, because
    /// a restart must not undo a revocation.
    fn note_stored(&mut self, cx: &Context<'_>, result: &Result<(), String>) {
        let was_unstored = self.connections.timers.is_set(TimerKey::Store);
        match result {
            Ok(()) if was_unstored => {
                log::info!("tokens: stored");
                self.connections.timers.set(TimerKey::Store, None);
            }
            Ok(()) => {}
            Err(why) => {
                if !was_unstored {
                    log::error!("tokens: not stored, and tried again until they are: {why}");
                }
                let again = Some(cx.now + STORE_AGAIN);
                self.connections.timers.set(TimerKey::Store, again);
            }
        }
    }
}

fn with_warning(response: Response, warning: &str) -> Response {
    let mut body = serde_json::from_slice(response.content()).unwrap_or_else(|_| json!({}));
    if let Some(fields) = body.as_object_mut() {
        fields.insert("warning".to_owned(), warning.into());
    }
    response.body("application/json", body.to_string().into_bytes())
}
