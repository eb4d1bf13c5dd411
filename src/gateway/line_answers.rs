//! How a script at a line ended, and how the line is, told to who asked.

use std::time::Instant;

use serde_json::{Value, json};

use super::Gateway;
use super::line::{Asker, Expected, Outcome};
use super::source::Command;
use crate::api::origin::Caller;
use crate::api::problem::Problem;
use crate::config::EndpointKind;
use crate::endpoint::line::{LineFault, LineStatus, LineStep};
use crate::http::Response;
use crate::ids::{EndpointId, SourceId};
use crate::session::control::Reply;

impl Gateway {
    pub(super) fn answer_script(
        &mut self,
        now: Instant,
        id: EndpointId,
        asker: &Asker,
        outcome: Outcome,
    ) {
        let Some(device) = self.routing.endpoints.get(id) else {
            return;
        };
        let endpoint = device.config.name.clone();
        match &outcome {
            Ok(_) => log::debug!("endpoint {endpoint}: line control done"),
            Err((_, fault)) => log::debug!("endpoint {endpoint}: line control: {fault}"),
        }
        match asker {
            Asker::Nobody => {}
            Asker::Peer { session, id } => {
                let id = id.as_deref().and_then(raw);
                let status = outcome.as_ref().ok().map(status_json);
                let (step, fault) = match &outcome {
                    Ok(_) => (None, None),
                    Err((step, fault)) => (*step, Some(fault)),
                };
                let detail = fault.map(ToString::to_string);
                if let Some(entry) = self.sessions.get_mut(*session) {
                    entry.session.answer(&Reply::Line {
                        id,
                        endpoint: &endpoint,
                        ok: fault.is_none(),
                        line: status.as_ref(),
                        step,
                        reason: fault.map(LineFault::as_str),
                        detail: detail.as_deref(),
                    });
                }
                self.touch_session(*session);
            }
            Asker::Http { source, caller } => {
                let response = match outcome {
                    Ok(status) => ok_json(&json!({"line": status_json(&status)})),
                    Err((step, fault)) => line_problem(step, &fault).response(),
                };
                self.answer(now, *source, caller, response);
                self.service(now, *source);
            }
        }
    }

    /// Asks how a line is, for `GET /endpoints/{name}`. False: there is nothing to be asked.
    pub(super) fn look_at_line(&mut self, name: &str, source: SourceId, caller: &Caller) -> bool {
        let Some(id) = self.routing.endpoint_names.get(name) else {
            return false;
        };
        let Some(device) = self.routing.endpoints.get_mut(*id) else {
            return false;
        };
        let is_serial = matches!(device.config.kind, EndpointKind::Serial { .. });
        let Some(line) = device.source.filter(|_| is_serial) else {
            return false;
        };
        let caller = caller.clone();
        device.expected.push_back(Expected::View { source, caller });
        let step = LineStep::Look;
        self.commands
            .push_back(Command::Line { source: line, step });
        true
    }

    /// The endpoint was removed before it could be looked at.
    pub(super) fn answer_gone(&mut self, now: Instant, source: SourceId, caller: &Caller) {
        let problem = Problem::new(404, "no endpoint has this name").at("path");
        self.answer(now, source, caller, problem.response());
        self.service(now, source);
    }

    pub(super) fn answer_view(
        &mut self,
        now: Instant,
        id: EndpointId,
        source: SourceId,
        caller: &Caller,
        result: Result<LineStatus, LineFault>,
    ) {
        let name = self
            .routing
            .endpoints
            .get(id)
            .map(|d| d.config.name.clone());
        let Some(mut json) = name.and_then(|name| self.endpoint_json(&name)) else {
            return self.answer_gone(now, source, caller);
        };
        if let (Ok(status), Some(fields)) = (result, json.as_object_mut()) {
            fields.insert("line".to_owned(), status_json(&status));
        }
        self.answer(now, source, caller, ok_json(&json));
        self.service(now, source);
    }
}

fn raw(text: &str) -> Option<&serde_json::value::RawValue> {
    serde_json::from_str(text).ok()
}

fn ok_json(value: &Value) -> Response {
    let fresh = Response::new(200).header("Cache-Control", "no-store");
    fresh.body("application/json", value.to_string().into_bytes())
}

fn line_problem(step: Option<usize>, fault: &LineFault) -> Problem {
    let status = match fault {
        LineFault::Unsupported | LineFault::NoLine => 422,
        LineFault::Absent | LineFault::Denied(_) => 409,
        LineFault::Busy => 503,
        LineFault::Failed(_) => 502,
    };
    let problem = Problem::new(status, &fault.to_string());
    match step {
        Some(step) => problem.at(&format!("do[{step}]")),
        None => problem,
    }
}

/// A line as JSON. What its driver does not have is `"unsupported"`.
pub(super) fn status_json(status: &LineStatus) -> Value {
    let unsupported = || Value::from("unsupported");
    let modem = status.modem.map_or_else(unsupported, |lines| {
        json!({
            "dtr": lines.dtr, "rts": lines.rts, "cts": lines.cts,
            "dsr": lines.dsr, "dcd": lines.dcd, "ri": lines.ri,
        })
    });
    let counters = status.counters.map_or_else(unsupported, |counters| {
        json!({
            "rx": counters.rx, "tx": counters.tx, "frame": counters.frame,
            "overrun": counters.overrun, "parity": counters.parity, "breaks": counters.breaks,
            "buffer_overrun": counters.buffer_overrun,
        })
    });
    json!({
        "baud": status.baud,
        "format": status.format.to_string(),
        "flow": status.flow.as_str(),
        "modem": modem,
        "counters": counters,
        "unsent": status.unsent,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::line::{FlowControl, Format, LineCounters};

    #[test]
    fn each_counter_of_a_uart_has_its_own_name() {
        let counters = LineCounters {
            rx: 1,
            tx: 2,
            frame: 3,
            overrun: 4,
            parity: 5,
            breaks: 6,
            buffer_overrun: 7,
        };
        let status = LineStatus {
            baud: 9600,
            format: Format::default(),
            flow: FlowControl::None,
            modem: None,
            counters: Some(counters),
            unsent: 8,
        };
        let shown = status_json(&status);
        let expected = json!({
            "rx": 1, "tx": 2, "frame": 3, "overrun": 4, "parity": 5, "breaks": 6,
            "buffer_overrun": 7,
        });
        assert_eq!(shown["counters"], expected);
        assert_eq!(shown["unsent"], 8);
    }
}
