//! Lock files, by which the daemon leaves a line to the program that has it open.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::line::Line;
use crate::pty::Pty;
use crate::trace::{self, Call, any};

/// Returns the path of a line's lock file.
pub fn lock_of(pty: &Pty) -> PathBuf {
    let line = pty.line();
    let name = line.strip_prefix("/dev").expect("below /dev");
    let name = name.to_string_lossy().replace('/', "_");
    Path::new("/run/lock").join(format!("LCK..{name}"))
}

fn lock_text(pid: u32) -> String {
    format!("{pid:10}\n")
}

#[test]
fn a_lock_file_names_the_daemon_while_the_line_is_open() {
    let line = Line::open("");
    let lock = lock_of(&line.pty);
    let text = fs::read_to_string(&lock).expect("a lock file");
    assert_eq!(text, lock_text(line.daemon.pid()));
    let writes = trace::at_file(&line.trace, &lock);
    let lens = writes.iter().map(Call::written).filter(|n| *n > 0);
    assert_eq!(
        lens.collect::<Vec<_>>(),
        [11],
        "nobody can read half of the number"
    );
    assert!(any(&line.close(), &["TIOCEXCL"]));
    assert!(!lock.exists(), "gone with the daemon");
}

#[test]
fn a_line_that_another_process_has_is_left_to_it() {
    let mut other = Command::new("sleep").arg("60").spawn().expect("a process");
    let mut lock = PathBuf::new();
    let line = Line::open_after("", |pty| {
        lock = lock_of(pty);
        fs::write(&lock, lock_text(other.id())).expect("written");
    });
    let shown = line.shown();
    other.kill().expect("ours");
    let _reaped = other.wait();
    assert_eq!(shown["state"], "failed", "{shown}");
    let detail = shown["detail"].as_str().expect("text");
    assert!(
        detail.contains(&format!("process {} ", other.id())),
        "{detail}"
    );
    assert!(detail.contains(lock.to_str().unwrap()), "{detail}");
    // The process of the lock file has ended, so the daemon opens the line at the next try.
    line.daemon
        .until("open", |d| d.get("/endpoints/arm")["state"] == "open");
    let text = fs::read_to_string(&lock).expect("a lock file");
    assert_eq!(text, lock_text(line.daemon.pid()));
}

#[test]
fn the_lock_file_of_a_dead_process_is_taken_over() {
    let mut lock = PathBuf::new();
    let line = Line::open_after("", |pty| {
        lock = lock_of(pty);
        // A number beyond the largest that Linux gives to a process.
        fs::write(&lock, lock_text(99_999_999)).expect("written");
    });
    assert_eq!(line.shown()["state"], "open");
    let text = fs::read_to_string(&lock).expect("a lock file");
    assert_eq!(text, lock_text(line.daemon.pid()));
}

#[test]
fn a_line_that_is_shared_is_not_locked() {
    let line = Line::open("exclusive = false\n");
    assert_eq!(line.shown()["state"], "open");
    assert!(!lock_of(&line.pty).exists());
    assert!(!any(&line.close(), &["TIOCEXCL"]));
}
