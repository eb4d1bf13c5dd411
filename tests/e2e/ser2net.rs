//! The same device behind ser2net and behind thingway: both must deliver the same bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::daemon::{Daemon, Folder, SOON};
use crate::missing;
use crate::page::Page;
use crate::peer::reliable;
use crate::pty::Pty;
use crate::serial;

/// Returns the host's questions. Each is sent when the answer to the previous one is complete.
fn questions() -> Vec<Vec<u8>> {
    let sizes = [1, 2, 17, 255, 1_000, 4_000, 3];
    let every_byte = (0..=255).collect();
    let telnet_and_flow = vec![
        0xff, 0xff, 0xf0, 0x11, 0x13, 0x03, 0x04, 0x1a, b'\r', b'\n', 0, b'\r', 0,
    ];
    let mixed = sizes.map(|len: usize| (0..len).map(|i| (i * 37 + len) as u8).collect());
    [every_byte, telnet_and_flow]
        .into_iter()
        .chain(mixed)
        .collect()
}

/// Returns the device's message after the echo of a question.
fn banner(n: usize) -> Vec<u8> {
    let len = [40, 256, 1, 2_000, 10, 8_000, 3, 700, 0][n % 9];
    let mut text = format!("\r\n\x1b[1mdevice {n}\x1b[0m ready\r\n").into_bytes();
    text.extend((0..len).map(|i| (i % 256) as u8));
    text
}

/// Changes an echoed byte, so that an echo from another place would be noticed.
fn changed(byte: u8) -> u8 {
    byte.wrapping_mul(3).wrapping_add(1)
}

fn answer(n: usize, question: &[u8]) -> Vec<u8> {
    let mut all: Vec<u8> = question.iter().copied().map(changed).collect();
    all.extend(banner(n));
    all
}

/// Acts as the device: echoes the bytes it receives, and after each question is silent for a while, then
/// sends its own message in bursts. Returns all bytes that it received.
fn play(pty: &Pty, stop: &AtomicBool) -> Vec<u8> {
    let mut ends = questions().into_iter().scan(0, |end, question| {
        *end += question.len();
        Some(*end)
    });
    let (mut heard, mut n, mut end) = (Vec::new(), 0, ends.next());
    while !stop.load(Ordering::Relaxed) {
        let piece = pty.read();
        if piece.is_empty() {
            thread::sleep(Duration::from_millis(1));
            continue;
        }
        heard.extend_from_slice(&piece);
        say(
            pty,
            &piece.into_iter().map(changed).collect::<Vec<_>>(),
            stop,
        );
        if Some(heard.len()) == end {
            thread::sleep(Duration::from_millis([0, 3, 30][n % 3]));
            for burst in banner(n).chunks([1, 64, 4_096][n % 3]) {
                say(pty, burst, stop);
            }
            (n, end) = (n + 1, ends.next());
        }
    }
    heard
}

fn say(pty: &Pty, bytes: &[u8], stop: &AtomicBool) {
    let mut rest = bytes;
    while !rest.is_empty() && !stop.load(Ordering::Relaxed) {
        let n = pty.write(rest);
        rest = &rest[n..];
        if n == 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Asks all questions with `ask`, which returns an answer of this length. Returns the bytes that the device
/// received, and the part of its own bytes that arrived.
fn converse(pty: &Pty, mut ask: impl FnMut(&[u8], usize) -> Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    /// Ends the device's thread even if the test fails.
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let device = scope.spawn(|| play(pty, &stop));
        let told_at_end = Stop(&stop);
        let mut said = Vec::new();
        for (n, question) in questions().iter().enumerate() {
            said.extend(ask(question, answer(n, question).len()));
        }
        drop(told_at_end);
        (device.join().expect("a device"), said)
    })
}

fn through_thingway(pty: &Pty, line: &Path) -> (Vec<u8>, Vec<u8>) {
    let config = serial::config(line);
    let daemon = Daemon::start(&config);
    daemon.until("open", |d| d.get("/endpoints/arm")["state"] == "open");
    let mut page = Page::connect(&daemon, &[reliable("thingway"), reliable("arm")]);
    page.until("credit", |page| page.peer.channels["arm"].credit.is_some());
    let both = converse(pty, |question, len| {
        page.send("arm", question);
        page.until("an answer", |page| {
            page.peer.channels["arm"].bytes.len() >= len
        });
        std::mem::take(&mut page.peer.channels.get_mut("arm").expect("its state").bytes)
    });
    page.run(Duration::from_millis(100));
    assert_eq!(page.peer.text("arm"), "", "nothing more");
    both
}

/// ser2net with one raw TCP port.
struct Ser2net {
    child: Child,
    addr: SocketAddr,
}

impl Ser2net {
    fn start(folder: &Folder, line: &Path) -> Option<Self> {
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let addr = SocketAddr::from((Ipv4Addr::new(127, 1 + high % 200, low, 9), 4_001));
        let config = format!(
            "connection: &arm\n  accepter: tcp,{},{}\n  connector: serialdev,{},115200n81,local\n",
            addr.ip(),
            addr.port(),
            line.display()
        );
        let config = folder.write("ser2net.yaml", &config);
        let start = |program: &str| {
            let mut command = Command::new(program);
            // Run in the foreground, without lock files.
            command.args(["-n", "-u", "-c"]).arg(&config);
            command.stdin(Stdio::null()).stderr(Stdio::null()).spawn()
        };
        // A user other than root may not have /usr/sbin in the path.
        match start("ser2net").or_else(|_| start("/usr/sbin/ser2net")) {
            Ok(child) => Some(Self { child, addr }),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => panic!("ser2net: {error}"),
        }
    }

    fn connect(&self) -> TcpStream {
        let end = Instant::now() + SOON;
        loop {
            match TcpStream::connect(self.addr) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(SOON)).expect("a limit");
                    return stream;
                }
                Err(error) => assert!(Instant::now() < end, "ser2net: {error}"),
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Ser2net {
    fn drop(&mut self) {
        let _ended_before = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn through_ser2net(pty: &Pty, ser2net: &Ser2net) -> (Vec<u8>, Vec<u8>) {
    let mut stream = ser2net.connect();
    converse(pty, |question, len| {
        stream.write_all(question).expect("it reads");
        let mut said = vec![0; len];
        stream.read_exact(&mut said).expect("an answer in time");
        said
    })
}

#[test]
fn a_device_says_and_hears_the_same_as_behind_ser2net() {
    let folder = Folder::new();
    let (one, other) = (folder.join("one"), folder.join("other"));
    let pty = Pty::plug(&one);
    let ours = through_thingway(&pty, &one);
    let heard: Vec<u8> = questions().concat();
    let all = questions();
    let said = all.iter().enumerate().flat_map(|(n, q)| answer(n, q));
    assert!(
        ours.0 == heard,
        "{} of {} bytes heard",
        ours.0.len(),
        heard.len()
    );
    assert!(ours.1 == said.collect::<Vec<_>>());
    drop(pty);

    let pty = Pty::plug(&other);
    let Some(ser2net) = Ser2net::start(&folder, &other) else {
        return missing::skip("ser2net (tests/install installs it)");
    };
    let theirs = through_ser2net(&pty, &ser2net);
    assert!(theirs.0 == ours.0, "the device heard the same");
    assert!(theirs.1 == ours.1, "the device said the same");
}
