//! Every split of the input gives the same events and the same output.

use std::time::Instant;

use proptest::prelude::*;

use crate::fuzz::http::{Chop, Run, fuzz_http};
use thingway::testing::http::HttpEvent;

#[path = "../../src/http/tests/refused.rs"]
mod refused;
use refused::TABLE;

/// Returns one request, complete and well-formed or not. The path decides how the owner acts on it.
fn request() -> impl Strategy<Value = Vec<u8>> {
    let path = prop::sample::select((b'a'..=b'i').map(char::from).collect::<Vec<_>>());
    let body = prop::collection::vec(any::<u8>(), 0..40);
    let parts = (path, body, 0_u8..13, any::<prop::sample::Index>());
    parts.prop_map(|(path, body, kind, index)| {
        let head = |first: &str, lines: &str| format!("{first}\r\nHost: a\r\n{lines}\r\n");
        let post = format!("POST /{path} HTTP/1.1");
        let length = format!("Content-Length: {}\r\n", body.len());
        let chunked = "Transfer-Encoding: chunked\r\n";
        let expect = "Expect: 100-continue\r\n";
        let (head, body) = match kind {
            0 | 1 => (head(&format!("GET /{path} HTTP/1.1"), ""), vec![]),
            2 => (head(&format!("HEAD /{path} HTTP/1.1"), ""), vec![]),
            3 => (head("OPTIONS * HTTP/1.1", ""), vec![]),
            4 => (
                head(
                    &format!("GET /{path} HTTP/1.0"),
                    "Connection: keep-alive\r\n",
                ),
                vec![],
            ),
            5 | 6 => (head(&post, &length), body),
            7 | 8 => (head(&post, chunked), chunks(&body)),
            9 => (head(&post, &format!("{expect}{length}")), body),
            10 => (head(&post, &format!("{expect}{chunked}")), chunks(&body)),
            11 => (head("GET /h HTTP/1.1", WEBSOCKET), body),
            _ => (index.get(TABLE).0.to_owned(), body),
        };
        [head.into_bytes(), body].concat()
    })
}

const WEBSOCKET: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";

fn chunks(body: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    for chunk in body.chunks(7) {
        wire.extend_from_slice(format!("{:x};x\r\n", chunk.len()).as_bytes());
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"0\r\nT: u\r\n\r\n");
    wire
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn requests_of_all_kinds(
        requests in prop::collection::vec(request(), 1..8),
        seed in any::<u8>(),
        garbage in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        fuzz_http(&[vec![seed], requests.concat(), garbage].concat());
    }

    #[test]
    fn requests_with_a_byte_changed(
        requests in prop::collection::vec(request(), 1..4),
        seed in any::<u8>(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut data = [vec![seed], requests.concat()].concat();
        *place.get_mut(&mut data) = byte;
        fuzz_http(&data);
    }
}

#[test]
fn the_chopper_loses_nothing() {
    let all: Vec<u8> = (0..=255).cycle().take(5000).collect();
    for seed in 0..=255 {
        let pieces: Vec<&[u8]> = Chop { rest: &all, seed }.collect();
        assert!(pieces.len() > 50);
        assert_eq!(pieces.concat(), all);
    }
}

#[test]
fn the_owner_of_these_tests_sees_every_request() {
    let input: String = ('a'..='g')
        .map(|p| format!("GET /{p} HTTP/1.1\r\nHost: a\r\n\r\n"))
        .collect();
    let now = Instant::now();
    let run = Run::of(now, std::iter::once(input.as_bytes()), 1000);
    let heads = run
        .events
        .iter()
        .filter(|event| matches!(event, HttpEvent::Head(_)))
        .count();
    assert_eq!(heads, 7);
    let text = String::from_utf8(run.written).unwrap();
    assert_eq!(text.matches("HTTP/1.1 ").count(), 7, "{text}");
}

#[test]
fn the_owner_of_these_tests_hands_over_upgraded_input() {
    let input = format!("GET /h HTTP/1.1\r\nHost: a\r\n{WEBSOCKET}\r\nraw");
    let now = Instant::now();
    let run = Run::of(
        now,
        Chop {
            rest: input.as_bytes(),
            seed: 1,
        },
        1,
    );
    assert_eq!(run.upgraded, b"raw");
    assert!(run.written.starts_with(b"HTTP/1.1 101 "));
}
