//! UDP programs over IPv4 and IPv6: messages of every size, and many of them.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use str0m::channel::ChannelConfig;

use crate::daemon::{Daemon, SOON};
use crate::page::Page;
use crate::peer::{reliable, unreliable};

/// A program on this machine that echoes every datagram.
struct Program {
    socket: UdpSocket,
    /// How many datagrams were received.
    received: usize,
}

impl Program {
    fn new(bind: &str) -> Self {
        let socket = UdpSocket::bind(bind).expect("a socket");
        socket.set_nonblocking(true).expect("it can");
        Self {
            socket,
            received: 0,
        }
    }

    fn config(&self) -> String {
        let addr = self.socket.local_addr().expect("its address");
        format!("[[endpoint]]\nname = \"rover\"\nkind = \"udp\"\nremote = \"{addr}\"\n")
    }

    fn echo(&mut self) {
        let mut buffer = [0; 65_536];
        while let Ok((n, from)) = self.socket.recv_from(&mut buffer) {
            self.received += 1;
            self.socket.send_to(&buffer[..n], from).expect("sent");
        }
    }
}

fn connect(daemon: &Daemon, channel: ChannelConfig) -> Page {
    let mut page = Page::connect(daemon, &[reliable("thingway"), channel]);
    page.until("credit", |page| {
        page.peer.channels["rover"].credit.is_some()
    });
    page
}

fn message(n: usize, len: usize) -> Vec<u8> {
    (0..len).map(|i| (n * 7 + i * 31) as u8).collect()
}

fn echoes_every_size(bind: &str) {
    let mut program = Program::new(bind);
    let daemon = Daemon::start(&program.config());
    let mut page = connect(&daemon, reliable("rover"));
    for (n, len) in [1, 1_200, 60_000, 1_201, 65_507 - 20, 1]
        .into_iter()
        .enumerate()
    {
        let sent = message(n, len);
        page.send("rover", &sent);
        page.until("echo", |page| {
            program.echo();
            !page.peer.channels["rover"].received.is_empty()
        });
        let rover = page.peer.channels.get_mut("rover").expect("its channel");
        let (binary, received) = rover.received.pop_front().expect("the echo");
        assert!(binary);
        assert_eq!(received.len(), len, "one message is one datagram");
        assert!(received == sent);
    }
    assert_eq!(program.received, 6);
    let endpoint = daemon.get("/endpoints/rover");
    assert_eq!(
        (&endpoint["state"], &endpoint["kind"]),
        (&"open".into(), &"udp".into())
    );
    assert_eq!(endpoint["to_device"], endpoint["from_device"]);
}

#[test]
fn a_program_on_ipv4_echoes_messages_of_every_size() {
    echoes_every_size("127.0.0.1:0");
}

#[test]
fn a_program_on_ipv6_echoes_messages_of_every_size() {
    echoes_every_size("[::1]:0");
}

const MANY: usize = 2_000;

/// Returns how many messages the daemon reports as dropped, in both directions.
fn counted(page: &Page, daemon: &Daemon) -> u64 {
    let shown = page.shown(daemon);
    let channels = shown["channels"].as_array().expect("channels");
    let rover = channels
        .iter()
        .find(|channel| channel["label"] == "rover")
        .expect("rover");
    let drops = rover["drops"].as_array().expect("drops");
    drops
        .iter()
        .map(|drop| drop["messages"].as_u64().expect("a number"))
        .sum()
}

#[test]
fn two_thousand_messages_come_back_in_order() {
    let mut program = Program::new("127.0.0.1:0");
    let daemon = Daemon::start(&program.config());
    let mut page = connect(&daemon, reliable("rover"));
    let (mut sent, end) = (0, Instant::now() + SOON);
    while sent < MANY {
        assert!(Instant::now() < end, "only {sent} sent");
        // The page sends no further ahead than a socket's buffer holds.
        let back = page.peer.channels["rover"].received.len();
        while sent < MANY.min(back + 100) {
            if !page
                .peer
                .send_within_credit(Instant::now(), "rover", &message(sent, 200))
            {
                break;
            }
            sent += 1;
        }
        program.echo();
        page.turn(Duration::from_millis(1));
    }
    // No socket received more than its buffer holds, so no datagram is lost on any machine.
    page.until("all back", |page| {
        program.echo();
        page.peer.channels["rover"].received.len() >= MANY
    });
    assert_eq!(counted(&page, &daemon), 0);
    let rover = &page.peer.channels["rover"];
    assert_eq!(rover.sent, (MANY * 200) as u64);
    assert_eq!(rover.received.len(), MANY);
    for (n, (_, received)) in rover.received.iter().enumerate() {
        assert!(
            *received == message(n, 200),
            "number {n}: the order is kept"
        );
    }
    let endpoint = daemon.get("/endpoints/rover");
    assert_eq!(endpoint["to_device"]["messages"], MANY);
    assert_eq!(program.received, MANY);
}

#[test]
fn on_an_unreliable_channel_no_credit_runs_out() {
    let mut program = Program::new("127.0.0.1:0");
    let daemon = Daemon::start(&program.config());
    let mut page = connect(&daemon, unreliable("rover"));
    let end = Instant::now() + SOON;
    let mut sent = 0;
    // Send more than the window of a reliable channel, whatever is lost under way.
    while sent < MANY || program.received <= MANY / 2 {
        let arrived = program.received;
        assert!(Instant::now() < end, "{arrived} of {sent} arrived");
        for _ in 0..8 {
            sent += usize::from(
                page.peer
                    .send_within_credit(Instant::now(), "rover", &[7; 1_000]),
            );
        }
        program.echo();
        page.turn(Duration::from_millis(1));
    }
    assert!(page.peer.channels["rover"].open);
}

#[test]
fn a_program_that_is_not_there_is_no_reason_to_stop() {
    let program = Program::new("127.0.0.1:0");
    let config = program.config();
    let addr = program.socket.local_addr().expect("its address");
    drop(program);
    let daemon = Daemon::start(&config);
    let mut page = connect(&daemon, reliable("rover"));
    for _ in 0..5 {
        page.send("rover", b"anybody?");
        page.run(Duration::from_millis(20));
    }
    let mut program = Program::new(&addr.to_string());
    page.send("rover", b"somebody!");
    page.until("echo", |page| {
        program.echo();
        page.peer.text("rover").contains("somebody!")
    });
}
