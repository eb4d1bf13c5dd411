//! The configuration while the gateway runs: reloads, additions over the API, and found ports.

use std::time::Duration;

use serde_json::Value;
use thingway::testing::config::{Config, ConfigPlace, ConfigSources, File};
use thingway::testing::ports::Port;

use crate::peer::reliable;
use crate::sessions::{ARM, DEMO, ROVER, good};
use crate::world::World;

const SOON: Duration = Duration::from_secs(5);

pub fn reload(world: &mut World, text: &str) {
    let config = Config::parse(text).map_err(|_| vec!["file:1: faulty".to_owned()]);
    let now = world.now;
    world.gateway.handle_reload(now, config);
    world.settle();
}

fn names(world: &mut World) -> Vec<String> {
    let all = world.get("/endpoints");
    let all = all["endpoints"].as_array().unwrap();
    all.iter()
        .map(|endpoint| endpoint["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn endpoints_that_did_not_change_keep_their_channels() {
    let mut world = World::new(1, &format!("{ARM}{ROVER}{DEMO}"));
    let labels = ["thingway", "arm", "rover", "demo"].map(reliable);
    let n = world.connect(&labels, good(), 1);
    world.until("open", SOON, |w| {
        ["arm", "rover", "demo"]
            .iter()
            .all(|label| w.peer(n).channels[*label].credit.is_some())
    });
    // The rover has another address, the demo is removed, and a leg is added.
    let rover = ROVER.replace("14550", "14551");
    let leg = ARM.replace("arm", "leg");
    reload(
        &mut world,
        &format!("[limits]\nsessions = 1\n{rover}{ARM}{leg}"),
    );
    assert_eq!(names(&mut world), ["arm", "leg", "rover"]);
    world.until("closed", SOON, |w| {
        w.peer(n).channels["rover"].closed && w.peer(n).channels["demo"].closed
    });
    let mut closed: Vec<_> = world
        .peer(n)
        .told("closed")
        .iter()
        .map(|told| (told["label"].to_string(), told["reason"].to_string()))
        .collect();
    closed.sort();
    let expected = [
        ("\"demo\"", "\"removed\""),
        ("\"rover\"", "\"reconfigured\""),
    ];
    assert_eq!(closed, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    assert_eq!(world.tty("/dev/arm").opened, 1, "it was not even closed");
    let told = world.peer(n).told("endpoint");
    let told: Vec<_> = told
        .iter()
        .map(|told| format!("{} {}", told["name"], told["state"]).replace('"', ""))
        .collect();
    for news in [
        "demo removed",
        "rover reconfigured",
        "rover open",
        "leg open",
    ] {
        assert!(told.contains(&news.to_owned()), "{news}: {told:?}");
    }
    let now = world.now;
    assert!(world.peer(n).send_within_credit(now, "arm", b"still here"));
    world.until("written", SOON, |w| {
        w.tty("/dev/arm").written == b"still here"
    });
    let answer = world.request(crate::world::post("v=0").as_bytes());
    assert!(
        answer.starts_with("HTTP/1.1 503 "),
        "the new limit holds: {answer}"
    );
}

#[test]
fn a_faulty_file_changes_nothing() {
    let mut world = World::new(2, ARM);
    let n = world.connect(&[reliable("arm")], good(), 2);
    world.until("open", SOON, |w| w.peer(n).channels["arm"].open);
    reload(&mut world, "kind =");
    world.run(Duration::from_secs(1));
    assert_eq!(names(&mut world), ["arm"]);
    assert!(world.peer(n).channels["arm"].open && !world.peer(n).channels["arm"].closed);
}

pub fn send(world: &mut World, method: &str, name: &str, body: &str) -> String {
    let length = body.len();
    let request = format!(
        "{method} /endpoints/{name} HTTP/1.1\r\nHost: board\r\nContent-Length: {length}\r\n\
         Content-Type: application/json\r\n\r\n{body}"
    );
    let answer = world.request(request.as_bytes());
    answer.strip_prefix("HTTP/1.1 ").expect(&answer).to_owned()
}

#[test]
fn endpoints_come_and_go_over_the_api_where_that_is_allowed() {
    let leg = r#"{"kind":"serial","path":"/dev/leg","baud":9600}"#;
    let mut world = World::new(3, ARM);
    assert!(send(&mut world, "PUT", "leg", leg).starts_with("403 "));
    assert!(send(&mut world, "DELETE", "arm", "").starts_with("403 "));

    let mut world = World::new(3, &format!("[api]\nconfigure = true\n{ARM}"));
    assert!(send(&mut world, "PUT", "leg", leg).starts_with("201 "));
    assert_eq!(names(&mut world), ["arm", "leg"]);
    let text = world.files["leg"].clone().expect("written");
    let mut written = Config::parse(&text)
        .expect("a file that is understood")
        .endpoints;
    assert_eq!(written.remove(0).name, "leg");
    assert!(matches!(
        written.first().map(|e| &e.place),
        None | Some(ConfigPlace::File { .. })
    ));

    let n = world.connect(&[reliable("thingway"), reliable("leg")], good(), 3);
    world.until("open", SOON, |w| w.peer(n).channels["leg"].open);
    let faster = leg.replace("9600", "19200");
    assert!(send(&mut world, "PUT", "leg", &faster).starts_with("200 "));
    world.until("closed", SOON, |w| w.peer(n).channels["leg"].closed);
    assert_eq!(world.get("/endpoints/leg")["baud"], 19_200);

    for (name, body, status) in [
        ("leg", "", "400 "),
        ("leg", "{}", "422 "),
        (
            "leg",
            r#"{"kind":"serial","path":"/dev/leg","bauds":1}"#,
            "422 ",
        ),
        ("leg", r#"{"kind":"demo","name":"arm"}"#, "400 "),
        ("foot", r#"{"kind":"serial","path":"/dev/arm"}"#, "409 "),
        ("arm", r#"{"kind":"demo"}"#, "409 "),
        ("..%2fx", r#"{"kind":"demo"}"#, "400 "),
        ("thingway", r#"{"kind":"demo"}"#, "400 "),
    ] {
        let answer = send(&mut world, "PUT", name, body);
        assert!(answer.starts_with(status), "{name} {body}: {answer}");
    }
    let config = |world: &mut World, name: &str| {
        world.ask_json("GET", &format!("/endpoints/{name}/config"), &Value::Null)
    };
    let (status, written) = config(&mut world, "leg");
    let wanted: Value = serde_json::from_str(&faster).expect("JSON");
    assert_eq!((status, &written), (200, &wanted), "as it was sent");
    let (status, other) = config(&mut world, "arm");
    assert!(
        status == 409
            && other["detail"]
                .as_str()
                .is_some_and(|why| why.contains("line")),
        "it is elsewhere, and where is said: {other}"
    );
    assert_eq!(config(&mut world, "foot").0, 404);
    assert!(send(&mut world, "DELETE", "arm", "").starts_with("409 "));
    assert!(send(&mut world, "DELETE", "foot", "").starts_with("404 "));
    assert!(send(&mut world, "DELETE", "leg", "").starts_with("200 "));
    assert_eq!(names(&mut world), ["arm"]);
    assert_eq!(world.files["leg"], None, "removed");
}

fn port(device: &str, name: &str) -> Port {
    Port {
        device: device.to_owned(),
        path: device.to_owned(),
        bus: "usb".to_owned(),
        suggested_name: name.to_owned(),
        ..Port::default()
    }
}

#[test]
fn ports_that_are_found_become_endpoints_if_that_is_wanted() {
    let mut world = World::new(4, ARM);
    world.ports = vec![port("/dev/arm", "arm-1"), port("/dev/ttyUSB0", "ftdi")];
    let list = world.get("/ports");
    assert_eq!(list["ports"][0]["endpoint"], "arm");
    assert!(list["ports"][1]["endpoint"].is_null());
    let lines = list["ports"][1]["config"].as_str().unwrap();
    assert!(Config::parse(lines).is_ok(), "{lines}");
    assert_eq!(names(&mut world), ["arm"], "looking adds nothing");

    reload(&mut world, &format!("[serial]\ndiscover = true\n{ARM}"));
    assert_eq!(names(&mut world), ["arm", "ftdi"]);
    world.ports.push(port("/dev/ttyUSB1", "ch340"));
    let now = world.now;
    world.gateway.handle_devices_changed(now);
    world.run(Duration::from_millis(200));
    assert_eq!(names(&mut world), ["arm", "ch340", "ftdi"]);
    let n = world.connect(&[reliable("ftdi")], good(), 4);
    world.until("open", SOON, |w| w.peer(n).channels["ftdi"].open);
    // A found endpoint stays over a reload, and is removed when discovery is switched off.
    reload(&mut world, &format!("[serial]\ndiscover = true\n{ARM}"));
    assert!(!world.peer(n).channels["ftdi"].closed);
    reload(&mut world, ARM);
    assert_eq!(names(&mut world), ["arm"]);
}

fn load(world: &mut World, files: &[(&str, &str)]) {
    let files = files.iter().map(|(name, text)| File {
        name: (*name).to_owned(),
        text: (*text).to_owned(),
    });
    let sources = ConfigSources {
        files: files.collect(),
        environment: Vec::new(),
    };
    let now = world.now;
    world.gateway.handle_reload(now, sources.read());
    world.settle();
}

#[test]
fn the_api_writes_over_its_own_files_only() {
    let mut world = World::new(5, "[api]\nconfigure = true\n");
    let main = "[api]\nconfigure = true\n";
    let leg = ARM.replace("arm", "leg");
    let both = format!("{ARM}{leg}");
    load(
        &mut world,
        &[("main.toml", main), ("/etc/conf.d/arm.toml", &both)],
    );
    for method in ["PUT", "DELETE"] {
        let answer = send(&mut world, method, "arm", r#"{"kind":"demo"}"#);
        assert!(
            answer.starts_with("409 ") && answer.contains("leg"),
            "{method}: {answer}"
        );
    }
    // The endpoint moves into the main file, so the API may no longer change it.
    let main = format!("{main}{ARM}");
    load(&mut world, &[("main.toml", &main)]);
    let answer = send(&mut world, "PUT", "arm", r#"{"kind":"demo"}"#);
    assert!(
        answer.starts_with("409 ") && answer.contains("main.toml"),
        "{answer}"
    );
    // An existing endpoint stays unchanged, with its channels.
    let body = r#"{"kind":"serial","path":"/dev/foot"}"#;
    assert!(send(&mut world, "PUT", "foot", body).starts_with("201 "));
    let n = world.connect(&[reliable("foot")], good(), 5);
    world.until("open", SOON, |w| w.peer(n).channels["foot"].open);
    assert!(send(&mut world, "PUT", "foot", body).starts_with("200 "));
    world.run(Duration::from_secs(1));
    assert!(!world.peer(n).channels["foot"].closed);
}

#[test]
fn a_port_that_was_found_makes_way_for_the_file_that_names_it() {
    let mut world = World::new(6, "[serial]\ndiscover = true\n");
    world.ports = vec![port("/dev/arm", "ftdi")];
    let now = world.now;
    world.gateway.handle_devices_changed(now);
    world.run(Duration::from_millis(200));
    assert_eq!(names(&mut world), ["ftdi"]);
    reload(&mut world, &format!("[serial]\ndiscover = true\n{ARM}"));
    assert_eq!(names(&mut world), ["arm"]);
}

#[test]
fn origins_and_names_are_those_of_the_newest_configuration() {
    let http = |name: &str, origin: &str| {
        format!("[http]\nhosts = [\"{name}\"]\nallowed_origins = [\"{origin}\"]\n{DEMO}")
    };
    let (old, new) = ("https://old.example", "https://new.example");
    let mut world = World::new(30, &http("old.example", old));
    // A request to our own API, and one to the hub.
    let asked = |world: &mut World, lines: &str| {
        ["/endpoints", "/peerjs/peers"].map(|path| {
            let request = format!("GET {path} HTTP/1.1\r\n{lines}\r\n");
            let answer = world.request(request.as_bytes());
            answer.get(9..12).expect("a status").to_owned()
        })
    };
    let origin = |origin: &str| format!("Host: board\r\nOrigin: {origin}\r\n");
    assert_eq!(asked(&mut world, &origin(old)), ["200", "200"]);
    assert_eq!(asked(&mut world, &origin(new)), ["403", "403"]);
    assert_eq!(asked(&mut world, "Host: old.example\r\n"), ["200", "200"]);
    reload(&mut world, &http("new.example", new));
    assert_eq!(asked(&mut world, &origin(old)), ["403", "403"]);
    assert_eq!(asked(&mut world, &origin(new)), ["200", "200"]);
    assert_eq!(asked(&mut world, "Host: old.example\r\n"), ["421", "403"]);
    assert_eq!(asked(&mut world, "Host: new.example\r\n"), ["200", "200"]);
    assert_eq!(asked(&mut world, "Host: board\r\n"), ["200", "200"]);
    // A faulty configuration changes nothing.
    reload(&mut world, "[http]\nallowed_origins = 7\n");
    assert_eq!(asked(&mut world, &origin(new)), ["200", "200"]);
}
