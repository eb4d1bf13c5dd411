//! What the fuzzers drive, as plain functions, so that the corpora also run in ordinary tests.
//!
//! Each takes any bytes and panics only when something is wrong with us. The targets in `fuzz/`
//! are one line each, and `tests/property` replays their corpora.

mod facade;
mod framing;
mod gateway;
pub mod http;
mod input;
mod media;
mod payload;
mod peer;
mod programs;
mod signaling;
mod world;

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use thingway::testing::api::problem::Problem;
use thingway::testing::api::whip::Fragment;
use thingway::testing::codec::Codec;
use thingway::testing::config::Config;
use thingway::testing::datagram::TransmitQueue;
use thingway::testing::endpoint::script::{Script, Step};
use thingway::testing::limits::Limits;
use thingway::testing::session::control::{ControlRequest, Reply};
use thingway::testing::session::crypto::Identity;
use thingway::testing::session::reoffer::ReofferError;
use thingway::testing::session::{Session, sdp};
use thingway::testing::transceiver::TrackWish;

pub use facade::facade;
pub use framing::framing;
pub use gateway::gateway;
pub use media::{keyframe, rtcp, rtp};
pub use payload::payload;
pub use signaling::signaling;

/// Parses a message of the control channel and answers it.
pub fn control(data: &[u8]) {
    match ControlRequest::parse(data) {
        Ok(ControlRequest::Ping { id }) => {
            let text = serde_json::to_string(&Reply::Pong { id }).expect("what came in goes out");
            assert!(text.len() <= LONGEST_PONG, "{} bytes", text.len());
        }
        Ok(ControlRequest::Line(line)) => {
            if let Ok(script) = Script::parse(line.script) {
                assert!(script.steps.len() <= 3 * 64, "{} steps", script.steps.len());
            }
        }
        Ok(
            ControlRequest::Hello
            | ControlRequest::Endpoints
            | ControlRequest::Lease { .. }
            | ControlRequest::Heartbeat { .. },
        ) => {}
        Err(error) => assert!(
            !error.detail.is_empty() && error.detail.len() <= 400,
            "{error:?}"
        ),
    }
}

/// Reads a configuration file; what is wrong with it has a place in it.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match Config::parse(text) {
        Ok(config) => {
            for endpoint in &config.endpoints {
                let described = format!("{endpoint:?}");
                assert!(endpoint.is_same(endpoint), "{described}");
                drop(thingway::testing::endpoint::new(endpoint));
            }
        }
        Err(faults) => {
            let lines = text.split('\n').count();
            assert!(!faults.is_empty(), "an error without a fault");
            for fault in faults {
                let is_there = (1..=lines + 1).contains(&fault.line);
                assert!(is_there && !fault.message.is_empty(), "{fault}");
            }
        }
    }
}

/// Reads a script for a serial line.
pub fn script(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match Script::parse(text) {
        Ok(script) => {
            let waits = script.steps.iter().map(|(_, step)| match step {
                Step::Wait(time) => *time,
                Step::Line(_) => Duration::ZERO,
            });
            let time: Duration = waits.sum();
            assert!(time <= Duration::from_secs(10), "{time:?}");
            assert!(script.steps.len() <= 3 * 64, "{} steps", script.steps.len());
        }
        Err(bad) => assert!(!bad.detail.is_empty() && bad.step.is_none_or(|n| n < 64)),
    }
}

/// The longest ping id, and the JSON around it.
const LONGEST_PONG: usize = 256 + 64;

/// Takes the same bytes as an offer and as a fragment, as the gateway does: what str0m makes of
/// them is caught, and nothing else may panic.
pub fn offer(data: &[u8]) {
    match Fragment::parse(data) {
        Ok(fragment) => run_session(OFFER.as_bytes(), &fragment, &[]),
        Err(error) => check_problem(&Problem::from(error)),
    }
    run_session(data, &Fragment::default(), &[]);
    run_session(data, &Fragment::default(), &tracks());
}

/// Between the offers of one session.
const NEXT: u8 = 0;

