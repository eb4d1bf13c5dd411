//! Frames for a client with the signals of other peers.

use serde::Serialize;
use serde_json::{Value, json};

use crate::payload::{Dialect, Serialization};
use crate::signaling::fields::{candidate_init, kind};
use crate::signaling::message::{Body, Carries, Encoding, Failed, Offer, Signal};
use crate::util::halves;

/// Returns the frame for the client `to`: as `from` wrote it, if `from` is a client of PeerJS. `None` if this
/// dialect has no frame for it: for [`Body::Close`], for the end of candidates, and for serializations that
/// only another dialect can name.
pub fn write(from: &str, to: &str, signal: &Signal) -> Option<String> {
    if let Some((Dialect::PeerJs, said)) = &signal.verbatim {
        let kind = said.get("type")?.as_str()?;
        return frame(kind, from, to, said.get("payload"));
    }
    match &signal.body {
        Body::Offer(it) => frame("OFFER", from, to, Some(offer(it)?)),
        Body::Answer(it) => {
            let payload = Payload {
                sdp: Some(Description {
                    kind: "answer",
                    sdp: &it.sdp,
                }),
                ..Payload::new(it.carries, &it.connection)
            };
            frame("ANSWER", from, to, Some(payload))
        }
        Body::Candidate(it) => {
            let payload = Payload {
                candidate: Some(candidate_init(it)?),
                ..Payload::new(it.carries, &it.connection)
            };
            frame("CANDIDATE", from, to, Some(payload))
        }
        Body::Close { .. } => None,
        Body::Leave => frame("LEAVE", from, to, None::<()>),
        Body::Failed(it) => frame("EXPIRE", from, to, Some(failed(it))),
    }
}

fn offer(offer: &Offer) -> Option<Payload<'_>> {
    let mut payload = Payload {
        sdp: Some(Description {
            kind: "offer",
            sdp: &offer.sdp,
        }),
        metadata: offer.metadata.as_ref(),
        ..Payload::new(offer.carries, &offer.connection)
    };
    if offer.carries == Carries::Data {
        let serialization = match &offer.serialization {
            Some(Encoding::Known(known)) => *known,
            Some(Encoding::Other(_)) => return None,
            None => Serialization::Raw,
        };
        payload.label = Some(offer.label.as_ref().unwrap_or(&offer.connection));
        payload.reliable = Some(offer.reliable);
        payload.serialization = Some(serialization.name(Dialect::PeerJs));
    }
    Some(payload)
}

/// Returns the payload of a failure. The client reports `peer-unavailable` in any case; the text is for
/// people who read the frames.
fn failed(failed: &Failed) -> Value {
    match failed.connection.as_str() {
        "" => json!({ "msg": failed.detail }),
        connection => json!({ "msg": failed.detail, "connectionId": connection }),
    }
}

/// A frame, with its names in the order of PeerServer.
#[derive(Debug, Serialize)]
struct Frame<'a, P> {
    #[serde(rename = "type")]
    kind: &'a str,
    src: &'a str,
    dst: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<P>,
}

/// A payload, with its names in the order of the client.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    sdp: Option<Description<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate: Option<Value>,
    #[serde(rename = "type")]
    kind: &'static str,
    connection_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reliable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serialization: Option<&'static str>,
}

/// W3C's `RTCSessionDescriptionInit`.
#[derive(Debug, Serialize)]
struct Description<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    sdp: &'a str,
}

impl<'a> Payload<'a> {
    /// Returns the fields that all payloads have.
    fn new(carries: Carries, connection: &'a str) -> Self {
        Self {
            sdp: None,
            candidate: None,
            kind: kind(carries),
            connection_id: connection,
            metadata: None,
            label: None,
            reliable: None,
            serialization: None,
        }
    }
}

fn frame<P: Serialize>(kind: &str, src: &str, dst: &str, payload: Option<P>) -> Option<String> {
    let frame = Frame {
        kind,
        src,
        dst,
        payload,
    };
    serde_json::to_string(&frame).ok().map(halves::restore)
}
