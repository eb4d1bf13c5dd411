//! The control channel: what gateway and peer tell each other beside the payload.
//!
//! Label `thingway`, reliable, ordered, one JSON object per text message; `docs/control.md` is
//! the description for those who write pages. HTTP shows the same facts to those who have no
//! channel.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::limits;

/// The label that no endpoint may have.
pub const LABEL: &str = "thingway";

/// The version of the protocol; it changes when an old peer would misunderstand.
pub const VERSION: u32 = 1;

/// An endpoint as peers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EndpointState<'a> {
    /// What to open.
    pub name: &'a str,
    /// `serial`, `udp`, `demo` …
    pub kind: &'a str,
    /// `open`, `opening`, `absent`, `failed`.
    pub state: &'a str,
    /// Why it is not open.
    pub detail: &'a str,
}

/// Gateway to peer.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Reply<'a> {
    /// Always first.
    Hello {
        /// [`VERSION`].
        v: u32,
        /// As in `GET /sessions/{id}`.
        session: &'a str,
        /// Name and version of the program.
        server: &'a str,
        /// All of them.
        endpoints: Vec<EndpointState<'a>>,
    },
    /// An endpoint has changed.
    Endpoint {
        /// Its new state.
        #[serde(flatten)]
        endpoint: EndpointState<'a>,
    },
    /// The answer to `endpoints`.
    Endpoints {
        /// All of them.
        endpoints: Vec<EndpointState<'a>>,
    },
    /// A channel has been bound.
    Opened {
        /// `RTCDataChannel.id`.
        channel: u16,
        /// Its label.
        label: &'a str,
        /// The endpoint's name.
        endpoint: &'a str,
    },
    /// A channel has not been bound and is being closed.
    Refused {
        /// `RTCDataChannel.id`.
        channel: u16,
        /// Its label.
        label: &'a str,
        /// One word.
        reason: &'a str,
        /// One sentence.
        detail: &'a str,
    },
    /// A bound channel is being closed by us.
    Closed {
        /// `RTCDataChannel.id`.
        channel: u16,
        /// Its label.
        label: &'a str,
        /// One word.
        reason: &'a str,
        /// One sentence.
        detail: &'a str,
    },
    /// How many bytes the peer may have sent on a channel in all.
    Credit {
        /// `RTCDataChannel.id`.
        channel: u16,
        /// An absolute offset, so that a repeated grant changes nothing.
        limit: u64,
    },
    /// Messages did not arrive.
    Dropped {
        /// `RTCDataChannel.id`.
        channel: u16,
        /// Its label.
        label: &'a str,
        /// `from_peer` or `to_peer`.
        direction: &'a str,
        /// One word.
        reason: &'a str,
        /// Since the channel opened.
        messages: u64,
        /// Since the channel opened.
        bytes: u64,
    },
    /// A device vanished with bytes in its queue; whose they were is not known.
    Lost {
        /// Its name.
        endpoint: &'a str,
        /// One word.
        reason: &'a str,
        /// How many.
        bytes: u64,
    },
    /// The end of a script at a serial line.
    Line {
        /// As it came.
        id: Option<&'a RawValue>,
        /// The endpoint's name.
        endpoint: &'a str,
        /// Whether all of it was done.
        ok: bool,
        /// How the line is now.
        #[serde(skip_serializing_if = "Option::is_none")]
        line: Option<&'a serde_json::Value>,
        /// Which step failed, counted from 0.
        #[serde(skip_serializing_if = "Option::is_none")]
        step: Option<usize>,
        /// One word.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
        /// One sentence.
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<&'a str>,
    },
    /// Who may write to an endpoint with `writers = "one"`.
    Lease {
        /// The endpoint's name.
        endpoint: &'a str,
        /// The session that may.
        holder: Option<&'a str>,
        /// Whether that is this one.
        yours: bool,
        /// The session that has asked the holder for it.
        asked_by: Option<&'a str>,
        /// In how many milliseconds that session gets it, unless the holder keeps it.
        #[serde(skip_serializing_if = "Option::is_none")]
        wait_ms: Option<u64>,
    },
    /// A machine was stopped, because who moved it had fallen silent.
    Deadman {
        /// The endpoint's name.
        endpoint: &'a str,
        /// The session that had moved it, if it is still there.
        session: Option<&'a str>,
        /// How often that was so; a heartbeat that names it shows that its sender knows.
        fired: u64,
    },
    /// The session is ended by the gateway, for this reason.
    Bye {
        /// One word.
        reason: &'a str,
    },
    /// The answer to `ping`.
    Pong {
        /// As it came.
        id: Option<&'a RawValue>,
    },
    /// A request was not understood.
    Error {
        /// One word.
        reason: &'a str,
        /// One sentence.
        detail: &'a str,
    },
}

