//! The control channel: the messages between gateway and peer besides the payload.
//!
//! Label `thingway`, reliable, ordered, one JSON object per text message. `docs/control.md` is the
//! description for authors of pages. HTTP shows the same facts to clients without a channel.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::limits;

/// The label of the control channel, which no endpoint may have as its name.
pub use crate::names::CONTROL_LABEL as LABEL;

/// The version of the protocol. It changes when an old peer would misunderstand the new messages.
pub const VERSION: u32 = 1;

/// An endpoint as peers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EndpointState<'a> {
    /// The endpoint's name, which is the label of a channel to the endpoint.
    pub name: &'a str,
    /// The kind, such as `serial`, `udp` or `demo`.
    pub kind: &'a str,
    /// The state: `open`, `opening`, `absent` or `failed`.
    pub state: &'a str,
    /// Why the endpoint is not open.
    pub detail: &'a str,
    /// The kinds of its tracks that can be watched: `video`, `audio`. Empty for other kinds of endpoints.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub media: &'a [&'static str],
    /// The kinds of its tracks that take what browsers send.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub takes: &'a [&'static str],
}

/// A message from the gateway to the peer.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Reply<'a> {
    /// The greeting, which is always the first message.
    Hello {
        /// The version of the protocol, [`VERSION`].
        v: u32,
        /// The session's id, as in `GET /sessions/{id}`.
        session: &'a str,
        /// The name and version of the program.
        server: &'a str,
        /// All endpoints that the session may read.
        endpoints: Vec<EndpointState<'a>>,
    },
    /// An endpoint has changed.
    Endpoint {
        /// The endpoint's new state.
        #[serde(flatten)]
        endpoint: EndpointState<'a>,
    },
    /// The answer to `endpoints`.
    Endpoints {
        /// All endpoints that the session may read.
        endpoints: Vec<EndpointState<'a>>,
    },
    /// A channel has been bound.
    Opened {
        /// The channel's stream id, which is `RTCDataChannel.id`.
        channel: u16,
        /// The channel's label.
        label: &'a str,
        /// The endpoint's name.
        endpoint: &'a str,
    },
    /// A channel was not bound and is being closed.
    Refused {
        /// The channel's stream id, which is `RTCDataChannel.id`.
        channel: u16,
        /// The channel's label.
        label: &'a str,
        /// The reason, one word.
        reason: &'a str,
        /// The explanation, one sentence.
        detail: &'a str,
    },
    /// The gateway closes a bound channel.
    Closed {
        /// The channel's stream id, which is `RTCDataChannel.id`.
        channel: u16,
        /// The channel's label.
        label: &'a str,
        /// The reason, one word.
        reason: &'a str,
        /// The explanation, one sentence.
        detail: &'a str,
    },
    /// How many bytes the peer may send on a channel in all.
    Credit {
        /// The channel's stream id, which is `RTCDataChannel.id`.
        channel: u16,
        /// The limit as an absolute offset, so that a repeated grant changes nothing.
        limit: u64,
    },
    /// Messages were dropped on a channel.
    Dropped {
        /// The channel's stream id, which is `RTCDataChannel.id`.
        channel: u16,
        /// The channel's label.
        label: &'a str,
        /// The direction: `from_peer` or `to_peer`.
        direction: &'a str,
        /// The reason, one word.
        reason: &'a str,
        /// How many messages were dropped since the channel opened.
        messages: u64,
        /// How many bytes were dropped since the channel opened.
        bytes: u64,
    },
    /// A device vanished with bytes in its queue. Whose bytes these were is not known.
    Lost {
        /// The endpoint's name.
        endpoint: &'a str,
        /// The reason, one word.
        reason: &'a str,
        /// How many bytes were lost.
        bytes: u64,
    },
    /// The end of a script at a serial line.
    Line {
        /// The id of the request, unchanged.
        id: Option<&'a RawValue>,
        /// The endpoint's name.
        endpoint: &'a str,
        /// Whether every step was done.
        ok: bool,
        /// The state of the line.
        #[serde(skip_serializing_if = "Option::is_none")]
        line: Option<&'a serde_json::Value>,
        /// The index of the step that failed, counted from 0.
        #[serde(skip_serializing_if = "Option::is_none")]
        step: Option<usize>,
        /// The reason, one word.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
        /// The explanation, one sentence.
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<&'a str>,
    },
    /// The lease of an endpoint with `writers = "one"`.
    Lease {
        /// The endpoint's name.
        endpoint: &'a str,
        /// The session that holds the lease.
        holder: Option<&'a str>,
        /// Whether this session holds the lease.
        yours: bool,
        /// The session that has asked the holder for the lease.
        asked_by: Option<&'a str>,
        /// In how many milliseconds the asking session gets the lease, unless the holder keeps it.
        #[serde(skip_serializing_if = "Option::is_none")]
        wait_ms: Option<u64>,
    },
    /// A machine was stopped, because the session that moved it was silent.
    Deadman {
        /// The endpoint's name.
        endpoint: &'a str,
        /// The session that moved the machine, if the session still exists.
        session: Option<&'a str>,
        /// How often this machine was stopped. A heartbeat with this number shows that its sender knows of
        /// the stop.
        fired: u64,
    },
    /// What becomes of a track that the session watches, or has asked for.
    Media {
        /// The endpoint's name.
        endpoint: &'a str,
        /// The kind of the track: `video` or `audio`.
        kind: &'a str,
        /// The state: `refused`, `absent`, `waiting`, `playing` or `thinned`.
        state: &'a str,
        /// The explanation, one sentence.
        detail: &'a str,
    },
    /// The bit rate that the source of a track is told, in bit/s.
    Bitrate {
        /// The endpoint's name.
        endpoint: &'a str,
        /// The kind of the track: `video` or `audio`.
        kind: &'a str,
        /// The bit rate in bit/s.
        bitrate: u64,
    },
    /// The gateway ends the session.
    Bye {
        /// The reason, one word.
        reason: &'a str,
    },
    /// The answer to `ping`.
    Pong {
        /// The id of the request, unchanged.
        id: Option<&'a RawValue>,
    },
    /// A request was not understood.
    Error {
        /// The reason, one word.
        reason: &'a str,
        /// The explanation, one sentence.
        detail: &'a str,
    },
}

