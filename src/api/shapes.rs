//! The form of counters and lines in JSON.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::problem::Problem;
use crate::config::{EndpointKind, Meeting, RtcpPlace, TrackConfig};
use crate::drops::Drops;
use crate::endpoint::Count;
use crate::endpoint::line::{LineFault, LineStatus};
use crate::http::Response;

/// Returns a count as JSON.
pub(crate) fn count(count: Count) -> Value {
    json!({"messages": count.messages, "bytes": count.bytes})
}

/// Returns dropped messages by direction and reason as JSON.
pub(crate) fn drops(drops: &Drops) -> Value {
    let rows = drops.iter().map(|((direction, reason), count)| {
        json!({
            "direction": direction.as_str(),
            "reason": reason.as_str(),
            "messages": count.messages,
            "bytes": count.bytes,
        })
    });
    rows.collect()
}

/// Adds the address or path of an endpoint's device.
pub(crate) fn add_place(json: &mut Value, kind: &EndpointKind, remote: Option<SocketAddr>) {
    match kind {
        EndpointKind::Serial { path, line } => {
            json["path"] = json!(path.to_string_lossy());
            json["baud"] = json!(line.baud);
        }
        EndpointKind::Tcp(Meeting::Remote(addr) | Meeting::PerChannel(addr)) => {
            json["remote"] = json!(addr.to_string());
        }
        EndpointKind::Tcp(Meeting::Listen(addr)) => json["listen"] = json!(addr.to_string()),
        EndpointKind::Unix(Meeting::Remote(path) | Meeting::PerChannel(path)) => {
            json["remote"] = json!(path.to_string_lossy());
        }
        EndpointKind::Unix(Meeting::Listen(path)) => {
            json["listen"] = json!(path.to_string_lossy());
        }
        EndpointKind::Udp(udp) => {
            json["remote"] = json!(remote.map(|addr| addr.to_string()));
            json["bind"] = json!(udp.bind.map(|addr| addr.to_string()));
        }
        EndpointKind::Rtp(rtp) => {
            for track in rtp.tracks() {
                json[track.codec.kind().as_str()] = self::track(track);
            }
        }
        EndpointKind::Demo | EndpointKind::Echo | EndpointKind::Sink | EndpointKind::Source => {}
    }
}

/// Returns the addresses and the codec of a track as JSON.
fn track(track: &TrackConfig) -> Value {
    let text = |addr: Option<SocketAddr>| addr.map(|addr| addr.to_string());
    let rtcp = match track.rtcp {
        RtcpPlace::Mux => "mux".to_owned(),
        RtcpPlace::At(addr) => addr.to_string(),
    };
    json!({
        "codec": track.codec.as_str(),
        "payload_type": track.payload_type,
        "listen": text(track.listen),
        "rtcp": track.listen.map(|_| rtcp),
        "send_to": text(track.send_to),
        "send_rtcp": text(track.send_rtcp),
        "send_payload_type": track.send_payload_type,
    })
}

/// Returns a line as JSON. A value that its driver does not have is `"unsupported"`.
pub(crate) fn line(status: &LineStatus) -> Value {
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

/// Returns a response that no cache may keep.
pub(crate) fn fresh_json(value: &Value) -> Response {
    let fresh = Response::new(200).header("Cache-Control", "no-store");
    fresh.body("application/json", value.to_string().into_bytes())
}

/// Returns the response to a request whose script has ended.
pub(crate) fn line_response(outcome: Result<LineStatus, (Option<usize>, LineFault)>) -> Response {
    match outcome {
        Ok(status) => fresh_json(&json!({"line": line(&status)})),
        Err((step, fault)) => line_problem(step, &fault).response(),
    }
}

/// Returns the response to `GET /endpoints/{name}` after the state of the line was read. `view` is `None` if the endpoint
/// was removed meanwhile.
pub(crate) fn viewed_response(view: Option<Value>, status: Option<&LineStatus>) -> Response {
    let Some(mut view) = view else {
        return no_endpoint().response();
    };
    if let (Some(status), Some(fields)) = (status, view.as_object_mut()) {
        fields.insert("line".to_owned(), line(status));
    }
    fresh_json(&view)
}

/// Returns the response to `GET /endpoints/{name}/config`.
pub(crate) fn file_response(read: Result<Value, String>) -> Response {
    match read {
        Ok(json) => Response::new(200).body("application/json", json.to_string().into_bytes()),
        Err(detail) => Problem::new(409, &detail).response(),
    }
}

/// Returns the problem of a request for an endpoint that does not exist.
pub(crate) fn no_endpoint() -> Problem {
    Problem::new(404, "no endpoint has this name").at("path")
}

/// Returns the problem of a request for a path or method that does not exist.
pub(crate) fn nothing_here() -> Problem {
    Problem::new(404, "there is nothing at this path").at("path")
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
        let shown = line(&status);
        let expected = json!({
            "rx": 1, "tx": 2, "frame": 3, "overrun": 4, "parity": 5, "breaks": 6,
            "buffer_overrun": 7,
        });
        assert_eq!(shown["counters"], expected);
        assert_eq!(shown["unsent"], 8);
    }
}
