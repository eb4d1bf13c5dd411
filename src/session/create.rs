//! The beginning of a session: answering an offer, or making one.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpOffer};
use str0m::channel::ChannelConfig;
use str0m::{Candidate, Rtc};

use super::channels::{ChannelWish, Channels};
use super::crypto::Identity;
use super::event::{ConnectionState, EndReason};
use super::late_closes::LateCloses;
use super::media;
use super::reassembly::Reassembly;
use super::sdp::{self, CheckedDescription, SdpError};
use super::window::Window;
use super::{Session, one_line};
use crate::limits::{self, Limits};

/// How often a working path is checked (RFC 7675 §5.1). With the number of tries set here a dead path is
/// noticed after 24 s, as with str0m's own 3 s and nine tries.
const CONSENT_INTERVAL: Duration = Duration::from_secs(5);
const CONSENT_TRIES: usize = 7;

/// How often str0m reports the round trip. Each report is a wake-up.
const STATS_INTERVAL: Duration = Duration::from_secs(5);

impl Session {
    /// Answers an offer. `local` are our host addresses with the port of the ICE socket. `may_get_tracks` says
    /// whether a later offer may ask for pictures and sound.
    pub fn accept(
        now: Instant,
        name: String,
        offer: &CheckedDescription<'_>,
        may_get_tracks: bool,
        local: &[SocketAddr],
        identity: &Identity,
        limits: &Limits,
    ) -> Result<(Self, String), SdpError> {
        let has_media = may_get_tracks || !offer.tracks().is_empty();
        let mut rtc = build(
            now,
            &name,
            local,
            identity,
            Some(offer).filter(|_| has_media),
        );
        let answer = accept_text(&mut rtc, &offer.to_text(sdp::DATA_CHANNEL))?;
        let answer = offer.answer(&answer);
        let mut session = Self::new(now, name, rtc, limits);
        session.learn_description(offer);
        if has_media {
            session.set_tracks(&[], offer.tracks(), offer.slots());
        }
        Ok((session, answer))
    }

    /// Returns what a later offer of the peer must be checked against. `None`: the session never gets tracks.
    pub(super) fn slots(&self) -> Option<&sdp::Slots> {
        self.media.as_deref().map(|media| &media.slots)
    }

    /// Answers a later offer of the peer, which adds or removes tracks. After an error the session is unusable.
    pub(super) fn accept_again(
        &mut self,
        offer: &CheckedDescription<'_>,
    ) -> Result<String, SdpError> {
        let mut answer = String::new();
        for step in offer.to_steps() {
            answer = accept_text(&mut self.rtc, &step)?;
        }
        self.set_tracks(offer.released(), offer.tracks(), offer.slots());
        self.dirty = true;
        Ok(offer.answer(&answer))
    }

    /// Makes an offer with one channel. [`Self::accept_answer`] completes the session.
    pub fn offer(
        now: Instant,
        name: String,
        wish: ChannelWish,
        local: &[SocketAddr],
        identity: &Identity,
        limits: &Limits,
    ) -> Result<(Self, String), SdpError> {
        let wish = wish.checked()?;
        let mut rtc = build(now, &name, local, identity, None);
        let mut change = rtc.sdp_api();
        change.add_channel_with_config(ChannelConfig {
            label: wish.label,
            ordered: wish.ordered,
            reliability: wish.reliability,
            negotiated: wish.negotiated,
            protocol: wish.protocol,
        });
        let (offer, pending) = change
            .apply()
            .ok_or_else(|| SdpError::whole("there is nothing to offer"))?;
        let offer = sdp::mend(&offer.to_sdp_string());
        let mut session = Self::new(now, name, rtc, limits);
        session.offer = Some((pending, sdp::first_mid(&offer).to_owned()));
        Ok((session, offer))
    }

