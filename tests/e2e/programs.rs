//! Programs that write faster than their reader reads. They are made to wait, so nothing is lost.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

use crate::daemon::{Daemon, Folder, SOON};
use crate::page::Page;
use crate::peer::reliable;

/// The behaviour of a program on each connection.
type Manners<S> = fn(S);

/// Starts a program that behaves like this on each TCP connection.
fn tcp_program(manners: Manners<TcpStream>) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let addr = listener.local_addr().expect("its address");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.expect("a connection");
            thread::spawn(move || manners(stream));
        }
    });
    addr.to_string()
}

fn unix_program(folder: &Folder, manners: Manners<UnixStream>) -> String {
    let path = folder.join("program.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.expect("a connection");
            thread::spawn(move || manners(stream));
        }
    });
    path.display().to_string()
}

/// A stream of bytes that both ends can generate.
struct Stream(StdRng);

impl Stream {
    fn new() -> Self {
        Self(StdRng::seed_from_u64(11))
    }

    fn next(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        // Whole words, so that the bytes do not depend on the sizes of the requests.
        for byte in &mut bytes {
            *byte = (self.0.next_u32() >> 24) as u8;
        }
        bytes
    }

    fn write(&mut self, to: &mut impl Write, mut bytes: usize) {
        while bytes > 0 {
            let piece = self.next(bytes.min(64 * 1024));
            bytes -= piece.len();
            to.write_all(&piece).expect("it is read");
        }
    }
}

const HALF: usize = 512 * 1024;
const MUCH: usize = 100_000_000;

fn daemon(folder: &Arc<Folder>, kind: &str, remote: &str, keys: &str) -> Daemon {
    let config =
        format!("[[endpoint]]\nname = \"arm\"\nkind = \"{kind}\"\nremote = \"{remote}\"\n{keys}");
    Daemon::start_in(folder.clone(), &config, &["--listen", "127.0.0.1:0"])
}

const OWN: &str = "connection = \"channel\"\n";

fn open(daemon: &Daemon) -> Page {
    let mut page = Page::connect(daemon, &[reliable("thingway"), reliable("arm")]);
    page.until("credit", |page| page.peer.channels["arm"].credit.is_some());
    page
}

/// Reads until this many bytes of the stream have arrived, and checks that they are unchanged.
fn read(page: &mut Page, stream: &mut Stream, bytes: usize) {
    let mut left = bytes;
    let mut since = Instant::now();
    while left > 0 {
        page.turn(Duration::from_millis(5));
        let channel = page.peer.channels.get_mut("arm").expect("its state");
        channel.received.clear();
        let mut came = std::mem::take(&mut channel.bytes);
        channel.bytes = came.split_off(left.min(came.len()));
        let is_open = channel.open;
        assert!(
            stream.next(came.len()) == came,
            "other bytes, {left} from the end"
        );
        left -= came.len();
        if !came.is_empty() {
            since = Instant::now();
        }
        let told = page.peer.told("closed");
        assert!(
            is_open || left == 0,
            "closed with {left} bytes to come: {told:?}"
        );
        assert!(
            since.elapsed() < SOON,
            "nothing comes any more; {left} bytes are left"
        );
    }
}

fn ends(page: &mut Page) {
    page.until("the end", |page| page.peer.channels["arm"].closed);
    let told = page.peer.told("closed");
    assert!(
        told.iter().all(|told| told["reason"] == "ended"),
        "{told:?}"
    );
    assert!(page.peer.told("dropped").is_empty());
}

#[test]
fn who_writes_half_a_megabyte_and_hangs_up_is_heard_to_the_end() {
    let folder = Arc::new(Folder::new());
    let tcp = tcp_program(|mut stream| Stream::new().write(&mut stream, HALF));
    let unix = unix_program(&folder, |mut stream| Stream::new().write(&mut stream, HALF));
    for (kind, remote) in [("tcp", tcp), ("unix", unix)] {
        let daemon = daemon(&folder, kind, &remote, OWN);
        let mut page = open(&daemon);
        // The page is not slow, only busy for a moment.
        thread::sleep(Duration::from_millis(300));
        read(&mut page, &mut Stream::new(), HALF);
        ends(&mut page);
    }
}

#[test]
fn a_hundred_megabytes_come_through_a_channel_as_they_were_sent() {
    let folder = Arc::new(Folder::new());
    let remote = tcp_program(|mut stream| Stream::new().write(&mut stream, MUCH));
    let daemon = daemon(&folder, "tcp", &remote, OWN);
    let mut page = open(&daemon);
    read(&mut page, &mut Stream::new(), MUCH);
    ends(&mut page);
}

