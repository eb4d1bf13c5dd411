//! The messages to a service manager, and the descriptors that it passes on and keeps.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::daemon::{Daemon, Folder, SOON};
use crate::http;
use crate::page::Page;
use crate::peer::reliable;
use crate::pty::Pty;
use crate::serial::config;
use crate::service_manager::ServiceManager;
use crate::trace;

const PROBES: &str = "[[endpoint]]\nname = \"echo\"\nkind = \"echo\"\n\
    [[endpoint]]\nname = \"arm\"\nkind = \"serial\"\npath = \"/dev/not-there\"\n";

/// Returns the program as a service starts it, with a configuration and any port.
fn program(folder: &Folder, config: &str) -> Command {
    let mut command = folder.program();
    with_arguments(&mut command, folder, config);
    command
}

fn with_arguments(command: &mut Command, folder: &Folder, config: &str) {
    let config = folder.write("config.toml", config);
    command.arg("--config").arg(config);
    command.args(["--listen", "127.0.0.1:0"]);
}

/// Sends bytes from a page, and checks that they arrive at the device.
fn reaches(page: &mut Page, device: &Pty, bytes: &[u8]) {
    page.until("credit", |page| page.peer.channels["arm"].credit.is_some());
    page.send("arm", bytes);
    let mut arrived = Vec::new();
    page.until("arrived", |_| {
        arrived.extend(device.read_all());
        arrived == bytes
    });
}

#[test]
fn it_is_told_when_we_are_ready_how_we_do_and_that_we_stop() {
    let folder = Arc::new(Folder::new());
    let mut manager = ServiceManager::new(&folder);
    let command = manager.command(&program(&folder, PROBES), Vec::new());
    let mut daemon = Daemon::run(Arc::clone(&folder), command);
    manager.hears("READY=1");
    manager.hears("STATUS=0 sessions; 1 of 2 endpoints open, arm absent");
    assert!(!manager.told.iter().any(|line| line == "WATCHDOG=1"));

    let page = Page::connect(&daemon, &[reliable("thingway"), reliable("echo")]);
    manager.hears("STATUS=1 session; 1 of 2 endpoints open, arm absent");
    drop(page);

    let ready = manager.count("READY=1");
    daemon.signal(Signal::HUP);
    manager.until("ready again", |m| m.count("READY=1") > ready);
    let at = |wanted: &str| {
        manager
            .told
            .iter()
            .rposition(|line| line.starts_with(wanted))
    };
    let (reloading, time) = (at("RELOADING=1"), at("MONOTONIC_USEC="));
    assert!(
        reloading.is_some() && reloading < time && time < at("READY=1"),
        "{:?}",
        manager.told
    );

    daemon.signal(Signal::TERM);
    manager.hears("STOPPING=1");
    daemon.ended_within(SOON).expect("ended");
}

#[test]
fn a_loop_that_hangs_feeds_no_watchdog() {
    let folder = Arc::new(Folder::new());
    let mut manager = ServiceManager::new(&folder);
    let mut command = manager.command(&program(&folder, PROBES), Vec::new());
    command.env("WATCHDOG_USEC", "600000");
    let daemon = Daemon::run(Arc::clone(&folder), command);
    let fed = |manager: &ServiceManager| manager.count("WATCHDOG=1");
    // The watchdog is fed although nothing else happens.
    manager.until("fed", |m| fed(m) >= 4);

    daemon.signal(Signal::STOP);
    let (hung, before) = (Instant::now(), fed(&manager));
    while hung.elapsed() < Duration::from_secs(1) {
        manager.turn();
    }
    // One message may have been under way.
    assert!(fed(&manager) <= before + 1);
    daemon.signal(Signal::CONT);
    let before = fed(&manager);
    manager.until("fed again", |m| fed(m) > before);
}

