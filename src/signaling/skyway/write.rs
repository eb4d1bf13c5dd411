//! Events for a client with the signals of other peers.

use serde_json::{Value, json};

use super::{Event, error};
use crate::payload::{Dialect, Serialization};
use crate::signaling::fields::{Object, candidate_init, kind};
use crate::signaling::message::{Body, Carries, Encoding, Failed, Offer, Signal};

/// Returns the event for a client: as `from` wrote it, if `from` speaks SkyWay. `None` if this dialect has no
/// event for it: for the end of candidates, and for serializations that only another dialect can name.
pub fn write(from: &str, signal: &Signal) -> Option<Event> {
    let name = match &signal.body {
        Body::Offer(_) => "OFFER",
        Body::Answer(_) => "ANSWER",
        Body::Candidate(_) => "CANDIDATE",
        Body::Close { .. } => "FORCE_CLOSE",
        // The only argument that is no object.
        Body::Leave => return Some(("LEAVE", json!(from))),
        Body::Failed(it) => return Some(failed(from, it)),
    };
    let said = match &signal.verbatim {
        Some((Dialect::SkyWay, said)) => said.clone(),
        Some((Dialect::PeerJs, _)) | None => built(&signal.body)?,
    };
    let Value::Object(mut argument) = said else {
        return None;
    };
    argument.insert("src".to_owned(), json!(from));
    Some((name, Value::Object(argument)))
}

/// Returns the argument that the client would have received from another client.
fn built(body: &Body) -> Option<Value> {
    Some(match body {
        Body::Offer(it) => Value::Object(offer(it)?),
        Body::Answer(it) => json!({
            "answer": { "type": "answer", "sdp": it.sdp },
            "connectionId": it.connection,
            "connectionType": kind(it.carries),
        }),
        Body::Candidate(it) => json!({
            "candidate": candidate_init(it)?,
            "connectionId": it.connection,
            "connectionType": kind(it.carries),
        }),
        Body::Close { connection } => json!({ "connectionId": connection }),
        Body::Leave | Body::Failed(_) => return None,
    })
}

fn offer(offer: &Offer) -> Option<Object> {
    let mut object = Object::new();
    let mut insert = |name: &str, value| object.insert(name.to_owned(), value);
    insert("offer", json!({ "type": "offer", "sdp": offer.sdp }));
    insert("connectionId", json!(offer.connection));
    insert("connectionType", json!(kind(offer.carries)));
    if let Some(metadata) = &offer.metadata {
        insert("metadata", metadata.clone());
    }
    if offer.carries == Carries::Data {
        let serialization = match &offer.serialization {
            Some(Encoding::Known(known)) => *known,
            Some(Encoding::Other(_)) => return None,
            None => Serialization::Raw,
        };
        let label = offer.label.as_ref().unwrap_or(&offer.connection);
        insert("label", json!(label));
        insert("serialization", json!(serialization.name(Dialect::SkyWay)));
        // Always empty, because with `maxRetransmits` or `maxPacketLifeTime` in it the library takes all
        // messages for BinaryPack, whatever the serialization. The library uses `dcInit` for nothing else.
        insert("dcInit", json!({}));
    }
    Some(object)
}

fn failed(from: &str, failed: &Failed) -> Event {
    let kind = failed.why.as_str();
    match failed.detail.as_str() {
        "" => error(kind, &format!("could not connect to {from}")),
        detail => error(kind, detail),
    }
}
