//! No bytes cause a panic in what reads RTP, RTCP and payloads, and no change of a real packet does.

use std::fs;
use std::path::Path;

use crate::fuzz;
use proptest::prelude::*;
use proptest::sample::Index;

/// Returns the files of a corpus, in an order that does not depend on the file system.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let entries = fs::read_dir(folder).expect("a corpus");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let read = |path| fs::read(path).expect("a file");
    paths.into_iter().map(read).collect()
}

/// Returns two packets one after the other, with bytes that are changed and an end that is cut off.
fn a_changed_packet(target: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let packet = || prop::sample::select(corpus(target));
    let second = prop_oneof![Just(Vec::new()), packet()];
    let changes = prop::collection::vec((any::<Index>(), any::<u8>()), 0..6);
    let end = prop::option::of(any::<Index>());
    (packet(), second, changes, end).prop_map(|(first, second, changes, end)| {
        let mut packet = [first, second].concat();
        for (at, byte) in changes {
            let at = at.index(packet.len());
            packet[at] = byte;
        }
        if let Some(end) = end {
            packet.truncate(end.index(packet.len()));
        }
        packet
    })
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_changed_rtp_packet_does_no_harm(packet in a_changed_packet("rtp")) {
        fuzz::rtp(&packet);
    }

    #[test]
    fn a_changed_rtcp_datagram_does_no_harm(datagram in a_changed_packet("rtcp")) {
        fuzz::rtcp(&datagram);
    }

    #[test]
    fn a_changed_payload_does_no_harm(payload in a_changed_packet("keyframe")) {
        fuzz::keyframe(&payload);
    }

    #[test]
    fn no_bytes_do_harm(bytes in any_bytes()) {
        fuzz::rtp(&bytes);
        fuzz::rtcp(&bytes);
        fuzz::keyframe(&bytes);
    }
}
