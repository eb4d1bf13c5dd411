//! The form of counters and lines in JSON.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::config::{EndpointKind, Meeting};
use crate::drops::Drops;
use crate::endpoint::Count;
use crate::endpoint::line::LineStatus;
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
        EndpointKind::Demo | EndpointKind::Echo | EndpointKind::Sink | EndpointKind::Source => {}
    }
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