#[test]
fn a_tty_stays_open_while_the_daemon_is_started_anew() {
    let folder = Arc::new(Folder::new());
    let line = folder.join("arm");
    let pty = Pty::plug(&line);
    let mut manager = ServiceManager::new(&folder);
    let config = config(&line) + "dtr = \"on\"\nrts = \"off\"\n";
    let command = manager.command(&program(&folder, &config), Vec::new());
    let mut daemon = Daemon::run(Arc::clone(&folder), command);
    manager.until("the tty is kept", |m| m.store.len() == 1);
    let mut page = Page::connect(&daemon, &[reliable("thingway"), reliable("arm")]);
    reaches(&mut page, &pty, b"to the device");
    daemon.signal(Signal::TERM);
    while daemon.ended_within(Duration::ZERO).is_none() {
        page.turn(Duration::from_millis(10));
    }
    // After a close of the line this would fail with EIO, and these bytes would be lost.
    let mut byte = [0];
    let read = rustix::io::read(pty.master(), &mut byte);
    assert_eq!(read, Err(rustix::io::Errno::AGAIN), "the line has hung up");
    assert_eq!(pty.write(b"while nobody was there"), 22);

    let trace = folder.join("trace");
    let mut next = folder.traced(&["-e", "trace=open,openat,ioctl"], &trace);
    with_arguments(&mut next, &folder, &config);
    let command = manager.command(&next, Vec::new());
    let daemon = Daemon::run(Arc::clone(&folder), command);
    daemon.until("taken over", |d| d.log().contains("has been kept open"));
    let mut page = Page::connect(&daemon, &[reliable("thingway"), reliable("arm")]);
    page.until("what came meanwhile", |page| {
        page.peer.text("arm") == "while nobody was there"
    });
    reaches(&mut page, &pty, b"and back");
    let calls = trace::all(&trace);
    let path = format!("\"{}\"", line.display());
    let opened = calls.iter().find(|call| call.has(&["open", &path]));
    assert!(opened.is_none(), "{opened:?}");
    assert!(
        calls.iter().any(|call| call.has(&["TIOCEXCL"])),
        "the trace has the line's calls"
    );
    for level in ["TIOCMBIS", "TIOCMBIC", "TIOCMSET"] {
        let touched = calls.iter().find(|call| call.has(&[level]));
        assert!(touched.is_none(), "{touched:?}");
    }
    assert_eq!(manager.store.len(), 1);
}

#[test]
fn what_is_not_wanted_any_more_is_let_go() {
    let folder = Arc::new(Folder::new());
    let (first, second) = (folder.join("first"), folder.join("arm"));
    let (old, pty) = (Pty::plug(&first), Pty::plug(&second));
    let mut manager = ServiceManager::new(&folder);
    let command = manager.command(&program(&folder, &config(&first)), Vec::new());
    let mut daemon = Daemon::run(Arc::clone(&folder), command);
    manager.until("kept", |m| m.store.len() == 1);
    daemon.signal(Signal::TERM);
    daemon.ended_within(SOON).expect("ended");
    // Another line is configured at the next start.
    let command = manager.command(&program(&folder, &config(&second)), Vec::new());
    let daemon = Daemon::run(Arc::clone(&folder), command);
    let kept = format!("tty={}", second.display());
    manager.until("only the other", |m| {
        m.store.len() == 1 && m.store[0].0 == kept
    });
    let mut byte = [0];
    let read = rustix::io::read(old.master(), &mut byte);
    assert_eq!(read, Err(rustix::io::Errno::IO), "nobody has it open");
    // The endpoint is removed from the configuration.
    folder.write("config.toml", "");
    daemon.signal(Signal::HUP);
    manager.until("none", |m| m.store.is_empty());
    daemon.until("closed", |_| {
        rustix::io::read(pty.master(), &mut byte) == Err(rustix::io::Errno::IO)
    });
}

#[test]
fn a_device_that_is_pulled_is_let_go_and_kept_again_when_it_is_back() {
    let folder = Arc::new(Folder::new());
    let line = folder.join("arm");
    let pty = Pty::plug(&line);
    let mut manager = ServiceManager::new(&folder);
    let command = manager.command(&program(&folder, &config(&line)), Vec::new());
    let _daemon = Daemon::run(Arc::clone(&folder), command);
    manager.until("kept", |m| m.store.len() == 1);
    // The kept descriptor must be closed, or the adapter could not get the same number when it returns.
    drop(pty);
    manager.until("let go", |m| m.store.is_empty());
    let _pty = Pty::plug(&line);
    manager.until("kept again", |m| m.store.len() == 1);
}

#[test]
fn another_device_under_the_same_name_is_opened_as_new() {
    let folder = Arc::new(Folder::new());
    let line = folder.join("arm");
    let pty = Pty::plug(&line);
    let mut manager = ServiceManager::new(&folder);
    let command = manager.command(&program(&folder, &config(&line)), Vec::new());
    let mut daemon = Daemon::run(Arc::clone(&folder), command);
    manager.until("kept", |m| m.store.len() == 1);
    daemon.signal(Signal::TERM);
    daemon.ended_within(SOON).expect("ended");
    let elsewhere = folder.join("elsewhere");
    std::fs::rename(&line, &elsewhere).expect("renamed");
    let other = Pty::plug(&line);
    let command = manager.command(&program(&folder, &config(&line)), Vec::new());
    let daemon = Daemon::run(Arc::clone(&folder), command);
    daemon.until("said", |d| d.log().contains("not as it was kept"));
    // The old device's descriptor must be closed, or the device could not get the same number when it
    // returns.
    manager.hears("FDSTOREREMOVE=1");
    manager.until("one is kept", |m| m.store.len() == 1);
    let kept = rustix::fs::fstat(&manager.store[0].1).expect("a line");
    let new = rustix::fs::stat(other.line()).expect("a line");
    assert_eq!(kept.st_rdev, new.st_rdev, "it is the new device");
    let mut page = Page::connect(&daemon, &[reliable("thingway"), reliable("arm")]);
    reaches(&mut page, &other, b"hello");
    drop(pty);
    let _gone = std::fs::remove_file(elsewhere);
}

