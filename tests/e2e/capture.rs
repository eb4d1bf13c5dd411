//! Capture files: they contain everything that passed, in both directions, and can be read back.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::daemon::{Daemon, Folder};
use crate::page::Page;
use crate::peer::reliable;
use crate::pty::Pty;
use crate::serial;

/// One line of a capture file.
struct Record {
    /// The time, in seconds since 1970.
    at: f64,
    from_device: bool,
    bytes: Vec<u8>,
}

/// Reads a file as specified (src/endpoint/recorder.rs), or fails.
fn read(path: &Path) -> Vec<Record> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    assert!(text.is_empty() || text.ends_with('\n'), "whole lines");
    text.lines().map(record).collect()
}

fn record(line: &str) -> Record {
    let mut words = line.splitn(3, ' ');
    let at = words.next().expect("a time");
    assert_eq!(at.split_once('.').map(|(_, micros)| micros.len()), Some(6));
    let arrow = words.next().expect("an arrow");
    assert!(matches!(arrow, "<" | ">"), "{line}");
    let mut bytes = Vec::new();
    let mut chars = words.next().expect("bytes").chars();
    while let Some(c) = chars.next() {
        assert!(matches!(c, ' '..='~'), "printable: {line}");
        bytes.push(match c {
            '\\' => match chars.next().expect("a letter") {
                'r' => b'\r',
                'n' => b'\n',
                't' => b'\t',
                '\\' => b'\\',
                'x' => {
                    let digits: String = chars.by_ref().take(2).collect();
                    u8::from_str_radix(&digits, 16).expect("two digits")
                }
                other => panic!("\\{other} in {line}"),
            },
            c => c as u8,
        });
    }
    Record {
        at: at.parse().expect("a number"),
        from_device: arrow == "<",
        bytes,
    }
}

fn joined(records: &[Record], from_device: bool) -> Vec<u8> {
    let of = records.iter().filter(|r| r.from_device == from_device);
    of.flat_map(|record| record.bytes.clone()).collect()
}

fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_secs_f64()
}

struct Captured {
    daemon: Daemon,
    pty: Pty,
    page: Page,
}

/// Starts a line whose capture has these keys, and a page with a channel to the line.
fn captured(folder: Arc<Folder>, keys: &str) -> Captured {
    let line = folder.join("arm");
    let pty = Pty::plug(&line);
    let config = format!("{}capture = {{ {keys} }}\n", serial::config(&line));
    let daemon = Daemon::start_in(folder, &config, &["--listen", "127.0.0.1:0"]);
    daemon.until("open", |d| d.get("/endpoints/arm")["state"] == "open");
    let mut page = Page::connect(&daemon, &[reliable("thingway"), reliable("arm")]);
    page.until("credit", |page| page.peer.channels["arm"].credit.is_some());
    Captured { daemon, pty, page }
}

impl Captured {
    /// Sends bytes in both directions, and waits until all have arrived.
    fn talk(&mut self, up: &[u8], down: &[u8]) {
        self.page.send("arm", up);
        let mut came = Vec::new();
        self.page.until("at the device", |_| {
            came.extend(self.pty.read_all());
            came.len() >= up.len()
        });
        assert!(came == up);
        let before = self.page.peer.channels["arm"].bytes.len();
        let mut sent = 0;
        self.page.until("at the page", |page| {
            sent += self.pty.write(&down[sent..]);
            page.peer.channels["arm"].bytes.len() >= before + down.len()
        });
        assert!(self.page.peer.channels["arm"].bytes[before..] == *down);
    }
}

