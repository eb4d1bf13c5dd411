//! The browsers that send to a track, each with its stream to the local program.

use std::time::{Duration, Instant};

use super::clocks::{ClockOf, Clocks};
use super::keyframe::is_keyframe_start;
use super::publisher::{Output, Publisher};
use super::rtcp::Sent;
use super::source::Numbers;
use super::stats::Dropped;
use crate::codec::Codec;
use crate::config::TrackConfig;
use crate::ids::SessionId;
use crate::transceiver::IncomingPacket;

/// How old the last keyframe of a browser may be for the program behind `send_to`.
const KEYFRAME_AGE: Duration = Duration::from_secs(5);

/// A packet that was taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    /// The numbers under which it goes on, and the SSRC.
    pub(super) numbers: Numbers,
    pub(super) ssrc: u32,
    /// A timestamp, as it goes on, and when it was captured, if the browser has just said so.
    pub(super) clock: Option<(u32, Instant)>,
    /// Whether packets before it are lost for good.
    pub(super) has_lost: bool,
}

/// The browsers that send to a track.
#[derive(Debug)]
pub(super) struct Publishers {
    codec: Codec,
    /// The streams to `send_to`, one for each browser that may send at once, with the browser that sends.
    places: Vec<(Output, Option<Publisher>)>,
    /// When the last packet came.
    last: Option<Instant>,
    /// When the last keyframe came.
    keyframe: Option<Instant>,
    /// When they were asked for a keyframe.
    pub(super) asked: Option<Instant>,
}

impl Publishers {
    /// Returns the places of a track that nobody sends to. The SSRCs of the streams follow that of the track.
    pub(super) fn new(own_ssrc: u32, config: &TrackConfig) -> Self {
        let ssrcs = (1..=u32::from(config.publishers)).map(|n| own_ssrc.wrapping_add(n));
        Self {
            codec: config.codec,
            places: ssrcs
                .map(|ssrc| (Output::new(ssrc, config.clock_rate), None))
                .collect(),
            last: None,
            keyframe: None,
            asked: None,
        }
    }

    /// Returns the browsers that send.
    pub(super) fn all(&self) -> impl Iterator<Item = Publisher> {
        self.places.iter().filter_map(|(_, place)| *place)
    }

    /// Returns the sessions of the browsers that send.
    pub(super) fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.all().map(|publisher| publisher.session)
    }

    /// Returns the browser in the first place.
    pub(super) fn first(&self) -> Option<Publisher> {
        self.places.first().and_then(|(_, place)| *place)
    }

    /// Returns whether a place is free.
    pub(super) fn has_room(&self) -> bool {
        self.places.iter().any(|(_, place)| place.is_none())
    }

    /// Returns whether packets have come since `silence` ago.
    pub(super) fn is_live(&self, now: Instant, silence: Duration) -> bool {
        let is_new = |at: Instant| now.saturating_duration_since(at) < silence;
        self.last.is_some_and(is_new)
    }

    /// Adds a browser. Returns false if there is no room.
    pub(super) fn add(&mut self, publisher: Publisher) -> bool {
        let mut places = self.places.iter_mut();
        let Some((output, place)) = places.find(|(_, place)| place.is_none()) else {
            return false;
        };
        output.begin();
        *place = Some(publisher);
        true
    }

    /// Removes the browser of a session that has ended.
    pub(super) fn remove(&mut self, session: SessionId) {
        for (_, place) in &mut self.places {
            place.take_if(|publisher| publisher.session == session);
        }
    }

    /// Returns what sender reports say of the streams that are in use.
    pub(super) fn sent(&self, now: Instant, started: Instant) -> Vec<(u32, Sent)> {
        let used = self.places.iter().filter(|(_, place)| place.is_some());
        used.filter_map(|(output, _)| Some((output.ssrc, output.sent(now, started)?)))
            .collect()
    }

    /// Returns whether the local program is to get a keyframe now. A program that has started later can begin only with one, and need
    /// not be one that asks.
    pub(super) fn is_keyframe_due(&self, now: Instant) -> bool {
        let is_old = |at: Instant| now.saturating_duration_since(at) > KEYFRAME_AGE;
        self.keyframe.is_none_or(is_old) && self.asked.is_none_or(is_old)
    }

    /// Takes a packet of a browser that is one of these.
    pub(super) fn take(
        &mut self,
        now: Instant,
        publisher: Publisher,
        packet: &IncomingPacket,
        clocks: &mut Clocks,
    ) -> Result<Taken, Dropped> {
        let mut places = self.places.iter_mut();
        let found = places.find(|(_, place)| *place == Some(publisher));
        let (output, _) = found.ok_or(Dropped::Stranger)?;
        if packet.payload.len() > crate::limits::RTP_PAYLOAD {
            return Err(Dropped::TooLong);
        }
        let numbers = output.number(now, packet).ok_or(Dropped::Early)?;
        let clock = ClockOf::Peer(publisher.session);
        let clock = output.note_report(packet, |ntp| clocks.find(clock, ntp, now));
        let has_lost = output.note_arrival(now, packet.sequence);
        let ssrc = output.ssrc;
        if is_keyframe_start(self.codec, &packet.payload) {
            self.keyframe = Some(now);
        }
        self.last = Some(now);
        Ok(Taken {
            numbers,
            ssrc,
            clock,
            has_lost,
        })
    }
}
