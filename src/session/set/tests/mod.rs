//! Tests of all sessions without a gateway, with a real WebRTC peer on the other side or between two
//! sessions.

mod channels;
mod connecting;
mod datagrams;
mod ending;
mod peer;
mod places;

use std::time::{Duration, Instant};

use super::*;
use crate::channel::{PeerWriter, Written};
use crate::ids::SourceKind;
use crate::session::channels::ChannelWish;
use crate::session::control;
use crate::session::event::EndReason;
use crate::sources::Sources;
use crate::util::slab::Id;
use peer::Peer;

/// Our address, to which peers send.
const LOCAL: &str = "127.0.0.1:5000";

/// All sessions, with peers on the other side of a network without loss.
struct Rig {
    sessions: Sessions,
    sources: Sources,
    now: Instant,
    peers: Vec<Peer>,
    /// The news of sessions, in order.
    news: Vec<(SessionId, SessionNews)>,
}

fn local() -> SocketAddr {
    LOCAL.parse().expect("an address")
}

/// Returns an offer of a client of the API with these rights.
fn begin<'a>(how: Description<'a>, rights: Grant) -> Begin<'a> {
    let claimant = Claimant {
        token: rights.token.as_ref().map(|holder| holder.id.clone()),
        is_admin: rights.admin,
        ..Claimant::default()
    };
    Begin {
        how,
        owner: SessionOwner::Api,
        rights,
        claimant,
        remote: None,
        candidates: Candidates::Hosts(vec![local()]),
        tracks: &[],
        may_get_tracks: false,
    }
}

impl Rig {
    fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    fn with_limits(limits: Limits) -> Self {
        let identity = Identity::generate().expect("an identity");
        let (now, mut sources) = (Instant::now(), Sources::new());
        let socket: Id<SourceKind> = Id::from_bits(1);
        sources.transmits().set_ice_socket(local(), socket);
        Self {
            sessions: Sessions::new(now, identity, limits, [7; 32]),
            sources,
            // Deadlines are multiples of a step since the start. Now is not a multiple by chance.
            now: now + Duration::from_millis(7),
            peers: Vec::new(),
            news: Vec::new(),
        }
    }

