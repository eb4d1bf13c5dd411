//! The opening, setting and restoring of a line, checked by the system calls that strace reports.
//!
//! A pty has no modem lines, no RS-485 and no UART, so its driver answers those calls with ENOTTY. The trace
//! shows all the same that the calls are made, and when.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use rustix::termios::{ControlModes, OptionalActions, tcgetattr, tcsetattr};
use serde_json::{Value, json};

use crate::daemon::{Daemon, Folder, SOON};
use crate::http;
use crate::locks::lock_of;
use crate::page::Page;
use crate::peer::reliable;
use crate::pty::Pty;
use crate::trace::{self, Call, any, in_order};

pub struct Line {
    pub daemon: Daemon,
    pub pty: Pty,
    path: PathBuf,
    pub trace: PathBuf,
}

impl Line {
    /// Starts a daemon under strace, with one line that has these keys.
    pub fn open(keys: &str) -> Self {
        Self::open_after(keys, |_| {})
    }

    pub fn open_after(keys: &str, prepare: impl FnOnce(&Pty)) -> Self {
        Self::open_with(&[], keys, prepare)
    }

    /// Starts the daemon with additional options for strace.
    fn open_with(options: &[&str], keys: &str, prepare: impl FnOnce(&Pty)) -> Self {
        let folder = Arc::new(Folder::new());
        let (path, trace) = (folder.join("arm"), folder.join("trace"));
        let pty = Pty::plug(&path);
        prepare(&pty);
        let config = format!(
            "[[endpoint]]\nname = \"arm\"\nkind = \"serial\"\npath = \"{}\"\n{keys}",
            path.display()
        );
        let config = folder.write("config.toml", &config);
        let calls = "trace=?open,openat,ioctl,flock,close,write";
        let mut command = folder.traced(&[&["-e", calls], options].concat(), &trace);
        command.args(["--listen", "127.0.0.1:0", "--config"]);
        command.arg(config);
        let daemon = Daemon::run(folder, command);
        daemon.until("settled", |d| d.get("/endpoints/arm")["state"] != "opening");
        Self {
            daemon,
            pty,
            path,
            trace,
        }
    }

    pub fn shown(&self) -> Value {
        self.daemon.get("/endpoints/arm")
    }

    fn calls(&self) -> Vec<Call> {
        trace::at_file(&self.trace, &self.path)
    }

    /// Ends the daemon, and returns all calls at the line.
    pub fn close(mut self) -> Vec<Call> {
        self.daemon.signal(Signal::TERM);
        let ended = self.daemon.ended_within(SOON);
        assert_eq!(ended.and_then(|status| status.code()), Some(0));
        self.daemon.until("the end in the trace", |_| {
            any(&trace::all(&self.trace), &["exited with"])
        });
        self.calls()
    }
}

#[test]
fn a_line_is_opened_alone_then_set_then_raised_and_lowered() {
    let line = Line::open(
        "data_bits = 7\nparity = \"even\"\nstop_bits = 2\nflow = \"xon-xoff\"\ndtr = \"off\"\n\
         rts = \"on\"\nlow_latency = true\n",
    );
    let shown = line.shown();
    assert_eq!(shown["state"], "open", "{shown}");
    assert_eq!(shown["line"]["modem"], "unsupported");
    assert_eq!(shown["line"]["counters"], "unsupported");
    assert_eq!(shown["line"]["flow"], "xon-xoff");
    let calls = line.close();
    let found = in_order(
        &calls,
        &[
            &["O_RDWR", "O_NOCTTY", "O_NONBLOCK", "O_CLOEXEC"],
            &["TIOCEXCL", "= 0"],
            &["TCSETS2", "CS7", "CSTOPB", "PARENB", "c_ospeed=115200"],
            &["TIOCMBIC, [TIOCM_DTR]", "ENOTTY"],
            &["TIOCMBIS, [TIOCM_RTS]", "ENOTTY"],
            &["TIOCGSERIAL", "ENOTTY"],
            &["close("],
        ],
    );
    let set = &found[2];
    assert!(set.has(&["IXON|IXOFF", "CREAD", "CLOCAL"]), "{set:?}");
    for word in ["PARODD", "CMSPAR", "CRTSCTS", "HUPCL", "ICANON", "ECHO|"] {
        assert!(!set.has(&[word]), "{word}: {set:?}");
    }
    assert!(!any(&calls, &["TCSBRK"]), "nothing waits for the driver");
    // The daemon asks how much the driver holds. A pty never holds anything, so nothing is flushed.
    in_order(&calls, &[&["TIOCOUTQ, [0]"], &["close("]]);
    assert!(!any(&calls, &["TCFLSH"]), "{calls:?}");
}

