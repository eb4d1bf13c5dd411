//! JSON with halves of surrogate pairs, such as `"\ud83d"`: `JSON.stringify` writes them for text that was
//! cut within a character above U+FFFF, and `JSON.parse` reads them (ECMA-262 §25.5). They are no Unicode
//! scalar values, so no text in Rust can hold them.
//!
//! [`parse`] replaces each half by a stand-in, and [`restore`] puts the half back into the written JSON, so
//! that text passes from page to page unchanged. Programs and devices get [`plain`] text, with U+FFFD for
//! each half.

use std::borrow::Cow;

use serde_json::Value;

/// The mark before a stand-in, or before itself. A noncharacter, which Unicode §23.7 has for such purposes.
const MARK: char = '\u{10ffff}';
/// The stand-in of U+D800; the stand-ins of the other halves follow it. In a private use area.
const FIRST: u32 = 0x10_d800;

/// Reads JSON.
///
/// # Errors
/// Fails where serde fails.
pub(crate) fn parse(text: &str) -> serde_json::Result<Value> {
    serde_json::from_str(&marked(text))
}

/// Returns JSON that was written from the result of [`parse`], with the halves restored.
pub(crate) fn restore(json: String) -> String {
    if json.contains(MARK) {
        unmarked(&json, |half| format!("\\u{half:04x}"))
    } else {
        json
    }
}

/// Returns the result of [`parse`] as text that can be shown, with U+FFFD for each half.
pub(crate) fn plain(value: Value) -> Value {
    let json = value.to_string();
    if !json.contains(MARK) {
        return value;
    }
    let json = unmarked(&json, |_| "\u{fffd}".to_owned());
    serde_json::from_str(&json).unwrap_or_default()
}

/// Reads a string; U+FFFD stands for each half.
///
/// # Errors
/// Fails where serde fails.
pub(crate) fn string(json: &str) -> serde_json::Result<String> {
    let marked: String = serde_json::from_str(&marked(json))?;
    Ok(unmarked(&marked, |_| "\u{fffd}".to_owned()))
}

/// Returns JSON with stand-ins, and with each literal mark doubled.
fn marked(json: &str) -> Cow<'_, str> {
    let may_have_halves = json.contains("\\ud") || json.contains("\\uD");
    if !may_have_halves && !json.contains(MARK) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find(['\\', MARK]) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let Some(length) = escape(from, &mut out) else {
            // Not a valid escape: serde reports what is wrong with it.
            rest = from;
            break;
        };
        rest = from.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Copies the escape or mark at the beginning, with a mark where one is needed. Returns its length in bytes;
/// `None` if there is neither.
fn escape(from: &str, out: &mut String) -> Option<usize> {
    let mark = MARK.len_utf8();
    if from.starts_with(MARK) {
        out.extend([MARK, MARK]);
        return Some(mark);
    }
    let Some(unit) = unit(from) else {
        let copied = from.get(..2)?;
        out.push_str(copied);
        return Some(2);
    };
    let pair = from.get(6..).and_then(self::unit);
    match (unit, pair) {
        (0xdbff, Some(0xdfff)) => {
            out.extend([MARK, MARK]);
            Some(12)
        }
        (0xd800..=0xdbff, Some(0xdc00..=0xdfff)) => {
            out.push_str(from.get(..12)?);
            Some(12)
        }
        (0xd800..=0xdfff, _) => {
            out.push(MARK);
            out.extend(char::from_u32(FIRST + u32::from(unit) - 0xd800));
            Some(6)
        }
        (_, _) => {
            out.push_str(from.get(..6)?);
            Some(6)
        }
    }
}

/// Returns the code unit of an escape `\u1234` at the beginning.
fn unit(from: &str) -> Option<u16> {
    let digits = from.strip_prefix("\\u")?.get(..4)?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u16::from_str_radix(digits, 16).ok().filter(|_| is_hex)
}

/// Returns text without marks; `half` writes the replacement of a stand-in.
fn unmarked(text: &str, half: impl Fn(u32) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character != MARK {
            out.push(character);
            continue;
        }
        match rest.next().map(|next| (next, u32::from(next))) {
            Some((_, code @ FIRST..=0x10_dfff)) => out.push_str(&half(code - FIRST + 0xd800)),
            Some((MARK, _)) => out.push(MARK),
            other => {
                out.push(MARK);
                out.extend(other.map(|(next, _)| next));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn halves_come_back_where_they_were() {
        for json in [
            r#"{"a":"\ud83d"}"#,
            r#"["x\udc00y\ud800","\ud83d\ud83d"]"#,
            r#"{"\ud83d":[1,{"b":"\\\udfff\\ud83d"}]}"#,
            "[\"\u{10ffff}\\ud83d\u{10d83d}\u{10ffff}\u{10d83d}\"]",
        ] {
            let value = parse(json).expect("good JSON");
            assert_eq!(restore(value.to_string()), json);
        }
    }

    #[test]
    fn whole_characters_are_read_as_ever() {
        let value = parse(r#"["\ud83d\ude00","\uD83D\uDE00","\u00e9","\\ud83d"]"#);
        let value = value.expect("good JSON");
        assert_eq!(value, json!(["😀", "😀", "é", "\\ud83d"]));
        assert_eq!(restore(value.to_string()), value.to_string());
        for marked in ["[\"\u{10ffff}\"]", r#"["\udbff\udfff"]"#] {
            let value = parse(marked).expect("good JSON");
            assert_eq!(restore(value.to_string()), "[\"\u{10ffff}\"]");
            assert_eq!(plain(value), json!(["\u{10ffff}"]));
        }
    }

    #[test]
    fn who_only_reads_gets_replacement_characters() {
        let value = parse(r#"{"\ud83dk":["a\ud83db",1]}"#).expect("good JSON");
        assert_eq!(plain(value), json!({"\u{fffd}k": ["a\u{fffd}b", 1]}));
        assert_eq!(
            string(r#""half \ud83d""#).ok().as_deref(),
            Some("half \u{fffd}")
        );
        assert_eq!(string(r#""😀\ud83d\ude00""#).ok().as_deref(), Some("😀😀"));
    }

    #[test]
    fn what_is_no_json_stays_none() {
        for json in [
            r#"["\ud83"]"#,
            r#"["\ud83g"]"#,
            r#"["\u+123"]"#,
            "\\ud83d",
            "[\"\\",
            "\"\\ud83d",
        ] {
            assert!(parse(json).is_err(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_as_serde_reads_it_or_not_at_all(text in r#"["\\udDfF80e\u{10ffff}]{0,20}"#) {
            let json = format!("[\"{text}\"]");
            let ours = parse(&json).map(|value| restore(value.to_string()));
            if let Ok(value) = serde_json::from_str::<Value>(&json) {
                prop_assert_eq!(ours.ok(), Some(value.to_string()));
            } else if let Ok(ours) = ours {
                // One more round gives the same JSON.
                let again = parse(&ours).map(|value| restore(value.to_string()));
                prop_assert_eq!(again.ok(), Some(ours));
            }
        }
    }
}
