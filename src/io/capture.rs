//! Capture files, rotated by size: `path`, `path.1`, `path.2` …, the oldest last.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::config::Capture;

/// A file that grows up to a size.
#[derive(Debug)]
pub(super) struct CaptureFile {
    file: File,
    len: u64,
    config: Capture,
}

impl CaptureFile {
    /// Opens the file, and continues an existing one.
    pub(super) fn open(config: Capture) -> io::Result<Self> {
        let file = append(&config.path)?;
        let len = file.metadata()?.len();
        Ok(Self { file, len, config })
    }

    /// Writes as many whole lines as fit; the caller passes the rest again. Lines are never cut.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let room = self.config.max_bytes.saturating_sub(self.len);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let mut now = lines;
        if lines.len() > room {
            let fits = lines.get(..room).unwrap_or(lines);
            let end = fits.iter().rposition(|byte| *byte == b'\n');
            match end.and_then(|end| lines.get(..=end)) {
                Some(part) => now = part,
                None if self.len > 0 => {
                    self.rotate()?;
                    return self.write(lines);
                }
                // A line that is longer than a file gets a file of its own.
                None => {
                    let end = lines.iter().position(|byte| *byte == b'\n');
                    now = end.and_then(|end| lines.get(..=end)).unwrap_or(lines);
                }
            }
        }
        self.file.write_all(now)?;
        self.len += now.len() as u64;
        Ok(now.len())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let older = |n: u32| -> PathBuf {
            if n == 0 {
                return self.config.path.clone();
            }
            let mut name = self.config.path.clone().into_os_string();
            name.push(format!(".{n}"));
            name.into()
        };
        let last = self.config.files - 1;
        if last == 0 {
            std::fs::remove_file(&self.config.path)?;
        }
        for n in (0..last).rev() {
            match std::fs::rename(older(n), older(n + 1)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
        self.file = append(&self.config.path)?;
        self.len = 0;
        Ok(())
    }
}

/// Opens a file for appending, readable for the owner and the group alone because it contains payload. Only
/// regular files are accepted because a pipe or a tty would block the loop.
fn append(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o640)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a file",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_are_rotated_between_lines() {
        let folder = std::env::temp_dir().join(format!("thingway-capture-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("arm.log");
        let config = Capture {
            path: path.clone(),
            max_bytes: 10,
            files: 3,
        };
        let mut capture = CaptureFile::open(config.clone()).expect("a file");
        let mut rest = &b"one\ntwo\nthree\na line that is too long\nfour\n"[..];
        while !rest.is_empty() {
            let n = capture.write(rest).expect("written");
            rest = &rest[n..];
        }
        drop(capture);
        CaptureFile::open(config)
            .expect("again")
            .write(b"five\n")
            .expect("written");
        let read = |end: &str| {
            let path = format!("{}{end}", path.display());
            std::fs::read_to_string(path).unwrap_or_default()
        };
        let mode = std::fs::metadata(&path)
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o640, "it holds payload");
        assert_eq!(read(""), "four\nfive\n");
        assert_eq!(read(".1"), "a line that is too long\n");
        assert_eq!(read(".2"), "three\n");
        assert_eq!(read(".3"), "", "the oldest is gone");
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
