//! The documents about the configuration must describe exactly the keys that the code accepts.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;
use thingway::testing::config::{Config, ConfigSources, File, VARIABLES, known_keys};

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Tables, which are headings and not rows.
const TABLES: [&str; 17] = [
    "http",
    "ice",
    "limits",
    "serial",
    "api",
    "access",
    "endpoint",
    "endpoint.video",
    "endpoint.audio",
    "peer",
    "content",
    "skyway",
    "skyway.key",
    "peerjs",
    "peerjs.key",
    "general",
    "",
];

#[test]
fn every_key_is_described_and_no_other() {
    let mut described = BTreeSet::new();
    // A heading may name several tables with the same keys.
    let mut tables = Vec::new();
    for line in read("docs/config.md").lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            let names = heading.split(", ");
            tables = names
                .map(|name| name.trim_matches(|c| "`[]".contains(c)).to_owned())
                .collect();
        }
        let key = line
            .strip_prefix("| `")
            .and_then(|rest| rest.split_once('`'));
        if let Some((key, _)) = key {
            let known = tables
                .iter()
                .filter(|table| TABLES.contains(&table.as_str()));
            described.extend(known.map(|table| format!("{table}.{key}")));
        }
    }
    let mut known = known_keys();
    known.retain(|key| !TABLES.contains(&key.as_str()));
    assert_eq!(described, known);
}

#[test]
fn the_commented_file_has_every_key_and_is_right_with_and_without_its_comments() {
    let text = read("docs/config.toml");
    Config::parse(&text).expect("as it is");
    // All keys of the line together would contradict each other, so each key is tried by itself.
    let mut seen = BTreeSet::new();
    let mut section = String::new();
    let mut kind = String::new();
    for line in text.lines() {
        let bare = line.trim_start_matches('#');
        if bare.starts_with('[') {
            bare.trim_matches(|c| "[]".contains(c))
                .clone_into(&mut section);
        }
        let Some((key, rest)) = bare.split_once(" = ") else {
            continue;
        };
        if key.contains(' ') {
            continue;
        }
        if key == "kind" {
            rest.split('"').nth(1).unwrap().clone_into(&mut kind);
        }
        seen.insert(format!("{section}.{key}"));
        for inner in ["rs485", "deadman", "capture", "tls"] {
            if key == inner {
                let words = rest.split([' ', '{', ',']).filter(|word| !word.is_empty());
                let words: Vec<&str> = words.collect();
                let names = words.windows(2).filter(|pair| pair[1] == "=");
                seen.extend(names.map(|pair| format!("{section}.{inner}.{}", pair[0])));
            }
        }
        let framing = match key {
            "gap_ms" => "framing = \"idle-gap\"\n",
            "length_bytes" | "length_order" => "framing = \"length\"\n",
            "max_message" => "framing = \"slip\"\n",
            _ => "",
        };
        let alone = match (section.as_str(), kind.as_str(), key) {
            ("endpoint", _, "name" | "kind" | "path") => continue,
            ("endpoint", "serial", _) => format!(
                "[[endpoint]]\nname = \"x\"\nkind = \"serial\"\npath = \"/dev/x\"\n{framing}{bare}\n"
            ),
            ("endpoint", "udp", "multicast") | ("endpoint", "tcp", "connection") => continue,
            ("endpoint.video" | "endpoint.audio", ..) => {
                let needed = match key {
                    "rtcp" | "from" => "listen = \"127.0.0.1:5004\"\n",
                    "send_rtcp" => "send_to = \"127.0.0.1:5006\"\n",
                    _ => "",
                };
                let codec = match (key, section.as_str()) {
                    ("codec", _) => "",
                    (_, "endpoint.video") => "codec = \"VP8\"\n",
                    _ => "codec = \"opus\"\n",
                };
                format!(
                    "[[endpoint]]\nname = \"x\"\nkind = \"rtp\"\n[{section}]\n{codec}{needed}{bare}\n"
                )
            }
            ("endpoint", "rtp", _) => continue,
            ("endpoint", kind, _) => {
                format!("[[endpoint]]\nname = \"x\"\nkind = \"{kind}\"\n{bare}\n")
            }
            ("peer", _, "id") => continue,
            ("peer", ..) => {
                let endpoint = if key == "endpoint" {
                    ""
                } else {
                    "endpoint = \"x\"\n"
                };
                format!("[[peer]]\nid = \"x\"\n{endpoint}{bare}\n")
            }
            ("skyway.key" | "peerjs.key", _, "key") => format!("[[{section}]]\n{bare}\n"),
            ("skyway.key" | "peerjs.key", ..) => {
                format!("[[{section}]]\nkey = \"x\"\n{bare}\n")
            }
            (table, ..) => format!("[{table}]\n{bare}\n"),
        };
        let parsed = Config::parse(&alone);
        assert!(parsed.is_ok(), "{alone}: {parsed:?}");
    }
    let mut known = known_keys();
    known.retain(|key| !TABLES.contains(&key.as_str()));
    // Both tracks have the same keys.
    let of_video: Vec<String> = seen
        .iter()
        .filter_map(|key| key.strip_prefix("endpoint.video."))
        .map(|key| format!("endpoint.audio.{key}"))
        .collect();
    seen.insert("endpoint.video.channels".to_owned());
    seen.extend(of_video);
    // The key is documented in a comment behind another key.
    for other in ["endpoint.listen", "endpoint.deadman.send_hex"] {
        let word = other.rsplit('.').next().unwrap();
        assert!(text.contains(&format!("{word} = ")), "{word}");
        seen.insert(other.to_owned());
    }
    assert_eq!(seen, known);
}

