//! Data of devices on its way to peers.

use super::*;

const CLOSE: &str = "lag = \"close\"\n";

#[test]
fn every_reader_gets_every_byte_at_its_own_pace() {
    let mut rig = Rig::new(SERIAL);
    rig.open(1, "arm");
    rig.open(2, "arm");
    rig.receive("arm", b"hello");
    assert_eq!(rig.readable().len(), 2);
    assert_eq!(rig.turn(1, 1000), [b"hello"]);
    rig.receive("arm", b"again");
    assert_eq!(rig.turn(1, 1000), [b"again"]);
    assert_eq!(rig.turn(2, 1000).concat(), b"helloagain");
    assert_eq!(rig.turn(2, 1000), [b""; 0]);
}

#[test]
fn channels_of_one_session_send_in_turns_of_equal_bytes() {
    let mut rig = Rig::new(
        "[[endpoint]]\nname = \"a\"\nkind = \"serial\"\npath = \"/dev/ttyUSB0\"\n\
         [[endpoint]]\nname = \"b\"\nkind = \"serial\"\npath = \"/dev/ttyUSB1\"\n",
    );
    rig.open(1, "a");
    rig.open(1, "b");
    for _ in 0..16 {
        rig.receive("a", &[1; 16 * 1024]);
    }
    rig.receive("b", &[2; 16 * 1024]);
    let sent = rig.turn(1, 200_000);
    let of = |byte: u8| sent.iter().filter(move |it| it.first() == Some(&byte));
    let b: usize = of(2).map(Vec::len).sum();
    assert_eq!(b, 16 * 1024, "the flood of the other does not hold it up");
    let last_of_b = sent.iter().rposition(|it| it[0] == 2).unwrap();
    let before: usize = sent[..last_of_b]
        .iter()
        .filter(|it| it[0] == 1)
        .map(Vec::len)
        .sum();
    assert!(
        before <= 4 * 16 * 1024,
        "{before} bytes of the other went before"
    );
    assert!(of(1).map(Vec::len).sum::<usize>() > 100_000);
}

#[test]
fn a_blocked_peer_loses_nothing_and_goes_on_where_it_was() {
    let mut rig = Rig::new(SERIAL);
    rig.open(1, "arm");
    rig.receive("arm", &[7; 3000]);
    assert_eq!(rig.turn(1, 0), [b""; 0]);
    let taken = [rig.turn(1, 100_000), rig.turn(1, 100_000)].concat();
    assert_eq!(taken.concat(), [7; 3000]);
}

#[test]
fn a_peer_that_reads_too_slowly_has_its_channel_closed_and_the_gap_counted() {
    let mut rig = Rig::new(&format!("{SERIAL}{CLOSE}"));
    let route = rig.open(1, "arm");
    for _ in 0..400 {
        rig.receive("arm", &[7; 4096]);
    }
    rig.turn(1, 1_000_000);
    assert_eq!(rig.failures(), [(session(1), "lagged")]);
    let drops = rig.drops(route);
    assert!(
        matches!(drops[..], [(DropReason::Lagged, bytes)] if bytes > 0),
        "{drops:?}"
    );
    assert_eq!(rig.turn(1, 1_000_000), [b""; 0], "nothing follows the gap");
}

#[test]
fn a_message_larger_than_the_peer_takes_is_a_gap() {
    let mut rig = Rig::new(SERIAL);
    let route = rig.open(1, "arm");
    rig.receive("arm", &[7; 500]);
    let mut peer = Peer {
        room: 10_000,
        longest: 100,
        taken: Vec::new(),
    };
    rig.turn_of(1, &mut peer);
    assert_eq!(rig.failures(), [(session(1), "too-large")]);
    assert_eq!(rig.drops(route), [(DropReason::TooLarge, 500)]);
}

#[test]
fn text_and_encoded_channels_get_their_frames() {
    use crate::payload::Serialization;
    let mut rig = Rig::new(SERIAL);
    let arm = rig.endpoint("arm");
    rig.open_as(1, arm, |bind| bind.as_text = true);
    let encoded = rig.open_as(2, arm, |bind| {
        bind.serialization = Some(Serialization::PeerJsJson);
    });
    rig.receive("arm", b"hi");
    let mut peer = Peer {
        room: 1000,
        longest: 1000,
        taken: Vec::new(),
    };
    rig.turn_of(1, &mut peer);
    assert!(!peer.taken[0].1, "a text frame");
    assert_eq!(rig.turn(2, 1000), [b"\"hi\""]);
    rig.devices.transcode(encoded, None);
    rig.receive("arm", b"raw");
    assert_eq!(rig.turn(2, 1000), [b"raw"]);
}

#[test]
fn a_program_waits_for_its_slowest_reader() {
    let config =
        "[[endpoint]]\nname = \"log\"\nkind = \"tcp\"\nremote = \"127.0.0.1:1\"\nlag = \"wait\"\n";
    let mut rig = Rig::new(config);
    rig.open(1, "log");
    let id = rig.endpoint("log");
    let source = rig.opened[&id];
    while rig.devices.input_room(id) > 0 {
        let room = rig.devices.input_room(id).min(4096);
        rig.receive("log", &vec![7; room]);
    }
    while rig.sources.poll_touched().is_some() {}
    rig.turn(1, 1_000_000);
    assert!(rig.devices.input_room(id) > 0);
    let touched: Vec<_> = std::iter::from_fn(|| rig.sources.poll_touched()).collect();
    assert!(touched.contains(&source), "it is read on");
}
