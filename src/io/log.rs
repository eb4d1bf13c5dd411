//! The output of log lines: standard error, in the form for the journal or for a person.

use std::fmt;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::time::Instant;

use log::{Level, LevelFilter};

/// Starts logging. `level` applies to this crate; dependencies only report errors, unless `RUST_LOG` says
/// otherwise, because a peer can make them warn as often as it likes, and their detailed logs would show
/// addresses and credentials.
pub(crate) fn start(level: LevelFilter) {
    let mut builder = env_logger::Builder::new();
    // The logger's own filter cannot be changed later, so a changeable filter is applied before it.
    let own = if is_fixed() {
        level
    } else {
        LevelFilter::Trace
    };
    builder
        .filter_level(level.min(LevelFilter::Error))
        .filter_module("thingway", own);
    builder.parse_default_env();
    if is_journal() {
        // sd-daemon(3): the journal reads a priority in front of each line, and knows the time.
        builder.format(|out, record| {
            let text = OneLine(record.args());
            writeln!(out, "<{}>{text}", priority(record.level()))
        });
    } else {
        #[expect(clippy::disallowed_methods, reason = "the shell reads the clock")]
        let start = Instant::now();
        builder.format(move |out, record| {
            let seconds = start.elapsed().as_secs_f64();
            let text = OneLine(record.args());
            writeln!(out, "{seconds:9.3} {:5} {text}", record.level())
        });
    }
    // Only a second start can fail, and then the first logger stays in use.
    let _already = builder.try_init();
    change(level);
    std::panic::set_hook(Box::new(|info| {
        let place = info
            .location()
            .map_or_else(String::new, ToString::to_string);
        log::error!("a bug: panic at {place}");
    }));
}

/// A record as one line without control characters, so that text that other parties chose (a path, a label)
/// cannot forge a line or command a terminal.
struct OneLine<'a>(&'a fmt::Arguments<'a>);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::write(&mut Escaping(f), *self.0)
    }
}

struct Escaping<'f, 'w>(&'f mut fmt::Formatter<'w>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let is_plain = |c: char| !c.is_control() && !is_format(c);
        if text.chars().all(is_plain) {
            return self.0.write_str(text);
        }
        for c in text.chars() {
            if is_plain(c) {
                self.0.write_char(c)?;
            } else {
                write!(self.0, "{}", c.escape_default())?;
            }
        }
        Ok(())
    }
}

/// Returns whether a character changes the order in which others are shown, or separates lines (Unicode 15.0
/// §23.2).
fn is_format(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Changes the level of this crate, unless `RUST_LOG` has set the level.
pub(crate) fn change(level: LevelFilter) {
    if !is_fixed() {
        log::set_max_level(level);
    }
}

fn is_fixed() -> bool {
    std::env::var_os("RUST_LOG").is_some_and(|filters| !filters.is_empty())
}

/// Returns the priority of syslog(3) for a level.
fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

/// Returns whether standard error is the journal: `JOURNAL_STREAM` has its device and inode.
fn is_journal() -> bool {
    let Some(stream) = std::env::var_os("JOURNAL_STREAM") else {
        return false;
    };
    let Ok(stat) = rustix::fs::fstat(rustix::stdio::stderr()) else {
        return false;
    };
    stream.as_bytes() == format!("{}:{}", stat.st_dev, stat.st_ino).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_plain_line() {
        let path = "/dev/\u{1b}[2Jx\nerror forged\u{202e}";
        let line = OneLine(&format_args!("endpoint {}: {path}", "ärm")).to_string();
        assert_eq!(
            line,
            "endpoint ärm: /dev/\\u{1b}[2Jx\\nerror forged\\u{202e}"
        );
    }
}
