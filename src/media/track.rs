//! A track: pictures or sound of an endpoint, from its source to its viewers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::clocks::Clocks;
use super::keyframe::is_keyframe_start;
use super::packets::{Packet, PacketLog};
use super::publisher::Publisher;
use super::publishers::Publishers;
use super::rate::Rate;
use super::reports::LastReport;
use super::rtp::{RtpFault, RtpView};
use super::source::{Numbered, Numbering, Numbers, Restart, SourceNumbers, is_near};
use super::stats::{Dropped, TrackStats};
use super::viewer::ViewerStats;
use crate::codec::MediaKind;
use crate::config::TrackConfig;
use crate::ids::{EndpointId, SessionId, SourceId, TrackSocket, ViewerId};
use crate::transceiver::{ColorSpace, IncomingPacket};

/// The longest payload that can be forwarded. What is longer would not fit into one packet of any network.
const MAX_PAYLOAD: usize = crate::limits::RTP_PAYLOAD;
/// The longest payload that fits into one packet on nearly every path, with all headers.
const SAFE_PAYLOAD: usize = 1_200;

/// A packet that may begin a new stream.
#[derive(Debug)]
struct Held {
    numbers: SourceNumbers,
    marker: bool,
    payload: Arc<[u8]>,
}

/// The sockets of a track, if they are to be open.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Sockets {
    rtp: Option<SourceId>,
    rtcp: Option<SourceId>,
}

impl Sockets {
    /// Returns the place of a socket.
    pub(super) fn of(&mut self, socket: TrackSocket) -> &mut Option<SourceId> {
        match socket {
            TrackSocket::Rtp => &mut self.rtp,
            TrackSocket::Rtcp => &mut self.rtcp,
        }
    }

    /// Returns the sockets that are to be open.
    pub(super) fn all(self) -> impl Iterator<Item = SourceId> {
        self.rtp.into_iter().chain(self.rtcp)
    }

    /// Returns the socket for packets to `send_to`.
    pub(super) fn for_output(self) -> Option<SourceId> {
        self.rtp
    }

    /// Returns the socket for RTCP to the source.
    pub(super) fn for_feedback(self) -> Option<SourceId> {
        self.rtcp.or(self.rtp)
    }
}

/// Pictures or sound of an endpoint.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) endpoint: EndpointId,
    /// The name of the endpoint, for the log.
    pub(crate) name: String,
    pub(crate) config: TrackConfig,
    pub(super) sockets: Sockets,
    pub(crate) log: PacketLog,
    pub(crate) viewers: Vec<ViewerId>,
    /// The browsers that send.
    pub(super) publishers: Publishers,
    /// Our SSRC towards the source.
    pub(crate) own_ssrc: u32,
    numbering: Numbering,
    /// The program that sends, until it has been silent.
    sender: Option<SocketAddr>,
    /// Where RTCP for the source goes, once it is known.
    pub(crate) rtcp_sender: Option<SocketAddr>,
    payload_type: Option<u8>,
    held: Option<Held>,
    /// The newest sender report of the source.
    pub(super) last_report: Option<LastReport>,
    /// A timestamp, as viewers get it, and when it was captured.
    clock: Option<(u32, Instant)>,
    /// The timestamp of the last keyframe, and when it came.
    last_keyframe: Option<(u32, Instant)>,
    /// What goes on to viewers.
    pub(super) rate: Rate,
    /// What viewers got who have left.
    pub(super) gone: ViewerStats,
    /// The viewers that are too slow.
    pub(super) slow: Vec<ViewerId>,
    /// The bit rate that everybody was told last, and when.
    pub(super) told_bitrate: Option<(u64, Instant)>,
    is_alive: bool,
    /// Whether somebody wants a keyframe that the source may not be asked for yet.
    pub(crate) wants_keyframe: bool,
    /// Why a socket is not open.
    pub(super) socket_trouble: Option<(TrackSocket, String)>,
    /// The payload type of the last packet that was dropped for it.
    other_payload_type: Option<u8>,
    pub(crate) stats: TrackStats,
    has_warned: Warned,
}

/// What the log has said of a track.
#[derive(Debug, Default)]
struct Warned {
    of_size: bool,
    of_payload_type: bool,
    of_interval: bool,
}

/// What a packet has changed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    /// Whether viewers have something to get.
    pub(crate) has_news: bool,
    /// Whether the source has begun anew.
    pub(crate) has_restarted: bool,
    /// Whether packets of a browser are lost for good, or the program that gets them has had no keyframe for long.
    pub(crate) needs_keyframe: bool,
}

