//! Requests to the REST façade of SkyWay's gateway: any path, query and body is understood or
//! refused, what is understood keeps its bounds, and what is refused is told in a body that the
//! programs can read.

use serde_json::Value;

use thingway::testing::api::skyway::ids::is_peer_id;
use thingway::testing::api::skyway::request::{
    ConnectOptions, ConnectionChange, Credential, Faults, Feed, PeerOptions, Source, parse_nothing,
    token,
};
use thingway::testing::api::skyway::{Call, Event, EventQueue, Subject, allow, reply, resolve};
use thingway::testing::http::{Method, Response, percent_decode};
use thingway::testing::limits;

/// Takes a request apart: a line with method and target, as HTTP has it, and a body after it.
pub fn facade(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n');
    let (line, body) = data.split_at(end.unwrap_or(data.len()));
    let body = body.get(1..).unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let (method, target) = line.split_once(' ').unwrap_or(("", &line));
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let segments: Result<Vec<String>, _> = path.split('/').skip(1).map(percent_decode).collect();
    let Ok(segments) = segments else {
        return;
    };
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let resolved = resolve(&parse_method(method), &segments);
    assert_eq!(resolved.is_some(), allow(&segments).is_some(), "{path}");
    check_token(query);
    match resolved {
        None => check_bodies(body),
        Some(Err(refused)) => check_error(&refused.response(), 405, refused.command),
        Some(Ok(call)) => check_call(&call, body),
    }
}

fn parse_method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        other => Method::Other(other.to_owned()),
    }
}

fn check_token(query: Option<&str>) {
    match token(query) {
        Ok(token) => assert!(!token.is_empty()),
        Err(fault) => check_faults(&vec![fault], "PEERS_STATUS"),
    }
}

/// Reads the body as this call does.
fn check_call(call: &Call, body: &[u8]) {
    let command = call.command();
    let faults = match call {
        Call::CreatePeer => check_peer(body),
        Call::UpdateCredential(_) => Credential::parse(body).map(|it| check_credential(&it)),
        Call::Connect => check_connect(body),
        Call::ChangeConnection(_) => ConnectionChange::parse(body).map(|it| {
            check_feed(&it.feed_params);
            assert!(it.redirect_params.is_none_or(|to| to.port() != 0));
        }),
        Call::CreateData => parse_nothing(body),
        Call::DeletePeer(id)
        | Call::PeerEvents(id)
        | Call::PeerStatus(id)
        | Call::DeleteData(id)
        | Call::Disconnect(id)
        | Call::DataEvents(id)
        | Call::DataStatus(id) => {
            assert!(!id.is_empty() && !call.wants_body());
            check_events(body, id);
            return;
        }
        Call::Media(_) => {
            check_error(&reply::no_media(command), 400, command);
            return;
        }
    };
    assert!(call.wants_body());
    if let Err(faults) = faults {
        check_faults(&faults, command);
    }
}

/// Reads it as everything that it could be.
fn check_bodies(body: &[u8]) {
    let peer = check_peer(body);
    let connect = check_connect(body);
    // What is not JSON is so to all.
    let is_broken = |faults: &Result<(), Faults>| {
        let faults = faults.as_ref().err();
        faults.is_some_and(|faults| faults.iter().any(|it| it.field == "body"))
    };
    assert_eq!(is_broken(&peer), is_broken(&connect));
}

fn check_peer(body: &[u8]) -> Result<(), Faults> {
    let peer = PeerOptions::parse(body)?;
    let names = [&peer.key, &peer.domain];
    assert!(
        names
            .iter()
            .all(|name| name.chars().count() <= limits::FACADE_NAME)
    );
    assert!(peer.peer_id.as_deref().is_none_or(is_peer_id), "{peer:?}");
    if let Some(credential) = &peer.credential {
        check_credential(credential);
    }
    let id = peer.peer_id.unwrap_or_default();
    let body = json_of(&reply::peer_created(&id, "t"));
    assert_eq!(text_at(&body, "/params/peer_id"), Some(id.as_str()));
    Ok(())
}