    /// Accepts the answer to our offer. A second answer is refused.
    pub fn accept_answer(&mut self, answer: &CheckedDescription<'_>) -> Result<(), SdpError> {
        let Some((pending, mid)) = self.offer.take() else {
            return Err(SdpError::whole(
                "there is no offer that waits for an answer",
            ));
        };
        let parsed = SdpAnswer::from_sdp_string(&answer.to_text(&mid))
            .map_err(|error| SdpError::whole(one_line(&error.to_string())))?;
        self.rtc
            .sdp_api()
            .accept_answer(pending, parsed)
            .map_err(|error| SdpError::whole(one_line(&error.to_string())))?;
        self.learn_description(answer);
        self.dirty = true;
        Ok(())
    }

    /// Returns whether our offer has no answer yet.
    pub fn awaits_answer(&self) -> bool {
        self.offer.is_some()
    }

    fn learn_description(&mut self, description: &CheckedDescription<'_>) {
        description.ufrag().clone_into(&mut self.remote_ufrag);
        self.max_message = description.max_message();
        self.checked_candidates = description.candidates();
        self.late_closes = description.is_libdatachannel().then(LateCloses::default);
    }

    fn new(now: Instant, name: String, mut rtc: Rtc, limits: &Limits) -> Self {
        let local_ufrag = rtc.direct_api().local_ice_credentials().ufrag;
        Self {
            rtc: Box::new(rtc),
            name,
            created: now,
            state: ConnectionState::New,
            events: VecDeque::new(),
            channels: Channels::new(),
            control: None,
            control_overflowed: false,
            max_channels: limits.channels_per_session,
            remote_ufrag: String::new(),
            local_ufrag,
            max_message: limits::MAX_MESSAGE,
            remote_candidates: 0,
            checked_candidates: 0,
            pairs: VecDeque::new(),
            path: None,
            bytes_sent: 0,
            bytes_received: 0,
            timeout: now,
            give_up: Some((now + limits.connect_timeout, EndReason::ConnectTimeout)),
            disconnected_timeout: limits.disconnected_timeout,
            window: Window::new(),
            unacknowledged: false,
            wrote: false,
            offer: None,
            blocked: false,
            dirty: true,
            burst: 0,
            late_closes: None,
            reassembly: Reassembly::default(),
            media: None,
            ended: false,
        }
    }
}

/// Has str0m accept an offer, and returns its answer.
fn accept_text(rtc: &mut Rtc, offer: &str) -> Result<String, SdpError> {
    let fault = |text: String| SdpError::whole(one_line(&text));
    let parsed = SdpOffer::from_sdp_string(offer).map_err(|error| fault(error.to_string()))?;
    let answer = rtc.sdp_api().accept_offer(parsed);
    let answer = answer.map_err(|error| fault(error.to_string()))?;
    Ok(answer.to_sdp_string())
}

/// Makes str0m's part of a session, with the settings that must precede a description. `offer`: the one of a session
/// that has tracks or may get them.
fn build(
    now: Instant,
    name: &str,
    local: &[SocketAddr],
    identity: &Identity,
    offer: Option<&CheckedDescription<'_>>,
) -> Rtc {
    let mut builder = identity
        .builder()
        .clear_codecs()
        .set_sctp_max_buffered_amount(limits::SEND_LIMIT)
        .set_sctp_max_message_size(limits::RECEIVED_MESSAGE)
        .set_stats_interval(Some(STATS_INTERVAL));
    builder.set_max_stun_rto(CONSENT_INTERVAL);
    builder.set_max_stun_retransmits(CONSENT_TRIES);
    if let Some(offer) = offer {
        builder = builder
            .set_rtp_mode(true)
            .set_extension_map(media::extensions());
        offer.add_codecs(builder.codec_config());
    }
    let mut rtc = builder.build(now);
    for addr in local {
        // str0m refuses kinds of addresses that ICE cannot use, such as 169.254.0.0/16.
        match Candidate::host(*addr, "udp") {
            Ok(candidate) => drop(rtc.add_local_candidate(candidate)),
            Err(error) => log::debug!("{name}: no candidate for {addr}: {error}"),
        }
    }
    rtc
}
