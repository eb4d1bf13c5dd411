//! The rendezvous: the registry of peers, and the delivery of signals between them.
//!
//! The hub knows names, not connections. Its owner takes signals with [`Hub::poll_delivery`] and sends each
//! one in the dialect of the receiver.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use super::message::{Body, Carries, Encoding, Failed, Offer, Signal, Why};
use crate::ids::{PeerId, PeerKind};
use crate::limits;
use crate::payload::{Dialect, Serialization};
use crate::util::slab::Slab;

/// How long a signal waits for a receiver that has not joined, as in PeerJS' server.
pub const JOIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The kind of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// One of the gateway's own peers, made by the REST API or by the configuration.
    Gateway,
    /// A page.
    Page(Dialect),
}

impl fmt::Display for Speaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gateway => "the gateway",
            Self::Page(Dialect::PeerJs) => "PeerJS",
            Self::Page(Dialect::SkyWay) => "SkyWay-JS",
        })
    }
}

/// The reason why a peer did not join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotJoined {
    /// A peer of this name exists.
    Taken,
    /// The hub has as many peers as allowed.
    Full,
}

/// A signal to deliver.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// The receiver.
    pub to: PeerId,
    /// The name of the sender.
    pub from: String,
    /// The signal.
    pub signal: Signal,
    /// Whether this is an offer between pages that cannot read each other's frames, so that the gateway must
    /// convert messages between them.
    pub bridged: bool,
}

/// The result of comparing what two peers can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// The two peers can talk directly.
    Directly,
    /// The two peers need the gateway to convert messages between them.
    Bridged,
}

#[derive(Debug)]
struct Peer {
    name: String,
    speaks: Speaks,
}

/// A signal to a peer that has not joined.
#[derive(Debug)]
struct Waiting {
    until: Instant,
    from: PeerId,
    to: String,
    signal: Signal,
}

/// The registry of peers, which delivers the signals between them.
#[derive(Debug)]
pub struct Hub {
    peers: Slab<PeerKind, Peer>,
    names: HashMap<String, PeerId>,
    most: usize,
    /// The waiting signals in the order in which they arrived, so that the first expires first.
    waiting: VecDeque<Waiting>,
    deliveries: VecDeque<Delivery>,
    /// Whether the waiting signals have changed since the last [`Self::settle`].
    changed: bool,
    dropped: u64,
}

impl Hub {
    /// Returns a hub for `most` peers.
    pub fn new(most: usize) -> Self {
        Self {
            peers: Slab::new(),
            names: HashMap::new(),
            most,
            waiting: VecDeque::new(),
            deliveries: VecDeque::new(),
            changed: false,
            dropped: 0,
        }
    }

    /// Sets how many peers may join; peers that have joined stay.
    pub fn set_most(&mut self, most: usize) {
        self.most = most;
    }

    /// Adds a peer, and delivers the signals that have waited for it.
    pub fn join(&mut self, name: &str, speaks: Speaks) -> Result<PeerId, NotJoined> {
        if self.names.contains_key(name) {
            return Err(NotJoined::Taken);
        }
        if self.peers.len() >= self.most {
            return Err(NotJoined::Full);
        }
        let name = name.to_owned();
        let id = self.peers.insert(Peer {
            name: name.clone(),
            speaks,
        });
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let (ours, others): (VecDeque<_>, _) = waiting.partition(|waiting| waiting.to == name);
        self.waiting = others;
        self.changed = true;
        self.names.insert(name, id);
        for Waiting { from, signal, .. } in ours {
            self.pass(from, id, signal);
        }
        Ok(id)
    }

    /// Removes a peer.
    pub fn leave(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.remove(id) {
            self.names.remove(&peer.name);
            self.waiting.retain(|waiting| waiting.from != id);
            self.changed = true;
            self.deliveries.retain(|delivery| delivery.to != id);
        }
    }

    /// Returns the peer of this name.
    pub fn find(&self, name: &str) -> Option<PeerId> {
        self.names.get(name).copied()
    }

    /// Returns a peer's name.
    pub fn name(&self, id: PeerId) -> Option<&str> {
        self.peers.get(id).map(|peer| peer.name.as_str())
    }

    /// Returns the kind of a peer.
    pub fn speaks(&self, id: PeerId) -> Option<Speaks> {
        self.peers.get(id).map(|peer| peer.speaks)
    }

    /// Returns all peers.
    pub fn iter(&self) -> impl Iterator<Item = (PeerId, &str, Speaks)> {
        let peers = self.peers.iter();
        peers.map(|(id, peer)| (id, peer.name.as_str(), peer.speaks))
    }