#[test]
fn it_may_listen_for_us() {
    let folder = Arc::new(Folder::new());
    let manager = ServiceManager::new(&folder);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let addr = listener.local_addr().expect("its address");
    // A client that connects before the process exists waits for it.
    let early = std::net::TcpStream::connect(addr).expect("queued");
    let passed = vec![("http".to_owned(), listener.into())];
    let command = manager.command(&program(&folder, PROBES), passed);
    let daemon = Daemon::run(Arc::clone(&folder), command);
    assert_eq!(http::get(addr, "/healthz").status, 200);
    assert_eq!(http::get(daemon.addr, "/healthz").status, 200);
    drop(early);
    daemon.signal(Signal::HUP);
    daemon.until("read again", |d| d.log().contains("was read again"));
    assert!(
        !daemon.log().contains("takes effect after a restart"),
        "{}",
        daemon.log()
    );
}

#[test]
fn nonsense_from_a_service_manager_is_said_and_left() {
    let folder = Arc::new(Folder::new());
    let manager = ServiceManager::new(&folder);
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let passed = vec![("odd".to_owned(), socket.into())];
    let mut command = manager.command(&program(&folder, PROBES), passed);
    command.env("NOTIFY_SOCKET", folder.join("nobody"));
    let daemon = Daemon::run(Arc::clone(&folder), command);
    let log = daemon.log();
    assert!(
        log.contains("odd: is no socket that listens for TCP"),
        "{log}"
    );
    daemon.until("named", |d| d.log().contains("cannot be told"));
    assert_eq!(daemon.log().matches("cannot be told").count(), 1);

    let mut command = manager.command(&program(&folder, PROBES), Vec::new());
    command.env("LISTEN_FDS", "7");
    let daemon = Daemon::run(Arc::clone(&folder), command);
    daemon.until("said", |d| {
        d.log().contains("what the service manager passes on")
    });
}

/// The highest allowed result of `systemd-analyze security`, in tenths.
const EXPOSURE: &str = "14";

#[test]
fn the_unit_is_understood_and_shuts_out_what_is_not_needed() {
    let folder = Folder::new();
    let root = env!("CARGO_MANIFEST_DIR");
    let unit = std::fs::read_to_string(format!("{root}/systemd/thingway.service")).expect("it");
    // The program is at this path only after the package is installed.
    let unit = unit.replace("/usr/bin/thingway", env!("CARGO_BIN_EXE_thingway"));
    let unit = folder.write("thingway.service", &unit);
    let socket =
        std::fs::read_to_string(format!("{root}/systemd/optional/thingway.socket")).expect("it");
    let socket = folder.write("thingway.socket", &socket);
    understands(&[&unit, &socket], "thingway");
    is_locked_down(&unit);
}

#[test]
fn the_unit_of_cameras_is_understood_and_shuts_out_what_is_not_needed() {
    let folder = Folder::new();
    let root = env!("CARGO_MANIFEST_DIR");
    let unit =
        std::fs::read_to_string(format!("{root}/systemd/thingway-camera@.service")).expect("it");
    // The program is at this path only after the package is installed.
    let installed = "/usr/libexec/thingway/camera";
    assert!(unit.contains(&format!("ExecStart={installed}\n")));
    let unit = unit.replace(installed, &format!("{root}/systemd/camera"));
    let unit = folder.write("thingway-camera@.service", &unit);
    understands(&[&unit], "camera");
    is_locked_down(&unit);
}

/// Fails if `systemd-analyze verify` refuses the units, or says something of `us`.
fn understands(units: &[&PathBuf], us: &str) {
    let verified = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .args(units)
        .output()
        .expect("systemd-analyze");
    // `systemd-analyze` only prints a message about an unknown word.
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    let about_us: Vec<_> = said.lines().filter(|line| line.contains(us)).collect();
    assert!(verified.status.success() && about_us.is_empty(), "{said}");
}

fn is_locked_down(unit: &Path) {
    let scored = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold", EXPOSURE])
        .arg(unit)
        .output()
        .expect("systemd-analyze");
    let said = String::from_utf8_lossy(&scored.stdout);
    assert!(scored.status.success(), "{said}");
}
