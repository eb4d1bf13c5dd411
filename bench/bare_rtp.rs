//! The floor of the benchmark of media: str0m in its RTP mode behind two sockets and one thread, as fast as one would
//! write it for that alone. What a wake-up brings from the source is written to each viewer, whose packets then go out
//! by one system call (GSO).
//!
//! `bare_rtp HTTP_PORT RTP_PORT` answers `POST` with an offer of one section of video.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    reason = "a tool of the benchmark: it has the real clock, and ends when something is wrong"
)]

use std::collections::HashMap;
use std::io::{IoSliceMut, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token, Waker};
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use rustc_hash::FxHashMap;
use str0m::change::SdpOffer;
use str0m::media::{Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{Extension, ExtensionMap, RtpWrite};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc};

/// As thingway: how many packets may be sent again, and for how long.
const RESENT: (usize, Duration) = (512, Duration::from_millis(500));
const BUFFER: usize = 1 << 20;
/// A system call receives this many datagrams.
const SLOTS: usize = 32;
const SLOT: usize = 2_048;
/// The kernel takes no more bytes in one call.
const SENT_BYTES: usize = 65_000;
const SOURCE: Token = Token(0);
const VIEWERS: Token = Token(1);
const OFFERS: Token = Token(2);

struct Socket {
    socket: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
}

impl Socket {
    fn bind(addr: SocketAddr) -> Self {
        let socket = UdpSocket::bind(addr).expect("a free port");
        let state = UdpSocketState::new(UdpSockRef::from(&socket)).expect("a socket's state");
        state
            .set_recv_buffer_size(UdpSockRef::from(&socket), BUFFER)
            .expect("a buffer");
        state
            .set_send_buffer_size(UdpSockRef::from(&socket), BUFFER)
            .expect("a buffer");
        let local = socket.local_addr().expect("an address");
        Self {
            socket,
            state,
            local,
        }
    }

    fn send(&self, contents: &[u8], segment: usize, destination: SocketAddr) {
        let transmit = Transmit {
            destination,
            ecn: None,
            contents,
            segment_size: (contents.len() > segment).then_some(segment),
            src_ip: None,
        };
        drop(
            self.state
                .try_send(UdpSockRef::from(&self.socket), &transmit),
        );
    }

    /// Hands out what is there. Returns false if nothing more is.
    fn receive(&self, buffer: &mut [u8], mut take: impl FnMut(SocketAddr, &[u8])) -> bool {
        let mut chunks = buffer.chunks_mut(SLOT);
        let mut slices: [IoSliceMut<'_>; SLOTS] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        let mut metas = [RecvMeta::default(); SLOTS];
        let received = self
            .state
            .recv(UdpSockRef::from(&self.socket), &mut slices, &mut metas);
        let Ok(n) = received else {
            return false;
        };
        for (slice, meta) in slices.iter().zip(&metas).take(n) {
            let bytes = slice.get(..meta.len).unwrap_or_default();
            for datagram in bytes.chunks(meta.stride.max(1)) {
                take(meta.addr, datagram);
            }
        }
        n == SLOTS
    }
}

/// Packets of one viewer that go out by one call.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    segment: usize,
    destination: Option<SocketAddr>,
}

impl Batch {
    fn push(&mut self, socket: &Socket, contents: &[u8], destination: SocketAddr) {
        let fits = self.destination == Some(destination)
            && contents.len() <= self.segment
            && self.bytes.len().is_multiple_of(self.segment)
            && self.bytes.len() + contents.len() <= SENT_BYTES
            && self.bytes.len() / self.segment < socket.state.max_gso_segments();
        if !fits {
            self.flush(socket);
            self.segment = contents.len().max(1);
            self.destination = Some(destination);
        }
        self.bytes.extend_from_slice(contents);
    }

    fn flush(&mut self, socket: &Socket) {
        if let Some(destination) = self.destination.take() {
            socket.send(&self.bytes, self.segment, destination);
        }
        self.bytes.clear();
    }
}

struct Viewer {
    rtc: Rtc,
    deadline: Instant,
    is_connected: bool,
    stream: Option<(Mid, Pt)>,
    next: u64,
}

struct Packet {
    timestamp: u32,
    marker: bool,
    payload: Arc<[u8]>,
}

