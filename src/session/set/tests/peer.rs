//! A peer on the other side: plain str0m, without a network.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};

use crate::ids::SessionId;

/// A peer that makes offers.
pub(super) struct Peer {
    rtc: Rtc,
    pending: Option<SdpPendingOffer>,
    channels: Vec<(String, ChannelId)>,
    pub(super) local: SocketAddr,
    timeout: Instant,
    /// The peer's session in the gateway, once it exists.
    pub(super) session: Option<SessionId>,
    /// Datagrams for the gateway.
    pub(super) out: VecDeque<Vec<u8>>,
    /// The messages that arrived, each with the label of its channel.
    pub(super) received: Vec<(String, Vec<u8>)>,
    /// The labels of channels that were closed.
    pub(super) closed: Vec<String>,
    /// Whether the peer's connection has ended.
    pub(super) ended: bool,
}

impl Peer {
    pub(super) fn offer(now: Instant, local: SocketAddr, labels: &[&str]) -> (Self, String) {
        let mut rtc = Rtc::builder().clear_codecs().build(now);
        rtc.add_local_candidate(Candidate::host(local, "udp").expect("a usable address"));
        let mut api = rtc.sdp_api();
        let add = |label: &&str| {
            let config = ChannelConfig {
                label: (*label).to_owned(),
                ..ChannelConfig::default()
            };
            ((*label).to_owned(), api.add_channel_with_config(config))
        };
        let channels = labels.iter().map(add).collect();
        let (offer, pending) = api.apply().expect("channels to offer");
        let peer = Self {
            rtc,
            pending: Some(pending),
            channels,
            local,
            timeout: now,
            session: None,
            out: VecDeque::new(),
            received: Vec::new(),
            closed: Vec::new(),
            ended: false,
        };
        (peer, offer.to_sdp_string())
    }

    pub(super) fn answer(&mut self, now: Instant, sdp: &str) {
        let answer = SdpAnswer::from_sdp_string(sdp).expect("our answers are SDP");
        if let Some(pending) = self.pending.take() {
            let accepted = self.rtc.sdp_api().accept_answer(pending, answer);
            accepted.expect("our answers are good");
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
        if self.timeout <= now && !self.ended {
            self.ended |= self.rtc.handle_input(Input::Timeout(now)).is_err();
            self.drain(now);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        (!self.ended).then_some(self.timeout)
    }

    pub(super) fn send(&mut self, now: Instant, label: &str, bytes: &[u8]) {
        let id = self.id(label);
        let mut channel = self.rtc.channel(id).expect("it is open");
        channel.write(false, bytes).expect("it takes it");
        self.drain(now);
    }

    pub(super) fn close_channel(&mut self, now: Instant, label: &str) {
        let id = self.id(label);
        self.rtc.direct_api().close_data_channel(id);
        self.drain(now);
    }

    pub(super) fn close(&mut self, now: Instant) {
        self.rtc.close().expect("it is open");
        self.drain(now);
    }

    /// Returns the texts that arrived on a channel.
    pub(super) fn texts(&self, label: &str) -> Vec<String> {
        let received = self.received.iter().filter(|(from, _)| from == label);
        let texts = received.map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned());
        texts.collect()
    }

    fn id(&self, label: &str) -> ChannelId {
        let mut channels = self.channels.iter();
        channels.find(|(own, _)| own == label).expect("it has it").1
    }

    fn label(&self, id: ChannelId) -> String {
        let mut channels = self.channels.iter();
        let found = channels.find(|(_, own)| *own == id);
        found.map_or_else(String::new, |(label, _)| label.clone())
    }

    fn drain(&mut self, now: Instant) {
        while !self.ended {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.timeout = at.max(now);
                    break;
                }
                Ok(Output::Transmit(transmit)) => self.out.push_back(transmit.contents.to_vec()),
                Ok(Output::Event(Event::ChannelData(data))) => {
                    let label = self.label(data.id);
                    self.received.push((label, data.data));
                }
                Ok(Output::Event(Event::ChannelClose(id))) => self.closed.push(self.label(id)),
                Ok(Output::Event(Event::Closed)) | Err(_) => self.ended = true,
                Ok(Output::Event(_)) => {}
            }
        }
        self.ended |= !self.rtc.is_alive();
    }
}
