//! A page in a browser: the peer of `tests/peer` on a real socket with the real clock.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use str0m::channel::ChannelConfig;

use crate::daemon::{Daemon, SOON};
use crate::http::{self, Answer};
use crate::peer::{Peer, reliable};

pub struct Page {
    pub peer: Peer,
    socket: UdpSocket,
    local: SocketAddr,
    /// The session's name in the API.
    pub session: String,
    /// The daemon's answer to the offer.
    pub answer: String,
    pub offer: String,
}

impl Page {
    /// Connects a page on the daemon's machine.
    pub fn connect(daemon: &Daemon, channels: &[ChannelConfig]) -> Self {
        Self::try_connect(daemon, "127.0.0.1:0", channels).expect("a session")
    }

    /// Connects a page with a control channel and the demo device, and waits for the greeting.
    pub fn demo(daemon: &Daemon) -> Self {
        let mut page = Self::connect(daemon, &[reliable("thingway"), reliable("demo")]);
        page.until("greeting", |page| page.peer.text("demo").ends_with("> "));
        page
    }

    /// Connects a page whose socket is bound to this address. The error says why the page has no session.
    pub fn try_connect(
        daemon: &Daemon,
        bind: &str,
        channels: &[ChannelConfig],
    ) -> Result<Self, Answer> {
        let socket = UdpSocket::bind(bind).expect("a socket");
        let local = socket.local_addr().expect("its address");
        let (mut peer, offer) = Peer::offer(Instant::now(), local, channels);
        let kind = "Content-Type: application/sdp\r\n";
        let answer = http::request(daemon.addr, "POST", "/sessions", kind, &offer);
        if answer.status != 201 {
            return Err(answer);
        }
        let location = answer.header("Location").expect("where the session is");
        let session = location
            .strip_prefix("/sessions/")
            .expect("below /sessions")
            .to_owned();
        let answer = answer.text();
        peer.answer(Instant::now(), &answer);
        let mut page = Self {
            peer,
            socket,
            local,
            session,
            answer,
            offer,
        };
        page.flush();
        Ok(page)
    }

    /// Sends what waits, and receives what arrives within this time.
    pub fn turn(&mut self, wait: Duration) {
        let now = Instant::now();
        if self.peer.timeout <= now && !self.peer.closed {
            self.peer.handle_timeout(now);
        }
        self.flush();
        let until_timeout = self.peer.timeout.saturating_duration_since(now);
        let wait = wait.min(until_timeout);
        if wait.is_zero() {
            return self.receive_all();
        }
        let wait = wait.max(Duration::from_millis(1));
        self.socket.set_read_timeout(Some(wait)).expect("a limit");
        if self.receive() {
            self.receive_all();
        }
    }

    fn receive_all(&mut self) {
        self.socket.set_nonblocking(true).expect("it can");
        // At most 256 datagrams, because the test must go on.
        for _ in 0..256 {
            if !self.receive() {
                break;
            }
        }
        self.socket.set_nonblocking(false).expect("it can");
        self.flush();
    }

    fn receive(&mut self) -> bool {
        let mut buffer = [0; 2048];
        match self.socket.recv_from(&mut buffer) {
            Ok((n, from)) => {
                self.peer
                    .handle_datagram(Instant::now(), from, &buffer[..n]);
                true
            }
            // An ICMP message: the daemon has ended.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => true,
            Err(_) => false,
        }
    }

    fn flush(&mut self) {
        while let Some((to, bytes)) = self.peer.out.pop_front() {
            // Checks of pairs without a route fail here. Pairs with a route decide.
            if to.is_ipv4() == self.local.is_ipv4() {
                let _no_route = self.socket.send_to(&bytes, to);
            }
        }
    }

    /// Runs turns until a condition is true, or fails.
    pub fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let end = Instant::now() + SOON;
        while !done(self) {
            let told = &self.peer.control;
            assert!(
                Instant::now() < end,
                "not within {SOON:?}: {what}; was told {told:?}"
            );
            self.turn(Duration::from_millis(5));
        }
    }

    pub fn run(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.turn(Duration::from_millis(5));
        }
    }

    /// Sends a message when credit and channel allow it, or fails.
    pub fn send(&mut self, label: &str, bytes: &[u8]) {
        self.until("room to send", |page| {
            page.peer.send_within_credit(Instant::now(), label, bytes)
        });
        self.flush();
    }

    /// Sends a request on the control channel.
    pub fn tell(&mut self, request: &serde_json::Value) {
        let text = request.to_string();
        self.until("room to ask", |page| {
            let peer = &mut page.peer;
            peer.send(Instant::now(), "thingway", false, text.as_bytes())
        });
        self.flush();
    }

    pub fn close(&mut self) {
        self.peer.close(Instant::now());
        self.flush();
    }

    /// Returns the daemon's view of this session.
    pub fn shown(&self, daemon: &Daemon) -> serde_json::Value {
        daemon.get(&format!("/sessions/{}", self.session))
    }
}

/// Runs turns of many pages until a condition is true, or fails.
pub fn all_until(pages: &mut [Page], what: &str, mut done: impl FnMut(&mut [Page]) -> bool) {
    let end = Instant::now() + SOON;
    while !done(pages) {
        assert!(Instant::now() < end, "not within {SOON:?}: {what}");
        for page in pages.iter_mut() {
            page.turn(Duration::ZERO);
        }
        thread::sleep(Duration::from_millis(1));
    }
}
