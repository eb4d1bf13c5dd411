//! A peer as a browser page is one: str0m as the offerer, channels by label, and the control
//! channel with its credit. Sans-IO, so that the simulator and the end-to-end tests share it.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Instant, SystemTime};

use serde_json::Value;
use str0m::change::{SdpAnswer, SdpApi, SdpOffer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpPacket, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc};

/// One channel of the peer.
#[derive(Debug, Default)]
pub struct Channel {
    pub open: bool,
    pub closed: bool,
    pub stream: Option<u16>,
    /// Messages that came: binary or text, and payload.
    pub received: VecDeque<(bool, Vec<u8>)>,
    /// All payload that ever came.
    pub bytes: Vec<u8>,
    /// Bytes written so far.
    pub sent: u64,
    /// The gateway's grant; `None` without a control channel.
    pub credit: Option<u64>,
}

pub struct Peer {
    pub rtc: Rtc,
    pending: Option<SdpPendingOffer>,
    ids: BTreeMap<String, ChannelId>,
    pub channels: BTreeMap<String, Channel>,
    /// What came on the control channel, in order.
    pub control: Vec<Value>,
    pub connected: bool,
    pub closed: bool,
    pub out: VecDeque<(SocketAddr, Vec<u8>)>,
    pub timeout: Instant,
    /// The messages of all channels as they came, if a test wants to know: label and length.
    pub order: Option<Vec<(String, usize)>>,
    /// The packets of media that came: sequence number, timestamp and payload.
    pub packets: Vec<(u64, u32, Vec<u8>)>,
    /// When the packets of media were captured, as the sender's reports say.
    pub captured: Vec<Captured>,
    /// How often the gateway has asked for a keyframe.
    pub keyframes_asked: usize,
    /// The media sections of the offer.
    pub mids: Vec<Mid>,
    local: SocketAddr,
}

/// When a packet of media was captured, as the newest report of its sender says (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy)]
pub struct Captured {
    pub clock_rate: u32,
    /// When the packet came.
    pub arrived: Instant,
    timestamp: u32,
    /// A time of the sender's clock, and the timestamp at that time.
    report: (SystemTime, u32),
}

impl Captured {
    /// Reads a packet. Returns `None` if no report has come yet.
    fn of(packet: &RtpPacket) -> Option<Self> {
        let report = packet.last_sender_info?;
        let low = report.rtp_time.numer() & u64::from(u32::MAX);
        Some(Self {
            clock_rate: packet.time.frequency().get(),
            arrived: packet.timestamp,
            timestamp: packet.header.timestamp,
            report: (report.ntp_time, u32::try_from(low).unwrap_or_default()),
        })
    }

    /// Returns the sender's time when the packet was captured, in ms since 1970.
    pub fn millis(&self) -> i64 {
        let since = self.report.0.duration_since(SystemTime::UNIX_EPOCH);
        let reported = i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or_default();
        let before = self.report.1.wrapping_sub(self.timestamp).cast_signed();
        reported - i64::from(before) * 1_000 / i64::from(self.clock_rate)
    }
}

/// Bytes that a peer may have on the way: enough for a message that is far too long.
const BUFFERED: usize = 2 * 1024 * 1024;

pub fn reliable(label: &str) -> ChannelConfig {
    ChannelConfig {
        label: label.to_owned(),
        ..Default::default()
    }
}

pub fn unreliable(label: &str) -> ChannelConfig {
    let reliability = Reliability::MaxRetransmits { retransmits: 0 };
    ChannelConfig {
        label: label.to_owned(),
        ordered: false,
        reliability,
        ..Default::default()
    }
}

/// What speaks RTP with some of the codecs that browsers have.
fn with_media(now: Instant) -> Rtc {
    Rtc::builder()
        .clear_codecs()
        .enable_h264(true)
        .enable_vp8(true)
        .enable_opus(true, false)
        .set_rtp_mode(true)
        .build(now)
}

impl Peer {
    /// A peer at an address, with its offer.
    pub fn offer(now: Instant, local: SocketAddr, channels: &[ChannelConfig]) -> (Self, String) {
        let rtc = Rtc::builder()
            .clear_codecs()
            .set_sctp_max_buffered_amount(BUFFERED)
            .build(now);
        Self::offer_with(rtc, now, local, channels, &[])
    }

    /// A peer that watches pictures, with its offer: one section, and channels if there are any.
    pub fn watch(now: Instant, local: SocketAddr, channels: &[ChannelConfig]) -> (Self, String) {
        let media = [(MediaKind::Video, Direction::RecvOnly)];
        Self::offer_with(with_media(now), now, local, channels, &media)
    }

    /// A peer that watches pictures and hears their sound, with its offer.
    pub fn watch_and_hear(now: Instant, local: SocketAddr) -> (Self, String) {
        let kinds = [MediaKind::Video, MediaKind::Audio];
        let media = kinds.map(|kind| (kind, Direction::RecvOnly));
        Self::offer_with(with_media(now), now, local, &[], &media)
    }

