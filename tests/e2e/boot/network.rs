//! No network yet, and no IPv6.

use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::daemon::{Daemon, Folder, SOON};
use crate::http;
use crate::page::Page;
use crate::peer::reliable;
use crate::stranger::{BOARD, CONFIG, STRANGER, curl, on_a_network, on_a_network_with, start};

fn ip(words: &str) {
    let status = Command::new("ip").args(words.split(' ')).status();
    assert!(status.expect("ip runs").success(), "{words}");
}

fn exit_code_and_reason(folder: &Folder, listen: &str) -> (Option<i32>, String) {
    let output = folder.program().args(["--listen", listen]).output();
    let output = output.expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), errors)
}

#[test]
fn a_network_that_comes_after_it_is_served() {
    on_a_network_with("true", || {
        let folder = Arc::new(Folder::new());
        let config = CONFIG.replace(
            "\"127.0.0.1:0\"",
            &format!("\"{BOARD}:8443\", \"127.0.0.1:0\""),
        );
        let daemon = start(&folder, &config);
        let why = format!("listen on {BOARD}:8443: Cannot assign requested address");
        daemon.until("said", |d| d.log().contains(&why));
        let channels = [reliable("thingway"), reliable("arm")];
        let mut before = Page::connect(&daemon, &channels);
        before.until("open", |page| page.peer.channels["arm"].credit.is_some());

        ip(&format!("addr add {BOARD}/24 dev lo"));
        ip(&format!("addr add {STRANGER}/24 dev lo"));
        daemon.until("listening", |d| {
            d.log()
                .contains(&format!("listening on https://{BOARD}:8443/"))
        });
        assert_eq!(daemon.log().matches(&why).count(), 1, "said once");
        assert_eq!(curl(&folder, 8443, "/healthz", &[]).status, 200);
        let mut after =
            Page::try_connect(&daemon, &format!("{STRANGER}:0"), &channels).expect("a session");
        assert!(after.answer.contains(BOARD), "{}", after.answer);
        for page in [&mut before, &mut after] {
            page.until("credit", |page| page.peer.channels["arm"].credit.is_some());
            page.send("arm", b"hello");
            page.until("echo", |page| page.peer.text("arm") == "hello");
        }
    });
}

#[test]
fn an_address_that_is_not_there_is_1_if_there_is_no_other() {
    on_a_network_with("true", || {
        let folder = Folder::new();
        let (code, reason) = exit_code_and_reason(&folder, "192.0.2.1:8000");
        assert_eq!(code, Some(1), "{reason}");
        let last = reason.lines().last().expect("a reason");
        assert_eq!(
            last,
            "listen on 192.0.2.1:8000: Cannot assign requested address"
        );
    });
}

#[test]
fn started_before_even_loopback_is_there_it_serves_it_then() {
    on_a_network_with("ip link set lo down", || {
        let folder = Folder::new();
        let mut command = folder.program();
        command.args(["--listen", "127.0.0.1:8000"]);
        let errors = std::fs::File::create(folder.join("log")).expect("a file");
        let child = command.stderr(errors).spawn().expect("the program starts");
        let child = Ended(child);
        let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        until("listening", || {
            log().contains("listening on http://127.0.0.1:8000/")
        });
        let addr = SocketAddr::from(([127, 0, 0, 1], 8000));
        let reached = || TcpStream::connect_timeout(&addr, Duration::from_millis(500)).is_ok();
        assert!(!reached(), "nothing is there yet");
        ip("link set lo up");
        until("reached", reached);
        assert_eq!(http::get(addr, "/readyz").status, 200, "{}", log());
        drop(child);
    });
}

/// A process that is ended with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ended_before = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn until(what: &str, done: impl Fn() -> bool) {
    let end = Instant::now() + SOON;
    while !done() {
        assert!(Instant::now() < end, "not within {SOON:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Checks a machine with `ipv6.disable_ipv6=1` on the kernel's command line, or the same sysctl.
#[test]
fn where_ipv6_is_switched_off_ipv4_is_served() {
    let off = "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6";
    let setup =
        format!("{off} && ip addr add {BOARD}/24 dev lo && ip addr add {STRANGER}/24 dev lo");
    on_a_network_with(&setup, || {
        let folder = Arc::new(Folder::new());
        let config = CONFIG.replace(
            "\"127.0.0.1:0\"",
            "\"127.0.0.1:0\", \"[::]:8443\", \"[::1]:8000\"",
        );
        let daemon = start(&folder, &config);
        let why = "listen on [::1]:8000: Cannot assign requested address";
        daemon.until("said", |d| d.log().contains(why));
        assert_eq!(curl(&folder, 8443, "/healthz", &[]).status, 200);
        let mut page = Page::connect(&daemon, &[reliable("thingway"), reliable("arm")]);
        page.until("credit", |page| page.peer.channels["arm"].credit.is_some());
        page.send("arm", b"hello");
        page.until("echo", |page| page.peer.text("arm") == "hello");
    });
}

#[test]
fn a_fault_of_one_listener_that_time_does_not_mend_ends_it() {
    on_a_network(|| {
        let folder = Arc::new(Folder::new());
        let taken = std::net::TcpListener::bind((BOARD, 8443)).expect("the port");
        let listen = format!("[http]\nlisten = [\"127.0.0.1:0\", \"{BOARD}:8443\"]\n");
        let config = folder.write("config.toml", &listen);
        let mut command = folder.program();
        let output = command.arg("--config").arg(config).output();
        let output = output.expect("it runs");
        assert_eq!(output.status.code(), Some(1));
        let reason = String::from_utf8_lossy(&output.stderr).into_owned();
        let why = format!("listen on {BOARD}:8443: Address already in use");
        assert_eq!(reason.lines().last(), Some(why.as_str()), "{reason}");
        drop(taken);
    });
}

/// Checks that sessions survive when the interfaces are down for a while, as when a switch is restarted.
#[test]
fn a_session_outlives_a_network_that_goes_for_a_moment() {
    let setup = format!("ip addr add {BOARD}/24 dev lo && ip addr add {STRANGER}/24 dev lo");
    on_a_network_with(&setup, || {
        let daemon = Daemon::start("[[endpoint]]\nname = \"arm\"\nkind = \"echo\"\n");
        let channels = [reliable("thingway"), reliable("arm")];
        let mut page =
            Page::try_connect(&daemon, &format!("{STRANGER}:0"), &channels).expect("a session");
        page.until("credit", |page| page.peer.channels["arm"].credit.is_some());
        ip("link set lo down");
        page.run(Duration::from_secs(3));
        ip("link set lo up");
        page.send("arm", b"hello");
        page.until("echo", |page| page.peer.text("arm") == "hello");
    });
}
