//! Later offers of one session: sections come, go and come again.

use std::net::SocketAddr;
use std::time::Instant;

use super::check_offer;
use super::tracks_tests::{accepted, offer, wish};
use crate::codec::Codec;
use crate::limits::Limits;
use crate::session::Session;
use crate::session::crypto::Identity;
use crate::session::reoffer::ReofferError;
use crate::transceiver::{TrackOutcome, TrackRefusal, TrackWish, TransceiverKey};

struct Rig {
    session: Session,
}

impl Rig {
    /// Returns a session whose first offer has these sections.
    fn new(first: &str, wishes: &[TrackWish]) -> (Self, String) {
        let checked = check_offer(first.as_bytes(), wishes).expect("good");
        let identity = Identity::generate().expect("an identity");
        let local = [SocketAddr::from(([192, 0, 2, 1], 5000))];
        let (now, limits) = (Instant::now(), Limits::default());
        let made = Session::accept(
            now,
            "s".to_owned(),
            &checked,
            true,
            &local,
            &identity,
            &limits,
        );
        let (session, answer) = made.expect("a session");
        (Self { session }, answer)
    }

    /// Returns the answer to a later offer, with what became of its wishes, and the tracks that were released.
    fn again(
        &mut self,
        text: &str,
        wishes: &[TrackWish],
    ) -> (String, Vec<TrackOutcome>, Vec<TransceiverKey>) {
        let done = self.session.reoffer(text.as_bytes(), wishes).expect("good");
        (done.sdp, done.tracks, done.released)
    }
}

fn lines<'a>(answer: &'a str, mid: &str) -> Vec<&'a str> {
    let sections = answer.split("m=");
    let mid = format!("a=mid:{mid}\r\n");
    let mut found = sections.filter(|section| section.contains(&mid));
    let section = found.next().unwrap_or_else(|| panic!("{mid} in {answer}"));
    section.lines().collect()
}

fn ssrc(answer: &str, mid: &str) -> String {
    let lines = lines(answer, mid);
    let mut ssrcs = lines.iter().filter_map(|line| line.strip_prefix("a=ssrc:"));
    let first = ssrcs.next().expect("a stream");
    first.split(' ').next().unwrap_or_default().to_owned()
}

#[test]
fn a_session_of_channels_gets_tracks_and_loses_them() {
    let (mut rig, answer) = Rig::new(&offer(&[("data", "", "")]), &[]);
    assert!(answer.contains("m=application 9 "), "{answer}");
    let text = offer(&[
        ("data", "", ""),
        ("video", "recvonly", ""),
        ("audio", "recvonly", ""),
    ]);
    let wishes = [wish("camera", Codec::H264), wish("talk", Codec::Opus)];
    let (answer, outcomes, released) = rig.again(&text, &wishes);
    assert_eq!(outcomes, [accepted(0), accepted(1)]);
    assert_eq!(released, []);
    let video = lines(&answer, "1");
    assert!(
        video[0].starts_with("video 9 UDP/TLS/RTP/SAVPF 106 107"),
        "{answer}"
    );
    assert!(video.contains(&"a=sendonly"), "{answer}");
    let profile =
        "a=fmtp:106 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f";
    assert!(
        video.contains(&profile),
        "the profile of the offer: {answer}"
    );
    assert!(
        lines(&answer, "2").contains(&"a=fmtp:111 minptime=10;useinbandfec=1"),
        "{answer}"
    );

    // The same offer again changes nothing.
    let (same, outcomes, released) = rig.again(&text, &[]);
    assert_eq!((outcomes, released), (vec![], vec![]));
    assert_eq!(ssrc(&same, "1"), ssrc(&answer, "1"));

    // The picture is stopped; the sound goes on.
    let text = offer(&[
        ("data", "", ""),
        ("video", "inactive", ""),
        ("audio", "recvonly", ""),
    ]);
    let (stopped, _, released) = rig.again(&text, &[]);
    assert_eq!(released, [TransceiverKey(0)]);
    assert!(lines(&stopped, "1").contains(&"a=inactive"), "{stopped}");
    assert_eq!(ssrc(&stopped, "2"), ssrc(&answer, "2"));

    // Its section gets another track, whose stream has another SSRC: the numbers begin anew.
    let text = offer(&[
        ("data", "", ""),
        ("video", "recvonly", ""),
        ("audio", "recvonly", ""),
    ]);
    let (other, outcomes, released) = rig.again(&text, &[wish("other", Codec::Vp8)]);
    assert_eq!((outcomes, released), (vec![accepted(0)], vec![]));
    let video = lines(&other, "1");
    assert!(
        video[0].starts_with("video 9 UDP/TLS/RTP/SAVPF 96 97"),
        "{other}"
    );
    assert!(video.contains(&"a=msid:other video"), "{other}");
    assert_ne!(ssrc(&other, "1"), ssrc(&answer, "1"));
}

