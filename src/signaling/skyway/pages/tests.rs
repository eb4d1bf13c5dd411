//! Tests of pages of SkyWay-JS without a rendezvous.

use serde_json::json;

use super::*;
use crate::access::visitors::Right;
use crate::http::{Method, RequestHead};
use crate::signaling::rendezvous::lobby::testing::Hall;
use crate::util::slab::Id;

struct Bench {
    hall: Hall,
    pages: SkyWay,
}

fn socket(n: u64) -> SocketId {
    SocketId(Id::from_bits(n))
}

fn head(path: &str, more: &str) -> RequestHead {
    let text = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n");
    RequestHead::parse(text.as_bytes()).expect("a head")
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

impl Bench {
    fn new(config: &str) -> Self {
        Self {
            hall: Hall::new(config, |config| &config.skyway_keys),
            pages: SkyWay::new([3; 32]),
        }
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.pages.poll_output()).collect()
    }

    fn get(&mut self, path: &str, more: &str) -> (RequestId, Vec<Output>) {
        let request = self.hall.request(Method::Get, path);
        let head = head(path, more);
        let mut lobby = self.hall.lobby();
        let input = RequestInput::Head(&head);
        self.pages.handle_request(&mut lobby, &request, input);
        (request.id, self.outputs())
    }

    fn input(&mut self, n: u64, input: SocketInput<'_>) -> Vec<Output> {
        let mut lobby = self.hall.lobby();
        self.pages.handle_socket(&mut lobby, socket(n), input);
        self.outputs()
    }

    /// Opens a page that begins with a WebSocket; returns the first text that it receives.
    fn open(&mut self, n: u64, id: &str) -> String {
        let path =
            format!("/socket.io?EIO=3&transport=websocket&apiKey=k&peerId={id}&token=t-{id}");
        let (_, outputs) = self.get(&path, UPGRADE);
        let [Output::Upgrade { number, .. }] = outputs[..] else {
            panic!("{outputs:?}")
        };
        texts(&self.input(n, SocketInput::Opened(number)))
    }
}

fn texts(outputs: &[Output]) -> String {
    let text = |output: &Output| match output {
        Output::Send(_, text) => Some(text.clone()),
        Output::Answer(_, response) => {
            Some(String::from_utf8_lossy(response.content()).into_owned())
        }
        _ => None,
    };
    outputs.iter().filter_map(text).collect()
}

#[test]
fn a_page_that_begins_with_a_websocket_joins_with_it() {
    let mut bench = Bench::new("");
    let said = bench.open(1, "a");
    assert!(said.contains("OPEN"), "{said}");
    assert_eq!(bench.hall.roster.len(), 1);
    bench.input(1, SocketInput::Closed);
    assert_eq!((bench.hall.roster.len(), bench.pages.pages.len()), (0, 0));
    assert_eq!(bench.pages.poll_timeout(), None);
}

#[test]
fn a_page_without_a_right_is_told_why() {
    let mut bench = Bench::new("[[skyway.key]]\nkey = \"mine\"\n");
    let said = bench.open(1, "a");
    assert!(said.contains("invalid-key"), "{said}");
    assert_eq!(bench.hall.roster.len(), 0);
}

#[test]
fn a_second_websocket_of_a_page_is_refused_and_means_nothing() {
    let mut bench = Bench::new("");
    bench.open(1, "a");
    let id = bench.pages.pages.ids()[0];
    let outputs = bench.input(2, SocketInput::Opened(id.to_bits()));
    assert!(matches!(outputs[..], [Output::Close(to, NORMAL, _)] if to == socket(2)));
    bench.input(2, SocketInput::Closed);
    assert_eq!(bench.hall.roster.len(), 1);
    let none = PageId::from_bits(u64::MAX);
    let outputs = bench.input(3, SocketInput::Opened(none.to_bits()));
    assert!(matches!(outputs[..], [Output::Close(..)]), "{outputs:?}");
}

#[test]
fn a_request_that_waits_is_answered_once() {
    let mut bench = Bench::new("");
    let open = "/socket.io?EIO=3&transport=polling&apiKey=k&peerId=a&token=t";
    let (_, outputs) = bench.get(open, "");
    let said = texts(&outputs);
    assert!(said.contains("OPEN"), "{said}");
    let sid = said
        .split("\"sid\":\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    let path = format!(
        "/socket.io?EIO=3&transport=polling&sid={}",
        sid.expect("a sid")
    );
    let (request, outputs) = bench.get(&path, "");
    // A page that belongs to a peer proves a right.
    assert!(
        matches!(outputs[..], [Output::ShowRight(Shown::Request(to), Right::Key)] if to == request)
    );
    let id = bench.pages.pages.ids()[0];
    bench.pages.emit(id, "X", &json!({}));
    bench.pages.settle_pages(&mut bench.hall.lobby());
    let outputs = bench.outputs();
    assert!(
        matches!(&outputs[..], [Output::Answer(to, _)] if *to == request),
        "{outputs:?}"
    );
    assert!(bench.pages.polls.is_empty());
    bench.pages.handle_gone(&mut bench.hall.lobby(), request);
    assert_eq!(bench.hall.roster.len(), 1, "an answered request may go");
    let (request, _) = bench.get(&path, "");
    bench.pages.handle_gone(&mut bench.hall.lobby(), request);
    assert_eq!(bench.hall.roster.len(), 0, "one that waits may not");
    let unknown = "/socket.io?EIO=3&transport=polling&sid=nobody";
    let (_, outputs) = bench.get(unknown, "");
    assert!(matches!(&outputs[..], [Output::Answer(_, it)] if it.status() == 400));
}

#[test]
fn members_of_a_room_hear_of_each_other() {
    let mut bench = Bench::new("");
    bench.open(1, "a");
    bench.open(2, "b");
    let say = |bench: &mut Bench, n, frame: &str| {
        let message = WsMessage::Text(frame.to_owned());
        bench.input(n, SocketInput::Message(&message))
    };
    let join = r#"42["ROOM_JOIN",{"roomName":"r","roomType":"mesh"}]"#;
    say(&mut bench, 1, join);
    let heard = say(&mut bench, 2, join);
    let told = |outputs: &[Output], n| {
        outputs.iter().any(
            |it| matches!(it, Output::Send(to, text) if *to == socket(n) && text.contains("ROOM_")),
        )
    };
    assert!(told(&heard, 1), "{heard:?}");
    let heard = bench.input(2, SocketInput::Closed);
    assert!(told(&heard, 1), "{heard:?}");
    let nonsense = say(&mut bench, 1, r#"42["SEND_OFFER",{}]"#);
    assert!(texts(&nonsense).contains("invalid-message"));
    assert_eq!(bench.pages.counts().signals_refused, 1);
}

#[test]
fn an_evicted_page_leaves_the_hub_at_once() {
    let mut bench = Bench::new("");
    bench.open(1, "a");
    let peer = bench.hall.roster.find("a").expect("a peer");
    bench
        .pages
        .handle_eviction(&mut bench.hall.lobby(), peer, Eviction::IdIsConfigured);
    assert_eq!(bench.hall.roster.len(), 0);
    let outputs = bench.outputs();
    assert!(
        outputs.iter().any(|it| matches!(it, Output::Close(..))),
        "{outputs:?}"
    );
}
