//! A network may split a request anywhere: `POST /sessions` must mean the same in any pieces.

use std::net::SocketAddr;
use std::time::Instant;

use proptest::prelude::*;
use proptest::sample::Index;
use thingway::testing::config::Config;
use thingway::testing::gateway::Gateway;
use thingway::testing::session::crypto::Identity;
use thingway::testing::sources::Command;

const OFFER: &str = include_str!("../golden/offers/firefox-153-gathered.sdp");

/// Returns the status of the gateway's answer to bytes that arrive in these pieces.
fn status(pieces: &[&[u8]]) -> String {
    let now = Instant::now();
    let identity = Identity::generate().expect("an identity");
    let mut gateway = Gateway::new(now, Config::default(), identity, Vec::new(), [7; 32]);
    run_commands(&mut gateway, now);
    let addr = SocketAddr::from(([127, 0, 0, 1], 8000));
    let source = gateway.handle_accept(now, addr, addr).expect("accepted");
    let mut output = Vec::new();
    for piece in pieces {
        gateway.handle_data(now, source, piece);
        gateway.settle(now);
        run_commands(&mut gateway, now);
        let n = gateway.output(source).len();
        output.extend_from_slice(gateway.output(source));
        gateway.consume(now, source, n);
    }
    let text = String::from_utf8(output).expect("text");
    // There is exactly one answer, however the request was split.
    let answers = text
        .split("\r\n")
        .filter(|line| line.starts_with("HTTP/1.1 "));
    answers.collect::<Vec<_>>().join(" | ")
}

fn run_commands(gateway: &mut Gateway, now: Instant) {
    while let Some(command) = gateway.poll_command() {
        match command {
            Command::OpenIce { source, addr } => {
                gateway.handle_opened(now, source, Some(SocketAddr::new(addr.ip(), 5000)));
            }
            Command::Listen { source, addr } => gateway.handle_listening(now, source, addr),
            Command::ListAddresses => gateway.handle_addresses(now, &[[127, 0, 0, 1].into()]),
            Command::Close { .. } => {}
            other => panic!("{other:?}: the default has the demo device only"),
        }
    }
}

fn request(chunked: bool, expect: bool, kind: &str, offer: &str) -> Vec<u8> {
    let expect = if expect {
        "Expect: 100-continue\r\n"
    } else {
        ""
    };
    let head =
        format!("POST /sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n{expect}");
    let text = if chunked {
        let mut body = String::new();
        // The offers are ASCII, so pieces of their text have the same lengths as pieces of their bytes.
        for piece in offer.as_bytes().chunks(97) {
            let piece = std::str::from_utf8(piece).expect("ASCII");
            body.push_str(&format!("{:x}\r\n{piece}\r\n", piece.len()));
        }
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{body}0\r\n\r\n")
    } else {
        format!("{head}Content-Length: {}\r\n\r\n{offer}", offer.len())
    };
    text.into_bytes()
}

fn chop<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2)
        .map(|pair| &bytes[pair[0]..pair[1]])
        .filter(|piece| !piece.is_empty())
        .collect()
}

#[test]
fn whole_it_is_what_it_should_be() {
    let good = "HTTP/1.1 201 Created";
    assert_eq!(
        status(&[&request(false, false, "application/sdp", OFFER)]),
        good
    );
    assert_eq!(
        status(&[&request(true, false, "application/sdp", OFFER)]),
        good
    );
    let told = format!("HTTP/1.1 100 Continue | {good}");
    assert_eq!(
        status(&[&request(false, true, "application/sdp", OFFER)]),
        told
    );
    let bytes = request(true, true, "application/sdp", OFFER);
    assert_eq!(status(&bytes.chunks(1).collect::<Vec<_>>()), told);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_pieces_get_the_same_answer(
        chunked in any::<bool>(),
        expect in any::<bool>(),
        kind in prop::sample::select(["application/sdp", "application/SDP; x=y", "text/plain", ""].as_slice()),
        offer in prop::sample::select([OFFER, "", "v=0\r\n", "v=1\r\n"].as_slice()),
        cuts in prop::collection::vec(any::<Index>(), 0..30),
    ) {
        let bytes = request(chunked, expect, kind, offer);
        prop_assert_eq!(status(&chop(&bytes, &cuts)), status(&[&bytes]));
    }
}
