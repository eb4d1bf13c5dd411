//! Finds the serial ports of this machine: what they are, who uses them, what will go wrong.
//!
//! Everything is read from the files of the kernel and of udev. Of the crates for this,
//! `serialport` knows neither the links to name a port by nor who holds it, `udev` needs its C
//! library, and neither can be given another root to look below.

mod processes;
mod sysfs;
mod warnings;

use std::cmp::Ordering;
use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::plain;
use crate::ports::{Port, suggest_names};
use sysfs::Found;

/// All serial ports below `root` (`/`, except in tests), in the order people count them.
///
/// It reads some files for each port and, once, a file and the open descriptors of each process:
/// milliseconds, on the loop's thread if need be. The only error is that the kernel's list of
/// ttys cannot be read; whatever else is missing or denied is left out.
pub(crate) fn list(root: &Path) -> io::Result<Vec<Port>> {
    let class = root.join("sys/class/tty");
    let told = |error: io::Error| {
        let text = format!("{}: {}", class.display(), plain(&error));
        io::Error::new(error.kind(), text)
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(&class).map_err(told)? {
        let name = entry.map_err(told)?.file_name();
        // The kernel has no others, and everything below may print it.
        if let Some(name) = name.to_str().filter(|name| is_plain(name)) {
            names.push(name.to_owned());
        }
    }
    names.sort_by(|a, b| natural_order(a, b));
    let found = names.iter().filter_map(|name| sysfs::read(root, name));
    let mut found: Vec<Found> = found.take(PORTS).collect();
    sysfs::add_links(root, &mut found);
    if !found.is_empty() {
        let modem_manager = processes::add_holders(root, &mut found);
        warnings::add(root, &mut found, modem_manager);
    }
    let mut ports: Vec<Port> = found.into_iter().map(|found| found.port).collect();
    suggest_names(&mut ports);
    Ok(ports)
}

/// `ttyUSB2` before `ttyUSB10`: numbers in names are compared as numbers.
fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut a_rest, mut b_rest) = (a, b);
    loop {
        let (a_text, a_number) = split_piece(&mut a_rest);
        let (b_text, b_number) = split_piece(&mut b_rest);
        // A number without leading zeros is larger if it is longer.
        let order = a_text
            .cmp(b_text)
            .then(a_number.len().cmp(&b_number.len()))
            .then(a_number.cmp(b_number));
        if order != Ordering::Equal {
            return order;
        }
        if a_rest.is_empty() || b_rest.is_empty() {
            return a_rest.len().cmp(&b_rest.len()).then(a.cmp(b));
        }
    }
}

/// Takes a piece without digits and the number behind it off the front.
fn split_piece<'a>(rest: &mut &'a str) -> (&'a str, &'a str) {
    let digits = rest.find(|c: char| c.is_ascii_digit());
    let (text, tail) = rest.split_at(digits.unwrap_or(rest.len()));
    let end = tail.find(|c: char| !c.is_ascii_digit());
    let (number, tail) = tail.split_at(end.unwrap_or(tail.len()));
    *rest = tail;
    (text, number.trim_start_matches('0'))
}

/// A name without spaces and control characters, so that it can be shown and pasted.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic())
}

/// The beginning of a small file. Nothing is waited for, and no link is followed: lock files lie
/// where everybody may put what they like.
fn read(path: &Path, most: usize) -> Option<Vec<u8>> {
    let flags =
        OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).ok()?;
    let mut bytes = vec![0; most];
    let mut filled = 0;
    loop {
        match rustix::io::read(&file, bytes.get_mut(filled..)?) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    bytes.truncate(filled);
    Some(bytes)
}

/// A small file of one line; `None` too where there is nothing in it.
fn read_line(path: &Path) -> Option<String> {
    shown(&read(path, LINE)?)
}

/// Text of devices and strangers as it may be shown on a terminal; `None` if nothing is left.
fn shown(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    let printable = |c: char| "\"'\\".contains(c) || c.escape_debug().len() == 1;
    let text: String = text
        .chars()
        .map(|c| if printable(c) { c } else { '\u{fffd}' })
        .collect();
    (!text.is_empty()).then_some(text)
}

/// The last part of what a link says, such as the driver of `driver`.
fn link_name(path: &Path) -> Option<String> {
    let target = fs::read_link(path).ok()?;
    Some(target.file_name()?.to_str()?.to_owned())
}

/// More than any machine has; it bounds the answer.
const PORTS: usize = 256;

/// A file of sysfs has at most a page.
const LINE: usize = 4096;

#[cfg(test)]
mod tests;
