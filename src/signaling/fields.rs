//! The common part of PeerJS and SkyWay-JS: fields of objects and queries, each read with a bound and named
//! in the fault.

use serde_json::{Map, Value, json};

use super::fault::{Fault, Wrong};
use super::message::{Candidate, Carries};
use crate::limits;

/// A JSON object.
pub(super) type Object = Map<String, Value>;

/// Returns the field that the last part of this path names; null counts as missing.
pub(super) fn value<'a>(of: &'a Object, path: &'static str) -> Option<&'a Value> {
    let name = path.rsplit('.').next().unwrap_or(path);
    of.get(name).filter(|it| !it.is_null())
}

pub(super) fn object<'a>(of: &'a Object, path: &'static str) -> Result<&'a Object, Fault> {
    let value = value(of, path).ok_or_else(|| Fault::new(path, Wrong::Missing))?;
    value
        .as_object()
        .ok_or_else(|| Fault::new(path, Wrong::NotAnObject))
}

/// Returns a string that must be present and not empty.
pub(super) fn text<'a>(of: &'a Object, path: &'static str, bound: usize) -> Result<&'a str, Fault> {
    let text = optional_text(of, path, bound)?.filter(|text| !text.is_empty());
    text.ok_or_else(|| Fault::new(path, Wrong::Missing))
}

pub(super) fn optional_text<'a>(
    of: &'a Object,
    path: &'static str,
    bound: usize,
) -> Result<Option<&'a str>, Fault> {
    let Some(value) = value(of, path) else {
        return Ok(None);
    };
    let text = value
        .as_str()
        .ok_or_else(|| Fault::new(path, Wrong::NotText))?;
    within(text, path, bound).map(Some)
}

pub(super) fn number(of: &Object, path: &'static str) -> Result<u64, Fault> {
    let value = value(of, path).ok_or_else(|| Fault::new(path, Wrong::Missing))?;
    value
        .as_u64()
        .ok_or_else(|| Fault::new(path, Wrong::NotANumber))
}

/// Returns the id of a connection.
pub(super) fn connection(of: &Object, path: &'static str) -> Result<String, Fault> {
    text(of, path, limits::SIGNAL_ID).map(str::to_owned)
}

pub(super) fn carries(of: &Object, path: &'static str) -> Result<Carries, Fault> {
    match text(of, path, usize::MAX)? {
        "data" => Ok(Carries::Data),
        "media" => Ok(Carries::Media),
        _ => Err(Fault::new(path, Wrong::NotOneOf("data, media"))),
    }
}

/// Returns the word of both libraries for what a connection carries.
pub(super) fn kind(carries: Carries) -> &'static str {
    match carries {
        Carries::Data => "data",
        Carries::Media => "media",
    }
}

/// Returns any JSON, of a bounded length.
pub(super) fn metadata(of: &Object, path: &'static str) -> Result<Option<Value>, Fault> {
    let Some(value) = value(of, path) else {
        return Ok(None);
    };
    if value.to_string().len() > limits::METADATA {
        return Err(Fault::new(path, Wrong::TooLong(limits::METADATA)));
    }
    Ok(Some(value.clone()))
}

/// The paths of the parts of a candidate in a dialect.
#[derive(Debug)]
pub(super) struct CandidatePaths {
    pub(super) whole: &'static str,
    pub(super) candidate: &'static str,
    pub(super) mid: &'static str,
    pub(super) line: &'static str,
    pub(super) ufrag: &'static str,
}

/// Reads W3C's `RTCIceCandidateInit`; null in its place means the end of candidates, as for its
/// `addIceCandidate`.
pub(super) fn candidate(
    of: &Object,
    paths: &CandidatePaths,
    connection: String,
    carries: Carries,
) -> Result<Candidate, Fault> {
    let nothing = Object::new();
    let init = match of.get("candidate") {
        Some(Value::Null) => &nothing,
        Some(_) | None => object(of, paths.whole)?,
    };
    let name = |path| optional_text(init, path, limits::SIGNAL_NAME);
    let text = optional_text(init, paths.candidate, limits::SIGNAL_CANDIDATE)?;
    let line = match value(init, paths.line) {
        Some(line) => {
            let line = line.as_u64().and_then(|line| u32::try_from(line).ok());
            Some(line.ok_or_else(|| Fault::new(paths.line, Wrong::NotANumber))?)
        }
        None => None,
    };
    Ok(Candidate {
        connection,
        carries,
        candidate: text.unwrap_or_default().to_owned(),
        mid: name(paths.mid)?.map(str::to_owned),
        line,
        ufrag: name(paths.ufrag)?.map(str::to_owned),
    })
}

