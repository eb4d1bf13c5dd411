//! Kernels without some features: without IPv6, or without segmentation of UDP. A filter for system calls
//! makes the calls fail as on such a kernel. A thread passes the filter on to the daemon that it starts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};

use crate::daemon::{Daemon, Folder};
use crate::page::Page;
use crate::peer::reliable;
use crate::stranger::{BOARD, CONFIG, bearer, curl, on_a_network, set_up_at, start};
use crate::trace;

/// Makes a call with this argument fail from now on, in this thread and its child processes.
fn refuse(call: i64, argument: u8, values: &[i32], errno: i32) {
    let rule = |value: &i32| {
        let value = u64::from(value.unsigned_abs());
        let is_it =
            SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value);
        SeccompRule::new(vec![is_it.expect("an argument")]).expect("a rule")
    };
    let rules = BTreeMap::from([(call, values.iter().map(rule).collect())]);
    let says = SeccompAction::Errno(errno.unsigned_abs());
    let here = std::env::consts::ARCH
        .try_into()
        .expect("a processor that has filters");
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, says, here).expect("a filter");
    let filter: BpfProgram = filter.try_into().expect("a program");
    apply_filter(&filter).expect("allowed");
}

#[test]
fn without_ipv6_it_serves_ipv4_and_says_so() {
    on_a_network(|| {
        refuse(libc::SYS_socket, 0, &[libc::AF_INET6], libc::EAFNOSUPPORT);
        let folder = Arc::new(Folder::new());
        let config = CONFIG.replace("\"127.0.0.1:0\"", "\"127.0.0.1:0\", \"[::]:8444\"");
        let daemon = start(&folder, &config);
        let log = daemon.log();
        assert!(log.contains("listening on https://0.0.0.0:8444/"), "{log}");
        assert!(
            log.contains("no IPv6, so port 8444 is for IPv4 alone"),
            "{log}"
        );
        assert!(
            log.contains("sessions over one address family only"),
            "{log}"
        );
        assert_eq!(curl(&folder, 8444, "/healthz", &[]).status, 200);
        let mut page = Page::connect(&daemon, &[reliable("thingway"), reliable("arm")]);
        page.until("credit", |page| page.peer.channels["arm"].credit.is_some());
        page.send("arm", b"hello");
        page.until("echo", |page| page.peer.text("arm") == "hello");

        // The default address of the set-up is the unspecified one, for both families.
        let (port, token, _) = set_up_at(&folder, "[::]:8445");
        let answer = curl(&folder, port, "/endpoints", &["-H", &bearer(&token)]);
        assert_eq!((port, answer.status), (8445, 200));
        assert!(daemon.log().contains("listening on https://0.0.0.0:8445/"));
        assert!(
            curl(&folder, 8445, "/healthz", &[]).head.contains("200"),
            "{BOARD}"
        );
    });
}

#[test]
fn without_both_families_it_ends_and_says_why() {
    on_a_network(|| {
        let families = [libc::AF_INET, libc::AF_INET6];
        refuse(libc::SYS_socket, 0, &families, libc::EAFNOSUPPORT);
        let folder = Folder::new();
        let output = folder.program().output().expect("it runs");
        assert_eq!(output.status.code(), Some(1));
        let reason = String::from_utf8_lossy(&output.stderr).into_owned();
        let last = reason.lines().last().expect("a reason");
        assert!(last.contains("Address family not supported"), "{reason}");
    });
}

const MESSAGES: usize = 400;
const SIZE: usize = 16_000;

/// Receives as fast as possible, so that the daemon sends batches of many datagrams.
fn takes_a_lot(page: &mut Page) {
    page.until("open", |page| page.peer.channels["arm"].credit.is_some());
    let ask = format!("send {SIZE} {MESSAGES}");
    page.until("room", |page| {
        page.peer.send(Instant::now(), "arm", false, ask.as_bytes())
    });
    page.until("all of it", |page| {
        page.peer.channels["arm"].received.len() == MESSAGES
    });
    let received = &page.peer.channels["arm"].received;
    assert!(received.iter().all(|(_, message)| message.len() == SIZE));
}

const SOURCE: &str = "[[endpoint]]\nname = \"arm\"\nkind = \"source\"\n";

#[test]
fn without_segments_datagrams_go_one_by_one() {
    let inside = || {
        // UDP_SEGMENT and UDP_GRO, which came with Linux 4.18 and 5.0.
        refuse(libc::SYS_setsockopt, 2, &[103, 104], libc::ENOPROTOOPT);
        let folder = Arc::new(Folder::new());
        let arguments = ["--listen", "127.0.0.1:0", "--log", "debug"];
        let daemon = Daemon::start_in(folder, SOURCE, &arguments);
        let said = "1 segments sent and 1 received per call";
        assert!(daemon.log().contains(said), "{}", daemon.log());
        let mut page = Page::connect(&daemon, &[reliable("thingway"), reliable("arm")]);
        takes_a_lot(&mut page);
    };
    std::thread::spawn(inside).join().expect("no panic");
}

/// Checks the case of drivers that accept the option and refuse the batches. The first batch is tried again
/// without other extras, and is then sent in parts, as are all later batches.
#[test]
fn a_batch_that_is_refused_goes_in_parts() {
    // Among many batches there is sometimes a single datagram, which proves nothing.
    let found = [60, 67, 74, 81, 88, 95].into_iter().any(refuses_at);
    assert!(found, "no batch");
}

/// Returns false if the refused call was not a batch.
fn refuses_at(call: usize) -> bool {
    let folder = Arc::new(Folder::new());
    let (trace, config) = (folder.join("trace"), folder.write("config.toml", SOURCE));
    let fault = format!("inject=sendmsg:error=EIO:when={call}..{}", call + 1);
    // Record only the header of each datagram's DTLS record, which contains a number.
    let options = ["-s", "13", "-e", "trace=sendmsg", "-e", &fault];
    let mut command = folder.traced(&options, &trace);
    command
        .args(["--listen", "127.0.0.1:0", "--config"])
        .arg(config);
    let daemon = Daemon::run(Arc::clone(&folder), command);
    let mut page = Page::connect(&daemon, &[reliable("thingway"), reliable("arm")]);
    takes_a_lot(&mut page);
    let sent = trace::all(&trace);
    // UDP_SEGMENT by its name or number.
    let is_batch = |call: &trace::Call| call.has(&["cmsg_type=0x67"]) || call.has(&["UDP_SEGMENT"]);
    let refused = sent.iter().position(|call| call.has(&["EIO"]));
    let (batch, after) = sent[refused.expect("a fault")..].split_at(2);
    if !batch.iter().all(is_batch) {
        return false;
    }
    assert!(batch[1].has(&["EIO"]));
    assert!(!after.iter().any(is_batch), "no other is tried");
    let begins = |call: &trace::Call| {
        let (_, rest) = call.text.split_once("iov_base=").expect("contents");
        rest.split(", iov_len").next().expect("contents").to_owned()
    };
    assert_eq!(begins(&after[0]), begins(&batch[1]), "it goes at once");
    let (_, length) = batch[1].text.split_once("iov_len=").expect("a length");
    let length = length.split('}').next().and_then(|n| n.parse().ok());
    let mut left: i64 = length.expect("a number");
    for part in after {
        if left <= 0 {
            break;
        }
        left -= part.result().expect("sent");
    }
    assert_eq!(left, 0, "the parts are what was refused");
    true
}
