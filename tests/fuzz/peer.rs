//! A peer that keeps to the protocols up to the bytes that it is told to spoil: without one, no
//! fuzzer would get past DTLS.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};

/// An offerer without a network.
pub(super) struct Peer {
    rtc: Rtc,
    pending: Option<SdpPendingOffer>,
    channels: Vec<ChannelId>,
    pub(super) local: SocketAddr,
    pub(super) timeout: Instant,
    /// Datagrams for the gateway.
    pub(super) out: VecDeque<Vec<u8>>,
    /// Where to spoil the next datagram, and with what.
    pub(super) spoil: Option<(u8, u8)>,
    pub(super) ended: bool,
    /// The gateway's, once it has answered.
    pub(super) gateway_ufrag: String,
}

impl Peer {
    /// A peer with its offer. Labels that nobody has are part of it.
    pub(super) fn offer(now: Instant, local: SocketAddr) -> (Self, String) {
        let mut rtc = Rtc::builder().clear_codecs().build(now);
        rtc.add_local_candidate(Candidate::host(local, "udp").expect("a usable address"));
        let mut api = rtc.sdp_api();
        let mut channels = Vec::new();
        for label in ["thingway", "demo", "arm", "rover", "nobody"] {
            let label = label.to_owned();
            let reliability = match label.as_str() {
                "rover" => Reliability::MaxRetransmits { retransmits: 0 },
                _ => Reliability::Reliable,
            };
            let config = ChannelConfig {
                label,
                reliability,
                ..Default::default()
            };
            channels.push(api.add_channel_with_config(config));
        }
        let (offer, pending) = api.apply().expect("channels to offer");
        let peer = Self {
            rtc,
            pending: Some(pending),
            channels,
            local,
            timeout: now,
            out: VecDeque::new(),
            spoil: None,
            ended: false,
            gateway_ufrag: String::new(),
        };
        (peer, offer.to_sdp_string())
    }

    pub(super) fn answer(&mut self, now: Instant, sdp: &str) {
        let ufrag = sdp
            .lines()
            .find_map(|line| line.strip_prefix("a=ice-ufrag:"));
        ufrag
            .expect("our answers have one")
            .clone_into(&mut self.gateway_ufrag);
        let answer = SdpAnswer::from_sdp_string(sdp).expect("our answers are SDP");
        if let Some(pending) = self.pending.take() {
            self.rtc
                .sdp_api()
                .accept_answer(pending, answer)
                .expect("our answers are good");
        }
        self.drain(now);
    }

    pub(super) fn handle_datagram(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let receive = Receive::new(Protocol::Udp, from, self.local, bytes);
        let receive = receive.expect("we send datagrams of known kinds");
        self.ended |= self.rtc.handle_input(Input::Receive(now, receive)).is_err();
        self.drain(now);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.ended |= self.rtc.handle_input(Input::Timeout(now)).is_err();
        self.drain(now);
    }

    /// Sends on the channel of this number.
    pub(super) fn send(&mut self, now: Instant, channel: usize, binary: bool, bytes: &[u8]) {
        // An empty message is one that str0m cannot send; it would block its channel.
        if let Some(id) = self.channels.get(channel % self.channels.len())
            && !bytes.is_empty()
            && let Some(mut channel) = self.rtc.channel(*id)
        {
            self.ended |= channel.write(binary, bytes).is_err();
            self.drain(now);
        }
    }

    pub(super) fn close_channel(&mut self, now: Instant, channel: usize) {
        if let Some(id) = self.channels.get(channel % self.channels.len()) {
            self.rtc.direct_api().close_data_channel(*id);
            self.drain(now);
        }
    }

    pub(super) fn close(&mut self, now: Instant) {
        self.ended |= self.rtc.close().is_err();
        self.drain(now);
    }

    fn drain(&mut self, now: Instant) {
        while !self.ended {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.timeout = at.max(now);
                    break;
                }
                Ok(Output::Transmit(transmit)) => {
                    let mut bytes = transmit.contents.to_vec();
                    if let Some((at, with)) = self.spoil.take() {
                        let at = usize::from(at) % bytes.len().max(1);
                        bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= with);
                    }
                    self.out.push_back(bytes);
                }
                Ok(Output::Event(Event::Closed)) | Err(_) => self.ended = true,
                Ok(Output::Event(_)) => {}
            }
        }
        self.ended |= !self.rtc.is_alive();
    }
}
