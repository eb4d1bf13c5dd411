//! The only place where sessions are made, for the API and for the hub.

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rand::RngCore;

use super::super::channels::ChannelWish;
use super::{SessionEntry, SessionOwner, Sessions, TimerKey, not_told};
use crate::access::places::{Claimant, Fullness, Occupant, Places, Verdict};
use crate::access::scope::Grant;
use crate::datagram;
use crate::ids::SessionId;
use crate::session::Session;
use crate::session::event::ConnectionState;
use crate::session::sdp::{self, SdpError};
use crate::sources::Context;
use crate::transceiver::{TrackOutcome, TrackWish};

/// How many lines about the channels of one session go into the log.
const CHANNEL_LOG_LINES: u32 = 200;

/// The description with which a session begins.
#[derive(Debug)]
pub(crate) enum Description<'a> {
    /// The peer's offer, which the session answers.
    Answer(&'a [u8]),
    /// The channel of an offer that the session makes.
    Offer(ChannelWish),
}

/// Our candidates in the description.
#[derive(Debug)]
pub(crate) enum Candidates {
    /// The peer is another session of this process.
    Within,
    /// Host candidates.
    Hosts(Vec<SocketAddr>),
}

/// A request for a session.
#[derive(Debug)]
pub(crate) struct Begin<'a> {
    pub(crate) how: Description<'a>,
    pub(crate) owner: SessionOwner,
    /// The rights with which the session acts, and its token.
    pub(crate) rights: Grant,
    /// The claimant in whose share the session counts.
    pub(crate) claimant: Claimant,
    /// The address that the offer came from.
    pub(crate) remote: Option<IpAddr>,
    pub(crate) candidates: Candidates,
    /// The tracks for the media sections of the peer's offer.
    pub(crate) tracks: &'a [TrackWish],
    /// Whether later offers of the peer may ask for tracks.
    pub(crate) may_get_tracks: bool,
}

/// A session that was made.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) id: SessionId,
    /// Our answer, or our offer.
    pub(crate) sdp: String,
    /// What became of each track.
    pub(crate) tracks: Vec<TrackOutcome>,
}

/// Why a session was not made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BeginError {
    /// The daemon is shutting down.
    Draining,
    /// The token has this many sessions, which is its limit.
    Token(u64),
    /// The limit for this kind of session is reached.
    Full { what: Fullness, places: usize },
    /// All sessions that are not kept for administrators are in use.
    Reserved { all: usize, kept: usize },
    /// The description is wrong.
    Sdp(SdpError),
    /// The description met a bug of ours or of str0m's.
    Panicked,
    /// Another session has the same ICE user name fragment, by chance.
    Collision,
}

impl BeginError {
    /// Returns whether another try may succeed a little later.
    pub(crate) fn is_busy(&self) -> bool {
        match self {
            Self::Draining | Self::Token(_) | Self::Full { .. } | Self::Reserved { .. } => true,
            Self::Sdp(_) | Self::Panicked | Self::Collision => false,
        }
    }
}

impl fmt::Display for BeginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Draining => f.write_str("the gateway is shutting down"),
            Self::Token(limit) => {
                write!(f, "this token has {limit} sessions, which is its limit")
            }
            Self::Reserved { all, kept } => write!(
                f,
                "of {all} sessions {kept} are kept for administrators, all others are in use"
            ),
            Self::Full { what, places } => match what {
                Fullness::All | Fullness::Reserved => {
                    write!(f, "there are {places} sessions, which is the limit")
                }
                Fullness::Hub => write!(
                    f,
                    "the hub has {places} sessions, some of them kept for this machine, and they are in use"
                ),
                Fullness::Network => write!(
                    f,
                    "this address has {places} sessions over the hub, which is its share"
                ),
            },
            Self::Sdp(error) => error.fmt(f),
            Self::Panicked => f.write_str("the description is not understood"),
            Self::Collision => f.write_str("please try again"),
        }
    }
}

impl Sessions {
    /// Returns an error if no session may be made for this claimant, and counts the refusal. The caller
    /// checks before an offer is read, and `begin` checks again when the session is made, because many
    /// requests may have been accepted meanwhile.
    pub(crate) fn check_room(
        &mut self,
        rights: &Grant,
        claimant: &Claimant,
        owner: SessionOwner,
    ) -> Result<Option<SessionId>, BeginError> {
        let room = self.find_room(rights, claimant, owner);
        self.stats.refused += u64::from(room.is_err());
        room
    }

    /// Counts a session that was refused for another reason than lack of room.
    pub(crate) fn count_refused(&mut self) {
        self.stats.refused += 1;
    }

    /// Returns the session that must be closed for a new one, if necessary.
    fn find_room(
        &self,
        rights: &Grant,
        claimant: &Claimant,
        owner: SessionOwner,
    ) -> Result<Option<SessionId>, BeginError> {
        if self.is_draining {
            return Err(BeginError::Draining);
        }
        if let Some(limit) = self.limit_of_token(rights) {
            return Err(BeginError::Token(limit));
        }
        let all = self.limits.sessions;
        let places = Places::new(all);
        let occupants = self.entries.iter().map(|(id, entry)| Occupant {
            id,
            claimant: &entry.claimant,
            since: entry.session.created(),
            is_connected: entry.is_within
                || !matches!(
                    entry.session.state(),
                    ConnectionState::New | ConnectionState::Connecting
                ),
            is_of_hub: entry.owner.is_of_hub(),
        });
        let what = match places.decide(claimant, owner.is_of_hub(), occupants) {
            Verdict::Free => return Ok(None),
            Verdict::InPlaceOf(oldest) => return Ok(Some(oldest)),
            Verdict::Full(what) => what,
        };
        let places = match what {
            Fullness::Reserved => {
                let kept = places.reserved();
                return Err(BeginError::Reserved { all, kept });
            }
            Fullness::All => all,
            Fullness::Hub => places.of_hub(),
            Fullness::Network => places.of_hub_network(),
        };
        Err(BeginError::Full { what, places })
    }