impl Track {
    /// Returns a track without a source.
    pub(crate) fn new(
        endpoint: EndpointId,
        name: &str,
        config: TrackConfig,
        own_ssrc: u32,
    ) -> Self {
        Self {
            endpoint,
            name: name.to_owned(),
            sockets: Sockets::default(),
            log: PacketLog::new(config.cache),
            viewers: Vec::new(),
            publishers: Publishers::new(own_ssrc, &config),
            own_ssrc,
            numbering: Numbering::new(config.clock_rate, config.silence),
            sender: None,
            rtcp_sender: None,
            payload_type: initial_payload_type(&config),
            held: None,
            last_report: None,
            clock: None,
            last_keyframe: None,
            rate: Rate::default(),
            gone: ViewerStats::default(),
            slow: Vec::new(),
            told_bitrate: None,
            is_alive: false,
            wants_keyframe: false,
            socket_trouble: None,
            other_payload_type: None,
            stats: TrackStats::default(),
            has_warned: Warned::default(),
            config,
        }
    }

    /// Returns whether the source counts as alive. This lags behind [`Self::is_live`] until a timer has looked.
    pub(crate) fn is_alive(&self) -> bool {
        self.is_alive
    }

    pub(crate) fn set_alive(&mut self, is_alive: bool) {
        self.is_alive = is_alive;
    }

    /// Returns whether packets have come lately.
    pub(crate) fn is_live(&self, now: Instant) -> bool {
        match self.config.listen {
            Some(_) => self.numbering.is_live(now),
            None => self.publishers.is_live(now, self.config.silence),
        }
    }

    /// Returns the SSRC of the source.
    pub(crate) fn ssrc(&self) -> Option<u32> {
        self.numbering.ssrc()
    }

    /// Returns whether this program may send to the track now. The first one is kept until it is silent.
    pub(crate) fn admits(&mut self, now: Instant, remote: SocketAddr) -> bool {
        let ip = remote.ip().to_canonical();
        if !self.config.from.iter().any(|prefix| prefix.contains(ip)) {
            self.stats.drop(Dropped::Stranger);
            return false;
        }
        if self.sender.is_some_and(|sender| sender != remote) && self.is_live(now) {
            self.stats.drop(Dropped::OtherSender);
            return false;
        }
        self.sender = Some(remote);
        true
    }

    /// Handles a datagram of an admitted sender.
    pub(crate) fn handle_rtp(&mut self, now: Instant, datagram: &[u8]) -> Change {
        self.stats.received.add_one(datagram.len());
        let packet = match super::rtp::parse(datagram) {
            Ok(packet) => packet,
            Err(fault) => {
                self.stats.drop(Dropped::Fault(fault));
                return Change::default();
            }
        };
        if !self.accepts(packet.payload_type) {
            self.stats.drop(Dropped::PayloadType);
            return Change::default();
        }
        if packet.payload.len() > SAFE_PAYLOAD {
            self.warn_of_size(packet.payload.len());
            if packet.payload.len() > MAX_PAYLOAD {
                self.stats.drop(Dropped::TooLong);
                return Change::default();
            }
        }
        self.take(now, &packet)
    }

    fn take(&mut self, now: Instant, packet: &RtpView<'_>) -> Change {
        let numbers = SourceNumbers {
            ssrc: packet.ssrc,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
        };
        match self.numbering.number(now, numbers) {
            Numbered::Take { numbers, restart } => {
                self.payload_type.get_or_insert(packet.payload_type);
                if restart.is_some() {
                    (self.clock, self.last_report) = (None, None);
                    self.stats.restarts += 1;
                    self.log.forget_keyframe();
                }
                let mut numbers = numbers;
                // The packet before this one is of the same new stream.
                let is_stream = restart == Some(Restart::Stream);
                let held = self
                    .held
                    .take_if(|held| is_stream && held.numbers.ssrc == packet.ssrc);
                if let Some(held) = held {
                    let behind = packet.timestamp.wrapping_sub(held.numbers.timestamp);
                    let first = Numbers {
                        sequence: numbers.sequence,
                        timestamp: numbers.timestamp.wrapping_sub(behind),
                    };
                    self.push(now, first, held.marker, held.payload, None);
                    numbers.sequence = self.numbering.make_room();
                }
                self.push(now, numbers, packet.marker, Arc::from(packet.payload), None);
                Change {
                    has_news: true,
                    has_restarted: restart.is_some(),
                    ..Change::default()
                }
            }
            Numbered::Hold => {
                let held = self.held.replace(Held {
                    numbers,
                    marker: packet.marker,
                    payload: Arc::from(packet.payload),
                });
                if held.is_some() {
                    self.stats.drop(Dropped::OtherStream);
                }
                Change::default()
            }
            Numbered::Duplicate => {
                self.stats.drop(Dropped::Duplicate);
                Change::default()
            }
            Numbered::Replaced => {
                self.stats.drop(Dropped::OtherStream);
                Change::default()
            }
        }
    }