impl<'a> Reply<'a> {
    /// Returns what becomes of a track.
    pub(crate) fn media(endpoint: &'a str, kind: &'a str, state: &'a str, detail: &'a str) -> Self {
        Self::Media {
            endpoint,
            kind,
            state,
            detail,
        }
    }

    /// Returns the bit rate that the source of a track is told, in bit/s.
    pub(crate) fn bitrate(endpoint: &'a str, kind: &'a str, bitrate: u64) -> Self {
        Self::Bitrate {
            endpoint,
            kind,
            bitrate,
        }
    }
}

/// A request that was understood.
#[derive(Debug)]
pub enum ControlRequest<'a> {
    /// The peer speaks our version of the protocol.
    Hello,
    /// The peer asks for a `pong`.
    Ping {
        /// The id to send back unchanged.
        id: Option<&'a RawValue>,
    },
    /// The peer asks for `endpoints`.
    Endpoints,
    /// The peer asks for a script at a serial line.
    Line(LineRequest<'a>),
    /// The peer takes, requests, keeps, releases or hands over a lease.
    Lease {
        /// The endpoint's name.
        endpoint: String,
        /// The wish for the lease.
        wish: Wish,
    },
    /// The peer is awake.
    Heartbeat {
        /// The endpoint that the heartbeat is for. `None`: all endpoints.
        endpoint: Option<String>,
        /// Whether the machine is at rest, so that silence no longer matters.
        stop: bool,
        /// The newest stop that the peer knows.
        fired: Option<u64>,
    },
}

/// A request of type `line`.
#[derive(Debug)]
pub struct LineRequest<'a> {
    /// The id to send back unchanged.
    pub id: Option<&'a RawValue>,
    /// The name of the endpoint whose line is meant.
    pub endpoint: String,
    /// Which of the session's channels to the endpoint [`Self::after`] counts. `None`: the session's only
    /// channel.
    pub channel: Option<u16>,
    /// How many bytes of the channel must have left the tty before the script runs.
    pub after: Option<u64>,
    /// Whether the script goes ahead of the scripts that have not begun.
    pub overtake: bool,
    /// The offset up to which bytes of the channel are discarded, counted from the channel's beginning,
    /// unless the device has taken them.
    pub discard: Option<u64>,
    /// The script, as JSON.
    pub script: &'a str,
}

/// A peer's wish for a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Take the lease; with force even if another session holds it.
    Take {
        /// Whether to take the lease over from its holder.
        force: bool,
    },
    /// Get the lease, unless the holder refuses within a short time.
    Ask,
    /// Keep the lease from the session that has asked for it.
    Keep,
    /// Release the lease.
    Release,
    /// Hand the lease over to a session.
    Give {
        /// The id of the receiving session.
        to: String,
    },
}

