//! The answer to each offer in `offers/` is the file of the same name in `answers/`, apart from
//! what differs from run to run. `UPDATE_GOLDEN=1 cargo test --test golden` writes them anew.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use thingway::testing::limits::Limits;
use thingway::testing::session::crypto::Identity;
use thingway::testing::session::{Session, sdp};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

/// The offers with their file names, in order.
fn offers() -> Vec<(String, String)> {
    let entries = fs::read_dir(folder("offers")).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .filter(|name| name.ends_with(".sdp"))
        .collect();
    names.sort();
    let read = |name: String| {
        let text = fs::read_to_string(folder("offers").join(&name)).expect("text");
        (name, text)
    };
    names.into_iter().map(read).collect()
}

const LOCAL: [&str; 3] = ["127.0.0.1:40000", "192.0.2.1:40000", "[2001:db8::1]:40000"];

fn answer(offer: &str) -> String {
    let identity = Identity::generate().expect("an identity");
    let local: Vec<SocketAddr> = LOCAL
        .iter()
        .map(|text| text.parse().expect("an address"))
        .collect();
    let checked = sdp::check_offer(offer.as_bytes(), &[]).expect("a good offer");
    let limits = Limits::default();
    let accepted = Session::accept(
        Instant::now(),
        "name".into(),
        &checked,
        false,
        &local,
        &identity,
        &limits,
    );
    let (session, answer) = accepted.expect("a session");
    assert!(answer.contains(&format!("a=ice-ufrag:{}\r\n", session.local_ufrag())));
    assert!(answer.contains(&format!("a=fingerprint:{}\r\n", identity.fingerprint())));
    answer
}

/// Replaces what differs from run to run.
fn normalised(answer: &str) -> String {
    let line = |line: &str| {
        for (prefix, instead) in [
            ("a=ice-ufrag:", "UFRAG"),
            ("a=ice-pwd:", "PWD"),
            ("a=fingerprint:sha-256 ", "FINGERPRINT"),
        ] {
            if line.starts_with(prefix) {
                return format!("{prefix}{instead}");
            }
        }
        match line
            .strip_prefix("o=")
            .map(|value| value.split(' ').collect::<Vec<_>>())
        {
            Some(words) => {
                let (user, rest) = (words[0], words[2..].join(" "));
                format!("o={user} ID {rest}")
            }
            // A candidate repeats the ufrag.
            None => match line.split_once(" ufrag ") {
                Some((start, _)) => format!("{start} ufrag UFRAG"),
                None => line.to_owned(),
            },
        }
    };
    answer
        .split_inclusive("\r\n")
        .map(|whole| line(whole.trim_end()) + "\r\n")
        .collect()
}

#[test]
fn answers_to_real_offers_are_as_before() {
    let offers = offers();
    for stack in [
        "aiortc",
        "chromium",
        "firefox",
        "libdatachannel",
        "libwebrtc",
        "webrtcbin",
        "werift",
    ] {
        let its = offers.iter().filter(|(name, _)| name.starts_with(stack));
        let with_media = its.clone().filter(|(name, _)| name.contains("-media"));
        assert!(with_media.count() >= 1 && its.count() >= 2, "{stack}");
    }
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    for (name, offer) in &offers {
        let path = folder("answers").join(name);
        let new = normalised(&answer(offer));
        if update {
            fs::create_dir_all(folder("answers")).expect("a folder");
            fs::write(&path, &new).expect("written");
        }
        let old = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            new, old,
            "{name}: look at the difference, then set UPDATE_GOLDEN=1 if it is meant"
        );
    }
    // An answer without its offer would be compared with nothing.
    let answers = fs::read_dir(folder("answers")).expect("a folder");
    let sdp = answers.filter(|entry| {
        let name = entry.as_ref().expect("an entry").file_name();
        name.to_string_lossy().ends_with(".sdp")
    });
    assert_eq!(sdp.count(), offers.len());
}

#[test]
fn answers_keep_to_what_the_offers_say() {
    for (name, offer) in offers() {
        let answer = answer(&offer);
        let has = |line: &str| answer.split("\r\n").any(|other| other == line);
        // RFC 8842 §5.3: the answerer is passive, so the peer speaks first and finds us.
        assert!(has("a=setup:passive"), "{name}: {answer}");
        assert!(has("a=max-message-size:65536"), "{name}: {answer}");
        assert!(has("a=sctp-port:5000"), "{name}: {answer}");
        let channel = offer
            .split("\r\nm=application")
            .nth(1)
            .expect("a data channel");
        let mid = channel.lines().find_map(|line| line.strip_prefix("a=mid:"));
        let mid = mid.expect("a mid");
        assert!(has(&format!("a=mid:{mid}")), "{name}");
        let group = |text: &str| {
            let mut lines = text.lines();
            let group = lines.find_map(|line| line.strip_prefix("a=group:BUNDLE "));
            group.map(|mids| mids.split(' ').any(|other| other == mid))
        };
        assert_eq!(group(&answer), group(&offer), "{name}: {answer}");
        let sections = |text: &str| text.lines().filter(|line| line.starts_with("m=")).count();
        assert_eq!(sections(&answer), sections(&offer), "{name}");
        for address in LOCAL {
            let addr: SocketAddr = address.parse().expect("an address");
            let wanted = format!(" {} {} typ host", addr.ip(), addr.port());
            let mut candidates = answer
                .lines()
                .filter(|line| line.starts_with("a=candidate:"));
            assert!(
                candidates.any(|line| line.contains(&wanted)),
                "{name}: {wanted}: {answer}"
            );
        }
        assert!(answer.ends_with("\r\n") && !answer.replace("\r\n", "").contains(['\r', '\n']));
        assert!(answer.starts_with("v=0\r\n"), "{name}");
    }
}
