//! Answers of the running daemon as text for a terminal.

use std::path::Path;

use serde_json::Value;

/// Replaces control characters in all texts, so that the program at a socket cannot control the terminal.
pub(crate) fn cleaned(answer: Value) -> Value {
    match answer {
        Value::String(text) => Value::String(without_controls(&text)),
        Value::Array(all) => Value::Array(all.into_iter().map(cleaned).collect()),
        Value::Object(fields) => {
            let clean = fields.into_iter().map(|(key, value)| (key, cleaned(value)));
            Value::Object(clean.collect())
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
    }
}

fn without_controls(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// Returns the output of `thingway fingerprint`. `socket` is the control socket of the daemon that answered.
pub(crate) fn fingerprints(socket: &Path, access: &Value) -> String {
    let of = |kind: &str| text(&access["fingerprints"], kind);
    let socket = socket.display();
    let tls = match of("tls") {
        none if none == "-" => "none yet: thingway setup makes one".to_owned(),
        tls => format!("sha-256 {tls}"),
    };
    format!(
        "The daemon at {socket} has these certificates:\n\
         DTLS, for sessions: {}\n\
         TLS, for https:     {tls}\n",
        of("dtls")
    )
}

/// Returns the output of `thingway endpoints`.
pub(crate) fn endpoints(answer: &Value) -> String {
    let rows = list(answer, "endpoints").iter().map(|endpoint| {
        vec![
            text(endpoint, "name"),
            text(endpoint, "kind"),
            text(endpoint, "state"),
            number(endpoint, "routes"),
            number(&endpoint["from_device"], "bytes"),
            number(&endpoint["to_device"], "bytes"),
            text(endpoint, "detail"),
        ]
    });
    let header = [
        "ENDPOINT", "KIND", "STATE", "CHANNELS", "RECEIVED", "SENT", "",
    ];
    table(&header, rows.collect(), "No endpoints.")
}

/// Returns the output of `thingway sessions`.
pub(crate) fn sessions(answer: &Value) -> String {
    let rows = list(answer, "sessions").iter().map(|session| {
        let labels = list(session, "channels").iter();
        let labels: Vec<_> = labels.map(|channel| text(channel, "label")).collect();
        let rtt = session["round_trip_time_ms"].as_f64();
        vec![
            text(session, "id"),
            text(session, "state"),
            text(session, "token"),
            age(session["age_ms"].as_u64().unwrap_or(0)),
            text(&session["candidate_pair"], "remote"),
            rtt.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1} ms")),
            labels.join(" "),
        ]
    });
    let header = [
        "SESSION",
        "STATE",
        "TOKEN",
        "AGE",
        "PEER",
        "ROUND TRIP",
        "CHANNELS",
    ];
    table(&header, rows.collect(), "No sessions.")
}

/// Returns the output of `thingway token list`.
pub(crate) fn tokens(answer: &Value) -> String {
    let tokens = list(answer, "tokens").iter().map(|token| {
        vec![
            text(token, "name"),
            rights(token),
            text(token, "created"),
            text(token, "expires"),
            text(token, "last_used"),
        ]
    });
    let shares = list(answer, "shares").iter().map(|share| {
        let none = || "-".to_owned();
        let what = "an unused link".to_owned();
        vec![
            text(share, "name"),
            what,
            none(),
            text(share, "expires"),
            none(),
        ]
    });
    let header = ["TOKEN", "ALLOWS", "MADE", "EXPIRES", "LAST USED"];
    table(&header, tokens.chain(shares).collect(), "No tokens.")
}

fn rights(token: &Value) -> String {
    if token["admin"].as_bool() == Some(true) {
        return "everything".to_owned();
    }
    let words = |value: &Value, key| {
        let words = list(value, key).iter().filter_map(Value::as_str);
        words.collect::<Vec<_>>().join(",")
    };
    let scopes = list(token, "scopes").iter();
    let scopes =
        scopes.map(|scope| format!("{}: {}", words(scope, "endpoints"), words(scope, "verbs")));
    scopes.collect::<Vec<_>>().join("; ")
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// Returns a text without control characters, because a label may contain any text and a terminal obeys
/// control characters.
fn text(value: &Value, key: &str) -> String {
    without_controls(value[key].as_str().unwrap_or("-"))
}

fn number(value: &Value, key: &str) -> String {
    let number = value[key].as_u64();
    number.map_or_else(|| "-".to_owned(), |n| n.to_string())
}

fn age(ms: u64) -> String {
    let seconds = ms / 1000;
    match (seconds / 86_400, seconds / 3_600, seconds / 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {} min", minutes % 60),
        (days, hours, _) => format!("{days} d {} h", hours % 24),
    }
}

fn table(header: &[&str], rows: Vec<Vec<String>>, none: &str) -> String {
    if rows.is_empty() {
        return format!("{none}\n");
    }
    let header: Vec<String> = header.iter().map(|&word| word.to_owned()).collect();
    let mut widths = vec![0; header.len()];
    for row in std::iter::once(&header).chain(&rows) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut all = String::new();
    for row in std::iter::once(&header).chain(&rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            let gap = width - cell.chars().count() + 2;
            line.extend(std::iter::repeat_n(' ', gap));
        }
        all.push_str(line.trim_end());
        all.push('\n');
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_api_says_is_put_into_columns() {
        let answer = json!({"endpoints": [
            {"name": "arm", "kind": "serial", "state": "absent", "detail": "no such file",
             "routes": 2, "from_device": {"bytes": 1234}, "to_device": {"bytes": 0}},
            {"name": "a-long-name", "kind": "udp"},
        ]});
        let expected = "\
ENDPOINT     KIND    STATE   CHANNELS  RECEIVED  SENT
arm          serial  absent  2         1234      0     no such file
a-long-name  udp     -       -         -         -     -
";
        assert_eq!(endpoints(&answer), expected);
        assert_eq!(sessions(&json!({})), "No sessions.\n");
        let answer = json!({"sessions": [{
            "id": "x", "state": "connected", "age_ms": 3_725_000, "round_trip_time_ms": 1.26,
            "candidate_pair": {"remote": "192.0.2.1:5"},
            "channels": [{"label": "arm"}, {"label": "\u{1b}[2J"}],
        }]});
        let shown = sessions(&answer);
        let row =
            "x        connected  -      1 h 2 min  192.0.2.1:5  1.3 ms      arm \u{fffd}[2J\n";
        assert!(shown.ends_with(row), "{shown}");
    }
}