fn check_credential(credential: &Credential) {
    assert!((600..=90_000).contains(&credential.ttl));
    assert!(credential.timestamp + u64::from(credential.ttl) < 1 << 53);
    let body = json_of(&reply::credential_updated(credential));
    let written = body.pointer("/params/credential").map(Value::to_string);
    let again = Credential::parse(written.unwrap_or_default().as_bytes());
    assert_eq!(again.as_ref(), Ok(credential));
}

fn check_connect(body: &[u8]) -> Result<(), Faults> {
    let connect = ConnectOptions::parse(body)?;
    assert!(is_peer_id(&connect.peer_id) && is_peer_id(&connect.target_id));
    assert!(connect.redirect_params.is_none_or(|to| to.port() != 0));
    check_feed(&connect.params);
    let options = &connect.options;
    let label = options.label.as_deref().unwrap_or_default();
    let long = label.len() + options.dc_init.protocol.len();
    assert!(long <= limits::LABEL_AND_PROTOCOL, "{long}");
    assert!(options.dc_init.negotiated.is_none_or(|id| id < u16::MAX));
    let metadata = options.metadata.clone().map(Value::String);
    let status = reply::DataStatus {
        remote_id: &connect.target_id,
        buffersize: 0,
        label,
        metadata: metadata.as_ref(),
        open: true,
        reliable: options.dc_init.ordered,
        serialization: options.serialization,
    };
    let told = json_of(&reply::data_status(&status));
    let metadata = options.metadata.as_deref().unwrap_or_default();
    assert_eq!(text_at(&told, "/metadata"), Some(metadata));
    assert_eq!(told.as_object().map(serde_json::Map::len), Some(8));
    Ok(())
}

fn check_feed(feed: &Feed) {
    match &feed.source {
        Some(Source::Data(id)) => assert!(id.as_str().starts_with("da-")),
        Some(Source::Endpoint(name)) => assert!((1..=limits::LABEL).contains(&name.len())),
        None => {}
    }
}

/// Puts events into a queue as the bytes say, and asks for all of them.
fn check_events(steps: &[u8], id: &str) {
    let mut queue = EventQueue::new();
    let mut asked = 0u64;
    let mut opens = 0;
    for step in steps {
        match step % 8 {
            0 => queue.push(Event::Open),
            1 if step / 8 == 0 => queue.push(Event::Close),
            2 if !queue.is_over() => {
                let event = queue.pop();
                asked += u64::from(event.is_some());
                opens += u8::from(event == Some(Event::Open));
            }
            _ => queue.push(Event::Error(id.to_owned())),
        }
    }
    while queue.is_waiting() && !queue.is_over() {
        let event = queue.pop().expect("it said so");
        let (peer_id, token) = (id, "t");
        let body = event.to_json(Subject::Peer { peer_id, token });
        assert_eq!(text_at(&body, "/params/peer_id"), Some(id));
        opens += u8::from(event == Event::Open);
        asked += 1;
    }
    assert!(opens <= 1, "{opens} times OPEN");
    assert!(asked + queue.dropped() <= steps.len() as u64);
}

fn check_faults(faults: &Faults, command: &str) {
    assert!(!faults.is_empty(), "refused for nothing");
    for fault in faults {
        let (field, message) = (fault.field, fault.message.as_ref());
        assert!(!field.is_empty() && !message.is_empty(), "{fault:?}");
        let is_plain = message.bytes().all(|b| (b' '..=b'~').contains(&b));
        assert!(message.len() <= 200 && is_plain, "{fault:?}");
    }
    check_error(&reply::error(400, command, faults), 400, command);
}

/// The Node SDK dies of an error without a message.
fn check_error(response: &Response, status: u16, command: &str) {
    assert_eq!(response.status(), status);
    let body = json_of(response);
    assert_eq!(text_at(&body, "/command_type"), Some(command));
    let message = text_at(&body, "/params/errors/0/message");
    assert!(message.is_some_and(|it| !it.is_empty()), "{body}");
}

fn text_at<'a>(body: &'a Value, place: &str) -> Option<&'a str> {
    body.pointer(place)?.as_str()
}

fn json_of(response: &Response) -> Value {
    serde_json::from_slice(response.content()).expect("JSON")
}
