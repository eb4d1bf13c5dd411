//! Tests of pages of PeerJS without a rendezvous.

use super::*;
use crate::http::Method;
use crate::signaling::rendezvous::lobby::testing::Hall;
use crate::util::slab::Id;

struct Bench {
    hall: Hall,
    pages: PeerJs,
}

fn socket(n: u64) -> SocketId {
    SocketId(Id::from_bits(n))
}

fn upgrade(path: &str) -> RequestHead {
    let text = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    RequestHead::parse(text.as_bytes()).expect("a head")
}

impl Bench {
    fn new(config: &str) -> Self {
        Self {
            hall: Hall::new(config, |config| &config.peerjs_keys),
            pages: PeerJs::new([3; 32]),
        }
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.pages.poll_output()).collect()
    }

    /// Asks for a WebSocket; returns the number of the upgrade and the request.
    fn ask(&mut self, id: &str) -> (u64, RequestId) {
        let path = format!("/peerjs?key=peerjs&id={id}&token=t-{id}");
        let request = self.hall.request(Method::Get, &path);
        let head = upgrade(&path);
        let input = RequestInput::Head(&head);
        let mut lobby = self.hall.lobby();
        self.pages.handle_request(&mut lobby, &request, input);
        match self.outputs().pop() {
            Some(Output::Upgrade { number, .. }) => (number, request.id),
            other => panic!("{other:?}"),
        }
    }

    fn input(&mut self, n: u64, input: SocketInput<'_>) -> Vec<Output> {
        let mut lobby = self.hall.lobby();
        self.pages.handle_socket(&mut lobby, socket(n), input);
        self.outputs()
    }
}

#[test]
fn a_page_joins_when_its_websocket_is_open() {
    let mut bench = Bench::new("");
    let (number, _) = bench.ask("a");
    assert_eq!(bench.hall.roster.len(), 0);
    let said = bench.input(1, SocketInput::Opened(number));
    assert!(
        matches!(&said[..], [Output::Send(_, text)] if text.contains("OPEN")),
        "{said:?}"
    );
    let member = bench.hall.roster.find("a");
    let guest = member.and_then(|id| bench.hall.roster.guest(id));
    assert_eq!(guest.expect("a guest").key, "peerjs");
    bench.input(1, SocketInput::Closed);
    assert_eq!(
        (bench.hall.roster.len(), bench.pages.poll_timeout()),
        (0, None)
    );
}

#[test]
fn a_key_that_is_not_known_is_told_over_the_websocket() {
    let mut bench = Bench::new("[[peerjs.key]]\nkey = \"mine\"\n");
    let (number, _) = bench.ask("a");
    let said = bench.input(1, SocketInput::Opened(number));
    assert!(
        matches!(&said[..], [Output::Send(_, text), Output::Close(_, NORMAL, _)] if text.contains("ERROR"))
    );
    assert_eq!(bench.hall.roster.len(), 0);
}

#[test]
fn a_page_whose_connection_was_closed_before_its_websocket_was_open_is_forgotten() {
    let mut bench = Bench::new("");
    let (number, request) = bench.ask("a");
    bench.pages.handle_gone(&mut bench.hall.lobby(), request);
    assert!(bench.pages.joining.is_empty());
    let said = bench.input(1, SocketInput::Opened(number));
    assert!(
        matches!(&said[..], [Output::Close(_, NORMAL, _)]),
        "{said:?}"
    );
}

#[test]
fn what_is_not_understood_is_counted_and_an_offer_is_refused() {
    let mut bench = Bench::new("");
    let (number, _) = bench.ask("a");
    bench.input(1, SocketInput::Opened(number));
    let nonsense = WsMessage::Text("nonsense".to_owned());
    assert!(bench.input(1, SocketInput::Message(&nonsense)).is_empty());
    let offer = r#"{"type":"OFFER","dst":"b","payload":{"type":"data","connectionId":"dc_1"}}"#;
    let offer = WsMessage::Text(offer.to_owned());
    let said = bench.input(1, SocketInput::Message(&offer));
    assert!(matches!(&said[..], [Output::Send(..)]), "{said:?}");
    assert_eq!(bench.pages.counts().signals_refused, 2);
    let binary = WsMessage::Binary(vec![0]);
    assert!(bench.input(1, SocketInput::Message(&binary)).is_empty());
}

#[test]
fn a_page_that_has_left_has_a_websocket_that_means_nothing() {
    let mut bench = Bench::new("");
    let (number, _) = bench.ask("a");
    bench.input(1, SocketInput::Opened(number));
    let leave = WsMessage::Text(r#"{"type":"LEAVE"}"#.to_owned());
    let said = bench.input(1, SocketInput::Message(&leave));
    assert!(
        matches!(&said[..], [Output::Close(_, NORMAL, _)]),
        "{said:?}"
    );
    assert_eq!(bench.hall.roster.len(), 0);
    assert!(bench.input(1, SocketInput::Message(&leave)).is_empty());
    let again = bench.ask("a");
    bench.input(2, SocketInput::Opened(again.0));
    bench.input(1, SocketInput::Closed);
    assert_eq!(bench.hall.roster.len(), 1);
    let peer = bench.hall.roster.find("a").expect("a peer");
    let mut lobby = bench.hall.lobby();
    bench
        .pages
        .handle_eviction(&mut lobby, peer, Eviction::KeyIsGone);
    assert_eq!(bench.hall.roster.len(), 1, "until its WebSocket is closed");
    assert!(matches!(
        &bench.outputs()[..],
        [Output::Close(_, NOT_ALLOWED, _)]
    ));
}