/// Takes the bytes as the offers of one session. A panic, or what str0m does not take although our checks have passed
/// it, would end somebody's session.
pub fn reoffer(data: &[u8]) {
    let mut offers = data.split(|byte| *byte == NEXT);
    let first = offers.next().unwrap_or_default();
    let Ok(checked) = sdp::check_offer(first, &tracks()[..2]) else {
        return;
    };
    let identity = Identity::generate().expect("an identity");
    let limits = Limits::default();
    let made = catch_unwind(AssertUnwindSafe(|| {
        Session::accept(
            start(),
            String::new(),
            &checked,
            true,
            &[],
            &identity,
            &limits,
        )
    }));
    let Ok(Ok((mut session, _))) = made else {
        return;
    };
    for offer in offers.take(8) {
        match session.reoffer(offer, &tracks()) {
            Ok(done) => {
                check_answer(&done.sdp);
                assert_eq!(done.tracks.len(), tracks().len());
            }
            Err(ReofferError::Sdp(error)) => check_problem(&Problem::from(error)),
            Err(ReofferError::Restart) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Tracks for the media sections of an offer.
fn tracks() -> Vec<TrackWish> {
    let codecs = [Codec::H264, Codec::Opus, Codec::Vp8, Codec::Pcmu];
    let wishes = codecs.map(|codec| TrackWish {
        endpoint: "camera".to_owned(),
        codec,
        clock_rate: codec.clock_rate(),
        channels: codec.channels(),
        fmtp: None,
        sends: true,
        receives: true,
        playout_delay: Some((Duration::ZERO, Duration::ZERO)),
        resend: Duration::from_millis(500),
        is_purpose: false,
    });
    wishes.to_vec()
}

/// An offer that is taken, for fragments to follow.
const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n\
    a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=ice-options:trickle\r\n\
    a=fingerprint:sha-256 91:45:EF:3F:05:48:1D:15:C5:6E:FB:4F:CE:27:9C:48:05:01:EA:DB:2C:A9:DB:B4:\
    9E:EB:0F:C5:2A:34:FD:BA\r\na=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\n";

fn run_session(offer: &[u8], fragment: &Fragment<'_>, tracks: &[TrackWish]) {
    let checked = match sdp::check_offer(offer, tracks) {
        Ok(checked) => checked,
        Err(error) => return check_problem(&Problem::from(error)),
    };
    assert!((1..=thingway::testing::limits::MAX_MESSAGE).contains(&checked.max_message()));
    let identity = Identity::generate().expect("an identity");
    let local = [[127, 0, 0, 1], [192, 0, 2, 1]].map(|ip| SocketAddr::from((ip, 5000)));
    let now = start();
    let limits = Limits::default();
    // As in `gateway::offers`: a panic of str0m costs the offer.
    let accepted = catch_unwind(AssertUnwindSafe(|| {
        Session::accept(
            now,
            "name".to_owned(),
            &checked,
            true,
            &local,
            &identity,
            &limits,
        )
    }));
    let (mut session, answer) = match accepted {
        Ok(Ok(accepted)) => accepted,
        Ok(Err(error)) => return check_problem(&Problem::from(error)),
        Err(_) => return,
    };
    check_answer(&answer);
    let mut problems = Vec::new();
    // As in `Gateway::with_session`: a panic of str0m costs the session.
    let _caught = catch_unwind(AssertUnwindSafe(|| {
        let mut transmits = TransmitQueue::new();
        for (line, candidate) in &fragment.candidates {
            problems.extend(session.add_remote_candidate(*line, candidate).err());
        }
        session.flush(now, &mut transmits);
        for _ in 0..8 {
            let Some(at) = session.poll_timeout() else {
                break;
            };
            session.handle_timeout(at.max(now), &mut transmits);
            while session.poll_event().is_some() {}
            while transmits.pop().is_some() {}
        }
        drop(session);
    }));
    for problem in problems {
        check_problem(&Problem::from(problem));
    }
}

/// Whoever reads it must be told something, and it must be a line of a sane length.
fn check_problem(problem: &Problem) {
    assert!((400..600).contains(&problem.status()), "{problem:?}");
    assert!(
        !problem.detail().is_empty() && problem.detail().len() < 4096,
        "{problem:?}"
    );
    assert!(!problem.detail().contains(['\r', '\n']), "{problem:?}");
}

fn check_answer(answer: &str) {
    assert!(
        answer.starts_with("v=0\r\n") && answer.ends_with("\r\n"),
        "{answer}"
    );
    let lines = || answer.split("\r\n").filter(|line| !line.is_empty());
    assert!(lines().all(|line| line.get(1..2) == Some("=")), "{answer}");
    let sizes = || lines().filter_map(|line| line.strip_prefix("a=max-message-size:"));
    assert!(sizes().all(|size| size == "65536"), "{answer}");
}

#[expect(clippy::disallowed_methods, reason = "any instant will do")]
fn start() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offer_for_fragments_is_taken() {
        let checked = sdp::check_offer(OFFER.as_bytes(), &[]).expect("a good offer");
        let identity = Identity::generate().expect("an identity");
        let limits = Limits::default();
        let (mut session, answer) = Session::accept(
            start(),
            String::new(),
            &checked,
            false,
            &[],
            &identity,
            &limits,
        )
        .expect("a session");
        check_answer(&answer);
        let fragment =
            Fragment::parse(b"a=candidate:1 1 udp 1 192.0.2.1 5 typ host").expect("good");
        for (line, candidate) in &fragment.candidates {
            assert_eq!(session.add_remote_candidate(*line, candidate), Ok(()));
        }
        assert_eq!(fragment.candidates.len(), 1);
    }
}