    /// A peer that sends pictures, with its offer.
    pub fn publish(now: Instant, local: SocketAddr, channels: &[ChannelConfig]) -> (Self, String) {
        let media = [(MediaKind::Video, Direction::SendOnly)];
        Self::offer_with(with_media(now), now, local, channels, &media)
    }

    /// Sends a packet of its first media section, with the first format of the answer.
    pub fn send_packet(&mut self, now: Instant, sequence: u64, timestamp: u32, payload: &[u8]) {
        let mid = *self.mids.first().expect("a section");
        let formats = self.rtc.media(mid).expect("a section").remote_pts();
        let format = *formats.first().expect("a format");
        let packet = RtpWrite::new(format, sequence.into(), timestamp, now, payload);
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(mid, None).expect("a stream");
        stream.write_rtp(packet.marker(true).nackable(true));
        self.handle_timeout(now);
    }

    fn offer_with(
        mut rtc: Rtc,
        now: Instant,
        local: SocketAddr,
        channels: &[ChannelConfig],
        media: &[(MediaKind, Direction)],
    ) -> (Self, String) {
        rtc.add_local_candidate(Candidate::host(local, "udp").expect("an address for ICE"));
        let mut api = rtc.sdp_api();
        let mut mids = Vec::new();
        for (kind, direction) in media {
            mids.push(api.add_media(*kind, *direction, None, None, None));
        }
        let mut ids = BTreeMap::new();
        let mut states = BTreeMap::new();
        for config in channels {
            let key = config.label.clone();
            ids.insert(key.clone(), api.add_channel_with_config(config.clone()));
            states.insert(key, Channel::default());
        }
        let (offer, pending) = api.apply().expect("something to offer");
        let peer = Self {
            rtc,
            pending: Some(pending),
            ids,
            channels: states,
            control: Vec::new(),
            connected: false,
            closed: false,
            out: VecDeque::new(),
            timeout: now,
            order: None,
            packets: Vec::new(),
            captured: Vec::new(),
            keyframes_asked: 0,
            mids,
            local,
        };
        (peer, offer.to_sdp_string())
    }