/// Reads the header of RTP without extensions (RFC 3550 §5.1), as the source of the benchmark writes it.
fn parse(datagram: &[u8]) -> Option<Packet> {
    let (header, payload) = datagram.split_at_checked(12)?;
    let timestamp = header.get(4..8)?.try_into().ok()?;
    Some(Packet {
        timestamp: u32::from_be_bytes(timestamp),
        marker: header.get(1)? & 0x80 != 0,
        payload: Arc::from(payload),
    })
}

fn main() {
    let mut ports = std::env::args()
        .skip(1)
        .map(|word| word.parse::<u16>().expect("a port"));
    let mut port = || ports.next().expect("HTTP_PORT RTP_PORT");
    let http = port();
    let mut poll = Poll::new().expect("a poll");
    let mut source = Socket::bind(SocketAddr::from(([127, 0, 0, 1], port())));
    let mut socket = Socket::bind(SocketAddr::from(([127, 0, 0, 1], 0)));
    for (socket, token) in [(&mut source, SOURCE), (&mut socket, VIEWERS)] {
        poll.registry()
            .register(&mut socket.socket, token, Interest::READABLE)
            .expect("registered");
    }
    let waker = Waker::new(poll.registry(), OFFERS).expect("a waker");
    let (made, offers) = channel();
    let local = socket.local;
    std::thread::spawn(move || listen(http, local, &made, &waker));
    Forwarder {
        source,
        socket,
        viewers: Vec::new(),
        by_remote: HashMap::default(),
        batch: Batch::default(),
    }
    .run(&mut poll, &offers);
}

/// Offers, one after the other.
fn listen(port: u16, local: SocketAddr, made: &Sender<Rtc>, waker: &Waker) {
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("HTTP_PORT is free");
    println!("listening on http://127.0.0.1:{port}/");
    for stream in listener.incoming().flatten() {
        // The session must be there before the peer's first packet.
        let own = Mutex::new(None);
        let Some((stream, answer)) = answer(stream, local, &own) else {
            continue;
        };
        if let Some(rtc) = own.into_inner().expect("no panic") {
            drop(made.send(rtc));
            waker.wake().expect("awake");
        }
        drop(reply(stream, &answer));
    }
}

fn answer(
    mut stream: TcpStream,
    local: SocketAddr,
    made: &Mutex<Option<Rtc>>,
) -> Option<(TcpStream, String)> {
    let mut text = Vec::new();
    let mut buffer = [0; 16 * 1024];
    let body = loop {
        let n = stream.read(&mut buffer).ok()?;
        text.extend_from_slice(buffer.get(..n)?);
        let so_far = String::from_utf8_lossy(&text);
        let (head, body) = so_far.split_once("\r\n\r\n").unwrap_or_default();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().ok())?
        });
        if length.is_some_and(|length| body.len() >= length) {
            break body.to_owned();
        }
        if n == 0 {
            return None;
        }
    };
    let mut map = ExtensionMap::empty();
    for (id, extension) in (1..).zip([Extension::AbsoluteSendTime, Extension::RtpMid]) {
        map.set(id, extension);
    }
    let mut rtc = Rtc::builder()
        .clear_codecs()
        .enable_h264(true)
        .set_rtp_mode(true)
        .set_extension_map(map)
        .build(Instant::now());
    rtc.add_local_candidate(Candidate::host(local, "udp").ok()?);
    let offer = SdpOffer::from_sdp_string(&body).ok()?;
    let answer = rtc.sdp_api().accept_offer(offer).ok()?.to_sdp_string();
    *made.lock().expect("no panic") = Some(rtc);
    Some((stream, answer))
}

