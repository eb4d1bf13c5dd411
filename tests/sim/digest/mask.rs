//! The masking of names, secrets and times that differ from run to run, or that another order of random draws
//! would change.

use std::collections::BTreeMap;

use serde_json::Value;

/// The JSON fields whose values differ from run to run.
const FIELDS: [&str; 15] = [
    "age_ms",
    "round_trip_time_ms",
    "bytes_sent",
    "bytes_received",
    "wait_ms",
    "fingerprint",
    "dtls",
    "server",
    "version",
    "sid",
    "ticket",
    "socket",
    "created",
    "usernameFragment",
    "timestamp",
];

/// The replacements for random words.
#[derive(Default)]
pub struct Mask {
    known: BTreeMap<String, String>,
}

impl Mask {
    /// Registers `meaning` as the replacement of `name` from now on.
    pub fn learn(&mut self, name: &str, meaning: &str) {
        let meaning = format!("<{meaning}>");
        self.known.entry(name.to_owned()).or_insert(meaning);
    }

    /// Returns a text with each random word replaced.
    pub fn text(&self, text: &str) -> String {
        let (mut masked, mut rest) = (String::new(), text);
        while let Some(first) = rest.chars().next() {
            let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
            if end == 0 {
                masked.push(first);
                rest = &rest[first.len_utf8()..];
                continue;
            }
            let (word, behind) = rest.split_at(end);
            rest = behind;
            if is_date(word) {
                // Skip the rest of the time of day.
                rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || ":.Z".contains(c));
                masked.push_str("<time>");
            } else {
                masked.push_str(&self.word(word));
            }
        }
        masked
    }

    fn word(&self, word: &str) -> String {
        if let Some(meaning) = self.known.get(word) {
            return meaning.clone();
        }
        let is_random = |text: &str| {
            let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c) || c == '-';
            text.len() >= 12 && text.chars().all(hex)
        };
        for kind in ["tw_", "ts_"] {
            if word.starts_with(kind) && word.len() > 40 {
                return format!("<{kind}>");
            }
        }
        for kind in ["", "pt-", "da-", "dc-", "dc_"] {
            if word.strip_prefix(kind).is_some_and(is_random) {
                return format!("<{kind}id>");
            }
        }
        word.to_owned()
    }

    /// Returns a message with its random parts replaced. Lists of sessions are sorted, because their order is
    /// that of a table.
    pub fn json(&self, value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| {
                    let masked = match value {
                        Value::Null => Value::Null,
                        _ if FIELDS.contains(&name.as_str()) => "<masked>".into(),
                        value => self.json(value),
                    };
                    if name == "sessions" {
                        return (name.clone(), sorted(masked));
                    }
                    (name.clone(), masked)
                });
                Value::Object(fields.collect())
            }
            Value::Array(items) => items.iter().map(|item| self.json(item)).collect(),
            Value::String(text) if text.starts_with("v=0") => sdp(text).into(),
            Value::String(text) if text.starts_with("candidate:") => candidate(text).into(),
            Value::String(text) => self.text(text).into(),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }
}

fn sorted(list: Value) -> Value {
    match list {
        Value::Array(mut items) => {
            items.sort_by_key(Value::to_string);
            Value::Array(items)
        }
        other => other,
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// Returns whether a word is the beginning of a time (RFC 3339): `2027-01-15T08`.
fn is_date(word: &str) -> bool {
    let pattern = word
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c });
    pattern.eq("0000-00-00T00".chars())
}

/// Returns a candidate without its foundation, its priority, and the words behind its type.
fn candidate(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    match words.as_slice() {
        [_, component, protocol, _, address, port, "typ", kind, ..] => {
            format!("candidate:* {component} {protocol} * {address} {port} typ {kind}")
        }
        _ => text.to_owned(),
    }
}

/// The beginnings of description lines whose rest is random. The offering peer draws the name of the section.
const RANDOM_LINES: [&str; 6] = [
    "o=",
    "a=ice-ufrag:",
    "a=ice-pwd:",
    "a=fingerprint:",
    "a=group:BUNDLE ",
    "a=mid:",
];

/// Returns a description without its random parts.
pub fn sdp(text: &str) -> String {
    let lines = text.lines().map(|line| {
        for start in RANDOM_LINES {
            if line.starts_with(start) {
                return format!("{start}*");
            }
        }
        match line.strip_prefix("a=candidate:") {
            Some(rest) => format!("a={}", candidate(&format!("candidate:{rest}"))),
            None => line.to_owned(),
        }
    });
    lines.collect::<Vec<_>>().join(" | ")
}

#[test]
fn random_words_are_masked_and_others_stay() {
    let mut mask = Mask::default();
    mask.learn("0123456789abcdef0123456789abcdef", "p0");
    let text = "0123456789abcdef0123456789abcdef has the lease since 2027-01-15T08:00:01.5Z, dc_0123456789abcdef not";
    let masked = "<p0> has the lease since <time>, <dc_id> not";
    assert_eq!(mask.text(text), masked);
    let kept = "application/sdp 198.51.100.9:40000 /dev/arm a-b decade";
    assert_eq!(mask.text(kept), kept);
}
