//! Channels, as far as their owner decides about them.

use super::*;
use crate::session::channels::Binding;

const CONTROL: &str = control::LABEL;

fn end(rig: &mut Rig, id: SessionId, label: &str, ending: Ending) -> Option<String> {
    let key = rig.channel(id, label);
    let ended = rig.with(|sessions, cx| {
        sessions.end_channel(cx, id, key, ending, "reason", "why it was closed")
    });
    ended.map(|ended| ended.label)
}

#[test]
fn a_peer_is_told_why_before_its_channel_is_closed() {
    let mut rig = Rig::new();
    let (id, n) = rig.connect(&[CONTROL, "arm", "leg"]);
    rig.control(id);
    for (label, ending) in [("arm", Ending::Refused), ("leg", Ending::Closed)] {
        assert_eq!(end(&mut rig, id, label, ending).as_deref(), Some(label));
        assert_eq!(end(&mut rig, id, label, ending), None, "once");
    }
    assert_eq!(rig.sessions.open_channels(id), 1);
    rig.pass(Duration::from_secs(1));
    let told = rig.peers[n].texts(CONTROL);
    let expected = |ending: &str, label: &str, stream: usize| {
        format!(
            "{{\"type\":\"{ending}\",\"channel\":{stream},\"label\":\"{label}\",\"reason\":\"reason\",\
             \"detail\":\"why it was closed\"}}"
        )
    };
    assert_eq!(told.len(), 2);
    assert!(told[0].starts_with("{\"type\":\"refused\"") && told[0].contains("\"arm\""));
    let stream = rig.sessions.origin(id).expect("it exists").closed[1].stream;
    assert_eq!(told[1], expected("closed", "leg", usize::from(stream)));
    assert_eq!(rig.peers[n].closed, ["arm", "leg"]);
    let closed = rig.news.iter();
    let closed = closed.filter(|(_, news)| matches!(news, SessionNews::ChannelClosed(_)));
    assert_eq!(closed.count(), 2);
}

#[test]
fn the_reason_goes_out_before_the_control_channel_itself_is_closed() {
    let mut rig = Rig::new();
    let (id, n) = rig.connect(&[CONTROL, "arm"]);
    rig.control(id);
    end(&mut rig, id, CONTROL, Ending::Closed);
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.peers[n].texts(CONTROL).len(), 1);
    assert_eq!(rig.peers[n].closed, [CONTROL]);
}

#[test]
fn a_long_label_is_cut_where_it_is_shown() {
    let mut rig = Rig::new();
    let long = "x".repeat(1000);
    let (id, n) = rig.connect(&[CONTROL, &long]);
    rig.control(id);
    let shown = end(&mut rig, id, &long, Ending::Refused).expect("it was open");
    assert_eq!(shown, "x".repeat(limits::LABEL));
    rig.pass(Duration::from_secs(1));
    let told = rig.peers[n].texts(CONTROL).concat();
    assert_eq!(told.matches('x').count(), limits::LABEL);
    let origin = rig.sessions.origin(id).expect("it exists");
    assert_eq!(origin.closed[0].label, shown);
}

#[test]
fn only_the_last_closed_channels_are_remembered() {
    let mut rig = Rig::new();
    let labels: Vec<String> = (0..limits::CLOSED_CHANNELS + 3)
        .map(|n| format!("c{n}"))
        .collect();
    let names: Vec<&str> = labels.iter().map(String::as_str).collect();
    let (id, _) = rig.connect(&names);
    for label in &names {
        end(&mut rig, id, label, Ending::Refused);
    }
    let origin = rig.sessions.origin(id).expect("it exists");
    let closed: Vec<&str> = origin.closed.iter().map(|it| it.label.as_str()).collect();
    assert_eq!(closed, names[3..]);
    assert_eq!(origin.closed[0].reason, "reason");
    assert_eq!(origin.closed[0].detail, "why it was closed");
}

