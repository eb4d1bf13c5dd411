//! Serial lines: a large number of bytes, and a device that is unplugged and returns.

use std::path::Path;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use rustix::fs::{Mode, OFlags};
use rustix::termios::{self, Action, InputModes, OptionalActions, OutputModes, SpecialCodeIndex};

use crate::daemon::{Daemon, Folder, SOON};
use crate::page::Page;
use crate::peer::reliable;
use crate::pty::Pty;
use crate::trace;

pub fn config(line: &Path) -> String {
    format!(
        "[[endpoint]]\nname = \"arm\"\nkind = \"serial\"\npath = \"{}\"\nbaud = 115200\n",
        line.display()
    )
}

/// Starts a daemon with a line, and the device at the line.
pub fn daemon_with_line() -> (Daemon, Pty) {
    let folder = std::sync::Arc::new(Folder::new());
    let line = folder.join("arm");
    let pty = Pty::plug(&line);
    let daemon = Daemon::start_in(folder, &config(&line), &["--listen", "127.0.0.1:0"]);
    daemon.until("open", |d| d.get("/endpoints/arm")["state"] == "open");
    (daemon, pty)
}

const TOTAL: usize = 16 * 1024 * 1024;
/// How far the test writes ahead. The daemon always reads a line, and a reader may fall 256 KiB behind. A
/// real line is slower than any reader, but a pseudo terminal is not.
const AHEAD: usize = 128 * 1024;

fn random_bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

/// Takes a piece of a stream, which must equal the expected bytes.
fn take(piece: &[u8], at: &mut usize, expected: &[u8]) {
    let right = expected.get(*at..*at + piece.len());
    assert!(
        right == Some(piece),
        "other bytes than were sent, from {at} on"
    );
    *at += piece.len();
}

#[test]
fn sixteen_megabytes_each_way_arrive_as_they_were_sent() {
    let (daemon, pty) = daemon_with_line();
    let mut page = Page::connect(&daemon, &[reliable("thingway"), reliable("arm")]);
    page.until("credit", |page| page.peer.channels["arm"].credit.is_some());
    let (up, down) = (random_bytes(1, TOTAL), random_bytes(2, TOTAL));
    let (mut up_sent, mut up_taken, mut down_sent, mut down_taken) = (0, 0, 0, 0);
    let mut sizes = StdRng::seed_from_u64(3);
    let mut size = 1;
    let end = Instant::now() + SOON * 10;
    while up_taken < TOTAL || down_taken < TOTAL {
        let counts = (up_sent, up_taken, down_sent, down_taken);
        assert!(
            Instant::now() < end,
            "too slow: {counts:?} {:?}",
            page.peer.control.last()
        );
        assert!(
            page.peer.channels["arm"].open,
            "closed: {:?}",
            page.peer.told("closed")
        );
        page.turn(Duration::from_millis(1));
        for (binary, message) in std::mem::take(&mut channel(&mut page).received) {
            assert!(binary);
            take(&message, &mut down_taken, &down);
        }
        channel(&mut page).bytes.clear();
        while up_sent < TOTAL {
            let piece = &up[up_sent..TOTAL.min(up_sent + size)];
            if !page.peer.send_within_credit(Instant::now(), "arm", piece) {
                break;
            }
            up_sent += piece.len();
            size = sizes.random_range(1..=16_384);
        }
        take(&pty.read_all(), &mut up_taken, &up);
        let limit = TOTAL.min(down_taken + AHEAD);
        while down_sent < limit {
            let n = pty.write(&down[down_sent..limit.min(down_sent + 4096)]);
            if n == 0 {
                break;
            }
            down_sent += n;
        }
    }
    let arm = &page.shown(&daemon)["channels"];
    let arm = arm
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["label"] == "arm")
        .unwrap();
    assert_eq!(
        (&arm["from_peer"]["bytes"], &arm["to_peer"]["bytes"]),
        (&TOTAL.into(), &TOTAL.into())
    );
    assert_eq!(arm["drops"].as_array().map(Vec::len), Some(0), "{arm}");
    assert!(arm["credit"].as_u64().unwrap() >= TOTAL as u64);
    assert!(page.peer.told("dropped").is_empty());
}