    fn push(
        &mut self,
        now: Instant,
        numbers: Numbers,
        marker: bool,
        payload: Arc<[u8]>,
        color_space: Option<ColorSpace>,
    ) {
        let begins_keyframe = is_keyframe_start(self.config.codec, &payload);
        if begins_keyframe && self.config.codec.kind() == MediaKind::Video {
            let last = self.last_keyframe.map(|(timestamp, _)| timestamp);
            self.stats.keyframes += u64::from(last != Some(numbers.timestamp));
            self.last_keyframe = Some((numbers.timestamp, now));
        }
        self.stats.forwarded.add_one(payload.len());
        self.rate.add(now, payload.len());
        self.log.push(Packet {
            numbers,
            marker,
            begins_keyframe,
            wallclock: self.captured_at(numbers.timestamp, now),
            arrived: now,
            payload,
            color_space,
        });
    }

    /// Returns when a packet was captured, as the source's sender report says, or now if it says nothing that can be.
    fn captured_at(&self, timestamp: u32, now: Instant) -> Instant {
        let Some((known, at)) = self.clock else {
            return now;
        };
        let ticks = timestamp.wrapping_sub(known).cast_signed();
        let rate = u64::from(self.config.clock_rate).max(1);
        let passed = Duration::from_micros(u64::from(ticks.unsigned_abs()) * 1_000_000 / rate);
        let captured = match ticks < 0 {
            true => at.checked_sub(passed),
            false => at.checked_add(passed),
        };
        // Nothing was captured later than now; str0m would report a time of 0 for it.
        captured
            .filter(|at| is_near(*at, now))
            .unwrap_or(now)
            .min(now)
    }

    /// Takes the source's sender report: at the time `at` its timestamp was `timestamp`.
    pub(super) fn set_clock(&mut self, timestamp: u32, at: Instant, report: LastReport) {
        let timestamp = self.numbering.timestamp(timestamp);
        self.clock = timestamp.map(|timestamp| (timestamp, at));
        self.last_report = Some(report);
    }

    /// Returns the highest sequence number of the source, with its wraps (RFC 3550 §6.4.1).
    pub(super) fn highest(&self) -> u32 {
        self.numbering.highest()
    }

    /// Returns whether packets of this type are the track's. Without a configured type the first dynamic one
    /// becomes the track's.
    fn accepts(&mut self, payload_type: u8) -> bool {
        let Some(expected) = self.payload_type else {
            // RFC 3551 §6: the dynamic ones.
            return (96..=127).contains(&payload_type);
        };
        if payload_type == expected {
            return true;
        }
        self.other_payload_type = Some(payload_type);
        if !std::mem::replace(&mut self.has_warned.of_payload_type, true) {
            let (name, kind) = (&self.name, self.config.codec.kind().as_str());
            log::warn!(
                "endpoint {name}: {kind} packets of payload type {payload_type} are dropped, {expected} is expected"
            );
        }
        false
    }

    fn warn_of_size(&mut self, size: usize) {
        if std::mem::replace(&mut self.has_warned.of_size, true) {
            return;
        }
        log::warn!(
            "endpoint {}: a packet has {size} bytes of payload; more than {SAFE_PAYLOAD} do not pass every network \
             (GStreamer: mtu=1200 of the payloader, FFmpeg: pkt_size=1200)",
            self.name
        );
    }

    /// Logs once that viewers wait for keyframes, for which the source cannot be asked.
    pub(super) fn warn_of_interval(&mut self) {
        if !std::mem::replace(&mut self.has_warned.of_interval, true) {
            log::warn!(
                "endpoint {}: a viewer waits for a keyframe, and the source takes no requests for one (RTCP); a shorter \
                 keyframe interval of its encoder helps",
                self.name
            );
        }
    }

    /// Forgets the source, because it is silent: what comes next may be another program. Viewers that come later
    /// must not take its last picture for a live one.
    pub(crate) fn forget_source(&mut self) {
        self.is_alive = false;
        self.payload_type = initial_payload_type(&self.config);
        self.rtcp_sender = None;
        self.told_bitrate = None;
        self.log.clear();
    }

    /// Ends the stream, as its source has said.
    pub(crate) fn end_source(&mut self, now: Instant) {
        self.numbering.end(now);
    }

