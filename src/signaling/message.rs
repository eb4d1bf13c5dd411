//! What peers say to each other over the hub, whatever dialect each of them speaks.

use serde_json::Value;

use crate::payload::{Dialect, Serialization};

/// One message from a peer to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// What it says.
    pub body: Body,
    /// The same as the sender wrote it, for a receiver of the same dialect, who may find more in it
    /// than we do: a JSON object without the names of sender and receiver.
    pub verbatim: Option<(Dialect, Value)>,
}

/// What a [`Signal`] says.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Asks for a connection.
    Offer(Offer),
    /// Takes an offer up.
    Answer(Answer),
    /// Where the sender may be reached, too.
    Candidate(Candidate),
    /// One connection is over.
    Close {
        /// Which.
        connection: String,
    },
    /// The sender has left, and all its connections are over.
    Leave,
    /// What the receiver had sent came to nothing.
    Failed(Failed),
}

impl Body {
    /// Its name in logs.
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

/// [`Body::Offer`]
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// The connection's id: `dc_…` or `mc_…`, as the offerer chose it; unique for the two peers.
    pub connection: String,
    /// What it is to carry.
    pub carries: Carries,
    /// The description (RFC 8866), not looked at.
    pub sdp: String,
    /// The DataChannel's label, where the dialect says it.
    pub label: Option<String>,
    /// How messages are written; `None` for media, and where the dialect does not say it.
    pub serialization: Option<Written>,
    /// What the application adds: any JSON.
    pub metadata: Option<Value>,
    /// Whether messages come in order and all of them (PeerJS says it).
    pub reliable: bool,
}

/// How the offerer writes its messages, and wants to have them written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// In a way that we know, too.
    Known(Serialization),
    /// In one that only its dialect has a name for, such as PeerJS' `MsgPack`. A receiver of the same
    /// dialect gets the offer [verbatim](Signal::verbatim); nobody else can make anything of it.
    Other(String),
}

impl Written {
    /// The one of that name.
    pub fn parse(dialect: Dialect, name: &str) -> Self {
        match Serialization::parse(dialect, name) {
            Ok(known) => Self::Known(known),
            Err(_) => Self::Other(name.to_owned()),
        }
    }
}

/// [`Body::Answer`]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Of the offer.
    pub connection: String,
    /// Of the offer.
    pub carries: Carries,
    /// The description.
    pub sdp: String,
}

/// [`Body::Candidate`]: W3C's `RTCIceCandidateInit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Whose candidate it is.
    pub connection: String,
    /// What that carries.
    pub carries: Carries,
    /// `candidate:…` (RFC 8839 §5.1); empty: there are no more.
    pub candidate: String,
    /// The media section.
    pub mid: Option<String>,
    /// The media section by its place.
    pub line: Option<u32>,
    /// The ICE generation.
    pub ufrag: Option<String>,
}

/// [`Body::Failed`]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Which connection; empty if all that was sent to that peer.
    pub connection: String,
    /// Why.
    pub why: Why,
    /// The same for people.
    pub detail: String,
}

/// Why a signal came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Nobody of that name was there in time.
    Unavailable,
    /// The two cannot talk: they write their messages differently, or one cannot carry it.
    Incompatible,
    /// The receiver would not have it.
    Refused,
}

impl Why {
    /// The name in logs and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "peer-unavailable",
            Self::Incompatible => "incompatible",
            Self::Refused => "refused",
        }
    }
}
