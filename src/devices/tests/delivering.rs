//! Messages of peers on their way to a device.

use super::*;
use crate::limits;

const BIG: usize = 300 * 1024;

/// Fills the queue of a device, so that the next messages wait on their routes.
fn fill(rig: &mut Rig, route: RouteId) -> usize {
    let mut sent = 0;
    while rig.devices.table().waiting().1 == 0 {
        rig.send(route, &[7; 1000]);
        sent += 1000;
        assert!(sent < BIG, "the device's queue has an end");
    }
    sent
}

/// Returns the frames in which a page sends a message.
fn encoded(page: crate::payload::Serialization, message: &[u8]) -> Vec<Vec<u8>> {
    use crate::payload::{Bounds as Parts, Codec, Frame, Payload};
    let mut frames = Vec::new();
    let mut keep = |frame: Frame<'_>| {
        if let Frame::Binary(bytes) = frame {
            frames.push(bytes.to_vec());
        }
    };
    let mut codec = Codec::new(page, Parts::default());
    let encoded = codec.encode(Payload::Bytes(message), &mut keep);
    encoded.expect("it can be encoded");
    frames
}

#[test]
fn a_message_reaches_its_device_and_is_counted_on_both_sides() {
    let mut rig = Rig::new(SERIAL);
    let route = rig.open(1, "arm");
    rig.send(route, b"G28\n");
    assert_eq!(rig.take_output("arm"), b"G28\n");
    let report = rig.devices.table().report(rig.endpoint("arm")).unwrap();
    assert_eq!((report.routes, report.to_device.bytes), (1, 4));
    let known = rig.devices.table().route(route).unwrap();
    assert_eq!((known.from_peer, known.queued_bytes), (Count::one(4), 0));
}

#[test]
fn credit_is_told_only_to_a_session_that_hears_and_again_when_it_begins_to() {
    let mut rig = Rig::new(SERIAL);
    let route = rig.open(1, "arm");
    assert_eq!(
        rig.credits(),
        [0_u64; 0],
        "the session has no control channel"
    );
    rig.devices.set_hears(session(1), true);
    let again = rig.devices.repeat_credits(session(1));
    assert_eq!(again.iter().map(|it| it.2).collect::<Vec<_>>(), [1000]);
    rig.send(route, &[1; 200]);
    assert_eq!(
        rig.credits(),
        [0_u64; 0],
        "less than a quarter of the window"
    );
    rig.send(route, &[1; 60]);
    assert_eq!(rig.credits(), [1260]);
    assert_eq!(rig.readable(), [session(1)], "it is named once");
}

#[test]
fn a_reliable_channel_that_sends_beyond_its_credit_is_closed_and_an_unreliable_one_drops_its_oldest()
 {
    let mut rig = Rig::new(SERIAL);
    let reliable = rig.open(1, "arm");
    let arm = rig.endpoint("arm");
    let lossy = rig.open_as(2, arm, |bind| bind.reliable = false);
    fill(&mut rig, reliable);
    rig.events();
    rig.send(reliable, &[1; 1]);
    assert_eq!(rig.failures(), [(session(1), "overflow")]);
    assert_eq!(rig.drops(reliable), [(DropReason::Overflow, 1)]);
    for _ in 0..3 {
        rig.send(lossy, &[2; 400]);
    }
    assert_eq!(rig.failures(), []);
    assert_eq!(rig.drops(lossy), [(DropReason::Overflow, 400)]);
}

#[test]
fn waiting_messages_of_all_routes_go_out_in_turns_and_none_is_lost() {
    let mut rig = Rig::with_window(SERIAL, 20_000);
    let (first, second) = (rig.open(1, "arm"), rig.open(2, "arm"));
    let before = fill(&mut rig, first);
    for _ in 0..5 {
        rig.send(first, &[1; 2000]);
    }
    for _ in 0..5 {
        rig.send(second, &[2; 2000]);
    }
    let out = rig.take_output("arm");
    assert_eq!(out.len(), before + 20_000);
    let of = |byte: u8| out.iter().filter(|it| **it == byte).count();
    assert_eq!((of(1), of(2)), (10_000, 10_000));
    let first_of_second = out.iter().position(|byte| *byte == 2).unwrap();
    let last_of_first = out.iter().rposition(|byte| *byte == 1).unwrap();
    assert!(first_of_second < last_of_first, "they take turns");
    assert_eq!(rig.devices.table().waiting().1, 0);
}