#[test]
fn the_examples_of_the_documents_are_understood() {
    for name in [
        "README.md",
        "docs/serial.md",
        "docs/config.md",
        "docs/skyway.md",
        "docs/skyway.ja.md",
    ] {
        let text = read(name);
        let mut blocks = text.split("```toml\n").skip(1);
        let mut here = text.split("cat > board.toml <<'END'\n").skip(1);
        let toml = blocks.by_ref().map(|rest| rest.split("```").next());
        let here = here.by_ref().map(|rest| rest.split("END").next());
        for block in toml.chain(here) {
            let block = block.unwrap();
            let parsed = Config::parse(block);
            assert!(parsed.is_ok(), "{name}: {parsed:?}\n{block}");
        }
    }
}

#[test]
fn every_key_outside_endpoints_has_a_variable_that_works() {
    let keys = known_keys();
    let wanted: BTreeSet<String> = keys
        .into_iter()
        .filter(|key| key.contains('.') && !key.starts_with("endpoint"))
        // Two paths that belong together have no variable.
        .filter(|key| !key.starts_with("http.tls"))
        // Repeatable tables have no variables either.
        .filter(|key| {
            !["peer.", "skyway.key", "peerjs.key", "peerjs"]
                .iter()
                .any(|of| key.starts_with(of))
        })
        .collect();
    let there: BTreeSet<String> = VARIABLES
        .iter()
        .map(|(_, table, key)| format!("{table}.{key}"))
        .collect();
    assert_eq!(there, wanted);
    for (name, table, key) in VARIABLES {
        assert_eq!(*name, format!("THINGWAY_{table}_{key}").to_uppercase());
    }
    let read = |name: &str, value: &str| {
        let sources = ConfigSources {
            files: vec![File {
                name: "a.toml".to_owned(),
                text: "[limits]\nsessions = 5\n".to_owned(),
            }],
            environment: vec![(name.to_owned(), value.to_owned())],
        };
        sources.read()
    };
    let listen = read("THINGWAY_HTTP_LISTEN", "127.0.0.1:1, [::1]:2").expect("two addresses");
    assert_eq!(listen.http.listen.len(), 2);
    assert_eq!(listen.limits.sessions, 5);
    assert_eq!(
        read("THINGWAY_LIMITS_SESSIONS", "7")
            .unwrap()
            .limits
            .sessions,
        7
    );
    assert!(
        read("THINGWAY_SERIAL_DISCOVER", "true")
            .unwrap()
            .serial
            .discover
    );
    for (name, value, message) in [
        ("THINGWAY_LIMITS_SESSIONS", "many", "must be a whole number"),
        ("THINGWAY_HTTP_LISTEN", "0.0.0.0", "is not an address"),
        (
            "THINGWAY_API_CONFIGURE",
            "yes\n[api]",
            "must be true or false",
        ),
        ("THINGWAY_NONSENSE", "1", "there is no such key"),
    ] {
        let faults = read(name, value).expect_err(name);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with(&format!("{name}: ")), "{faults:?}");
        assert!(faults[0].contains(message), "{faults:?}");
    }
}

#[test]
fn later_files_win_and_faults_name_their_file() {
    let file = |name: &str, text: &str| File {
        name: name.to_owned(),
        text: text.to_owned(),
    };
    let endpoint = |name: &str, path: &str| {
        format!("[[endpoint]]\nname = \"{name}\"\nkind = \"serial\"\npath = \"{path}\"\n")
    };
    let mut sources = ConfigSources {
        files: vec![
            file(
                "main.toml",
                &format!("[limits]\nsessions = 5\n{}", endpoint("a", "/dev/a")),
            ),
            file(
                "conf.d/1.toml",
                &format!("[limits]\nsessions = 6\n{}", endpoint("b", "/dev/b")),
            ),
        ],
        environment: Vec::new(),
    };
    let config = sources.read().expect("nothing wrong");
    assert_eq!((config.limits.sessions, config.endpoints.len()), (6, 2));
    sources
        .files
        .push(file("conf.d/2.toml", &endpoint("c", "/dev/a")));
    sources.files.push(file(
        "conf.d/3.toml",
        &format!("\n{}x = 1\n", endpoint("b", "/dev/d")),
    ));
    let faults = sources.read().expect_err("three faults");
    assert_eq!(
        faults,
        [
            "conf.d/2.toml:1: endpoint \"c\" has the path of the one at main.toml:3",
            "conf.d/3.toml:2: endpoint \"b\" is there twice, first at conf.d/1.toml:3",
            "conf.d/3.toml:6: unknown key endpoint.x",
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn a_damaged_file_is_told_off_and_no_more(
        cuts in proptest::collection::vec((any::<Index>(), 0usize..12, "[a-z=\"\\[\\]{}0-9#\n é-]{0,6}"), 1..6),
    ) {
        let mut text = read("docs/config.toml").replace("\n#", "\n");
        for (at, len, new) in cuts {
            let mut from = at.index(text.len());
            while !text.is_char_boundary(from) {
                from -= 1;
            }
            let mut to = (from + len).min(text.len());
            while !text.is_char_boundary(to) {
                to += 1;
            }
            text.replace_range(from..to, &new);
        }
        crate::fuzz::config(text.as_bytes());
    }
}