impl Wish {
    /// Parses `take`, `ask`, `keep`, `release` or `give`.
    pub fn parse(word: &str, force: bool, to: Option<String>) -> Result<Self, String> {
        match (word, to) {
            ("take", None) => Ok(Self::Take { force }),
            ("ask", None) => Ok(Self::Ask),
            ("keep", None) => Ok(Self::Keep),
            ("release", None) => Ok(Self::Release),
            ("give", Some(to)) => Ok(Self::Give { to }),
            ("give", None) => Err("give says to which session: \"to\"".to_owned()),
            _ => Err("do is one of take, ask, keep, release, give".to_owned()),
        }
    }
}

/// Why a request was not understood.
#[derive(Debug, PartialEq, Eq)]
pub struct BadRequest {
    /// The reason, one word.
    pub reason: &'static str,
    /// The explanation, one sentence.
    pub detail: String,
    /// Whether no later message of the peer can be understood either, so that the channel is closed.
    pub fatal: bool,
}

/// The longest request that is parsed, and the longest id that is sent back.
const MAX_REQUEST: usize = 4096;
const MAX_ID: usize = 256;
/// The longest explanation of a fault, in characters.
const MAX_DETAIL: usize = 160;

/// The fields of all requests. They are one struct because serde would buffer a tagged enum, and a raw value
/// cannot be read from that buffer.
#[derive(Deserialize)]
struct Fields<'t> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    v: Option<u32>,
    #[serde(borrow, default)]
    id: Option<&'t RawValue>,
    #[serde(default)]
    endpoint: Option<String>,
    #[serde(default)]
    channel: Option<u16>,
    #[serde(default)]
    after: Option<u64>,
    #[serde(default)]
    discard: Option<u64>,
    #[serde(default)]
    overtake: bool,
    #[serde(borrow, default, rename = "do")]
    what: Option<&'t RawValue>,
    #[serde(default)]
    to: Option<String>,
    #[serde(default)]
    force: bool,
    #[serde(default)]
    stop: bool,
    #[serde(default)]
    fired: Option<u64>,
}

impl<'a> Fields<'a> {
    /// Reads the fields of `lease`.
    fn lease(self) -> Result<ControlRequest<'a>, String> {
        let word = self.what.map_or("", RawValue::get).trim_matches('"');
        let wish = Wish::parse(word, self.force, self.to)?;
        Ok(ControlRequest::Lease {
            endpoint: self.endpoint.unwrap_or_default(),
            wish,
        })
    }
}

impl<'a> ControlRequest<'a> {
    /// Parses one message of the control channel.
    pub fn parse(message: &'a [u8]) -> Result<Self, BadRequest> {
        // A parser's message may quote the whole request.
        let bad = |reason, detail: String| BadRequest {
            reason,
            detail: detail.chars().take(MAX_DETAIL).collect(),
            fatal: false,
        };
        if message.len() > MAX_REQUEST {
            return Err(bad(
                "too-large",
                format!("a request has at most {MAX_REQUEST} bytes"),
            ));
        }
        let text = std::str::from_utf8(message)
            .map_err(|error| bad("bad-json", format!("not UTF-8: {error}")))?;
        let fields: Fields<'a> =
            serde_json::from_str(text).map_err(|error| bad("bad-json", error.to_string()))?;
        match fields.kind.as_str() {
            "hello" if fields.v == Some(VERSION) => Ok(Self::Hello),
            "hello" => Err(BadRequest {
                reason: "unsupported-version",
                detail: format!("this gateway speaks version {VERSION}"),
                fatal: true,
            }),
            "ping" | "line" if fields.id.is_some_and(|id| id.get().len() > MAX_ID) => Err(bad(
                "too-large",
                format!("an id has at most {MAX_ID} bytes"),
            )),
            "ping" => Ok(Self::Ping { id: fields.id }),
            "line" | "lease" if fields.endpoint.is_none() => {
                let kind = fields.kind;
                Err(bad("bad-request", format!("{kind} without endpoint")))
            }
            "line" => Ok(Self::Line(LineRequest {
                id: fields.id,
                endpoint: fields.endpoint.unwrap_or_default(),
                channel: fields.channel,
                after: fields.after,
                discard: fields.discard,
                overtake: fields.overtake,
                script: fields.what.map_or("[]", RawValue::get),
            })),
            "lease" => fields.lease().map_err(|detail| bad("bad-request", detail)),
            "heartbeat" => Ok(Self::Heartbeat {
                endpoint: fields.endpoint,
                stop: fields.stop,
                fired: fields.fired,
            }),
            "endpoints" => Ok(Self::Endpoints),
            other => {
                let shown: String = other.chars().take(40).collect();
                Err(bad(
                    "unknown-type",
                    format!("no request has the type {shown:?}"),
                ))
            }
        }
    }
}

