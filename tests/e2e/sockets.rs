//! Programs behind TCP, Unix sockets and UDP that start and end.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::daemon::{Daemon, Folder, SOON};
use crate::missing;
use crate::network::Network;
use crate::page::Page;
use crate::peer::reliable;

/// Returns an address of this test run that no other test uses. All of 127/8 is loopback.
fn address(test: u8) -> SocketAddr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    (Ipv4Addr::new(127, 1 + high % 200, low, test), 4_001).into()
}

fn config(kind: &str, keys: &str) -> String {
    format!("[[endpoint]]\nname = \"arm\"\nkind = \"{kind}\"\n{keys}")
}

fn state(daemon: &Daemon) -> String {
    let shown = daemon.get("/endpoints/arm");
    shown["state"].as_str().expect("a word").to_owned()
}

/// Starts a daemon whose endpoint has no program behind it, and a page with a channel to the endpoint.
fn daemon_and_page(folder: Arc<Folder>, config: &str) -> (Daemon, Page) {
    let daemon = Daemon::start_in(folder, config, &["--listen", "127.0.0.1:0"]);
    daemon.until("absent", |d| state(d) == "absent");
    let mut page = Page::connect(&daemon, &[reliable("thingway"), reliable("arm")]);
    page.until("credit", |page| page.peer.channels["arm"].credit.is_some());
    (daemon, page)
}

/// Sends bytes of all values in both directions.
fn talks(page: &mut Page, program: &mut (impl Read + Write)) {
    let (up, down): (Vec<u8>, Vec<u8>) = ((0..=255).collect(), (0..=255).rev().collect());
    page.send("arm", &up);
    let mut came = vec![0; up.len()];
    program.read_exact(&mut came).expect("bytes in time");
    assert_eq!(came, up);
    page.peer
        .channels
        .get_mut("arm")
        .expect("its state")
        .bytes
        .clear();
    program.write_all(&down).expect("it reads");
    page.until("bytes", |page| {
        page.peer.channels["arm"].bytes.len() >= down.len()
    });
    assert_eq!(page.peer.channels["arm"].bytes, down);
}

/// Accepts the next connection. The daemon tries a program that closes each connection at once, as here, at
/// growing intervals.
fn comes_soon<S>(page: &mut Page, mut accept: impl FnMut() -> std::io::Result<S>) -> S {
    let start = Instant::now();
    loop {
        match accept() {
            Ok(stream) => return stream,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
        }
        assert!(start.elapsed() < SOON, "nobody connects");
        page.turn(Duration::from_millis(5));
    }
}

/// Tests a program that starts, ends and starts again. `listen` returns a function that accepts connections.
fn meets_again<S: Read + Write, A: FnMut() -> std::io::Result<S>>(
    kind: &str,
    remote: &str,
    folder: Arc<Folder>,
    mut listen: impl FnMut() -> A,
) {
    let (daemon, mut page) =
        daemon_and_page(folder, &config(kind, &format!("remote = \"{remote}\"\n")));
    let shown = daemon.get("/endpoints/arm");
    assert_eq!(shown["remote"], remote);
    assert_ne!(shown["detail"], "");
    page.send("arm", b"stale");
    page.until("told", |page| !page.peer.told("dropped").is_empty());
    for _ in 0..2 {
        let mut accept = listen();
        let mut program = comes_soon(&mut page, &mut accept);
        page.until("open", |_| state(&daemon) == "open");
        talks(&mut page, &mut program);
        // The program ends with its listener.
        drop((program, accept));
        page.until("absent", |_| state(&daemon) == "absent");
        page.run(Duration::from_millis(200));
    }
    // The program closes one connection, and keeps listening.
    let mut accept = listen();
    let program = comes_soon(&mut page, &mut accept);
    page.until("open", |_| state(&daemon) == "open");
    drop(program);
    let mut program = comes_soon(&mut page, &mut accept);
    page.until("open", |_| state(&daemon) == "open");
    talks(&mut page, &mut program);
    assert!(page.peer.channels["arm"].open && page.peer.told("closed").is_empty());
}

#[test]
fn a_program_at_a_tcp_port_is_met_whenever_it_comes() {
    let addr = address(1);
    meets_again("tcp", &addr.to_string(), Arc::new(Folder::new()), || {
        let listener = TcpListener::bind(addr).expect("the port");
        listener.set_nonblocking(true).expect("it can");
        move || {
            let (stream, _) = listener.accept()?;
            stream.set_nonblocking(false)?;
            stream.set_read_timeout(Some(SOON))?;
            Ok(stream)
        }
    });
}

#[test]
fn a_program_at_a_unix_socket_is_met_whenever_it_comes() {
    let folder = Arc::new(Folder::new());
    let path = folder.join("program.sock");
    let remote = path.display().to_string();
    meets_again("unix", &remote, folder, || {
        let _gone = fs::remove_file(&path);
        let listener = UnixListener::bind(&path).expect("the path");
        listener.set_nonblocking(true).expect("it can");
        move || {
            let (stream, _) = listener.accept()?;
            stream.set_nonblocking(false)?;
            stream.set_read_timeout(Some(SOON))?;
            Ok(stream)
        }
    });
}