/// Acts like the older protocol of scp: the file's name and size, a zero, the bytes, a zero; each side
/// answers with a zero.
fn source(mut stream: TcpStream) {
    let zero = |stream: &mut TcpStream| {
        let mut answer = [1];
        stream.read_exact(&mut answer).expect("an answer");
        assert_eq!(answer, [0]);
    };
    zero(&mut stream);
    let head = format!("C0644 {} image.bin\n", 2 * HALF);
    stream.write_all(head.as_bytes()).expect("it is read");
    zero(&mut stream);
    Stream::new().write(&mut stream, 2 * HALF);
    stream.write_all(&[0]).expect("it is read");
    zero(&mut stream);
}

#[test]
fn a_file_is_copied_in_a_conversation() {
    let folder = Arc::new(Folder::new());
    let daemon = daemon(&folder, "tcp", &tcp_program(source), OWN);
    let mut page = open(&daemon);
    page.send("arm", &[0]);
    let head = format!("C0644 {} image.bin\n", 2 * HALF);
    page.until("the head", |page| {
        page.peer.channels["arm"].bytes.len() == head.len()
    });
    assert_eq!(page.peer.text("arm"), head);
    page.peer.channels.get_mut("arm").expect("it").bytes.clear();
    page.send("arm", &[0]);
    read(&mut page, &mut Stream::new(), 2 * HALF);
    page.until("the zero", |page| page.peer.channels["arm"].bytes == [0]);
    page.send("arm", &[0]);
    ends(&mut page);
}

#[test]
fn what_a_program_said_before_it_hung_up_on_us_is_heard() {
    let folder = Arc::new(Folder::new());
    // The program never reads, so data written to it fails. (With TCP the system itself discards what such a
    // program had still to send: RFC 9293 §3.10.4.)
    let remote = unix_program(&folder, |mut stream| {
        Stream::new().write(&mut stream, 2 * HALF);
    });
    let daemon = daemon(&folder, "unix", &remote, OWN);
    let mut page = open(&daemon);
    for _ in 0..20 {
        let now = Instant::now();
        let _no_credit = page.peer.send_within_credit(now, "arm", b"are you there?");
        page.turn(Duration::from_millis(1));
    }
    read(&mut page, &mut Stream::new(), 2 * HALF);
    page.until("the end", |page| page.peer.channels["arm"].closed);
}

/// Writes without end, and reports how much the system has taken.
fn endless(stream: TcpStream) -> Receiver<usize> {
    let (tell, told) = channel();
    thread::spawn(move || {
        let (mut stream, mut bytes) = (stream, Stream::new());
        while stream.write_all(&bytes.next(4096)).is_ok() && tell.send(4096).is_ok() {}
    });
    told
}

#[test]
fn a_shared_program_waits_for_its_slowest_reader_and_no_longer_for_one_that_left() {
    let folder = Arc::new(Folder::new());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let remote = listener.local_addr().expect("its address").to_string();
    let daemon = daemon(&folder, "tcp", &remote, "lag = \"wait\"\nscrollback = 0\n");
    let (stream, _) = listener.accept().expect("the daemon");
    daemon.until("open", |d| d.get("/endpoints/arm")["state"] == "open");
    let (mut slow, mut fast) = (open(&daemon), open(&daemon));
    let written = endless(stream);
    // One page reads and the other does not, until the program has to wait. Then the number of read bytes no
    // longer grows.
    let came = |page: &Page| page.peer.channels["arm"].bytes.len();
    let mut still = 0;
    while still < 200 {
        let before = came(&fast);
        fast.turn(Duration::from_millis(5));
        still = if came(&fast) > before { 0 } else { still + 1 };
        while written.try_recv().is_ok() {}
    }
    let held_at = came(&fast);
    assert!(held_at < 8 * HALF, "it was not held up: {held_at}");
    // The slow page reads again, so the other page gets more.
    let begun = Instant::now();
    while came(&fast) <= held_at {
        assert!(begun.elapsed() < SOON, "the other gets nothing");
        slow.turn(Duration::from_millis(1));
        fast.turn(Duration::from_millis(1));
    }
    let later = came(&fast);
    // The slow page leaves.
    slow.close();
    fast.until("more", |fast| came(fast) > later + 8 * HALF);
    for page in [&slow, &fast] {
        let got = &page.peer.channels["arm"].bytes;
        assert!(Stream::new().next(got.len()) == *got);
        assert!(page.peer.told("dropped").is_empty());
    }
    assert!(fast.peer.channels["arm"].open);
}