fn reply(mut stream: TcpStream, answer: &str) -> std::io::Result<()> {
    let length = answer.len();
    let head = format!(
        "HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all((head + answer).as_bytes())
}

struct Forwarder {
    source: Socket,
    socket: Socket,
    viewers: Vec<Viewer>,
    by_remote: FxHashMap<SocketAddr, usize>,
    batch: Batch,
}

impl Forwarder {
    fn run(&mut self, poll: &mut Poll, offers: &Receiver<Rtc>) {
        let mut events = Events::with_capacity(8);
        let mut buffer = vec![0; SLOTS * SLOT];
        let mut packets = Vec::new();
        let mut next = Instant::now();
        loop {
            let wait = next.saturating_duration_since(Instant::now());
            drop(poll.poll(&mut events, Some(wait)));
            for event in &events {
                match event.token() {
                    SOURCE => {
                        while self.source.receive(&mut buffer, |_, datagram| {
                            packets.extend(parse(datagram));
                        }) {}
                        self.forward(&packets);
                        packets.clear();
                    }
                    VIEWERS => self.receive(&mut buffer, &mut next),
                    _ => self.accept(offers, &mut next),
                }
            }
            let now = Instant::now();
            if next <= now {
                next = now + Duration::from_secs(1);
                self.time_out(now, &mut next);
            }
        }
    }

    fn accept(&mut self, offers: &Receiver<Rtc>, next: &mut Instant) {
        for rtc in offers.try_iter() {
            let deadline = Instant::now();
            self.viewers.push(Viewer {
                rtc,
                deadline,
                is_connected: false,
                stream: None,
                next: 1,
            });
            *next = deadline;
        }
    }

    fn forward(&mut self, packets: &[Packet]) {
        let now = Instant::now();
        for viewer in self.viewers.iter_mut().filter(|it| it.is_connected) {
            let Some((mid, pt)) = viewer.stream else {
                continue;
            };
            let mut api = viewer.rtc.direct_api();
            let Some(stream) = api.stream_tx_by_mid(mid, None) else {
                continue;
            };
            for packet in packets {
                let payload = Arc::clone(&packet.payload);
                let write = RtpWrite::new(pt, viewer.next.into(), packet.timestamp, now, payload);
                stream.write_rtp(write.marker(packet.marker).nackable(true));
                viewer.next += 1;
            }
            drop(viewer.rtc.handle_input(Input::Timeout(now)));
            drain(viewer, &self.socket, &mut self.batch);
        }
    }

    /// Takes what viewers send.
    fn receive(&mut self, buffer: &mut [u8], next: &mut Instant) {
        let Self {
            socket,
            viewers,
            by_remote,
            batch,
            ..
        } = self;
        while socket.receive(buffer, |remote, datagram| {
            let Ok(receive) = Receive::new(Protocol::Udp, remote, socket.local, datagram) else {
                return;
            };
            let input = Input::Receive(Instant::now(), receive);
            let known = by_remote.get(&remote).copied();
            let found = known.or_else(|| viewers.iter().position(|it| it.rtc.accepts(&input)));
            if let Some(at) = found {
                by_remote.insert(remote, at);
                let viewer = &mut viewers[at];
                drop(viewer.rtc.handle_input(input));
                drain(viewer, socket, batch);
                *next = viewer.deadline.min(*next);
            }
        }) {}
    }

    fn time_out(&mut self, now: Instant, next: &mut Instant) {
        for viewer in &mut self.viewers {
            if viewer.deadline <= now {
                drop(viewer.rtc.handle_input(Input::Timeout(now)));
                drain(viewer, &self.socket, &mut self.batch);
            }
            *next = viewer.deadline.min(*next);
        }
    }
}

/// Sends what a viewer has, by as few calls as possible.
fn drain(viewer: &mut Viewer, socket: &Socket, batch: &mut Batch) {
    loop {
        match viewer.rtc.poll_output() {
            Ok(Output::Transmit(transmit)) => {
                batch.push(socket, &transmit.contents, transmit.destination);
            }
            Ok(Output::Event(event)) => handle(viewer, &event),
            Ok(Output::Timeout(at)) => {
                viewer.deadline = at;
                return batch.flush(socket);
            }
            Err(_) => return viewer.rtc.disconnect(),
        }
    }
}

fn handle(viewer: &mut Viewer, event: &Event) {
    match event {
        Event::MediaAdded(added) => {
            let media = viewer.rtc.media(added.mid);
            let pt = media.and_then(|media| media.remote_pts().first().copied());
            viewer.stream = pt.map(|pt| (added.mid, pt));
            if let Some(stream) = viewer.rtc.direct_api().stream_tx_by_mid(added.mid, None) {
                stream.set_rtx_cache(RESENT.0, RESENT.1, None);
            }
        }
        Event::Connected => viewer.is_connected = true,
        Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
            viewer.is_connected = false;
        }
        _ => {}
    }
}