/// A request that was understood.
#[derive(Debug)]
pub enum Request<'a> {
    /// The peer speaks our version.
    Hello,
    /// Answer with `pong`.
    Ping {
        /// To be sent back as it is.
        id: Option<&'a RawValue>,
    },
    /// Answer with `endpoints`.
    Endpoints,
    /// Run a script at a serial line.
    Line(LineRequest<'a>),
    /// Have, give back or hand over a lease.
    Lease {
        /// The endpoint.
        endpoint: String,
        /// What is wanted.
        wish: Wish,
    },
    /// The peer is awake.
    Heartbeat {
        /// For this endpoint only.
        endpoint: Option<String>,
        /// The machine is at rest: silence means nothing any more.
        stop: bool,
        /// The stop that the peer has heard of.
        fired: Option<u64>,
    },
}

/// `{"type":"line"}`
#[derive(Debug)]
pub struct LineRequest<'a> {
    /// To be sent back as it is.
    pub id: Option<&'a RawValue>,
    /// Whose line.
    pub endpoint: String,
    /// Which of the session's channels to it [`Self::after`] counts; its only one if not said.
    pub channel: Option<u16>,
    /// The script runs when this many bytes of the channel have left the tty.
    pub after: Option<u64>,
    /// Ahead of the scripts that have not begun.
    pub overtake: bool,
    /// So many bytes of the channel, counted from its beginning, are thrown away as far as the device has not taken them.
    pub discard: Option<u64>,
    /// The script, as JSON.
    pub script: &'a str,
}

/// What a peer wants of a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// To have it; with force even if somebody else has it.
    Take {
        /// Takes it over.
        force: bool,
    },
    /// To have it, unless the session that has it says no within a short time.
    Ask,
    /// To keep it from the session that has asked.
    Keep,
    /// To give it back.
    Release,
    /// To hand it over.
    Give {
        /// To this session.
        to: String,
    },
}

impl Wish {
    /// Reads `take`, `ask`, `keep`, `release` or `give`.
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
    /// One word.
    pub reason: &'static str,
    /// One sentence.
    pub detail: String,
    /// Nothing the peer says can be understood: the channel is closed.
    pub fatal: bool,
}

/// Longer requests are not parsed, and longer ids not sent back.
const MAX_REQUEST: usize = 4096;
const MAX_ID: usize = 256;
/// The longest sentence about a request, in characters.
const MAX_DETAIL: usize = 160;

/// The fields of all requests. One struct for all requests: a tagged enum would be buffered by serde, and a raw value
/// cannot be had from that buffer.
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
    fn lease(self) -> Result<Request<'a>, String> {
        let word = self.what.map_or("", RawValue::get).trim_matches('"');
        let wish = Wish::parse(word, self.force, self.to)?;
        Ok(Request::Lease {
            endpoint: self.endpoint.unwrap_or_default(),
            wish,
        })
    }
}

impl<'a> Request<'a> {
    /// Parses one message of the control channel.
    pub fn parse(message: &'a [u8]) -> Result<Self, BadRequest> {
        // A parser's message may quote all of the request.
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

/// Replies on their way to one peer.
#[derive(Debug)]
pub struct Outbox {
    waiting: VecDeque<String>,
    capacity: usize,
}

impl Outbox {
    /// An empty queue for a session with at most so many channels: each has a few things to be
    /// told when the control channel opens after it.
    pub fn new(channels: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            capacity: limits::CONTROL_QUEUE + 4 * channels,
        }
    }

    /// Queues a reply. False: the peer does not read, and the queue is full.
    #[must_use]
    pub fn push(&mut self, reply: &Reply<'_>) -> bool {
        if self.waiting.len() >= self.capacity {
            return false;
        }
        let text = serde_json::to_string(reply).expect("replies are plain JSON");
        self.waiting.push_back(text);
        true
    }

    /// Half of the queue is kept for what the peer did not ask for.
    pub fn has_room_for_answers(&self) -> bool {
        self.waiting.len() < limits::CONTROL_QUEUE / 2
    }

    /// The oldest reply.
    pub fn front(&self) -> Option<&str> {
        self.waiting.front().map(String::as_str)
    }

    /// The oldest reply has been written.
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
            Request::parse(br#"{"v":1,"type":"hello"}"#),
            Ok(Request::Hello)
        ));
        assert!(matches!(
            Request::parse(br#"{"type":"endpoints"}"#),
            Ok(Request::Endpoints)
        ));
        let Ok(Request::Ping { id }) = Request::parse(br#"{"id": 1.50,"type":"p\u0069ng"}"#) else {
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
            let error = Request::parse(text).expect_err("an error");
            assert_eq!((error.reason, error.fatal), (reason, fatal), "{error:?}");
        }
        let long = format!(r#"{{"type":"ping","id":"{}"}}"#, "x".repeat(300));
        assert_eq!(
            Request::parse(long.as_bytes())
                .expect_err("too long")
                .reason,
            "too-large"
        );
        let giant = vec![b' '; MAX_REQUEST + 1];
        assert_eq!(
            Request::parse(&giant).expect_err("too long").reason,
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