#[test]
fn data_channels_may_be_called_as_a_track_is() {
    // Of two sections with one name a track gets none that is new, but it keeps the one that it has.
    let (mut rig, _) = Rig::new(
        &offer(&[("video", "recvonly", "")]),
        &[wish("camera", Codec::Vp8)],
    );
    let text = offer(&[("video", "recvonly", ""), ("data", "", "")]);
    let twice = text
        .replace("a=mid:1", "a=mid:0")
        .replace("BUNDLE 0 1", "BUNDLE 0");
    let (answer, _, released) = rig.again(&twice, &[]);
    assert_eq!(released, []);
    assert!(answer.contains("m=application 9 "), "{answer}");

    // A track may have the name that an earlier offer had for the data channels.
    let (mut rig, _) = Rig::new(&offer(&[("data", "", "")]), &[]);
    let text = offer(&[("video", "recvonly", ""), ("data", "", "")]);
    let (answer, outcomes, _) = rig.again(&text, &[wish("camera", Codec::Vp8)]);
    assert_eq!(outcomes, [accepted(0)], "{answer}");
    assert!(
        lines(&answer, "0").contains(&"a=msid:camera video"),
        "{answer}"
    );
}

#[test]
fn only_a_section_that_sends_names_its_stream() {
    let (mut rig, _) = Rig::new(&offer(&[("data", "", "")]), &[]);
    let both = TrackWish {
        receives: true,
        ..wish("talk", Codec::Vp8)
    };
    let text = offer(&[("data", "", ""), ("video", "recvonly", "")]);
    let (_, outcomes, _) = rig.again(&text, std::slice::from_ref(&both));
    assert_eq!(outcomes, [accepted(0)]);
    // The same endpoint takes a picture, too. Chromium refuses an answer that names one track twice.
    let text = offer(&[
        ("data", "", ""),
        ("video", "recvonly", ""),
        ("video", "sendonly", ""),
    ]);
    let (answer, outcomes, _) = rig.again(&text, &[both]);
    assert!(matches!(outcomes[..], [TrackOutcome::Accepted(..)]));
    assert!(
        lines(&answer, "1").contains(&"a=msid:talk video"),
        "{answer}"
    );
    let taking = lines(&answer, "2");
    assert!(taking.contains(&"a=recvonly"), "{answer}");
    assert!(!taking.iter().any(|line| line.contains("msid")), "{answer}");
}

#[test]
fn a_section_that_a_browser_uses_again_has_another_name() {
    let first = offer(&[("video", "recvonly", ""), ("data", "", "")]);
    let (mut rig, answer) = Rig::new(&first, &[wish("one", Codec::Vp8)]);
    assert!(
        lines(&answer, "0").contains(&"a=msid:one video"),
        "{answer}"
    );
    let named = |mid: &str, port: &str| {
        let text = first.replacen("m=video 9", &format!("m=video {port}"), 1);
        let text = text.replacen("a=mid:0", &format!("a=mid:{mid}"), 1);
        text.replace("BUNDLE 0 1", &format!("BUNDLE {mid} 1"))
    };
    let mut mid = "0".to_owned();
    for round in 0..100 {
        let (_, _, released) = rig.again(&named(&mid, "0"), &[]);
        assert_eq!(released, [TransceiverKey(0)], "{round}");
        mid = (round + 2).to_string();
        let (answer, outcomes, _) = rig.again(&named(&mid, "9"), &[wish("two", Codec::H264)]);
        assert_eq!(outcomes, [accepted(0)], "{round}");
        assert!(
            lines(&answer, &mid).contains(&"a=msid:two video"),
            "{answer}"
        );
    }
}

#[test]
fn a_later_offer_cannot_take_a_payload_type_for_something_else() {
    let (mut rig, _) = Rig::new(
        &offer(&[("data", "", ""), ("video", "recvonly", "")]),
        &[wish("one", Codec::Vp8)],
    );
    let text = offer(&[
        ("data", "", ""),
        ("video", "recvonly", ""),
        ("video", "recvonly", ""),
    ]);
    let second = text.rfind("VP8/90000").expect("there");
    let mut other = text.clone();
    other.replace_range(second..second + 3, "AV1");
    let (_, outcomes, _) = rig.again(&other, &[wish("two", Codec::Av1)]);
    let is_refused = |outcome: &TrackOutcome| {
        matches!(
            outcome,
            TrackOutcome::Refused(TrackRefusal::OtherCodecs { .. })
        )
    };
    assert!(outcomes.iter().all(is_refused), "{outcomes:?}");
    // Nor may one form have two payload types.
    let at = text.rfind("m=video").expect("there");
    let moved = text[at..].replace("96", "120").replace("97", "121");
    let moved = text[..at].to_owned() + &moved;
    let (_, outcomes, _) = rig.again(&moved, &[wish("two", Codec::Vp8)]);
    assert!(outcomes.iter().all(is_refused), "{outcomes:?}");
}

