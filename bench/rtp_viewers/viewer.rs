//! One viewer: a real peer, which only counts.

use std::io::IoSliceMut;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};

use crate::arrivals::{Arrivals, note_arrivals};
use crate::counts::{Ages, Stream};

/// The payload type of H.264 in the offer, and that of packets that are sent again.
const H264: u8 = 96;
const RESENT: u8 = 97;
/// Constrained baseline, level 3.1: what every browser offers.
const PROFILE: u32 = 0x0042_e01f;
const SLOTS: usize = 32;
const SLOT: usize = 2_048;
/// So that nothing is lost here while other viewers are served.
const RECEIVE_BUFFER: usize = 2 << 20;

/// The buffers for receiving, shared by all viewers.
pub(crate) struct Buffers {
    bytes: Vec<u8>,
    metas: [RecvMeta; SLOTS],
    arrivals: Arrivals,
}

impl Buffers {
    pub(crate) fn new() -> Self {
        Self {
            bytes: vec![0; SLOTS * SLOT],
            metas: [RecvMeta::default(); SLOTS],
            arrivals: Arrivals::new(),
        }
    }
}

/// A viewer.
pub(crate) struct Viewer {
    rtc: Rtc,
    socket: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
    offer: Option<(String, SdpPendingOffer)>,
    deadline: Instant,
    is_connected: bool,
    decrypts: bool,
    /// When the datagram came that is being decrypted.
    arrival: u64,
    pub(crate) stream: Stream,
    pub(crate) ages: Ages,
}

impl Viewer {
    pub(crate) fn new(bind: IpAddr, decrypts: bool) -> Self {
        let socket = UdpSocket::bind(SocketAddr::new(bind, 0)).expect("a socket");
        let state = UdpSocketState::new(UdpSockRef::from(&socket)).expect("a socket's state");
        state
            .set_recv_buffer_size(UdpSockRef::from(&socket), RECEIVE_BUFFER)
            .expect("a buffer");
        receive_singly(&socket);
        if decrypts {
            note_arrivals(&socket);
        }
        let local = socket.local_addr().expect("an address");
        let mut builder = Rtc::builder().clear_codecs().set_rtp_mode(true);
        let codecs = builder.codec_config();
        codecs.add_h264(H264.into(), Some(RESENT.into()), true, PROFILE);
        let mut rtc = builder.build(Instant::now());
        rtc.add_local_candidate(Candidate::host(local, "udp").expect("a usable address"));
        let mut api = rtc.sdp_api();
        api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        let (offer, pending) = api.apply().expect("an offer");
        Self {
            rtc,
            socket,
            state,
            local,
            offer: Some((offer.to_sdp_string(), pending)),
            deadline: Instant::now(),
            is_connected: false,
            decrypts,
            arrival: 0,
            stream: Stream::default(),
            ages: Ages::default(),
        }
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: Token) {
        registry
            .register(&mut self.socket, token, Interest::READABLE)
            .expect("registered");
    }

    /// Removes and returns the text of the offer.
    pub(crate) fn take_offer(&mut self) -> String {
        let (text, _) = self.offer.as_mut().expect("an offer");
        std::mem::take(text)
    }

    pub(crate) fn accept(&mut self, answer: &str) {
        let (_, pending) = self.offer.take().expect("one answer for each offer");
        let answer = SdpAnswer::from_sdp_string(answer).expect("an answer");
        let api = self.rtc.sdp_api();
        api.accept_answer(pending, answer)
            .expect("an acceptable answer");
        self.drain();
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.is_connected
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.deadline <= now && self.offer.is_none() {
            drop(self.rtc.handle_input(Input::Timeout(now)));
            self.drain();
        }
    }

    /// Takes all that has come.
    pub(crate) fn receive(&mut self, buffers: &mut Buffers) {
        while self.decrypts {
            let next = buffers.arrivals.receive(&self.socket, &mut buffers.bytes);
            let Some((length, from, arrival)) = next else {
                return;
            };
            self.arrival = arrival;
            self.handle(buffers.bytes.get(..length).unwrap_or_default(), from);
        }
        loop {
            let mut chunks = buffers.bytes.chunks_mut(SLOT);
            let mut slices: [IoSliceMut<'_>; SLOTS] =
                std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
            let socket = UdpSockRef::from(&self.socket);
            let Ok(n) = self.state.recv(socket, &mut slices, &mut buffers.metas) else {
                return;
            };
            let received = slices.iter().zip(&buffers.metas).take(n);
            for (slice, meta) in received {
                self.handle(slice.get(..meta.len).unwrap_or_default(), meta.addr);
            }
            if n < SLOTS {
                return;
            }
        }
    }

    fn handle(&mut self, datagram: &[u8], remote: SocketAddr) {
        if is_media(datagram) {
            self.stream.note(datagram);
            if !self.decrypts {
                return;
            }
        }
        let Ok(receive) = Receive::new(Protocol::Udp, remote, self.local, datagram) else {
            return;
        };
        // A peer that is gone, or a packet from before the handshake: str0m has its own mind about it.
        drop(
            self.rtc
                .handle_input(Input::Receive(Instant::now(), receive)),
        );
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Transmit(transmit)) => {
                    drop(
                        self.socket
                            .send_to(&transmit.contents, transmit.destination),
                    );
                }
                Ok(Output::Event(Event::Connected)) => self.is_connected = true,
                Ok(Output::Event(Event::RtpPacket(packet))) => {
                    self.ages.note(&packet.payload, self.arrival);
                }
                Ok(Output::Event(_)) => {}
                Ok(Output::Timeout(at)) => return self.deadline = at,
                Err(error) => panic!("a viewer has failed: {error}"),
            }
        }
    }
}

/// Returns whether this is RTP or RTCP (RFC 7983 §7), with or without encryption.
fn is_media(datagram: &[u8]) -> bool {
    datagram
        .first()
        .is_some_and(|byte| (128..192).contains(byte))
}

/// Has the kernel hand out each packet for itself, as to a browser. With GRO a forwarder's batch would go through the
/// kernel as one packet, which happens on loopback only, and would look cheaper than it is on any network.
#[expect(unsafe_code, reason = "nothing safe switches this option off")]
fn receive_singly(socket: &UdpSocket) {
    use std::os::fd::AsRawFd;
    let off: libc::c_int = 0;
    let size = libc::socklen_t::try_from(size_of_val(&off)).expect("4 bytes");
    // SAFETY: the descriptor is open, and the value is an integer of the given size.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_UDP,
            libc::UDP_GRO,
            (&raw const off).cast(),
            size,
        )
    };
    assert_eq!(result, 0, "the option exists since Linux 5.0");
}