/// Returns the candidate as JSON. The libraries neither send nor expect an end of candidates, and browsers
/// throw on a candidate without a media section, so there is no JSON for those.
pub(super) fn candidate_init(candidate: &Candidate) -> Option<Value> {
    if candidate.candidate.is_empty() || (candidate.mid.is_none() && candidate.line.is_none()) {
        return None;
    }
    Some(json!({
        "candidate": candidate.candidate,
        "sdpMid": candidate.mid,
        "sdpMLineIndex": candidate.line,
        "usernameFragment": candidate.ufrag,
    }))
}

/// Returns the first value of this name in a query, percent-decoded; a `+` is a plus sign because no client
/// writes its spaces so. An empty value counts as missing.
pub(super) fn query_value(
    query: &str,
    name: &'static str,
    bound: usize,
) -> Result<Option<String>, Fault> {
    let value = query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    });
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let value = percent_decode(value).ok_or_else(|| Fault::new(name, Wrong::Encoding))?;
    within(&value, name, bound)?;
    Ok(Some(value))
}

/// Decodes percent-encoding (RFC 3986 §2.1); `None` if the result is not UTF-8, or if a percent sign stands
/// alone.
pub(super) fn percent_decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            decoded.push(*byte);
            continue;
        }
        let (digits, after) = rest.split_first_chunk::<2>()?;
        let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
        decoded.push(u8::try_from(high? * 16 + low?).ok()?);
        rest = after;
    }
    String::from_utf8(decoded).ok()
}

/// Checks an id against the rule of SkyWay-JS, which also accepts the ids of PeerJS:
/// `[A-Za-z0-9_-]+([ _-][A-Za-z0-9]+)*`.
pub(super) fn peer_id(id: &str, path: &'static str) -> Result<(), Fault> {
    within(id, path, limits::SIGNAL_ID)?;
    // Before the first space, `_` and `-` are letters like others.
    let (first, rest) = match id.split_once(' ') {
        Some((first, rest)) => (first, Some(rest)),
        None => (id, None),
    };
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    let is_first = !first.is_empty() && first.bytes().all(is_word);
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric());
    let is_rest = rest.is_none_or(|rest| rest.split([' ', '_', '-']).all(is_part));
    if is_first && is_rest {
        Ok(())
    } else {
        Err(Fault::new(path, Wrong::NotAnId))
    }
}

fn within<'a>(text: &'a str, path: &'static str, bound: usize) -> Result<&'a str, Fault> {
    if text.len() > bound {
        return Err(Fault::new(path, Wrong::TooLong(bound)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_the_libraries() {
        for id in ["a", "bob", "a-b_c", "-", "a--b", "a b", "a b-c", "_a 1_2"] {
            assert_eq!(peer_id(id, "id"), Ok(()), "{id}");
        }
        let long = "a".repeat(limits::SIGNAL_ID);
        assert_eq!(peer_id(&long, "id"), Ok(()));
        for id in [
            "", " ", " a", "a ", "a  b", "a b-", "a b--c", "a+b", "\u{e9}", "a\n",
        ] {
            let fault = Fault::new("id", Wrong::NotAnId);
            assert_eq!(peer_id(id, "id"), Err(fault), "{id}");
        }
        let fault = Fault::new("id", Wrong::TooLong(limits::SIGNAL_ID));
        assert_eq!(peer_id(&format!("{long}a"), "id"), Err(fault));
    }

    #[test]
    fn values_of_queries() {
        let query = "a=1&b=%7b%C3%A9+%26&c=&d&a=2&e=%4&f=%ff&g=%+1&h=%\u{e9}";
        let value = |name| query_value(query, name, 10);
        assert_eq!(value("a"), Ok(Some("1".to_owned())));
        assert_eq!(value("b"), Ok(Some("{\u{e9}+&".to_owned())));
        assert_eq!(
            (value("c"), value("d"), value("x")),
            (Ok(None), Ok(None), Ok(None))
        );
        for name in ["e", "f", "g", "h"] {
            assert_eq!(value(name), Err(Fault::new(name, Wrong::Encoding)));
        }
        let fault = Fault::new("b", Wrong::TooLong(4));
        assert_eq!(query_value(query, "b", 4), Err(fault));
    }
}
