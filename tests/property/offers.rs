//! No change of a real offer causes a panic.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use crate::fuzz;
use proptest::prelude::*;
use proptest::sample::Index;

/// All files of `tests/golden/offers`.
static OFFERS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/offers");
    let files = fs::read_dir(folder).expect("the folder");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|it| it == "sdp"));
    paths.sort();
    let read = |path| fs::read_to_string(path).expect("an offer");
    paths.into_iter().map(read).collect()
});

fn an_offer() -> impl Strategy<Value = &'static str> {
    prop::sample::select(OFFERS.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A change of an offer.
#[derive(Debug, Clone)]
enum Change {
    Truncate(Index),
    /// Replaces a byte.
    Byte(Index, u8),
    /// Removes a line. The next two variants repeat a line, and swap two lines.
    Remove(Index),
    Repeat(Index, usize),
    Swap(Index, Index),
    /// Replaces a word by a word of any offer, or by nonsense.
    Word(Index, Index, String),
    /// Replaces a line's value by nonsense.
    Value(Index, String),
}

fn a_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        any::<Index>().prop_map(Change::Truncate),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        any::<Index>().prop_map(Change::Remove),
        (any::<Index>(), 1..80_usize).prop_map(|(at, times)| Change::Repeat(at, times)),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Change::Swap(a, b)),
        (
            any::<Index>(),
            any::<Index>(),
            "[-0-9a-zA-Z:./*]{0,12}|18446744073709551616|-1|\u{7f}|°"
        )
            .prop_map(|(line, word, with)| Change::Word(line, word, with)),
        (any::<Index>(), "[ -~]{0,40}").prop_map(|(line, with)| Change::Value(line, with)),
    ]
}

fn apply(change: &Change, offer: &mut Vec<u8>) {
    if offer.is_empty() {
        return;
    }
    let text = String::from_utf8_lossy(offer).into_owned();
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    match change {
        Change::Truncate(at) => return offer.truncate(at.index(offer.len())),
        Change::Byte(at, byte) => {
            let at = at.index(offer.len());
            offer[at] = *byte;
            return;
        }
        Change::Remove(at) => drop(lines.remove(at.index(lines.len()))),
        Change::Repeat(at, times) => {
            let line = lines[at.index(lines.len())].clone();
            lines.extend(std::iter::repeat_n(line, *times));
        }
        Change::Swap(a, b) => {
            let (a, b) = (a.index(lines.len()), b.index(lines.len()));
            lines.swap(a, b);
        }
        Change::Word(line, word, with) => {
            let line = line.index(lines.len());
            let mut words: Vec<&str> = lines[line].split(' ').collect();
            let word = word.index(words.len());
            words[word] = with;
            lines[line] = words.join(" ");
        }
        Change::Value(line, with) => {
            let line = line.index(lines.len());
            let key = lines[line].split(':').next().unwrap_or_default();
            lines[line] = format!("{key}:{with}\r\n");
        }
    }
    *offer = lines.concat().into_bytes();
}

/// Returns a line, mostly a candidate that is nearly valid.
fn a_line_of_a_fragment() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        4 => prop::sample::select(["udp", "UDP", "tcp", "1", "2122260223", "192.0.2.1", "2001:db8::1",
            "0.0.0.0", "169.254.0.1", "x.local", "typ", "host", "srflx", "raddr", "rport", "ufrag",
            "generation", "tcptype", "active", "65536", ""].as_slice()).prop_map(str::to_owned),
        1 => "[ -~]{0,12}",
    ];
    let words = prop::collection::vec(word, 0..14);
    let free = words.prop_map(|words| format!("a=candidate:{}", words.join(" ")));
    let good = (
        any::<u32>(),
        any::<std::net::IpAddr>(),
        any::<u16>(),
        "host|srflx|prflx|relay",
    )
        .prop_map(|(n, ip, port, kind)| {
            format!("a=candidate:{n} 1 udp {n} {ip} {port} typ {kind}")
        });
    prop_oneof![
        free,
        good,
        "a=ice-ufrag:[ -~]{0,10}",
        Just("a=end-of-candidates".to_owned())
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_truncated_offer_does_no_harm(offer in an_offer(), at in any::<Index>()) {
        fuzz::offer(&offer.as_bytes()[..at.index(offer.len())]);
    }

    #[test]
    fn a_changed_offer_does_no_harm(
        offer in an_offer(),
        changes in prop::collection::vec(a_change(), 1..5),
    ) {
        let mut offer = offer.as_bytes().to_vec();
        for change in &changes {
            apply(change, &mut offer);
        }
        fuzz::offer(&offer);
    }

    #[test]
    fn a_mixture_of_two_offers_does_no_harm(
        a in an_offer(), b in an_offer(), at in any::<Index>(), from in any::<Index>(),
    ) {
        let (at, from) = (at.index(a.len()), from.index(b.len()));
        fuzz::offer(&[&a.as_bytes()[..at], &b.as_bytes()[from..]].concat());
    }

    #[test]
    fn a_fragment_of_any_candidates_does_no_harm(
        lines in prop::collection::vec(a_line_of_a_fragment(), 0..70),
    ) {
        fuzz::offer(lines.join("\r\n").as_bytes());
    }

    #[test]
    fn a_control_message_of_any_text_does_no_harm(
        text in r#"(\{|"|type|hello|ping|:|,|v|id|1e9|\}|\[|\]|null|[ -~]|°){0,40}"#,
    ) {
        fuzz::control(text.as_bytes());
    }
}