    /// Returns whether one more browser may send to the track.
    pub(crate) fn has_room_for_publisher(&self) -> bool {
        self.config.takes_from_browsers() && self.publishers.has_room()
    }

    /// Removes the browser of a session that has ended.
    pub(crate) fn remove_publisher(&mut self, session: SessionId) {
        let source = self.source_publisher();
        self.publishers.remove(session);
        if source.is_some_and(|it| it.session == session) {
            self.log.clear();
        }
    }

    /// Returns the browser whose packets viewers get, because the track has no program as its source.
    pub(crate) fn source_publisher(&self) -> Option<Publisher> {
        let first = self.publishers.first();
        first.filter(|_| self.config.listen.is_none())
    }

    /// Handles a packet of a browser. Writes the packet for the local program into `datagram`.
    pub(crate) fn handle_published(
        &mut self,
        now: Instant,
        publisher: Publisher,
        packet: IncomingPacket,
        clocks: &mut Clocks,
        datagram: &mut Vec<u8>,
    ) -> Change {
        let taken = match self.publishers.take(now, publisher, &packet, clocks) {
            Ok(taken) => taken,
            Err(why) => {
                self.stats.drop(why);
                return Change::default();
            }
        };
        let [.., high, low] = taken.numbers.sequence.to_be_bytes();
        super::rtp::write(
            datagram,
            &RtpView {
                payload_type: self.config.send_payload_type,
                sequence: u16::from_be_bytes([high, low]),
                timestamp: taken.numbers.timestamp,
                ssrc: taken.ssrc,
                marker: packet.marker,
                payload: &packet.payload,
            },
        );
        self.stats.published.add_one(packet.payload.len());
        let is_due = self.config.send_to.is_some() && self.publishers.is_keyframe_due(now);
        let is_source = self.source_publisher() == Some(publisher);
        if is_source {
            self.clock = taken.clock.or(self.clock);
            let (marker, colors) = (packet.marker, packet.color_space);
            self.push(now, taken.numbers, marker, packet.payload, colors);
        }
        Change {
            has_news: is_source,
            needs_keyframe: taken.has_lost || is_due,
            ..Change::default()
        }
    }

    /// Returns when the last keyframe came.
    pub(super) fn last_keyframe(&self) -> Option<Instant> {
        self.last_keyframe.map(|(_, at)| at)
    }

    /// Returns the program that sends.
    pub(crate) fn sender(&self) -> Option<SocketAddr> {
        self.sender
    }

    /// Notes why a socket is not open, and logs it once.
    pub(super) fn note_trouble(&mut self, socket: TrackSocket, detail: &str) {
        let mut addresses = self.config.local_addresses();
        let address = match socket {
            TrackSocket::Rtp => addresses.next(),
            TrackSocket::Rtcp => addresses.nth(1),
        };
        let place = address.map_or_else(String::new, |address| format!("{address}: "));
        let trouble = Some((socket, format!("{place}{detail}")));
        if self.socket_trouble != trouble {
            log::error!("endpoint {}: {place}{detail}", self.name);
        }
        self.socket_trouble = trouble;
    }

    /// Returns the payload type of the last packet that was dropped for it.
    pub(crate) fn other_payload_type(&self) -> Option<u8> {
        self.other_payload_type
    }

    /// Returns the payload type that is accepted, once it is known.
    pub(crate) fn payload_type(&self) -> Option<u8> {
        self.payload_type
    }
}

/// Returns the payload type that is accepted before any packet has come.
fn initial_payload_type(config: &TrackConfig) -> Option<u8> {
    let fixed = || config.codec.static_payload_type();
    config.payload_type.or_else(fixed)
}

impl Dropped {
    /// Returns the name in the API and in the metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::OtherSender => "other-sender",
            Self::OtherStream => "other-stream",
            Self::PayloadType => "payload-type",
            Self::Duplicate => "duplicate",
            Self::Early => "early",
            Self::TooLong => "too-long",
            Self::Fault(fault) => RtpFault::as_str(fault),
        }
    }
}

/// Returns any port at an address from which another one can be reached.
pub(super) fn any_port_towards(to: SocketAddr) -> SocketAddr {
    let ip: IpAddr = match (to.is_ipv4(), to.ip().is_loopback()) {
        (true, true) => Ipv4Addr::LOCALHOST.into(),
        (true, false) => Ipv4Addr::UNSPECIFIED.into(),
        (false, true) => Ipv6Addr::LOCALHOST.into(),
        (false, false) => Ipv6Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(ip, 0)
}