    /// Returns the limit of a token if the token has reached it.
    fn limit_of_token(&self, rights: &Grant) -> Option<u64> {
        let limit = u64::from(rights.limits.sessions?);
        let entries = self.entries.iter();
        let ours = entries.filter(|(_, entry)| entry.grant.token == rights.token);
        (ours.count() as u64 >= limit).then_some(limit)
    }

    /// Makes a session.
    pub(crate) fn begin(
        &mut self,
        cx: &mut Context<'_>,
        begin: Begin<'_>,
    ) -> Result<Begun, BeginError> {
        let Begin {
            how,
            owner,
            tracks: wishes,
            may_get_tracks,
            ..
        } = begin;
        let is_within = matches!(begin.candidates, Candidates::Within);
        let local = match begin.candidates {
            Candidates::Hosts(local) => local,
            // Each session within the process gets addresses of its own, because two sessions that share
            // addresses could not tell their datagrams apart.
            Candidates::Within => {
                self.internal = self.internal.wrapping_add(1);
                vec![datagram::internal_address(self.internal)]
            }
        };
        let displaced = self.check_room(&begin.rights, &begin.claimant, owner)?;
        let name = self.random_name();
        let (now, identity, limits) = (cx.now, &self.identity, &self.limits);
        let made = guarded(|| match how {
            Description::Offer(wish) => {
                let made = Session::offer(now, name, wish, &local, identity, limits);
                made.map(|(session, sdp)| (session, sdp, Vec::new()))
            }
            Description::Answer(text) => sdp::check_offer(text, wishes).and_then(|checked| {
                let may = may_get_tracks;
                let made = Session::accept(now, name, &checked, may, &local, identity, limits);
                made.map(|(session, sdp)| (session, sdp, checked.outcomes().to_vec()))
            }),
        });
        let Some(made) = made else {
            self.stats.panicked += 1;
            return Err(BeginError::Panicked);
        };
        let (session, sdp, tracks) = made.map_err(BeginError::Sdp)?;
        // Displace only after the session was made, because a refused offer must not displace a session.
        if let Some(oldest) = displaced {
            self.displace(cx, oldest);
        }
        let entry = SessionEntry {
            session,
            grant: begin.rights,
            claimant: begin.claimant,
            owner,
            remote: begin.remote,
            created: cx.unix_time(),
            touched: false,
            closed: VecDeque::new(),
            log_lines: 0,
            is_within,
            is_quiet: false,
            displaced: None,
        };
        let id = self.insert(cx, entry)?;
        Ok(Begun { id, sdp, tracks })
    }

    fn insert(
        &mut self,
        cx: &Context<'_>,
        mut entry: SessionEntry,
    ) -> Result<SessionId, BeginError> {
        let name = entry.session.name().to_owned();
        let ufrag = entry.session.local_ufrag().to_owned();
        let did = if entry.session.awaits_answer() {
            "made"
        } else {
            "answered"
        };
        let who = entry.grant.who().to_owned();
        let told = self.note_life(cx, &entry.claimant);
        entry.is_quiet = told.is_none();
        entry.log_lines = told.map_or(0, |_| CHANNEL_LOG_LINES);
        let id = self.entries.insert(entry);
        if !self.demux.insert_ufrag(&ufrag, id) {
            self.entries.remove(id);
            return Err(BeginError::Collision);
        }
        match told {
            Some(untold) => {
                let before = not_told(untold);
                log::info!("session {name} of {who}: {did} an offer{before}");
            }
            None => log::debug!("session {name} of {who}: {did} an offer"),
        }
        self.names.insert(name, id);
        self.stats.created += 1;
        self.timers.set(TimerKey::Session(id), Some(cx.now));
        self.touch(id);
        Ok(id)
    }

    /// Returns whether the log shows the life of one more session of a claimant. `Some` holds how many
    /// sessions before it were left out.
    fn note_life(&mut self, cx: &Context<'_>, claimant: &Claimant) -> Option<u32> {
        let names: Vec<String> = claimant.names().collect();
        let passed = names.iter().map(|name| self.lives.pass(cx.now, name));
        // Check all names, so that each name is counted.
        let passed: Vec<Option<u32>> = passed.collect();
        passed
            .into_iter()
            .try_fold(0, |most, untold| Some(most.max(untold?)))
    }

    /// Returns 128 random bits as a name, so that a session cannot be found by guessing.
    fn random_name(&mut self) -> String {
        let (high, low) = (self.random.next_u64(), self.random.next_u64());
        format!("{high:016x}{low:016x}")
    }
}

/// Runs the code that makes a session. str0m may panic on SDP that it does not expect. Such a panic refuses
/// the description and has no other effect.
pub(super) fn guarded<R>(make: impl FnOnce() -> R) -> Option<R> {
    let made = catch_unwind(AssertUnwindSafe(make));
    if made.is_err() {
        log::error!("a description met a bug, please report it");
    }
    made.ok()
}
