//! The signals that peers send to each other over the hub, in whatever dialect.

use serde_json::Value;

use crate::payload::{Dialect, Serialization};

/// One message from a peer to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// The content.
    pub body: Body,
    /// The content as the sender wrote it, for a receiver of the same dialect, which may find more in it than
    /// the gateway does: a JSON object without the names of sender and receiver.
    pub verbatim: Option<(Dialect, Value)>,
}

/// The content of a [`Signal`].
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Asks for a connection.
    Offer(Offer),
    /// Accepts an offer.
    Answer(Answer),
    /// Names an address at which the sender may be reached, too.
    Candidate(Candidate),
    /// Ends one connection.
    Close {
        /// The connection's id.
        connection: String,
    },
    /// The sender has left, and all its connections have ended.
    Leave,
    /// A signal of the receiver failed.
    Failed(Failed),
}

impl Body {
    /// Returns the name in logs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Offer(_) => "offer",
            Self::Answer(_) => "answer",
            Self::Candidate(_) => "candidate",
            Self::Close { .. } => "close",
            Self::Leave => "leave",
            Self::Failed(_) => "failed",
        }
    }
}

/// What a connection carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carries {
    /// A DataChannel.
    Data,
    /// A MediaStream.
    Media,
}

/// An offer, see [`Body::Offer`].
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// The connection's id: `dc_…` or `mc_…`, as the offerer chose it; unique for the two peers.
    pub connection: String,
    /// What the connection carries.
    pub carries: Carries,
    /// The session description (RFC 8866), not examined.
    pub sdp: String,
    /// The DataChannel's label, if the dialect gives it.
    pub label: Option<String>,
    /// The serialization of messages; `None` for media, and if the dialect does not give it.
    pub serialization: Option<Encoding>,
    /// Metadata of the application: any JSON.
    pub metadata: Option<Value>,
    /// Whether messages arrive in order and without loss (PeerJS gives it).
    pub reliable: bool,
}

/// The serialization in which the offerer writes its messages, and expects messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encoding {
    /// A serialization that the gateway knows.
    Known(Serialization),
    /// A serialization that only its dialect knows, such as PeerJS' `MsgPack`. A receiver of the same dialect
    /// gets the offer [verbatim](Signal::verbatim); no other receiver can use it.
    Other(String),
}

impl Encoding {
    /// Returns the serialization of that name.
    pub fn parse(dialect: Dialect, name: &str) -> Self {
        match Serialization::parse(dialect, name) {
            Ok(known) => Self::Known(known),
            Err(_) => Self::Other(name.to_owned()),
        }
    }
}

/// An answer, see [`Body::Answer`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The connection's id, from the offer.
    pub connection: String,
    /// What the connection carries, from the offer.
    pub carries: Carries,
    /// The session description.
    pub sdp: String,
}

/// A candidate, see [`Body::Candidate`]: W3C's `RTCIceCandidateInit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The id of the candidate's connection.
    pub connection: String,
    /// What that connection carries.
    pub carries: Carries,
    /// `candidate:…` (RFC 8839 §5.1); empty: the end of candidates.
    pub candidate: String,
    /// The id of the media section.
    pub mid: Option<String>,
    /// The index of the media section.
    pub line: Option<u32>,
    /// The ICE generation.
    pub ufrag: Option<String>,
}

/// A failure, see [`Body::Failed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The connection's id; empty if all signals to that peer failed.
    pub connection: String,
    /// The reason.
    pub why: Why,
    /// The reason in a sentence for people.
    pub detail: String,
}

/// The reason why a signal failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// No peer of that name joined in time.
    Unavailable,
    /// The two peers cannot talk: their serializations differ, or one cannot carry the connection.
    Incompatible,
    /// The receiver refused the signal.
    Refused,
}

impl Why {
    /// Returns the name in logs and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "peer-unavailable",
            Self::Incompatible => "incompatible",
            Self::Refused => "refused",
        }
    }
}
