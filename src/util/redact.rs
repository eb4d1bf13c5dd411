//! Text from peers, made safe for the log.

use std::fmt;

/// A label, path or header of a stranger: control characters are escaped and the length is bounded, so that a
/// stranger can neither forge nor flood log lines.
pub(crate) struct Redacted<'a>(pub &'a str);

/// The length beyond which text is cut in the log.
const SHOWN: usize = 80;

impl fmt::Display for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars().take(SHOWN) {
            write!(f, "{}", c.escape_debug())?;
        }
        if self.0.chars().nth(SHOWN).is_some() {
            write!(f, "… ({} bytes)", self.0.len())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_cuts() {
        assert_eq!(Redacted("a\nb\u{1b}[2J").to_string(), "a\\nb\\u{1b}[2J");
        let long = Redacted(&"x".repeat(100)).to_string();
        assert!(
            long.ends_with("… (100 bytes)") && long.len() < 110,
            "{long}"
        );
    }
}