#[test]
fn what_was_sent_before_a_channel_closed_is_delivered_and_stale_after_a_minute() {
    let mut rig = Rig::new(SERIAL);
    let route = rig.open(1, "arm");
    let sent = fill(&mut rig, route);
    rig.with(|devices, cx| devices.deliver_then_unbind(cx, route));
    assert!(!rig.devices.table().is_emptied(session(1)), "it lingers");
    assert_eq!(rig.take_output("arm").len(), sent);
    assert!(rig.devices.table().is_emptied(session(1)));

    let route = rig.open(1, "arm");
    fill(&mut rig, route);
    let waiting = rig.devices.table().waiting().1 as u64;
    rig.with(|devices, cx| devices.deliver_then_unbind(cx, route));
    rig.pass(Duration::from_secs(59));
    assert!(!rig.devices.table().is_emptied(session(1)), "not yet");
    rig.pass(Duration::from_secs(1));
    assert!(rig.devices.table().is_emptied(session(1)));
    let totals = rig.devices.table().totals();
    let dropped: Vec<_> = totals.drops.iter().collect();
    let closed = (Direction::FromPeer, DropReason::Closed);
    assert_eq!(
        dropped,
        [(
            closed,
            Count {
                messages: 1,
                bytes: waiting
            }
        )]
    );
}

#[test]
fn the_end_of_a_session_leaves_nothing_of_it() {
    let mut rig = Rig::new(SERIAL);
    let (route, other) = (rig.open(1, "arm"), rig.open(2, "arm"));
    fill(&mut rig, route);
    rig.with(|devices, cx| devices.remove_session(cx, session(1)));
    assert!(rig.devices.table().route(route).is_none());
    assert_eq!(
        rig.devices.table().waiting(),
        (1, 0),
        "the other route, and no bytes"
    );
    rig.send(route, b"late");
    assert_eq!(rig.devices.table().totals().from_peers.bytes % 1000, 0);
    assert_eq!(
        rig.devices.table().sessions_at(rig.endpoint("arm")).len(),
        1
    );
    rig.send(other, b"still");
    assert!(rig.take_output("arm").ends_with(b"still"));
}

#[test]
fn a_token_sends_no_more_messages_than_it_may_and_keeps_its_allowance_for_what_is_refused_anyway() {
    let mut rig = Rig::new(SERIAL);
    let holder = Holder {
        id: "t".to_owned(),
        name: "t".to_owned(),
    };
    let mut grant = Grant {
        token: Some(holder),
        ..Grant::everything()
    };
    grant.limits.messages_per_second = Some(2);
    rig.devices.add_session(session(9), &grant);
    let arm = rig.endpoint("arm");
    let reader = rig.open_as(9, arm, |bind| bind.may_write = false);
    for _ in 0..5 {
        rig.send(reader, b"x");
    }
    assert_eq!(rig.drops(reader), [(DropReason::Forbidden, 5)]);
    let writer = rig.open(9, "arm");
    for _ in 0..3 {
        rig.send(writer, b"x");
    }
    assert_eq!(rig.drops(writer), [(DropReason::RateLimited, 1)]);
    rig.devices.forget_rate("t");
    rig.send(writer, b"x");
    assert_eq!(rig.drops(writer), [(DropReason::RateLimited, 1)]);
}

#[test]
fn what_the_lease_keeps_out_uses_up_no_rate() {
    let mut rig = Rig::new(&format!("{SERIAL}writers = \"one\"\n"));
    let mut grant = Grant::everything();
    grant.token = Some(Holder {
        id: "t".to_owned(),
        name: "t".to_owned(),
    });
    grant.limits.messages_per_second = Some(2);
    rig.devices.add_session(session(9), &grant);
    let holder = rig.open(1, "arm");
    rig.send(holder, b"x");
    let route = rig.open(9, "arm");
    for _ in 0..5 {
        rig.send(route, b"x");
    }
    assert_eq!(rig.drops(route), [(DropReason::NoLease, 5)]);
}

#[test]
fn a_giant_message_fails_a_reliable_channel_and_is_counted() {
    let mut rig = Rig::new(SERIAL);
    let route = rig.open(1, "arm");
    rig.send(route, &vec![0; limits::MAX_MESSAGE + 1]);
    assert_eq!(rig.failures(), [(session(1), "too-large")]);
    let bytes = limits::MAX_MESSAGE as u64 + 1;
    assert_eq!(rig.drops(route), [(DropReason::TooLarge, bytes)]);
}

#[test]
fn the_largest_message_is_none_too_large() {
    let mut rig = Rig::with_window(SERIAL, 256 * 1024);
    let route = rig.open(1, "arm");
    rig.send(route, &vec![1; limits::MAX_MESSAGE]);
    assert_eq!(rig.failures(), []);
    assert_eq!(rig.take_output("arm").len(), limits::MAX_MESSAGE);
}

