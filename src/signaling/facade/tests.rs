//! Tests of the API of SkyWay's gateway without a rendezvous.

use serde_json::{Value, json};

use super::*;
use crate::endpoint::FailureKind;
use crate::http::{Method, Response};
use crate::payload::Serialization;
use crate::signaling::call::LinkStatus;
use crate::signaling::rendezvous::lobby::testing::Hall;
use crate::util::slab::Id;

struct Bench {
    hall: Hall,
    facade: Facade,
}

impl Bench {
    fn new(config: &str) -> Self {
        let hall = Hall::new(config, |config| &config.skyway_keys);
        let facade = Facade::new(&hall.config.content, [3; 32]);
        Self { hall, facade }
    }

    fn ask(&mut self, method: Method, path: &str, body: &Value) -> (RequestId, Vec<Output>) {
        let request = self.hall.request(method, path);
        let body = body.to_string();
        let mut lobby = self.hall.lobby();
        let input = RequestInput::Body(body.as_bytes());
        self.facade.handle_request(&mut lobby, &request, input);
        (request.id, self.outputs())
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.facade.poll_output()).collect()
    }

    fn tell(&mut self, link: LinkId, news: LinkNews) -> Vec<Output> {
        self.facade.handle_link(&mut self.hall.lobby(), link, news);
        self.outputs()
    }

    /// Makes a peer; returns the peer and its token.
    fn peer(&mut self, name: &str) -> (PeerId, String) {
        let body = json!({"key": "k", "domain": "d", "peer_id": name});
        let (_, outputs) = self.ask(Method::Post, "/peers", &body);
        let (status, body) = answer(&outputs);
        assert_eq!(status, 201, "{body}");
        let token = body["params"]["token"].as_str().expect("a token");
        let peer = self.hall.roster.find(name).expect("a peer");
        (peer, token.to_owned())
    }
}

/// Returns the one response among some outputs.
fn answer(outputs: &[Output]) -> (u16, Value) {
    let responses = outputs.iter().filter_map(|output| match output {
        Output::Answer(_, response) => Some(response),
        _ => None,
    });
    let responses: Vec<&Response> = responses.collect();
    assert_eq!(responses.len(), 1, "{outputs:?}");
    let body = serde_json::from_slice(responses[0].content()).unwrap_or(Value::Null);
    (responses[0].status(), body)
}

fn link(n: u64) -> LinkId {
    Id::from_bits(n)
}

fn status(open: bool) -> Box<LinkStatus> {
    Box::new(LinkStatus {
        remote: "b".to_owned(),
        label: "joy".to_owned(),
        metadata: None,
        open,
        reliable: true,
        serialization: Serialization::Raw,
    })
}

/// Makes a connection from a to b; returns its path.
fn dialed(bench: &mut Bench, token: &str, peer: PeerId, n: u64) -> String {
    let body = json!({"peer_id": "a", "token": token, "target_id": "b"});
    let (request, outputs) = bench.ask(Method::Post, "/data/connections", &body);
    assert!(matches!(&outputs[..], [Output::Link(Order::Call(to, _))] if *to == request));
    let outputs = bench.tell(link(n), LinkNews::Made(request, peer));
    let (status, body) = answer(&outputs);
    assert_eq!(status, 202);
    let id = body["params"]["data_connection_id"]
        .as_str()
        .expect("an id");
    format!("/data/connections/{id}")
}

#[test]
fn a_call_is_answered_when_it_is_known_whether_there_is_room() {
    let mut bench = Bench::new("");
    let (peer, token) = bench.peer("a");
    let path = dialed(&mut bench, &token, peer, 1);
    let body = json!({"peer_id": "a", "token": token, "target_id": "b"});
    let (request, _) = bench.ask(Method::Post, "/data/connections", &body);
    let outputs = bench.tell(link(u64::MAX), LinkNews::NotMade(request));
    assert_eq!(answer(&outputs).0, 403);
    assert!(bench.facade.making.is_empty());
    // The rest of the gateway reports the status of the connection.
    let (request, outputs) = bench.ask(Method::Get, &format!("{path}/status"), &Value::Null);
    assert!(
        matches!(&outputs[..], [Output::Link(Order::Status(..))]),
        "{outputs:?}"
    );
    let news = LinkNews::Status(request, Some(status(true)), 7);
    let (code, body) = answer(&bench.tell(link(1), news));
    assert_eq!(
        (code, &body["buffersize"], &body["open"]),
        (200, &json!(7), &json!(true))
    );
    bench.tell(link(1), LinkNews::Ended(status(false)));
    // A connection that ended while the rest of the gateway was asked: the API answers with the remembered
    // status.
    let late = LinkNews::Status(request, None, 0);
    let (code, body) = answer(&bench.tell(link(1), late));
    assert_eq!((code, &body["open"]), (200, &json!(false)));
    let (_, outputs) = bench.ask(Method::Get, &format!("{path}/status"), &Value::Null);
    assert_eq!(answer(&outputs).0, 200);
}

