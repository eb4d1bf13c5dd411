//! Small files and links of the kernel and of udev, and their texts.

use std::fs;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// The length of a file of sysfs: at most a page.
pub(super) const LINE: usize = 4096;

/// Returns whether a name has no spaces and control characters, so that it can be shown and pasted.
pub(super) fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic())
}

/// Reads the beginning of a small file. Opening neither waits nor follows a link, because lock files lie
/// where any user may put other files.
pub(super) fn read(path: &Path, most: usize) -> Option<Vec<u8>> {
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

/// Reads a small file of one line; `None` also if the file is empty.
pub(super) fn read_line(path: &Path) -> Option<String> {
    shown(&read(path, LINE)?)
}

/// Returns text of devices and strangers in a form that a terminal may show; `None` if nothing remains.
pub(super) fn shown(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    let printable = |c: char| "\"'\\".contains(c) || c.escape_debug().len() == 1;
    let text: String = text
        .chars()
        .map(|c| if printable(c) { c } else { '\u{fffd}' })
        .collect();
    (!text.is_empty()).then_some(text)
}

/// Returns the last part of a link's target, such as the driver of `driver`.
pub(super) fn link_name(path: &Path) -> Option<String> {
    let target = fs::read_link(path).ok()?;
    Some(target.file_name()?.to_str()?.to_owned())
}
