//! Finds the serial ports of this machine, the processes that use them, and likely problems.
//!
//! Everything is read from the files of the kernel and of udev. Of the crates for this purpose, `serialport`
//! knows neither the links for naming a port nor the processes that hold it, `udev` needs its C library, and
//! neither can read below another root.

mod files;
mod processes;
mod sysfs;
mod warnings;

use std::cmp::Ordering;
use std::fs;
use std::io;
use std::path::Path;

use super::plain;
use crate::ports::{Port, suggest_names};
use files::is_plain;
use sysfs::Found;

/// The number of ports in an answer: more than any machine has.
const PORTS: usize = 256;

/// Returns all serial ports below `root` (`/`, except in tests), in the order in which people count them.
///
/// Reads some files for each port and, once, a file and the open descriptors of each process. This takes
/// milliseconds, which the loop's thread can afford. The only error is that the kernel's list of ttys cannot
/// be read; anything else that is missing or denied is left out.
pub(crate) fn list(root: &Path) -> io::Result<Vec<Port>> {
    let class = root.join("sys/class/tty");
    let told = |error: io::Error| {
        let text = format!("{}: {}", class.display(), plain(&error));
        io::Error::new(error.kind(), text)
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(&class).map_err(told)? {
        let name = entry.map_err(told)?.file_name();
        // The kernel has no other names, and the code below may print the name unchecked.
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

/// Compares names so that `ttyUSB2` comes before `ttyUSB10`: numbers in names are compared as numbers.
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

/// Removes a piece without digits and the number after it from the front.
fn split_piece<'a>(rest: &mut &'a str) -> (&'a str, &'a str) {
    let digits = rest.find(|c: char| c.is_ascii_digit());
    let (text, tail) = rest.split_at(digits.unwrap_or(rest.len()));
    let end = tail.find(|c: char| !c.is_ascii_digit());
    let (number, tail) = tail.split_at(end.unwrap_or(tail.len()));
    *rest = tail;
    (text, number.trim_start_matches('0'))
}

#[cfg(test)]
mod tests;