    fn with<R>(&mut self, f: impl FnOnce(&mut Sessions, &mut Context<'_>) -> R) -> R {
        let cx = &mut Context {
            now: self.now,
            time: Duration::from_secs(1_772_000_000),
            sources: &mut self.sources,
        };
        f(&mut self.sessions, cx)
    }

    /// Adds a peer that offers channels with these labels, makes its session, and passes the answer to the
    /// peer.
    fn offer(&mut self, labels: &[&str], rights: Grant) -> Result<SessionId, BeginError> {
        let port = 6000 + u16::try_from(self.peers.len()).expect("few peers");
        let at = SocketAddr::from(([127, 0, 0, 1], port));
        self.offer_from(at, labels, rights)
    }

    fn offer_from(
        &mut self,
        at: SocketAddr,
        labels: &[&str],
        rights: Grant,
    ) -> Result<SessionId, BeginError> {
        let (mut peer, offer) = Peer::offer(self.now, at, labels);
        let begin = begin(Description::Answer(offer.as_bytes()), rights);
        let begun = self.with(|sessions, cx| sessions.begin(cx, begin))?;
        peer.answer(self.now, &begun.sdp);
        peer.session = Some(begun.id);
        self.peers.push(peer);
        Ok(begun.id)
    }

    /// Returns a connected session and the number of its peer.
    fn connect(&mut self, labels: &[&str]) -> (SessionId, usize) {
        let id = self.offer(labels, Grant::everything());
        let id = id.expect("there is room");
        self.pass(Duration::from_secs(1));
        let state = self.sessions.get(id).expect("it exists").state();
        assert_eq!(state, ConnectionState::Connected);
        (id, self.peers.len() - 1)
    }

    /// Returns two sessions that are connected to each other by one channel; the offerer is first.
    fn connect_within(&mut self, label: &str) -> [SessionId; 2] {
        let wish = ChannelWish::reliable(label.to_owned());
        let mut first = begin(Description::Offer(wish), Grant::everything());
        first.candidates = Candidates::Within;
        let first = self.with(|sessions, cx| sessions.begin(cx, first));
        let first = first.expect("there is room");
        let how = Description::Answer(first.sdp.as_bytes());
        let mut second = begin(how, Grant::everything());
        second.candidates = Candidates::Within;
        let second = self.with(|sessions, cx| sessions.begin(cx, second));
        let second = second.expect("there is room");
        let accepted = self.with(|sessions, cx| sessions.accept_answer(cx, first.id, &second.sdp));
        assert_eq!(accepted, Some(Ok(())));
        self.pass(Duration::from_secs(1));
        [first.id, second.id]
    }

    // ---- turns ----

    fn take_news(&mut self, id: SessionId) {
        while let Some(news) = self.sessions.poll_news(id) {
            self.news.push((id, news));
        }
    }

    fn datagram(&mut self, remote: SocketAddr, bytes: &[u8]) -> Option<SessionId> {
        let taken = self.with(|sessions, cx| sessions.handle_datagram(cx, local(), remote, bytes));
        if let Some(id) = taken {
            self.take_news(id);
        }
        taken
    }

    /// Runs a session's turn, in which `write` writes.
    fn turn(&mut self, id: SessionId, write: impl FnOnce(&mut dyn PeerWriter)) {
        if self.sessions.begin_turn(id).is_none() {
            return;
        }
        self.with(|sessions, cx| sessions.write(cx, id, |writer| write(writer)));
        self.take_news(id);
        self.with(|sessions, cx| sessions.end_turn(cx, id));
    }

    /// Settles everything that takes no time.
    fn settle(&mut self) {
        loop {
            while let Some(id) = self.sessions.poll_touched() {
                self.turn(id, |_| {});
            }
            if !self.carry() {
                return;
            }
        }
    }

    /// Carries all waiting datagrams. Returns false if there are none.
    fn carry(&mut self) -> bool {
        let mut moved = false;
        if let Some(mut mail) = self.sources.transmits().take_internal() {
            moved = true;
            for (from, to, bytes) in mail.iter() {
                let taken = self.with(|sessions, cx| sessions.handle_datagram(cx, from, to, bytes));
                if let Some(id) = taken {
                    self.take_news(id);
                }
            }
            mail.clear();
            self.sources.transmits().give_back_internal(mail);
        }
        while let Some(batch) = self.sources.transmits().pop() {
            moved = true;
            let to = batch.destination;
            // The newest peer at an address is the current one.
            let mut peer = self.peers.iter_mut().rev().find(|peer| peer.local == to);
            for datagram in batch.contents.chunks(batch.segment) {
                if let Some(peer) = peer.as_deref_mut() {
                    peer.handle_datagram(self.now, local(), datagram);
                }
            }
        }
        for n in 0..self.peers.len() {
            let from = self.peers[n].local;
            while let Some(bytes) = self.peers[n].out.pop_front() {
                moved = true;
                self.datagram(from, &bytes);
            }
        }
        moved
    }

    /// Advances the time from one deadline to the next.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        loop {
            let peers = self.peers.iter().filter_map(Peer::poll_timeout);
            let next = peers.chain(self.sessions.poll_timeout()).min();
            let Some(at) = next.filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(at);
            for peer in &mut self.peers {
                peer.handle_timeout(self.now);
            }
            while let Some(id) = self.with(Sessions::handle_timeout) {
                self.take_news(id);
            }
            self.settle();
        }
        self.now = end;
    }

    // ---- what has happened ----

    fn ended(&mut self) -> Vec<Ended> {
        std::iter::from_fn(|| self.sessions.poll_ended()).collect()
    }

    fn states(&self, of: SessionId) -> Vec<ConnectionState> {
        let news = self.news.iter().filter(|(id, _)| *id == of);
        let states = news.filter_map(|(_, news)| match news {
            SessionNews::State(state) => Some(*state),
            _ => None,
        });
        states.collect()
    }

    /// Returns the open channel with this label.
    fn channel(&self, of: SessionId, label: &str) -> ChannelKey {
        let session = self.sessions.get(of).expect("it exists");
        let mut channels = session.channels().iter();
        let found = channels.find(|(_, channel)| channel.label == label);
        found.expect("it is open").0
    }

    /// Returns the messages that arrived on channels of a session.
    fn messages(&mut self, of: SessionId) -> Vec<String> {
        let news = std::mem::take(&mut self.news).into_iter();
        let messages = news.filter_map(|(id, news)| match news {
            SessionNews::Message { data, .. } if id == of => {
                Some(String::from_utf8_lossy(&data).into_owned())
            }
            _ => None,
        });
        messages.collect()
    }

    /// Makes the channel with this label the control channel.
    fn control(&mut self, id: SessionId) {
        let key = self.channel(id, control::LABEL);
        assert!(self.sessions.set_control(id, key));
    }
}

fn token(name: &str) -> Grant {
    Grant {
        token: Some(crate::access::scope::Holder {
            id: name.to_owned(),
            name: name.to_owned(),
        }),
        ..Grant::default()
    }
}