/// Replies that wait to be sent to one peer.
#[derive(Debug)]
pub struct Outbox {
    waiting: VecDeque<String>,
    capacity: usize,
}

impl Outbox {
    /// Returns an empty queue for a session with at most this many channels. A control channel that opens
    /// later needs room for a few replies about each of them.
    pub fn new(channels: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            capacity: limits::CONTROL_QUEUE + 4 * channels,
        }
    }

    /// Queues a reply. Returns false if the queue is full because the peer does not read.
    #[must_use]
    pub fn push(&mut self, reply: &Reply<'_>) -> bool {
        if self.waiting.len() >= self.capacity {
            return false;
        }
        let text = serde_json::to_string(reply).expect("replies are plain JSON");
        self.waiting.push_back(text);
        true
    }

    /// Returns whether there is room for answers. Half of the queue is reserved for messages that the peer
    /// did not ask for.
    pub fn has_room_for_answers(&self) -> bool {
        self.waiting.len() < limits::CONTROL_QUEUE / 2
    }

    /// Returns the oldest reply.
    pub fn front(&self) -> Option<&str> {
        self.waiting.front().map(String::as_str)
    }

    /// Removes the oldest reply, which has been written.
    pub fn pop(&mut self) {
        self.waiting.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_understood_or_told_off() {
        assert!(matches!(
            ControlRequest::parse(br#"{"v":1,"type":"hello"}"#),
            Ok(ControlRequest::Hello)
        ));
        assert!(matches!(
            ControlRequest::parse(br#"{"type":"endpoints"}"#),
            Ok(ControlRequest::Endpoints)
        ));
        let Ok(ControlRequest::Ping { id }) =
            ControlRequest::parse(br#"{"id": 1.50,"type":"p\u0069ng"}"#)
        else {
            panic!("a ping, however it is spelled")
        };
        let pong = serde_json::to_string(&Reply::Pong { id }).unwrap();
        assert_eq!(pong, r#"{"type":"pong","id":1.50}"#, "sent back as it came");
        for (text, reason, fatal) in [
            (&b"{"[..], "bad-json", false),
            (b"[]", "bad-json", false),
            (b"\xff", "bad-json", false),
            (br#"{"type":"fly"}"#, "unknown-type", false),
            (br#"{"type":"hello","v":2}"#, "unsupported-version", true),
            (br#"{"type":"hello"}"#, "unsupported-version", true),
        ] {
            let error = ControlRequest::parse(text).expect_err("an error");
            assert_eq!((error.reason, error.fatal), (reason, fatal), "{error:?}");
        }
        let long = format!(r#"{{"type":"ping","id":"{}"}}"#, "x".repeat(300));
        assert_eq!(
            ControlRequest::parse(long.as_bytes())
                .expect_err("too long")
                .reason,
            "too-large"
        );
        let giant = vec![b' '; MAX_REQUEST + 1];
        assert_eq!(
            ControlRequest::parse(&giant).expect_err("too long").reason,
            "too-large"
        );
    }

    #[test]
    fn replies_have_the_documented_shape() {
        let arm = EndpointState {
            name: "arm",
            kind: "serial",
            state: "absent",
            detail: "gone",
            media: &[],
            takes: &[],
        };
        let text = serde_json::to_string(&Reply::Endpoint { endpoint: arm }).unwrap();
        let expected =
            r#"{"type":"endpoint","name":"arm","kind":"serial","state":"absent","detail":"gone"}"#;
        assert_eq!(text, expected);
        let text = serde_json::to_string(&Reply::Credit {
            channel: 1,
            limit: 9,
        })
        .unwrap();
        assert_eq!(text, r#"{"type":"credit","channel":1,"limit":9}"#);
    }

    #[test]
    fn a_peer_that_does_not_read_fills_a_bounded_queue() {
        let mut outbox = Outbox::new(10);
        let pong = Reply::Pong { id: None };
        assert!((0..limits::CONTROL_QUEUE + 40).all(|_| outbox.push(&pong)));
        assert!(!outbox.push(&pong));
        outbox.pop();
        assert!(outbox.push(&pong));
    }
}