fn channel(page: &mut Page) -> &mut crate::peer::Channel {
    page.peer.channels.get_mut("arm").expect("its channel")
}

#[test]
fn a_device_that_vanishes_and_returns_finds_its_channel_open() {
    let (daemon, pty) = daemon_with_line();
    let mut page = Page::connect(&daemon, &[reliable("thingway"), reliable("arm")]);
    page.until("credit", |page| page.peer.channels["arm"].credit.is_some());
    page.send("arm", b"before\n");
    page.until("written", |_| pty.read_all() == b"before\n");

    let line = daemon.folder.join("arm");
    drop(pty);
    page.until("absence told", |page| state_told(page, "absent"));
    assert_eq!(daemon.get("/endpoints/arm")["state"], "absent");
    page.send("arm", b"stale\n");
    page.send("arm", b"stale too\n");
    page.until("drops told", |page| {
        let dropped = page.peer.told("dropped");
        dropped.last().is_some_and(|last| last["messages"] == 2)
    });
    let dropped = page.peer.told("dropped")[0].clone();
    assert_eq!(
        (&dropped["reason"], &dropped["label"]),
        (&"absent".into(), &"arm".into())
    );
    assert_eq!(dropped["direction"], "from_peer");

    let pty = Pty::plug(&line);
    page.until("return told", |page| state_told(page, "open"));
    page.send("arm", b"after\n");
    let mut written = Vec::new();
    page.until("written", |_| {
        written.extend(pty.read_all());
        !written.is_empty()
    });
    assert_eq!(written, b"after\n", "what was sent meanwhile is not kept");
    pty.write(b"ok\n");
    page.until("read", |page| page.peer.text("arm") == "ok\n");
    assert!(page.peer.channels["arm"].open && !page.peer.channels["arm"].closed);
    assert!(page.peer.told("closed").is_empty());
}

/// Returns whether this is the last state of the device that the page was told.
fn state_told(page: &Page, state: &str) -> bool {
    page.peer
        .told("endpoint")
        .last()
        .is_some_and(|last| last["state"] == state)
}

#[test]
fn a_line_that_is_absent_at_start_is_opened_when_it_comes() {
    let folder = std::sync::Arc::new(Folder::new());
    let line = folder.join("arm");
    let daemon = Daemon::start_in(folder, &config(&line), &["--listen", "127.0.0.1:0"]);
    let endpoint = daemon.get("/endpoints/arm");
    assert_eq!(endpoint["state"], "absent");
    assert!(
        endpoint["detail"]
            .as_str()
            .unwrap()
            .contains("No such file"),
        "{endpoint}"
    );
    let pty = Pty::plug(&line);
    daemon.until("open", |d| d.get("/endpoints/arm")["state"] == "open");
    let mut page = Page::connect(&daemon, &[reliable("arm")]);
    page.until("open", |page| page.peer.channels["arm"].open);
    // A channel that has just opened receives what the device sends from now on.
    daemon.until("bound", |d| d.get("/endpoints/arm")["routes"] == 1);
    pty.write(b"hello\n");
    page.until("read", |page| page.peer.text("arm") == "hello\n");
}

const CALLS: &str = "trace=?open,openat,read,?epoll_wait,?epoll_pwait";

/// Returns how many milliseconds a call without an event waited: the requested time, not the elapsed one.
fn waited(call: &trace::Call) -> Option<u64> {
    let timed_out = call.has(&["epoll_"]) && call.result() == Some(0);
    let (arguments, _) = call.text.rsplit_once(") = ").filter(|_| timed_out)?;
    let numbers = arguments.split(", ").filter_map(|word| word.parse().ok());
    numbers.last()
}