#[test]
fn a_bound_channel_is_told_to_its_peer_and_found_by_its_route() {
    let mut rig = Rig::new();
    let (id, n) = rig.connect(&[CONTROL, "arm"]);
    rig.control(id);
    let (key, route) = (rig.channel(id, "arm"), Id::from_bits(5));
    rig.sessions.bind(id, key, route, "arm-of-robot");
    rig.settle();
    let told = rig.peers[n].texts(CONTROL).concat();
    assert!(
        told.contains("\"opened\"") && told.contains("\"arm-of-robot\""),
        "{told}"
    );
    let now = rig.now;
    rig.peers[n].send(now, "arm", b"last");
    rig.peers[n].close_channel(now, "arm");
    rig.news.clear();
    rig.pass(Duration::from_secs(1));
    // A message that arrives together with the close still finds its channel.
    let news: Vec<_> = rig.news.iter().map(|(_, news)| news).collect();
    assert!(
        matches!(news[..], [SessionNews::Message { channel, .. }, SessionNews::ChannelClosed(closed)]
            if *channel == key && *closed == key),
        "{news:?}"
    );
    let channel = rig.sessions.channel(id, key).expect("until it is removed");
    assert_eq!(channel.binding, Binding::Route(route));
    let removed = rig.sessions.remove_channel(id, key).expect("once");
    assert_eq!(removed.label, "arm");
    assert!(rig.sessions.remove_channel(id, key).is_none());
}

#[test]
fn a_session_has_one_control_channel_and_another_when_that_is_closed() {
    let mut rig = Rig::new();
    let (id, n) = rig.connect(&[CONTROL, "second"]);
    let second = rig.channel(id, "second");
    rig.control(id);
    assert!(!rig.sessions.set_control(id, second));
    let now = rig.now;
    rig.peers[n].close_channel(now, CONTROL);
    rig.pass(Duration::from_secs(1));
    assert!(rig.sessions.set_control(id, second));
}

#[test]
fn messages_on_a_channel_that_does_not_exist_are_counted() {
    use crate::session::event::SessionEvent;
    let mut rig = Rig::new();
    let (id, _) = rig.connect(&["arm"]);
    rig.news.clear();
    for bytes in [100, 23] {
        let entry = rig.sessions.entries.get_mut(id).expect("it exists");
        let event = SessionEvent::Unbound { bytes };
        entry.session.push_event_for_test(event);
    }
    rig.take_news(id);
    let unbound: Vec<usize> = (rig.news.iter())
        .filter_map(|(_, news)| match news {
            SessionNews::Unbound(bytes) => Some(*bytes),
            _ => None,
        })
        .collect();
    assert_eq!(unbound, [100, 23]);
}

#[test]
fn a_peer_that_does_not_read_its_control_channel_is_found() {
    let mut rig = Rig::new();
    let (id, _) = rig.connect(&[CONTROL]);
    rig.control(id);
    let key = rig.channel(id, CONTROL);
    assert_eq!(rig.sessions.begin_turn(id), Some(true));
    let pong = Reply::Pong { id: None };
    // None of this is sent in a datagram, so nothing is acknowledged.
    for _ in 0..100_000 {
        rig.sessions.answer(id, &pong);
    }
    assert_eq!(
        rig.sessions.overflowed_control(id),
        None,
        "answers are left out"
    );
    assert_eq!(
        rig.sessions.begin_turn(id),
        Some(false),
        "what can wait waits"
    );
    for _ in 0..1000 {
        rig.sessions.tell(id, &pong);
    }
    assert_eq!(rig.sessions.overflowed_control(id), Some(key));
}

#[test]
fn few_lines_about_the_channels_of_a_session_go_into_the_log() {
    let mut rig = Rig::new();
    let (id, _) = rig.connect(&["arm"]);
    let entry = rig.sessions.entries.get_mut(id).expect("it exists");
    let lines = (0..1000).filter(|_| entry.channel_level() == log::Level::Info);
    assert_eq!(lines.count(), 200);
}