/// Tests programs that connect to the daemon, one at a time.
fn is_met<S: Read + Write>(daemon: &Daemon, page: &mut Page, connect: impl Fn() -> S) {
    for _ in 0..2 {
        let mut first = connect();
        page.until("open", |_| state(daemon) == "open");
        talks(page, &mut first);
        let mut second = connect();
        let mut byte = [0];
        let end = second.read(&mut byte).map_err(|error| error.kind());
        assert!(
            matches!(end, Ok(0) | Err(ErrorKind::ConnectionReset)),
            "{end:?}"
        );
        talks(page, &mut first);
        assert_eq!(state(daemon), "open");
        drop(first);
        page.until("absent", |_| state(daemon) == "absent");
    }
    let detail = daemon.get("/endpoints/arm")["detail"].clone();
    assert!(
        detail
            .as_str()
            .is_some_and(|text| text.contains("no program has connected")),
        "{detail}"
    );
    assert_eq!(
        daemon
            .log()
            .matches("a second connection was closed")
            .count(),
        1,
        "once in ten seconds"
    );
    assert!(page.peer.channels["arm"].open && page.peer.told("closed").is_empty());
}

#[test]
fn a_tcp_port_is_for_one_program_at_a_time() {
    let addr = address(2);
    let config = config("tcp", &format!("listen = \"{addr}\"\n"));
    let (daemon, mut page) = daemon_and_page(Arc::new(Folder::new()), &config);
    is_met(&daemon, &mut page, || {
        let stream = TcpStream::connect(addr).expect("it listens");
        stream.set_read_timeout(Some(SOON)).expect("a limit");
        stream
    });
}

#[test]
fn a_unix_socket_is_for_one_program_at_a_time_and_goes_with_the_daemon() {
    let folder = Arc::new(Folder::new());
    let path = folder.join("arm.sock");
    // A killed process has left its socket's file behind.
    drop(UnixListener::bind(&path).expect("the path"));
    assert!(path.exists());
    let config = config("unix", &format!("listen = \"{}\"\n", path.display()));
    let (mut daemon, mut page) = daemon_and_page(folder, &config);
    let mode = fs::metadata(&path).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o7777, 0o660);
    is_met(&daemon, &mut page, || {
        let stream = UnixStream::connect(&path).expect("it listens");
        stream.set_read_timeout(Some(SOON)).expect("a limit");
        stream
    });
    daemon.signal(Signal::TERM);
    page.until("the end", |_| daemon.ended_within(Duration::ZERO).is_some());
    assert!(!path.exists());
}

#[test]
fn a_file_that_is_no_stale_socket_is_left_alone() {
    let folder = Arc::new(Folder::new());
    let file = folder.write("notes.txt", "precious");
    let live = folder.join("live.sock");
    let _listener = UnixListener::bind(&live).expect("the path");
    for path in [&file, &live] {
        let config = config("unix", &format!("listen = \"{}\"\n", path.display()));
        let daemon = Daemon::start_in(Arc::clone(&folder), &config, &["--listen", "127.0.0.1:0"]);
        daemon.until("failed", |d| state(d) == "failed");
        let detail = daemon.get("/endpoints/arm")["detail"].clone();
        let shown = path.display().to_string();
        assert!(
            detail
                .as_str()
                .is_some_and(|text| text.contains(&shown) && text.contains("in use")),
            "{detail}"
        );
    }
    assert_eq!(fs::read_to_string(&file).expect("the file"), "precious");
    UnixStream::connect(&live).expect("the other program's still");
}

// ---- UDP ----

/// Waits for a datagram to the program while the page runs.
fn datagram(page: &mut Page, socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    socket.set_nonblocking(true).expect("it can");
    let (mut buffer, mut found) = ([0; 2048], None);
    page.until("a datagram", |_| {
        found = socket.recv_from(&mut buffer).ok();
        found.is_some()
    });
    let (n, from) = found.expect("it came");
    (buffer[..n].to_vec(), from)
}

#[test]
fn who_sent_the_last_datagram_is_answered() {
    let addr = address(3);
    let config = config("udp", &format!("bind = \"{addr}\"\n"));
    let (daemon, mut page) = daemon_and_page(Arc::new(Folder::new()), &config);
    page.send("arm", b"to nobody");
    page.until("told", |page| !page.peer.told("dropped").is_empty());
    assert_eq!(page.peer.told("dropped")[0]["reason"], "absent");
    for (n, name) in ["one", "two"].into_iter().enumerate() {
        let program = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        program.send_to(name.as_bytes(), addr).expect("sent");
        page.until("heard", |page| {
            page.peer.channels["arm"].received.len() == n + 1
        });
        page.send("arm", b"hello");
        assert_eq!(datagram(&mut page, &program), (b"hello".to_vec(), addr));
        let remote = program.local_addr().expect("its address").to_string();
        assert_eq!(daemon.get("/endpoints/arm")["remote"], remote);
    }
    assert_eq!(page.peer.text("arm"), "onetwo");
    assert_eq!(state(&daemon), "open");
}

#[test]
fn datagrams_of_a_group_arrive_and_are_answered() {
    let Some(network) = Network::new("true") else {
        return missing::skip("a network namespace for multicast, which this user may not make");
    };
    let inside = move || {
        network.enter();
        let keys = "bind = \"0.0.0.0:4001\"\nmulticast = [\"239.1.2.3\"]\n";
        let (_daemon, mut page) = daemon_and_page(Arc::new(Folder::new()), &config("udp", keys));
        let program = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        // Datagrams of another group are ignored, although they use the same port.
        for (group, text) in [
            ([239, 1, 2, 3], "ours"),
            ([239, 1, 2, 4], "other"),
            ([239, 1, 2, 3], "!"),
        ] {
            let group = (Ipv4Addr::from(group), 4_001);
            program.send_to(text.as_bytes(), group).expect("sent");
        }
        page.until("heard", |page| page.peer.text("arm").ends_with('!'));
        assert_eq!(page.peer.text("arm"), "ours!");
        page.send("arm", b"hello");
        let (answer, from) = datagram(&mut page, &program);
        assert_eq!((answer, from.port()), (b"hello".to_vec(), 4_001));
    };
    // The thread enters the network, so it must not be a thread that other tests run on.
    thread::spawn(inside).join().expect("as it should be");
}
