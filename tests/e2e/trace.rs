//! The output of strace: the calls of a daemon at one of its lines, in order.

use std::fs;
use std::path::Path;

/// One call: its time in seconds since 1970, and its text like `ioctl(11, TIOCEXCL) = 0`.
#[derive(Debug, Clone)]
pub struct Call {
    pub at: f64,
    pub text: String,
}

impl Call {
    fn parse(line: &str) -> Option<Self> {
        let (_pid, rest) = line.split_once(' ')?;
        let (at, text) = rest.trim_start().split_once(' ')?;
        Some(Self {
            at: at.parse().ok()?,
            text: text.to_owned(),
        })
    }

    pub fn has(&self, words: &[&str]) -> bool {
        words.iter().all(|word| self.text.contains(word))
    }

    /// Returns the result of the call, if it is a number.
    pub fn result(&self) -> Option<i64> {
        let (_, result) = self.text.rsplit_once(" = ")?;
        result.split(' ').next()?.parse().ok()
    }

    /// Returns how many bytes were written, if the call is a write.
    pub fn written(&self) -> usize {
        let is_write = self.text.starts_with("write(");
        let result = self.result().filter(|_| is_write);
        result.map_or(0, |n| usize::try_from(n).unwrap_or(0))
    }
}

/// Returns all calls so far.
pub fn all(trace: &Path) -> Vec<Call> {
    let text = fs::read_to_string(trace).unwrap_or_default();
    // The last line may be incomplete.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().filter_map(Call::parse).collect()
}

/// Returns the calls at a path's descriptor, from the first successful open to its close.
pub fn at_file(trace: &Path, path: &Path) -> Vec<Call> {
    let quoted = format!("\"{}\"", path.display());
    let mut calls = all(trace).into_iter().skip_while(|call| {
        !call.text.starts_with("open") || !call.has(&[&quoted]) || call.result() < Some(0)
    });
    let Some(open) = calls.next() else {
        return Vec::new();
    };
    let fd = open.result().expect("a descriptor");
    let (first, only) = (format!("({fd},"), format!("({fd})"));
    let mut found = vec![open];
    for call in calls {
        if call.text.contains(&first) || call.text.contains(&only) {
            let is_end = call.text.starts_with("close(");
            found.push(call);
            if is_end {
                break;
            }
        }
    }
    found
}

/// Returns the calls that match these words. They must occur in this order; other calls may be between them.
pub fn in_order(calls: &[Call], wanted: &[&[&str]]) -> Vec<Call> {
    let mut rest = calls.iter();
    let mut found = Vec::new();
    for words in wanted {
        let Some(call) = rest.find(|call| call.has(words)) else {
            let shown: Vec<_> = calls.iter().map(|call| call.text.as_str()).collect();
            panic!(
                "no {words:?} after {:?} in {shown:#?}",
                found.last().map(|call: &Call| &call.text)
            );
        };
        found.push(call.clone());
    }
    found
}

/// Returns whether any call contains these words.
pub fn any(calls: &[Call], words: &[&str]) -> bool {
    calls.iter().any(|call| call.has(words))
}