#[test]
fn a_section_that_stops_to_send_keeps_its_stream() {
    let text = offer(&[("data", "", ""), ("video", "sendrecv", "")]);
    let both = TrackWish {
        receives: true,
        ..wish("camera", Codec::Vp8)
    };
    let (mut rig, answer) = Rig::new(&text, &[both]);
    let (muted, _, released) = rig.again(&text.replace("a=sendrecv", "a=sendonly"), &[]);
    assert_eq!(released, []);
    assert!(lines(&muted, "1").contains(&"a=recvonly"), "{muted}");
    let (again, _, _) = rig.again(&text, &[]);
    assert!(lines(&again, "1").contains(&"a=sendrecv"), "{again}");
    assert_eq!(ssrc(&again, "1"), ssrc(&answer, "1"));
}

#[test]
fn what_a_later_offer_may_not_do_is_said() {
    let text = offer(&[("data", "", ""), ("video", "recvonly", "")]);
    let (mut rig, _) = Rig::new(&text, &[wish("one", Codec::Vp8)]);
    let without = offer(&[("video", "recvonly", "")]).replace("a=mid:0", "a=mid:1");
    let refused = rig.session.reoffer(without.as_bytes(), &[]);
    assert!(
        matches!(&refused, Err(ReofferError::Sdp(fault)) if fault.unsupported
            && fault.detail.contains("lacks the data channel")),
        "{refused:?}"
    );
    // The names of empty places are ours.
    let ours = offer(&[
        ("data", "", ""),
        ("video", "recvonly", ""),
        ("video", "recvonly", ""),
    ]);
    let ours = ours
        .replace("a=mid:2", "a=mid:ours_2")
        .replace("0 1 2", "0 1 ours_2");
    let (_, outcomes, _) = rig.again(&ours, &[wish("two", Codec::Vp8)]);
    assert_eq!(
        outcomes,
        [TrackOutcome::Refused(TrackRefusal::OtherTransport)]
    );
}

#[test]
fn parameters_of_the_source_are_added_to_the_answer() {
    let text = offer(&[("audio", "recvonly", ""), ("video", "recvonly", "")]);
    let with = |endpoint, codec, fmtp: &str| TrackWish {
        fmtp: Some(fmtp.to_owned()),
        ..wish(endpoint, codec)
    };
    let wishes = [
        with("talk", Codec::Opus, "stereo=1; useinbandfec=0"),
        with("camera", Codec::H264, "profile-level-id=640028;x-y=1"),
    ];
    let (_, answer) = Rig::new(&text, &wishes);
    assert!(
        lines(&answer, "0").contains(&"a=fmtp:111 minptime=10;stereo=1;useinbandfec=0"),
        "{answer}"
    );
    let profile =
        "a=fmtp:106 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f;x-y=1";
    assert!(lines(&answer, "1").contains(&profile), "{answer}");
}

#[test]
fn two_formats_of_one_form_are_one() {
    // Two sections that number the same codec differently.
    let text = offer(&[("video", "recvonly", ""), ("video", "recvonly", "")]);
    let at = text.rfind("m=video").expect("there");
    let moved = text[at..].replace("96", "120").replace("97", "121");
    let moved = text[..at].to_owned() + &moved;
    let wishes = [wish("one", Codec::Vp8), wish("two", Codec::Vp8)];
    let checked = check_offer(moved.as_bytes(), &wishes).expect("good");
    assert_eq!(checked.outcomes()[0], accepted(0));
    assert!(matches!(checked.outcomes()[1], TrackOutcome::Refused(_)));
    let (_, answer) = Rig::new(&moved, &wishes);
    assert!(answer.contains("m=video 9"), "{answer}");
}

/// str0m keeps every stream that it is told, and looks through them.
#[test]
fn the_streams_of_a_section_are_told_once() {
    let with = |ssrc: u32| {
        let streams = format!(
            "a=ssrc:{ssrc} cname:x\r\na=ssrc-group:FID {ssrc} {}\r\n",
            ssrc + 1
        );
        offer(&[("data", "", ""), ("video", "sendrecv", &streams)])
    };
    let both = TrackWish {
        receives: true,
        ..wish("talk", Codec::Vp8)
    };
    let first = with(1_000);
    let checked = check_offer(first.as_bytes(), std::slice::from_ref(&both)).expect("good");
    assert!(checked.to_text("0").contains("a=ssrc:1000 "));
    let slots = checked.slots().clone();
    let later = with(2_000);
    let checked = super::check_reoffer(later.as_bytes(), &[], &slots).expect("good");
    assert!(
        checked
            .to_steps()
            .iter()
            .all(|step| !step.contains("a=ssrc"))
    );
    // A section that only took until now tells them when it begins to send.
    let taking = first.replace("a=sendrecv", "a=recvonly");
    let checked = check_offer(taking.as_bytes(), &[both]).expect("good");
    let slots = checked.slots().clone();
    let checked = super::check_reoffer(later.as_bytes(), &[], &slots).expect("good");
    assert!(
        checked
            .to_steps()
            .iter()
            .any(|step| step.contains("a=ssrc:2000 "))
    );
    let slots = checked.slots().clone();
    let third = with(3_000);
    let checked = super::check_reoffer(third.as_bytes(), &[], &slots).expect("good");
    assert!(
        checked
            .to_steps()
            .iter()
            .all(|step| !step.contains("a=ssrc"))
    );
}