#[test]
fn by_default_modem_lines_are_left_alone_and_stay_up_at_the_end() {
    let line = Line::open_after("", |pty| {
        let mut termios = tcgetattr(pty.master()).expect("its settings");
        termios.control_modes |= ControlModes::HUPCL;
        tcsetattr(pty.master(), OptionalActions::Now, &termios).expect("set");
    });
    let calls = line.close();
    let [before, set] = &in_order(&calls, &[&["TCGETS2"], &["TCSETS2"]])[..] else {
        panic!("two calls")
    };
    assert!(before.has(&["HUPCL"]), "{before:?}");
    assert!(!set.has(&["HUPCL"]), "{set:?}");
    assert!(set.has(&["CS8", "c_ospeed=115200"]) && !set.has(&["PARENB"]));
    for word in ["TIOCMBI", "TIOCMSET", "TIOCSSERIAL", "TIOCGSERIAL", "RS485"] {
        assert!(!any(&calls, &[word]), "{word}: {calls:?}");
    }
}

#[test]
fn hupcl_is_set_where_it_is_wanted() {
    let line = Line::open("hupcl = true\nbaud = 31250\n");
    in_order(&line.close(), &[&["TCSETS2", "HUPCL", "c_ospeed=31250"]]);
}

#[test]
fn a_line_that_cannot_do_rs485_is_not_used_as_if_it_could() {
    let line = Line::open("rs485 = { rts_on_send = true }\n");
    let shown = line.shown();
    assert_eq!(shown["state"], "failed", "{shown}");
    let detail = shown["detail"].as_str().expect("text");
    assert!(
        detail.contains("RS-485") && detail.contains(line.path.to_str().unwrap()),
        "{detail}"
    );
    assert!(!lock_of(&line.pty).exists(), "others may have it");
    let calls = line.calls();
    in_order(&calls, &[&["TCSETS2"], &["TIOCSRS485"], &["close("]]);
}

// ---- scripts ----

/// The seconds after which a wait counts as hung. The virtual clock tests how late a wait may be.
const LATE: f64 = 100.0;

/// Runs scripts with `run`, which returns the answer's `ok` and `step`.
fn runs_scripts(line: Line, mut run: impl FnMut(&Value) -> (bool, Option<u64>)) {
    let script = json!([
        {"flush": "both"}, {"wait_ms": 60}, {"break_ms": 50}, {"wait_ms": 40},
        {"baud": 250_000}, {"wait_ms": 30}, {"format": "7E2"}, {"wait_ms": 20},
        {"flush": "input"}, {"flush": "output"}, {"flow": "xon-xoff"},
    ]);
    let skipped = line.calls().len();
    assert_eq!(run(&script), (true, None));
    let calls = &line.calls()[skipped..];
    let found = in_order(
        calls,
        &[
            &["TCFLSH", "TCIOFLUSH"],
            &["TIOCSBRK", "= 0"],
            &["TIOCCBRK", "= 0"],
            &["TCSETS2", "CS8", "c_ospeed=250000"],
            &["TCSETS2", "CS7", "PARENB", "CSTOPB", "c_ospeed=250000"],
            &["TCFLSH", "TCIFLUSH"],
            &["TCFLSH", "TCOFLUSH"],
            &["TCSETS2", "IXON|IXOFF", "c_ospeed=250000"],
        ],
    );
    for (pair, ms) in found.windows(2).zip([60, 50, 40, 30, 20, 0, 0]) {
        let (took, wanted) = (pair[1].at - pair[0].at, f64::from(ms) / 1000.0);
        assert!(
            took > wanted - 0.001 && took < wanted + LATE,
            "{took} s for {ms} ms before {:?}",
            pair[1]
        );
    }
    let changes = calls.iter().filter(|call| call.has(&["TCSETS2"])).count();
    assert_eq!(changes, 3, "{calls:#?}");

    // A pty has no modem lines, so the answer names the failed step.
    for (script, step, words) in [
        (json!([{"dtr": true}]), 0, "TIOCMBIS, [TIOCM_DTR]"),
        (json!([{"rts": false}]), 0, "TIOCMBIC, [TIOCM_RTS]"),
        (
            json!([{"wait_ms": 5}, {"dtr": false, "rts": false}, {"break_ms": 1}]),
            1,
            "TIOCMBIC, [TIOCM_DTR|TIOCM_RTS]",
        ),
        // Raising one line and dropping the other is one call, which begins by reading the other lines.
        (json!([{"dtr": false, "rts": true}]), 0, "TIOCMGET"),
    ] {
        let skipped = line.calls().len();
        assert_eq!(run(&script), (false, Some(step)), "{script}");
        let calls = &line.calls()[skipped..];
        assert!(calls[0].has(&[words, "ENOTTY"]), "{words}: {calls:?}");
        assert!(!any(calls, &["TIOCSBRK"]), "it ends there: {calls:?}");
        assert!(!any(&calls[1..], &["TIOCM"]), "{calls:?}");
    }
    let shown = line.shown();
    assert_eq!(shown["line"]["baud"], 250_000, "{shown}");
}