#[test]
fn a_capture_can_be_read_back_byte_by_byte() {
    let folder = Arc::new(Folder::new());
    let file = folder.join("arm.log");
    let start = now();
    let mut captured = captured(folder, &format!("path = \"{}\"", file.display()));
    let (mut ups, mut downs) = (Vec::new(), Vec::new());
    for n in 0..5_u8 {
        let up: Vec<u8> = (0..=255).map(|i: u8| i.wrapping_add(n)).collect();
        let down = [&up[..], b"ok \\x41 \\\r\n\t\xc3\xa4"].concat();
        captured.talk(&up, &down);
        ups.extend(up);
        downs.extend(down);
        captured.page.run(Duration::from_millis(20));
    }
    let records = read(&file);
    assert!(joined(&records, false) == ups, "to the device");
    assert!(joined(&records, true) == downs, "from the device");
    assert!(
        records.len() >= 10,
        "a line per read and write: {}",
        records.len()
    );
    assert!(records[0].at >= start - 0.001 && records[records.len() - 1].at <= now());
    assert!(records.is_sorted_by(|a, b| a.at <= b.at), "time goes on");
    let took = records[records.len() - 1].at - records[0].at;
    assert!(took >= 0.079, "four pauses: {took} s");
    // A question is recorded before its answer.
    assert!(!records[0].from_device && records.iter().any(|r| r.from_device));
    let mode = fs::metadata(&file).expect("a file").permissions().mode();
    assert_eq!(mode & 0o7777, 0o640);
    let shown = captured.daemon.get("/endpoints/arm");
    assert_eq!(shown["capture"]["detail"], "");
    assert_eq!(shown["capture"]["lost_bytes"], 0);
}

#[test]
fn capture_files_are_rotated_and_the_oldest_goes() {
    let folder = Arc::new(Folder::new());
    let file = folder.join("arm.log");
    let keys = format!("path = \"{}\", max_bytes = 4096, files = 3", file.display());
    let mut captured = captured(Arc::clone(&folder), &keys);
    let mut all = Vec::new();
    for n in 0..60 {
        let up = format!("question {n:4} {}\r\n", "?".repeat(100)).into_bytes();
        let down = format!("answer {n:4} {}\r\n", "!".repeat(100)).into_bytes();
        captured.talk(&up, &down);
        all.extend([up, down].concat());
    }
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("text")
        })
        .filter(|name| name.starts_with("arm.log"))
        .collect();
    names.sort();
    assert_eq!(names, ["arm.log", "arm.log.1", "arm.log.2"]);
    let mut records = Vec::new();
    for name in names.iter().rev() {
        let path = folder.join(name);
        let found = fs::metadata(&path).expect("a file");
        assert!(found.len() <= 4_096, "{name}: {} bytes", found.len());
        assert_eq!(found.permissions().mode() & 0o7777, 0o640, "{name}");
        if name != "arm.log" {
            assert!(found.len() > 3_000, "{name}: {} bytes", found.len());
        }
        records.extend(read(&path));
    }
    assert!(records.is_sorted_by(|a, b| a.at <= b.at));
    // Questions and answers alternated, so the remaining files hold the end of everything that was sent.
    let left: Vec<u8> = records
        .iter()
        .flat_map(|record| record.bytes.clone())
        .collect();
    assert!(
        all.ends_with(&left) && left.len() > 4_096,
        "{} bytes",
        left.len()
    );
}

#[test]
fn a_capture_that_cannot_be_written_harms_nobody() {
    let folder = Arc::new(Folder::new());
    let nowhere = folder.join("logs");
    fs::create_dir(&nowhere).expect("a folder");
    let mut captured = captured(folder, &format!("path = \"{}\"", nowhere.display()));
    captured.talk(b"question", b"answer");
    let shown = captured.daemon.get("/endpoints/arm");
    assert_eq!(
        (&shown["state"], &shown["detail"]),
        (&"open".into(), &"".into())
    );
    let detail = shown["capture"]["detail"].as_str().expect("text");
    let path = nowhere.display().to_string();
    assert!(
        detail.contains(&path) && detail.to_lowercase().contains("is a directory"),
        "{detail}"
    );
    let log = captured.daemon.log();
    assert_eq!(log.matches("capture: ").count(), 1, "{log}");
}
