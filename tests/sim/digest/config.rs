//! Configurations of a scenario: all kinds of endpoints that the simulator has, with some of their keys.

use super::scenario::{PLC, SSH};
use crate::links::Draw;
use crate::sessions::{ARM, DEMO, ROVER};

/// The endpoints of a scenario, and some names that never exist.
pub const ENDPOINTS: [&str; 9] = [
    "arm", "rover", "demo", "echo", "sink", "source", "plc", "ssh", "nope",
];

pub fn draw(draw: &mut Draw) -> String {
    let mut config = "[api]\nconfigure = true\n".to_owned();
    if draw.below(3) == 0 {
        config += "[limits]\nsessions = 3\n";
    }
    config += ARM;
    for (odds, line) in [
        (2, "writers = \"one\"\n"),
        (3, "framing = \"line\"\n"),
        (3, "scrollback = 0\n"),
        (2, "deadman = { timeout_ms = 900, send = \"STOP\\n\" }\n"),
    ] {
        if draw.below(odds) == 0 {
            config += line;
        }
    }
    config += ROVER;
    if draw.below(3) == 0 {
        config += "writers = \"one\"\n";
    }
    for (odds, endpoint) in [
        (6, DEMO.to_owned()),
        (6, probe("echo")),
        (6, probe("sink")),
        (6, probe("source")),
        (6, tcp("plc", PLC, "")),
        (6, tcp("ssh", SSH, "connection = \"channel\"\n")),
    ] {
        if draw.below(odds) != 0 {
            config += &endpoint;
        }
    }
    if draw.below(6) != 0 {
        config += "[[peer]]\nid = \"robot-1\"\nendpoint = \"arm\"\nlabels = { r = \"rover\" }\n";
    }
    config
}

/// Returns the same configuration with one endpoint more, one fewer, or one that differs.
pub fn change(draw: &mut Draw, config: &str) -> String {
    let foot = "[[endpoint]]\nname = \"foot\"\nkind = \"serial\"\npath = \"/dev/foot\"\n";
    let (from, to) = match draw.below(4) {
        0 => (foot.to_owned(), String::new()),
        1 => (probe("sink"), String::new()),
        2 => (":14550".to_owned(), ":14551".to_owned()),
        _ => (":14551".to_owned(), ":14550".to_owned()),
    };
    if config.contains(&from) {
        config.replace(&from, &to)
    } else if to.is_empty() {
        format!("{config}{from}")
    } else {
        config.to_owned()
    }
}

fn probe(kind: &str) -> String {
    format!("[[endpoint]]\nname = \"{kind}\"\nkind = \"{kind}\"\n")
}

fn tcp(name: &str, remote: &str, more: &str) -> String {
    format!("[[endpoint]]\nname = \"{name}\"\nkind = \"tcp\"\nremote = \"{remote}\"\n{more}")
}