#[test]
fn a_script_of_a_page_is_done_in_order_and_in_time() {
    let line = Line::open("");
    let mut page = Page::connect(&line.daemon, &[reliable("thingway")]);
    page.until("hello", |page| !page.peer.told("hello").is_empty());
    let mut id = 0;
    runs_scripts(line, |script| {
        id += 1;
        page.tell(&json!({"type": "line", "id": id, "endpoint": "arm", "do": script}));
        page.until("answer", |page| page.peer.told("line").len() == id);
        let answer = page.peer.told("line")[id - 1];
        assert_eq!(answer["id"], id);
        if answer["ok"] != true {
            assert_eq!(answer["reason"], "unsupported", "{answer}");
        }
        (answer["ok"] == true, answer["step"].as_u64())
    });
}

#[test]
fn a_script_over_http_is_done_in_order_and_in_time() {
    let line = Line::open("");
    let addr = line.daemon.addr;
    runs_scripts(line, |script| {
        let body = json!({"do": script}).to_string();
        let kind = "Content-Type: application/json\r\n";
        let answer = http::request(addr, "POST", "/endpoints/arm/line", kind, &body);
        let json = answer.json();
        let step = json["where"].as_str().map(|place| {
            let digits = place.strip_prefix("do[").and_then(|n| n.strip_suffix(']'));
            digits.expect("a step").parse().expect("a number")
        });
        assert_eq!(
            answer.status,
            if step.is_some() { 422 } else { 200 },
            "{json}"
        );
        (answer.status == 200, step)
    });
}

#[test]
fn a_wait_begins_when_the_step_before_it_is_done() {
    // Each call takes 10 ms, as with a USB adapter that must be asked over the bus.
    let line = Line::open_with(&["-e", "inject=ioctl:delay_exit=10000"], "", |_| {});
    let script = json!({"do": [{"baud": 9_600}, {"wait_ms": 30}, {"break_ms": 30}]});
    let kind = "Content-Type: application/json\r\n";
    let (addr, path) = (line.daemon.addr, "/endpoints/arm/line");
    let answer = http::request(addr, "POST", path, kind, &script.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let calls = line.close();
    for (n, call) in calls.iter().enumerate() {
        if call.has(&["TIOCSBRK"]) || call.has(&["TIOCCBRK"]) {
            let pause = call.at - calls[n - 1].at;
            assert!(pause > 0.039, "{pause} s after {:?}", calls[n - 1]);
        }
    }
    in_order(&calls, &[&["c_ospeed=9600"], &["TIOCSBRK"], &["TIOCCBRK"]]);
}

/// Sends bytes, a script that changes the speed after them, and as many bytes again, all at once. The device
/// reads at once, or wakes up later.
fn changes_speed_between_bytes(len: usize, sleeps: bool) {
    let line = Line::open("");
    let mut page = Page::connect(&line.daemon, &[reliable("thingway"), reliable("arm")]);
    page.until("credit", |page| page.peer.channels["arm"].credit.is_some());
    for piece in vec![b'a'; len].chunks(1_000) {
        page.send("arm", piece);
    }
    let script = json!([{"baud": 57_600}, {"wait_ms": 30}]);
    page.tell(&json!({"type": "line", "endpoint": "arm", "after": len, "do": script}));
    for piece in vec![b'b'; len].chunks(1_000) {
        page.send("arm", piece);
    }
    if sleeps {
        page.run(Duration::from_millis(300));
        assert!(page.peer.told("line").is_empty(), "it waits for the device");
        assert!(!any(&line.calls(), &["c_ospeed=57600"]));
    }
    let mut came = Vec::new();
    page.until("all there", |_| {
        came.extend(line.pty.read_all());
        came.len() >= 2 * len
    });
    page.until("answer", |page| !page.peer.told("line").is_empty());
    assert_eq!(page.peer.told("line")[0]["ok"], true);
    let expected = [vec![b'a'; len], vec![b'b'; len]].concat();
    assert!(came == expected, "{} bytes", came.len());
    let calls = line.close();
    let at = calls
        .iter()
        .position(|call| call.has(&["TCSETS2", "c_ospeed=57600"]))
        .expect("the change");
    let sum = |calls: &[Call]| calls.iter().map(Call::written).sum::<usize>();
    assert_eq!((sum(&calls[..at]), sum(&calls[at..])), (len, len));
    let next = calls[at..].iter().find(|call| call.written() > 0);
    let pause = next.expect("a write").at - calls[at].at;
    assert!(pause > 0.029, "bytes wait for the script's end: {pause} s");
}

#[test]
fn the_speed_changes_after_exactly_the_bytes_that_were_meant() {
    changes_speed_between_bytes(3_000, false);
}

#[test]
fn the_speed_changes_when_a_sleeping_device_has_taken_those_bytes() {
    changes_speed_between_bytes(30_000, true);
}
