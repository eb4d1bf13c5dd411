//! The sources of the configuration, and its changes while the daemon runs.

use std::fs;
use std::net::IpAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::daemon::{Daemon, Folder, SOON};
use crate::http::{self, Answer};
use crate::page::Page;
use crate::peer::reliable;

pub const END: Duration = SOON;

/// Makes a folder with a file and some drop-ins.
pub fn folder(main: &str, drop_ins: &[(&str, &str)]) -> Arc<Folder> {
    let folder = Arc::new(Folder::new());
    fs::create_dir(folder.join("conf.d")).expect("a folder");
    folder.write("config.toml", main);
    for (name, text) in drop_ins {
        folder.write(&format!("conf.d/{name}"), text);
    }
    folder
}

/// Returns the program with the folder's configuration.
pub fn program(folder: &Folder) -> Command {
    let mut command = folder.program();
    command.arg("--config").arg(folder.join("config.toml"));
    command
}

fn start(folder: &Arc<Folder>) -> Daemon {
    Daemon::run(Arc::clone(folder), program(folder))
}

pub fn listen(ip: &str) -> String {
    format!("[http]\nlisten = [\"{ip}:0\"]\n")
}

pub fn endpoint(name: &str, kind: &str) -> String {
    format!("[[endpoint]]\nname = \"{name}\"\nkind = \"{kind}\"\n")
}

/// Returns the names of all endpoints.
fn names(daemon: &Daemon) -> Vec<String> {
    let all = daemon.get("/endpoints")["endpoints"].clone();
    let all = all.as_array().expect("a list");
    let name = |endpoint: &Value| endpoint["name"].as_str().expect("a name").to_owned();
    all.iter().map(name).collect()
}

/// Returns the exit code and the standard error.
pub fn fails(mut command: Command) -> (Option<i32>, String) {
    let output = command.output().expect("it runs");
    assert!(output.stdout.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stderr).expect("text");
    (output.status.code(), text)
}

#[test]
fn later_sources_win_and_endpoints_add_up() {
    let folder = folder(
        &(listen("127.0.0.1") + &endpoint("main", "echo")),
        &[
            ("20-b.toml", &(listen("127.0.0.3") + &endpoint("b", "sink"))),
            ("10-a.toml", &(listen("127.0.0.2") + &endpoint("a", "echo"))),
            (".hidden.toml", "nonsense = ["),
            ("30.toml.bak", "nonsense = ["),
        ],
    );
    let daemon = start(&folder);
    let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
    assert_eq!(daemon.addr.ip(), ip("127.0.0.3"), "the last of conf.d");
    assert_eq!(names(&daemon), ["a", "b", "main"]);
    drop(daemon);

    let mut command = program(&folder);
    command.env("THINGWAY_HTTP_LISTEN", "127.0.0.4:0");
    let daemon = Daemon::run(Arc::clone(&folder), command);
    assert_eq!(daemon.addr.ip(), ip("127.0.0.4"), "the environment");
    drop(daemon);

    let mut command = program(&folder);
    command.env("THINGWAY_HTTP_LISTEN", "127.0.0.4:0");
    command.args(["--listen", "127.0.0.5:0"]);
    let daemon = Daemon::run(Arc::clone(&folder), command);
    assert_eq!(daemon.addr.ip(), ip("127.0.0.5"), "the command line");
    assert_eq!(names(&daemon), ["a", "b", "main"]);
}

#[test]
fn a_variable_that_means_nothing_is_named() {
    let folder = folder(&endpoint("main", "echo"), &[]);
    let mut command = program(&folder);
    command.env("THINGWAY_NONSENSE", "1");
    let (code, err) = fails(command);
    assert_eq!(code, Some(78), "{err}");
    assert!(err.starts_with("THINGWAY_NONSENSE: "), "{err}");
    let mut command = program(&folder);
    command.env("THINGWAY_ICE_PORT", "70000");
    let (code, err) = fails(command);
    assert_eq!(code, Some(78), "{err}");
    assert!(err.starts_with("THINGWAY_ICE_PORT: ice.port "), "{err}");
}