#[test]
fn events_are_answered_when_the_turn_ends() {
    let mut bench = Bench::new("");
    let (peer, token) = bench.peer("a");
    let path = dialed(&mut bench, &token, peer, 1);
    let (waiting, outputs) = bench.ask(Method::Get, &format!("{path}/events"), &Value::Null);
    assert!(
        matches!(&outputs[..], [Output::ShowRight(..)]),
        "{outputs:?}"
    );
    assert!(bench.tell(link(1), LinkNews::Open).is_empty());
    assert!(
        bench
            .tell(link(1), LinkNews::Ended(status(false)))
            .is_empty()
    );
    assert!(!bench.facade.is_quiet());
    bench.facade.settle(&mut bench.hall.lobby());
    let outputs = bench.outputs();
    assert!(
        matches!(&outputs[..], [Output::Answer(to, _)] if *to == waiting),
        "{outputs:?}"
    );
    assert_eq!(answer(&outputs).1["event"], "OPEN");
    let (_, outputs) = bench.ask(Method::Get, &format!("{path}/events"), &Value::Null);
    assert_eq!(answer(&outputs).1["event"], "CLOSE");
    assert_eq!(bench.facade.remembered(), 1);
    bench.facade.forget_connections_beyond(0);
    assert_eq!(
        (bench.facade.remembered(), bench.facade.names.len()),
        (0, 0)
    );
}

#[test]
fn a_deleted_peer_closes_its_ports_after_its_connections() {
    let mut bench = Bench::new("");
    let (peer, token) = bench.peer("a");
    let (_, outputs) = bench.ask(Method::Post, "/data", &json!({}));
    let [Output::OpenPort { bind }] = outputs[..] else {
        panic!("{outputs:?}")
    };
    let port = Id::from_bits(9);
    bench.facade.handle_port(bench.hall.now, bind, Ok(port));
    let (_, body) = answer(&bench.outputs());
    let body = json!({"peer_id": "a", "token": token, "target_id": "b", "params": {"data_id": body["data_id"]}});
    let (request, _) = bench.ask(Method::Post, "/data/connections", &body);
    bench.tell(link(1), LinkNews::Made(request, peer));
    let (_, outputs) = bench.ask(
        Method::Delete,
        &format!("/peers/a?token={token}"),
        &Value::Null,
    );
    assert!(
        matches!(&outputs[..], [Output::Remove(gone), Output::ClosePort(closed), Output::ShowRight(..), Output::Answer(..)]
            if *gone == peer && *closed == port),
        "{outputs:?}"
    );
    assert_eq!(bench.facade.ports(), 0);
}

#[test]
fn a_port_in_use_is_passed_over_and_one_that_broke_is_told_to_the_log() {
    let mut bench = Bench::new("[content]\nfirst_port = 51000\nports = 2\n");
    let (request, outputs) = bench.ask(Method::Post, "/data", &json!({}));
    let [Output::OpenPort { bind }] = outputs[..] else {
        panic!("{outputs:?}")
    };
    let failure = || Failure::new(FailureKind::Other, "address in use");
    bench
        .facade
        .handle_port(bench.hall.now, bind, Err(failure()));
    let outputs = bench.outputs();
    let [Output::OpenPort { bind: next }] = outputs[..] else {
        panic!("{outputs:?}")
    };
    assert_eq!((bind.port(), next.port()), (51_000, 51_001));
    bench
        .facade
        .handle_port(bench.hall.now, next, Ok(Id::from_bits(9)));
    assert!(matches!(&bench.outputs()[..], [Output::Answer(to, _)] if *to == request));
    bench
        .facade
        .handle_port(bench.hall.now, next, Err(failure()));
    assert!(bench.outputs().is_empty());
    // A port that no request waits for is closed again.
    bench
        .facade
        .handle_port(bench.hall.now, bind, Ok(Id::from_bits(8)));
    assert!(matches!(&bench.outputs()[..], [Output::ClosePort(_)]));
}

#[test]
fn an_evicted_peer_is_removed_and_its_requests_end() {
    let mut bench = Bench::new("");
    let (peer, token) = bench.peer("a");
    let path = format!("/peers/a/events?token={token}");
    bench.ask(Method::Get, &path, &Value::Null);
    let (waiting, _) = bench.ask(Method::Get, &path, &Value::Null);
    let mut lobby = bench.hall.lobby();
    bench
        .facade
        .handle_eviction(&mut lobby, peer, Eviction::KeyIsGone);
    bench.facade.settle(&mut lobby);
    let outputs = bench.outputs();
    assert!(
        matches!(&outputs[..], [Output::Remove(_), Output::Answer(to, _)] if *to == waiting),
        "{outputs:?}"
    );
    assert_eq!(answer(&outputs).1["event"], "CLOSE");
}