#[test]
fn the_file_system_tells_of_a_line_that_comes() {
    let folder = std::sync::Arc::new(Folder::new());
    // The daemon watches three folders above the file, and the folders of the system change often.
    let place = folder.join("a/b/c");
    std::fs::create_dir_all(&place).expect("folders");
    let (line, trace) = (place.join("arm"), folder.join("trace"));
    let config = folder.write("config.toml", &config(&line));
    let mut command = folder.traced(&["-y", "-e", CALLS], &trace);
    command.args(["--listen", "127.0.0.1:0", "--config"]);
    command.arg(config);
    let daemon = Daemon::run(folder, command);
    let path = format!("\"{}\"", line.display());
    let tries = |calls: &[trace::Call]| -> Vec<usize> {
        let is_try = |n: &usize| calls[*n].has(&["open", &path]);
        (0..calls.len()).filter(is_try).collect()
    };
    // After some tries the daemon's own tries are more than a second apart.
    daemon.until("some tries", |_| tries(&trace::all(&trace)).len() >= 6);
    let _pty = Pty::plug(&line);
    // The test sends the daemon no request meanwhile, so only the file system can wake it up.
    daemon.until("opened", |_| {
        let calls = trace::all(&trace);
        let last = tries(&calls).pop().and_then(|last| calls.get(last));
        last.is_some_and(|call| !call.has(&[" = -1 "]))
    });
    let calls = trace::all(&trace);
    let [.., before, last] = tries(&calls)[..] else {
        panic!("two tries: {calls:?}");
    };
    let between = &calls[before..last];
    let told = between
        .iter()
        .rposition(|call| call.has(&["read(", "inotify"]));
    let told = told.unwrap_or_else(|| panic!("it was told: {between:?}"));
    let waits: u64 = between[told..].iter().filter_map(waited).sum();
    assert!(waits < 1_000, "{waits} ms: that was merely the next try");
}

/// Leaves the settings of a program that zeroed a termios, or ended during its work.
fn leave_a_mess(pty: &Pty) {
    let line = rustix::fs::open(
        pty.line(),
        OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK,
        Mode::empty(),
    )
    .expect("the line");
    let mut mess = termios::tcgetattr(&line).expect("its settings");
    for index in [
        SpecialCodeIndex::VSTART,
        SpecialCodeIndex::VSTOP,
        SpecialCodeIndex::VMIN,
        SpecialCodeIndex::VTIME,
        SpecialCodeIndex::VINTR,
    ] {
        mess.special_codes[index] = 0;
    }
    mess.input_modes |= InputModes::IUCLC | InputModes::IXANY | InputModes::ISTRIP;
    mess.input_modes |= InputModes::INPCK | InputModes::IGNPAR;
    mess.output_modes |= OutputModes::OPOST | OutputModes::OLCUC;
    termios::tcsetattr(&line, OptionalActions::Now, &mess).expect("they are changed");
    termios::tcflow(&line, Action::OOff).expect("the output is stopped");
}

#[test]
fn what_a_program_before_us_left_at_the_line_is_set_right() {
    let folder = std::sync::Arc::new(Folder::new());
    let line = folder.join("arm");
    let pty = Pty::plug(&line);
    // As long as a process has the line open, the line keeps its settings.
    let _other = rustix::fs::open(
        pty.line(),
        OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK,
        Mode::empty(),
    );
    leave_a_mess(&pty);
    let config = format!("{}flow = \"xon-xoff\"\n", config(&line));
    let daemon = Daemon::start_in(folder, &config, &["--listen", "127.0.0.1:0"]);
    daemon.until("open", |d| d.get("/endpoints/arm")["state"] == "open");
    let mut page = Page::connect(&daemon, &[reliable("thingway"), reliable("arm")]);
    page.until("credit", |page| page.peer.channels["arm"].credit.is_some());
    page.send("arm", b"Is it there?");
    let mut came = Vec::new();
    page.until("the question", |_| {
        came.extend(pty.read());
        came == b"Is it there?"
    });
    assert_eq!(pty.write(b"\x13Yes \xc3\xa9"), 7);
    page.until("the answer", |page| {
        page.peer.text("arm").ends_with('\u{e9}')
    });
    assert_eq!(page.peer.text("arm"), "Yes \u{e9}", "XOFF is no data");
    // Only XON resumes the output.
    page.send("arm", b"go on");
    assert_eq!(pty.write(b"x"), 1);
    page.until("x", |page| page.peer.text("arm").ends_with('x'));
    daemon.until("it waits", |d| d.get("/endpoints/arm")["queued_bytes"] == 5);
    assert_eq!(pty.read(), b"");
    assert_eq!(pty.write(b"\x11"), 1);
    let mut came = Vec::new();
    page.until("the rest", |_| {
        came.extend(pty.read());
        came == b"go on"
    });
}