    /// A later offer, with what is changed in it.
    pub fn offer_again(&mut self, change: impl FnOnce(&mut SdpApi<'_>) -> Option<Mid>) -> String {
        let mut api = self.rtc.sdp_api();
        self.mids.extend(change(&mut api));
        let (offer, pending) = api.apply().expect("something to offer");
        self.pending = Some(pending);
        offer.to_sdp_string()
    }

    /// Says how many bits a second of pictures it can take.
    pub fn report_bitrate(&mut self, now: Instant, bitrate: u64) {
        let mid = *self.mids.first().expect("a section");
        let mut api = self.rtc.direct_api();
        if let Some(stream) = api.stream_rx_by_mid(mid, None) {
            stream.request_remb(bitrate.into());
        }
        self.handle_timeout(now);
    }

    /// Asks for a picture that can be decoded without others.
    pub fn request_keyframe(&mut self, now: Instant) {
        let mid = *self.mids.first().expect("a section");
        let mut api = self.rtc.direct_api();
        if let Some(stream) = api.stream_rx_by_mid(mid, None) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
        self.handle_timeout(now);
    }

    /// A peer that is called; the first channel that opens has this name here.
    pub fn accept(now: Instant, local: SocketAddr, offer: &str, name: &str) -> (Self, String) {
        let mut rtc = Rtc::builder().clear_codecs().build(now);
        rtc.add_local_candidate(Candidate::host(local, "udp").expect("an address for ICE"));
        let offer = SdpOffer::from_sdp_string(offer).expect("an offer");
        let answer = rtc.sdp_api().accept_offer(offer).expect("a good offer");
        let mut peer = Self {
            rtc,
            pending: None,
            ids: BTreeMap::new(),
            channels: BTreeMap::from([(name.to_owned(), Channel::default())]),
            control: Vec::new(),
            connected: false,
            closed: false,
            out: VecDeque::new(),
            timeout: now,
            order: None,
            packets: Vec::new(),
            captured: Vec::new(),
            keyframes_asked: 0,
            mids: Vec::new(),
            local,
        };
        peer.drain(now);
        (peer, answer.to_sdp_string())
    }

    /// The address of its only candidate.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    pub fn answer(&mut self, now: Instant, sdp: &str) {
        let answer = SdpAnswer::from_sdp_string(sdp).expect("an answer");
        let pending = self.pending.take().expect("one answer");
        self.rtc
            .sdp_api()
            .accept_answer(pending, answer)
            .expect("a good answer");
        self.drain(now);
    }

    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let Ok(receive) = Receive::new(Protocol::Udp, from, self.local, bytes) else {
            return;
        };
        if self.rtc.handle_input(Input::Receive(now, receive)).is_err() {
            self.closed = true;
        }
        self.drain(now);
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        if self.rtc.handle_input(Input::Timeout(now)).is_err() {
            self.closed = true;
        }
        self.drain(now);
    }

    /// Opens another channel while connected.
    pub fn open(&mut self, now: Instant, config: ChannelConfig) {
        let key = config.label.clone();
        self.open_as(now, &key, config);
    }

    /// The same under a name of the test's own, for several channels with one label.
    pub fn open_as(&mut self, now: Instant, name: &str, config: ChannelConfig) {
        let key = name.to_owned();
        let id = self.rtc.direct_api().create_data_channel(config);
        self.ids.insert(key.clone(), id);
        self.channels.insert(key, Channel::default());
        self.handle_timeout(now);
    }

    pub fn close_channel(&mut self, now: Instant, label: &str) {
        let id = self.ids[label];
        self.rtc.direct_api().close_data_channel(id);
        self.drain(now);
    }

    pub fn close(&mut self, now: Instant) {
        drop(self.rtc.close());
        self.drain(now);
    }

    /// Sends if the channel takes it now, whatever the credit. Returns whether it did.
    pub fn send(&mut self, now: Instant, label: &str, binary: bool, bytes: &[u8]) -> bool {
        let Some(mut channel) = self.rtc.channel(self.ids[label]) else {
            return false;
        };
        let written = channel.write(binary, bytes).unwrap_or(false);
        if written {
            self.channels.get_mut(label).expect("its state").sent += bytes.len() as u64;
            self.drain(now);
        }
        written
    }

    /// Sends if the credit allows it, as the client library does.
    pub fn send_within_credit(&mut self, now: Instant, label: &str, bytes: &[u8]) -> bool {
        let channel = &self.channels[label];
        let allowed = channel.credit.unwrap_or(0);
        channel.open
            && channel.sent + bytes.len() as u64 <= allowed
            && self.send(now, label, true, bytes)
    }

    /// Messages on the control channel of one type.
    pub fn told(&self, kind: &str) -> Vec<&Value> {
        self.control
            .iter()
            .filter(|message| message["type"] == kind)
            .collect()
    }

    /// Text of a channel so far.
    pub fn text(&self, label: &str) -> String {
        String::from_utf8_lossy(&self.channels[label].bytes).into_owned()
    }

    fn drain(&mut self, now: Instant) {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.timeout = at.max(now);
                    break;
                }
                Ok(Output::Transmit(t)) => self.out.push_back((t.destination, t.contents.to_vec())),
                Ok(Output::Event(event)) => self.handle_event(event),
                Err(_) => {
                    self.closed = true;
                    break;
                }
            }
        }
        self.closed |= !self.rtc.is_alive();
    }

    fn label_of(&self, id: ChannelId) -> Option<String> {
        self.ids
            .iter()
            .find(|(_, other)| **other == id)
            .map(|(label, _)| label.clone())
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Connected => self.connected = true,
            Event::Closed => self.closed = true,
            Event::RtpPacket(packet) => {
                let (number, time) = (*packet.seq_no, packet.header.timestamp);
                self.packets.push((number, time, packet.payload.to_vec()));
                self.captured.extend(Captured::of(&packet));
            }
            Event::KeyframeRequest(_) => self.keyframes_asked += 1,
            Event::ChannelOpen(id, _) => {
                let unnamed = self
                    .channels
                    .keys()
                    .find(|name| !self.ids.contains_key(*name));
                if let Some(name) = unnamed.filter(|_| self.label_of(id).is_none()) {
                    self.ids.insert(name.clone(), id);
                }
                let stream = self.rtc.direct_api().sctp_stream_id_by_channel_id(id);
                if let Some(label) = self.label_of(id) {
                    let channel = self.channels.get_mut(&label).expect("its state");
                    (channel.open, channel.stream) = (true, stream);
                    self.apply_credit();
                }
            }
            Event::ChannelClose(id) => {
                if let Some(label) = self.label_of(id) {
                    let channel = self.channels.get_mut(&label).expect("its state");
                    (channel.open, channel.closed) = (false, true);
                }
            }
            Event::ChannelData(data) => {
                let Some(label) = self.label_of(data.id) else {
                    return;
                };
                if label == "thingway" {
                    let message = serde_json::from_slice(&data.data).expect("control is JSON");
                    self.control.push(message);
                    self.apply_credit();
                    return;
                }
                if let Some(order) = &mut self.order {
                    order.push((label.clone(), data.data.len()));
                }
                let channel = self.channels.get_mut(&label).expect("its state");
                channel.bytes.extend_from_slice(&data.data);
                channel.received.push_back((data.binary, data.data));
            }
            _ => {}
        }
    }

    /// Grants name a stream id, which is known when the channel is open, and another's afterwards.
    fn apply_credit(&mut self) {
        for message in &self.control {
            if message["type"] == "credit" {
                let stream = message["channel"].as_u64();
                let limit = message["limit"].as_u64().expect("a number");
                let mut channels = self.channels.values_mut();
                if let Some(channel) =
                    channels.find(|c| c.open && c.stream.map(u64::from) == stream)
                {
                    channel.credit = Some(channel.credit.unwrap_or(0).max(limit));
                }
            }
        }
    }
}