#[test]
fn all_faults_of_all_files_are_told_at_once() {
    let line = "kind = \"serial\"\npath = \"/dev/one\"\n";
    let folder = folder(
        &format!("[ice]\nport = -1\n\n[[endpoint]]\nname = \"one\"\n{line}"),
        &[
            ("10.toml", "[limits]\nsessions = 0\n[speling]\n"),
            ("20.toml", &endpoint("one", "echo")),
            ("30.toml", &format!("[[endpoint]]\nname = \"two\"\n{line}")),
            ("40.toml", "\n\nthis is not TOML\n"),
        ],
    );
    let main = folder.join("config.toml").display().to_string();
    let drop_in = |name: &str| folder.join("conf.d").join(name).display().to_string();
    let mut check = folder.program();
    check.args(["check", "--config", &main]);
    for command in [check, program(&folder)] {
        let (code, err) = fails(command);
        assert_eq!(code, Some(78), "{err}");
        for wanted in [
            format!("{main}:2: ice.port"),
            format!("{}:2: limits.sessions", drop_in("10.toml")),
            format!("{}:3: unknown key speling", drop_in("10.toml")),
            format!(
                "{}:1: endpoint \"one\" is there twice, first at {main}:4",
                drop_in("20.toml")
            ),
            format!(
                "{}:1: endpoint \"two\" has the path of the one at {main}:4",
                drop_in("30.toml")
            ),
            format!("{}:3: ", drop_in("40.toml")),
        ] {
            let found = err.lines().filter(|line| line.starts_with(&wanted));
            assert_eq!(found.count(), 1, "{wanted}: {err}");
        }
    }
    assert!(!folder.join("state").exists(), "nothing was begun");
}

// ---- read again ----

fn open_channel(page: &mut Page, label: &str) {
    page.peer.open(Instant::now(), reliable(label));
    page.until("open", |page| page.peer.channels[label].credit.is_some());
}

/// Sends a text to `echo` and waits for its echo.
fn echoes(page: &mut Page, label: &str, text: &str) {
    page.send(label, text.as_bytes());
    page.until("echo", |page| page.peer.text(label).ends_with(text));
}