    /// Returns how many peers have joined.
    #[allow(clippy::len_without_is_empty, reason = "a figure for the metrics")]
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// Returns how many signals were dropped because no more could wait for a receiver, since the beginning.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Sends a signal to another peer, which may still join.
    pub fn send(&mut self, now: Instant, from: PeerId, to: &str, signal: Signal) {
        if let Some(receiver) = self.find(to) {
            return self.pass(from, receiver, signal);
        }
        // The end of a connection need not wait for a receiver.
        if !matches!(
            signal.body,
            Body::Offer(_) | Body::Answer(_) | Body::Candidate(_)
        ) {
            return;
        }
        let ours = self.waiting.iter().filter(|waiting| waiting.from == from);
        if self.waiting.len() >= limits::WAITING_SIGNALS
            || ours.count() >= limits::WAITING_SIGNALS_OF_ONE
        {
            self.dropped += 1;
            return;
        }
        self.changed = true;
        self.waiting.push_back(Waiting {
            until: now + JOIN_TIMEOUT,
            from,
            to: to.to_owned(),
            signal,
        });
    }

    /// Takes out the next signal to deliver.
    pub fn poll_delivery(&mut self) -> Option<Delivery> {
        self.deliveries.pop_front()
    }

    /// Returns whether there is no signal to deliver, and the waiting signals have not changed.
    pub fn is_quiet(&self) -> bool {
        self.deliveries.is_empty() && !self.changed
    }

    /// Notes that all signals were delivered. Returns [`Self::poll_timeout`].
    pub fn settle(&mut self) -> Option<Instant> {
        self.changed = false;
        self.poll_timeout()
    }

    /// Returns when [`Self::handle_timeout`] must be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.front().map(|waiting| waiting.until)
    }

    /// Tells each sender once that the receiver did not join in time.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.changed = true;
        while self.poll_timeout().is_some_and(|until| until <= now) {
            let Some(first) = self.waiting.pop_front() else {
                return;
            };
            let Waiting {
                from, to, signal, ..
            } = first;
            let same = |other: &Waiting| other.from == from && other.to == to;
            let is_page = matches!(self.speaks(from), Some(Speaks::Page(Dialect::PeerJs)));
            let connection = connection_of(&signal.body).to_owned();
            // A page of PeerJS gets one failure for the peer, other senders get one for each connection.
            self.waiting.retain(|other| {
                let alike = is_page || connection_of(&other.signal.body) == connection;
                !(same(other) && alike)
            });
            let detail = format!("there is no peer {to}");
            self.refuse(from, to, &signal.body, Why::Unavailable, detail);
        }
    }

    /// Delivers a signal if the two peers can read each other.
    fn pass(&mut self, from: PeerId, to: PeerId, mut signal: Signal) {
        let (Some(sender), Some(receiver)) = (self.peers.get(from), self.peers.get(to)) else {
            return;
        };
        let names = (sender.name.clone(), receiver.name.clone());
        let verdict = match &signal.body {
            Body::Offer(offer) => check(sender.speaks, receiver.speaks, offer),
            Body::Answer(_)
            | Body::Candidate(_)
            | Body::Close { .. }
            | Body::Leave
            | Body::Failed(_) => Ok(Verdict::Directly),
        };
        let bridged = match verdict {
            Ok(verdict) => verdict == Verdict::Bridged,
            Err(detail) => {
                return self.refuse(from, names.1, &signal.body, Why::Incompatible, detail);
            }
        };
        if sender.speaks != receiver.speaks {
            signal.verbatim = None;
        }
        self.deliveries.push_back(Delivery {
            to,
            from: names.0,
            signal,
            bridged,
        });
    }

    /// Tells a sender that its signal failed.
    fn refuse(&mut self, sender: PeerId, receiver: String, body: &Body, why: Why, detail: String) {
        let connection = connection_of(body).to_owned();
        let failed = Failed {
            connection,
            why,
            detail,
        };
        self.deliveries.push_back(Delivery {
            to: sender,
            from: receiver,
            signal: Signal {
                body: Body::Failed(failed),
                verbatim: None,
            },
            bridged: false,
        });
    }
}

fn connection_of(body: &Body) -> &str {
    match body {
        Body::Offer(offer) => &offer.connection,
        Body::Answer(answer) => &answer.connection,
        Body::Candidate(candidate) => &candidate.connection,
        Body::Close { connection } => connection,
        Body::Failed(failed) => &failed.connection,
        Body::Leave => "",
    }
}