#[test]
fn a_message_that_was_sent_in_parts_reaches_a_stream_whole_however_long() {
    let page = crate::payload::Serialization::PeerJsBinary;
    let sent: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let mut rig = Rig::with_window(SERIAL, 256 * 1024);
    let arm = rig.endpoint("arm");
    let route = rig.open_as(1, arm, |bind| bind.serialization = Some(page));
    for frame in encoded(page, &sent) {
        rig.send(route, &frame);
    }
    assert_eq!(rig.drops(route), []);
    assert!(rig.take_output("arm") == sent);
}

#[test]
fn an_idle_route_ends_with_its_channel() {
    let mut rig = Rig::new(SERIAL);
    let route = rig.open(1, "arm");
    rig.send(route, b"a");
    rig.with(|devices, cx| devices.deliver_then_unbind(cx, route));
    assert!(rig.devices.table().route(route).is_none());
    assert_eq!(rig.take_output("arm"), b"a");
}

#[test]
fn drops_are_told_at_most_once_a_second_and_none_is_forgotten() {
    let mut rig = Rig::new(SERIAL);
    rig.devices.set_hears(session(1), true);
    let arm = rig.endpoint("arm");
    let route = rig.open_as(1, arm, |bind| bind.may_write = false);
    let told = |rig: &mut Rig| {
        let news = rig.with(|devices, cx| devices.take_drop_news(cx, session(1)));
        news.iter().map(|it| it.count.bytes).collect::<Vec<_>>()
    };
    rig.send(route, b"a");
    assert_eq!(told(&mut rig), [1]);
    rig.send(route, b"bc");
    assert_eq!(told(&mut rig), [0_u64; 0], "not within a second");
    rig.readable();
    rig.devices.begin_turn(session(1));
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.readable(), [session(1)], "it is asked again");
    assert_eq!(told(&mut rig), [3], "since the channel opened");
    assert_eq!(told(&mut rig), [0_u64; 0]);
}

#[test]
fn messages_in_parts_of_all_channels_have_one_bound() {
    let page = crate::payload::Serialization::PeerJsBinary;
    let frames = encoded(page, &[7; 30_000]);
    assert_eq!(frames.len(), 2);
    let exactly = {
        let mut rig = Rig::with_window(SERIAL, 256 * 1024);
        let arm = rig.endpoint("arm");
        let route = rig.open_as(1, arm, |bind| bind.serialization = Some(page));
        rig.send(route, &frames[0]);
        rig.devices.flow.table.held
    };
    for (free, drops) in [(exactly, 0), (exactly - 1, 1)] {
        let mut rig = Rig::with_window(SERIAL, 256 * 1024);
        let arm = rig.endpoint("arm");
        let route = rig.open_as(1, arm, |bind| bind.serialization = Some(page));
        // Other channels hold nearly all of the memory.
        rig.devices.flow.table.held = limits::PAYLOAD_TOTAL - free;
        rig.send(route, &frames[0]);
        let one = rig.devices.flow.table.held - (limits::PAYLOAD_TOTAL - free);
        assert!((16_000..20_000).contains(&one), "{one}");
        assert_eq!(rig.drops(route).len(), drops, "{free}");
        assert_eq!(rig.failures().len(), drops);
        rig.with(|devices, cx| devices.unbind(cx, route));
        assert_eq!(rig.devices.flow.table.held, limits::PAYLOAD_TOTAL - free);
    }
}

#[test]
fn a_whole_message_passes_while_others_hold_too_much() {
    let page = crate::payload::Serialization::PeerJsBinary;
    let mut rig = Rig::new(SERIAL);
    let arm = rig.endpoint("arm");
    let route = rig.open_as(1, arm, |bind| bind.serialization = Some(page));
    rig.devices.flow.table.held = limits::PAYLOAD_TOTAL + 1;
    for frame in encoded(page, b"whole") {
        rig.send(route, &frame);
    }
    assert_eq!(rig.drops(route), []);
    assert_eq!(rig.take_output("arm"), b"whole");
}

#[test]
fn while_draining_nothing_new_is_delivered_and_programs_are_read_without_end() {
    let config = "[[endpoint]]\nname = \"log\"\nkind = \"tcp\"\nremote = \"127.0.0.1:1\"\n";
    let mut rig = Rig::new(config);
    let route = rig.open(1, "log");
    let id = rig.endpoint("log");
    rig.send(route, b"before");
    rig.with(Devices::start_draining);
    rig.send(route, b"after");
    assert_eq!(rig.drops(route), [(DropReason::Closed, 5)]);
    assert!(!rig.devices.table().is_drained());
    assert_eq!(rig.take_output("log"), b"before");
    assert!(rig.devices.table().is_drained());
    assert_eq!(rig.devices.input_room(id), usize::MAX);
    rig.receive("log", b"answer");
    assert_eq!(rig.turn(1, 1000), [b""; 0], "nothing goes to peers");
}