#[test]
fn what_did_not_change_keeps_its_channels() {
    let http = listen("127.0.0.1");
    let keep = endpoint("keep", "echo");
    let folder = folder(
        &format!("{http}{keep}{}", endpoint("change", "sink")),
        &[("gone.toml", &endpoint("gone", "echo"))],
    );
    let daemon = start(&folder);
    let labels = ["thingway", "keep", "change", "gone"];
    let mut page = Page::connect(&daemon, &labels.map(reliable));
    page.until("credit", |page| {
        let channels = &page.peer.channels;
        labels[1..]
            .iter()
            .all(|label| channels[*label].credit.is_some())
    });
    echoes(&mut page, "keep", "one");

    fs::remove_file(folder.join("conf.d/gone.toml")).expect("removed");
    // The same endpoint in another file is unchanged.
    folder.write("config.toml", &(http + &endpoint("change", "echo")));
    folder.write("conf.d/more.toml", &(endpoint("new", "echo") + &keep));
    daemon.signal(Signal::HUP);
    page.until("closed", |page| {
        page.peer.channels["change"].closed && page.peer.channels["gone"].closed
    });
    let reason = |page: &Page, label: &str| {
        let closed = page.peer.told("closed");
        let of = closed.iter().filter(|told| told["label"] == label);
        of.map(|told| told["reason"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(reason(&page, "change"), ["reconfigured"]);
    assert_eq!(reason(&page, "gone"), ["removed"]);
    assert_eq!(names(&daemon), ["change", "keep", "new"]);
    page.until("news told", |page| {
        page.peer
            .told("endpoint")
            .iter()
            .any(|told| told["name"] == "new")
    });
    echoes(&mut page, "keep", "two");
    assert_eq!(page.peer.text("keep"), "onetwo");
    for label in ["change", "new"] {
        open_channel(&mut page, label);
        echoes(&mut page, label, "three");
    }

    // With a fault nothing changes, and the fault is reported.
    folder.write("conf.d/99.toml", "\n[ice]\npotr = 1\n");
    folder.write("conf.d/more.toml", "");
    daemon.signal(Signal::HUP);
    let fault = format!("{}:3: ", folder.join("conf.d/99.toml").display());
    page.until("told off", |_| daemon.log().contains(&fault));
    page.until("what follows", |_| {
        daemon.log().contains("nothing has changed")
    });
    assert_eq!(names(&daemon), ["change", "keep", "new"]);
    echoes(&mut page, "keep", "four");

    // Some changes need a restart, and the daemon says so.
    fs::remove_file(folder.join("conf.d/99.toml")).expect("removed");
    folder.write("conf.d/more.toml", &keep);
    let other = format!("{}[ice]\nport = 1234\n", listen("127.0.0.2"));
    folder.write("config.toml", &other);
    daemon.signal(Signal::HUP);
    page.until("new gone", |page| page.peer.channels["new"].closed);
    for key in ["http.listen", "ice.port"] {
        let told = format!("{key} has changed, which takes effect after a restart");
        assert!(daemon.log().contains(&told), "{}", daemon.log());
    }
    assert_eq!(names(&daemon), ["keep"]);
    echoes(&mut page, "keep", "five");
    assert!(page.peer.channels["keep"].open && reason(&page, "keep").is_empty());
}

// ---- over the API ----

fn put(daemon: &Daemon, name: &str, body: &Value) -> Answer {
    let kind = "Content-Type: application/json\r\n";
    let path = format!("/endpoints/{name}");
    http::request(daemon.addr, "PUT", &path, kind, &body.to_string())
}

fn delete(daemon: &Daemon, name: &str) -> Answer {
    http::request(daemon.addr, "DELETE", &format!("/endpoints/{name}"), "", "")
}

/// Returns the names of the files in `conf.d`.
fn files(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(folder.join("conf.d")).expect("a folder");
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("text")
    };
    let mut names: Vec<_> = entries.map(name).collect();
    names.sort();
    names
}

#[test]
fn endpoints_made_over_the_api_survive_a_restart() {
    let main = format!(
        "{}[api]\nconfigure = true\n{}",
        listen("127.0.0.1"),
        endpoint("main", "echo")
    );
    let folder = folder(&main, &[]);
    let mut daemon = start(&folder);
    let mut page = Page::connect(&daemon, &[reliable("thingway")]);
    page.until("hello", |page| !page.peer.told("hello").is_empty());
    let made = put(&daemon, "lamp", &json!({"kind": "sink"}));
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.header("Location"), Some("/endpoints/lamp"));
    assert_eq!(files(&folder), ["lamp.toml"]);
    open_channel(&mut page, "lamp");
    let changed = put(&daemon, "lamp", &json!({"kind": "echo"}));
    assert_eq!(changed.status, 200, "{}", changed.text());
    page.until("closed", |page| page.peer.channels["lamp"].closed);
    assert_eq!(page.peer.told("closed")[0]["reason"], "reconfigured");

    for (name, body, status) in [
        ("main", json!({"kind": "sink"}), 409),
        ("..%2Fmain", json!({"kind": "sink"}), 400),
        ("thingway", json!({"kind": "sink"}), 400),
        ("x", json!({"kind": "fly"}), 422),
        ("x", json!([]), 400),
        ("x", json!({"kind": "sink", "name": "y"}), 400),
    ] {
        let answer = put(&daemon, name, &body);
        assert_eq!(answer.status, status, "{name} {body}: {}", answer.text());
    }
    assert_eq!(delete(&daemon, "main").status, 409);
    assert_eq!(delete(&daemon, "nobody").status, 404);
    assert_eq!(files(&folder), ["lamp.toml"], "nothing was touched");
    assert_eq!(names(&daemon), ["lamp", "main"]);

    daemon.signal(Signal::TERM);
    assert!(daemon.ended_within(END).is_some());
    let mut daemon = start(&folder);
    assert_eq!(daemon.get("/endpoints/lamp")["kind"], "echo");
    assert_eq!(delete(&daemon, "lamp").status, 200);
    assert_eq!(files(&folder), Vec::<String>::new());
    assert_eq!(names(&daemon), ["main"]);
    daemon.signal(Signal::TERM);
    assert!(daemon.ended_within(END).is_some());
    let daemon = start(&folder);
    assert_eq!(names(&daemon), ["main"]);
}

#[test]
fn a_file_that_holds_more_than_the_endpoint_is_not_overwritten() {
    let both = endpoint("lamp", "echo") + &endpoint("desk", "echo");
    let other = "[limits]\nsessions = 7\n";
    let main = listen("127.0.0.1") + "[api]\nconfigure = true\n";
    let folder = folder(&main, &[("lamp.toml", &both), ("fan.toml", other)]);
    let daemon = start(&folder);
    for name in ["lamp", "fan"] {
        let answer = put(&daemon, name, &json!({"kind": "sink"}));
        assert_eq!(answer.status, 409, "{}", answer.text());
        let file = format!("conf.d/{name}.toml");
        assert!(answer.text().contains(&file), "{}", answer.text());
    }
    assert_eq!(delete(&daemon, "lamp").status, 409);
    let text = |name: &str| fs::read_to_string(folder.join("conf.d").join(name)).expect("a file");
    assert_eq!(
        (text("lamp.toml"), text("fan.toml")),
        (both, other.to_owned())
    );
    assert_eq!(names(&daemon), ["desk", "lamp"]);
    assert_eq!(daemon.get("/endpoints/lamp")["kind"], "echo");
}

#[test]
fn without_leave_the_api_changes_nothing() {
    let folder = folder(
        &listen("127.0.0.1"),
        &[("lamp.toml", &endpoint("lamp", "echo"))],
    );
    let daemon = start(&folder);
    for answer in [
        put(&daemon, "fan", &json!({"kind": "echo"})),
        put(&daemon, "lamp", &json!({"kind": "sink"})),
        delete(&daemon, "lamp"),
    ] {
        assert_eq!(answer.status, 403, "{}", answer.text());
        assert!(answer.text().contains("api.configure"), "{}", answer.text());
    }
    assert_eq!(files(&folder), ["lamp.toml"]);
    assert_eq!(daemon.get("/endpoints/lamp")["kind"], "echo");
}