/// Checks whether the receiver can read the sender's messages. Between pages the gateway does not change the
/// payload.
fn check(from: Speaks, to: Speaks, offer: &Offer) -> Result<Verdict, String> {
    if from == to && from != Speaks::Gateway {
        return Ok(Verdict::Directly);
    }
    if offer.carries == Carries::Media {
        return Err(format!(
            "no media connections between {from} and {to}: only data connections are there yet"
        ));
    }
    let written = match &offer.serialization {
        Some(Encoding::Other(name)) => {
            return Err(format!("{to} does not know the serialization {name:?}"));
        }
        Some(Encoding::Known(known)) => *known,
        None => Serialization::Raw,
    };
    let (Speaks::Page(_), Speaks::Page(dialect)) = (from, to) else {
        return Ok(Verdict::Directly);
    };
    match written {
        // The offer already names the receiver's form, because the gateway converts messages between the two.
        _ if written == written.of(dialect) => Ok(Verdict::Directly),
        // PeerJS writes its JSON in binary frames and SkyWay in text frames, and neither accepts the other's.
        Serialization::PeerJsJson | Serialization::SkyWayJson => Ok(Verdict::Bridged),
        Serialization::Raw | Serialization::PeerJsBinary | Serialization::SkyWayBinary => {
            Err(format!(
                "{from} and {to} pack {} messages differently: use json, or raw (PeerJS), which is \
                 none (SkyWay)",
                written.name(dialect)
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signaling::message::Candidate;
    use serde_json::json;

    const PEERJS: Speaks = Speaks::Page(Dialect::PeerJs);
    const SKYWAY: Speaks = Speaks::Page(Dialect::SkyWay);

    fn offer(connection: &str, carries: Carries, serialization: Option<Encoding>) -> Signal {
        let offer = Offer {
            connection: connection.to_owned(),
            carries,
            sdp: "v=0".to_owned(),
            label: None,
            serialization,
            metadata: None,
            reliable: true,
        };
        Signal {
            body: Body::Offer(offer),
            verbatim: Some((Dialect::PeerJs, json!({"type": "OFFER"}))),
        }
    }

    fn raw(connection: &str) -> Signal {
        let written = Encoding::Known(Serialization::Raw);
        offer(connection, Carries::Data, Some(written))
    }

    fn candidate(connection: &str) -> Signal {
        let candidate = Candidate {
            connection: connection.to_owned(),
            carries: Carries::Data,
            candidate: String::new(),
            mid: None,
            line: None,
            ufrag: None,
        };
        let body = Body::Candidate(candidate);
        Signal {
            body,
            verbatim: None,
        }
    }

    type Told = (PeerId, String, Option<(Why, String)>);

    /// Returns all deliveries: the receiver, the sender's name, and the reason of a failure.
    fn told(hub: &mut Hub) -> Vec<Told> {
        std::iter::from_fn(|| hub.poll_delivery())
            .map(
                |Delivery {
                     to, from, signal, ..
                 }| {
                    let failed = match signal.body {
                        Body::Failed(failed) => Some((failed.why, failed.connection)),
                        _ => None,
                    };
                    (to, from, failed)
                },
            )
            .collect()
    }

    #[test]
    fn a_name_is_one_peers() {
        let mut hub = Hub::new(2);
        let a = hub.join("a", PEERJS).expect("free");
        assert_eq!(hub.join("a", SKYWAY), Err(NotJoined::Taken));
        hub.join("b", SKYWAY).expect("room");
        assert_eq!(hub.join("c", PEERJS), Err(NotJoined::Full));
        hub.leave(a);
        assert_eq!((hub.find("a"), hub.len()), (None, 1));
        let again = hub.join("a", PEERJS).expect("free again");
        assert_ne!(again, a, "a stale id misses");
    }

    #[test]
    fn who_is_late_hears_what_was_said_and_who_never_comes_is_given_up() {
        let now = Instant::now();
        for (speaks, failures) in [(PEERJS, 1), (SKYWAY, 2), (Speaks::Gateway, 2)] {
            let mut hub = Hub::new(9);
            let a = hub.join("a", speaks).expect("free");
            hub.send(now, a, "b", raw("dc_1"));
            hub.send(now, a, "b", candidate("dc_1"));
            assert_eq!(told(&mut hub), []);
            let b = hub.join("b", speaks).expect("free");
            let here = (b, "a".to_owned(), None);
            assert_eq!(told(&mut hub), [here.clone(), here]);
            assert_eq!(hub.poll_timeout(), None);

            for signal in [
                raw("dc_2"),
                candidate("dc_2"),
                raw("dc_3"),
                candidate("dc_3"),
            ] {
                hub.send(now, a, "nobody", signal);
            }
            assert_eq!(hub.poll_timeout(), Some(now + JOIN_TIMEOUT));
            hub.handle_timeout(now + JOIN_TIMEOUT - Duration::from_millis(1));
            assert_eq!(told(&mut hub), []);
            hub.handle_timeout(now + JOIN_TIMEOUT);
            let failed = told(&mut hub);
            assert_eq!(failed.len(), failures, "{speaks}: {failed:?}");
            for (to, from, why) in failed {
                assert_eq!((to, from.as_str()), (a, "nobody"));
                assert_eq!(why.expect("a failure").0, Why::Unavailable);
            }
        }
    }

    #[test]
    fn what_was_to_be_told_to_a_peer_goes_with_it() {
        let now = Instant::now();
        let mut hub = Hub::new(9);
        let [a, b, c] = ["a", "b", "c"].map(|name| hub.join(name, PEERJS).expect("free"));
        hub.send(now, a, "b", raw("dc_1"));
        hub.send(now, a, "c", raw("dc_2"));
        hub.leave(b);
        assert_eq!(told(&mut hub), [(c, "a".to_owned(), None)]);
    }

    #[test]
    fn what_waits_is_bounded_and_goes_with_its_sender() {
        let now = Instant::now();
        let mut hub = Hub::new(9);
        let a = hub.join("a", PEERJS).expect("free");
        for _ in 0..limits::WAITING_SIGNALS_OF_ONE + 3 {
            hub.send(now, a, "nobody", candidate("dc_1"));
        }
        assert_eq!((hub.waiting.len(), hub.dropped()), (32, 3));
        hub.leave(a);
        assert_eq!((hub.waiting.len(), hub.poll_timeout()), (0, None));
    }

    #[test]
    fn pairs_that_do_not_understand_each_other_are_told_so() {
        let known = |written| Some(Encoding::Known(written));
        let strange = Some(Encoding::Other("MsgPack".to_owned()));
        let (data, media) = (Carries::Data, Carries::Media);
        let cases = [
            (PEERJS, PEERJS, data, strange.clone(), true),
            (PEERJS, PEERJS, media, None, true),
            (
                SKYWAY,
                SKYWAY,
                data,
                known(Serialization::SkyWayBinary),
                true,
            ),
            (PEERJS, SKYWAY, data, known(Serialization::Raw), true),
            (PEERJS, SKYWAY, data, known(Serialization::PeerJsJson), true),
            (SKYWAY, PEERJS, data, known(Serialization::SkyWayJson), true),
            // An offer of the gateway when it converts messages between the two.
            (SKYWAY, PEERJS, data, known(Serialization::PeerJsJson), true),
            (
                SKYWAY,
                PEERJS,
                data,
                known(Serialization::SkyWayBinary),
                false,
            ),
            (SKYWAY, PEERJS, media, None, false),
            (PEERJS, Speaks::Gateway, data, strange, false),
            (
                PEERJS,
                Speaks::Gateway,
                data,
                known(Serialization::PeerJsBinary),
                true,
            ),
            (
                Speaks::Gateway,
                SKYWAY,
                data,
                known(Serialization::SkyWayJson),
                true,
            ),
            (Speaks::Gateway, SKYWAY, media, None, false),
            (Speaks::Gateway, Speaks::Gateway, data, None, true),
        ];
        for (from, to, carries, serialization, works) in cases {
            let mut hub = Hub::new(2);
            let a = hub.join("a", from).expect("free");
            let b = hub.join("b", to).expect("free");
            let signal = offer("x_1", carries, serialization);
            hub.send(Instant::now(), a, "b", signal.clone());
            let needs_bridge = matches!(
                (from, to, &signal.body),
                (Speaks::Page(from), Speaks::Page(to), Body::Offer(offer))
                    if from != to && offer.serialization == known(Serialization::PeerJsJson.of(from))
            );
            let [
                Delivery {
                    to: whom,
                    signal,
                    bridged,
                    ..
                },
            ] = &*Vec::from_iter(hub.poll_delivery())
            else {
                panic!("{from} {to}: nobody is told");
            };
            let kept = signal.verbatim.is_some();
            assert_eq!(*bridged, needs_bridge, "{from} {to}");
            match &signal.body {
                Body::Offer(_) => assert_eq!((*whom, works, kept), (b, true, from == to)),
                Body::Failed(failed) => {
                    assert_eq!((*whom, works, failed.why), (a, false, Why::Incompatible));
                    assert!(failed.detail.len() > 20, "{}", failed.detail);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
