//! Events that happen at the worst moment for each other.

use crate::peer::reliable;
use crate::sessions::{ARM, good};
use crate::world::World;
use serde_json::{Value, json};
use std::time::Duration;
use thingway::testing::config::Config;
use thingway::testing::endpoint::line::LineStep;
use thingway::testing::endpoint::{Failure, FailureKind};

pub const DEAD: &str = "deadman = { timeout_ms = 500, send = \"STOP\\n\" }\n";
pub const SOON: Duration = Duration::from_secs(5);

pub fn connect(world: &mut World, label: &str, seed: u64) -> usize {
    let n = world.connect(&[reliable("thingway"), reliable(label)], good(), seed);
    world.until("open", SOON, |w| w.peer(n).channels[label].credit.is_some());
    n
}
pub fn ask(world: &mut World, n: usize, request: &Value) {
    let now = world.now;
    assert!(
        world
            .peer(n)
            .send(now, "thingway", false, request.to_string().as_bytes())
    );
    world.run(Duration::from_millis(50));
}
pub fn write(world: &mut World, n: usize, label: &str, bytes: &[u8]) {
    let now = world.now;
    assert!(world.peer(n).send_within_credit(now, label, bytes));
    world.run(Duration::from_millis(50));
}

#[test]
fn a_try_that_takes_long_is_one_try() {
    let tcp = "[[endpoint]]\nname = \"arm\"\nkind = \"tcp\"\nremote = \"192.0.2.7:22\"\n";
    let mut world = World::new(2, tcp);
    let gone = Failure::new(FailureKind::Absent, "gone");
    let source = world.tty("192.0.2.7:22").source().unwrap();
    world.tty("192.0.2.7:22").pending = true;
    world.gateway.handle_failed(world.now, source, &gone);
    world.run(Duration::from_secs(60));
    assert_eq!(
        world.tty("192.0.2.7:22").tried.len(),
        1,
        "connects still under way"
    );
}

#[test]
fn a_late_failure_of_an_old_try_closes_that_one() {
    let tcp = "[[endpoint]]\nname = \"arm\"\nkind = \"tcp\"\nremote = \"192.0.2.7:22\"\n";
    let mut world = World::new(2, tcp);
    let gone = Failure::new(FailureKind::Absent, "gone");
    let source = world.tty("192.0.2.7:22").source().unwrap();
    world.tty("192.0.2.7:22").pending = true;
    world.gateway.handle_failed(world.now, source, &gone);
    world.run(Duration::from_secs(8));
    let tried = world.tty("192.0.2.7:22").tried.clone();
    world.closed.clear();
    world.gateway.handle_failed(world.now, tried[0], &gone);
    world.settle();
    assert!(
        world.closed.contains(&tried[0]),
        "tried {tried:?}, closed {:?}",
        world.closed
    );
}

#[test]
fn a_script_that_is_given_up_lets_bytes_pass_again() {
    let mut world = World::new(3, ARM);
    let n = connect(&mut world, "arm", 3);
    world.tty("/dev/arm").driver_holds = 3;
    write(&mut world, n, "arm", b"abc");
    ask(
        &mut world,
        n,
        &json!({"type": "line", "id": 1, "endpoint": "arm", "after": 3, "do": [{"dtr": false}]}),
    );
    write(&mut world, n, "arm", b"def");
    world.run(Duration::from_secs(31));
    assert_eq!(world.peer(n).told("line").len(), 1);
    world.tty("/dev/arm").driver_holds = 0;
    write(&mut world, n, "arm", b"ghi");
    world.run(Duration::from_secs(60));
    assert_eq!(world.tty("/dev/arm").written, b"abcdefghi");
}

#[test]
fn who_stands_behind_a_script_of_a_gone_session_has_its_turn() {
    let mut world = World::new(4, ARM);
    let (a, b) = (connect(&mut world, "arm", 1), connect(&mut world, "arm", 2));
    ask(
        &mut world,
        a,
        &json!({"type": "line", "endpoint": "arm", "after": 9, "do": [{"rts": true}]}),
    );
    ask(
        &mut world,
        b,
        &json!({"type": "line", "endpoint": "arm", "id": 2, "do": [{"dtr": true}]}),
    );
    world.delete(a);
    world.run(Duration::from_secs(1));
    assert_eq!(world.peer(b).told("line").len(), 1);
}

#[test]
fn a_script_that_has_not_begun_goes_with_its_session() {
    let mut world = World::new(4, ARM);
    let (a, b) = (connect(&mut world, "arm", 1), connect(&mut world, "arm", 2));
    ask(
        &mut world,
        a,
        &json!({"type": "line", "endpoint": "arm", "id": 1, "do": [{"wait_ms": 5000}]}),
    );
    ask(
        &mut world,
        b,
        &json!({"type": "line", "endpoint": "arm", "id": 2, "do": [{"dtr": true}]}),
    );
    world.delete(b);
    world.run(Duration::from_secs(10));
    assert!(
        world.tty("/dev/arm").steps.is_empty(),
        "{:?}",
        world.tty("/dev/arm").steps
    );
}

#[test]
fn a_reload_leaves_no_reset_behind() {
    let mut world = World::new(7, ARM);
    let n = connect(&mut world, "arm", 7);
    let steps = json!([{"dtr": false}, {"break_ms": 3_000}, {"dtr": true}]);
    ask(
        &mut world,
        n,
        &json!({"type": "line", "id": 1, "endpoint": "arm", "do": steps}),
    );
    let config = Config::parse(&format!("{ARM}lag = \"skip\"\n")).map_err(|_| Vec::new());
    world.gateway.handle_reload(world.now, config);
    world.run(Duration::from_secs(5));
    let last = world.tty("/dev/arm").steps.last().unwrap().2;
    assert_eq!(
        last,
        LineStep::Modem {
            dtr: Some(true),
            rts: None
        },
        "{:?}",
        world.tty("/dev/arm").steps
    );
}

#[test]
fn a_shutdown_leaves_no_reset_behind() {
    let mut world = World::new(7, ARM);
    let n = connect(&mut world, "arm", 7);
    let steps = json!([{"dtr": false}, {"wait_ms": 8_000}, {"dtr": true}]);
    ask(
        &mut world,
        n,
        &json!({"type": "line", "id": 1, "endpoint": "arm", "do": steps}),
    );
    world.gateway.handle_shutdown(world.now);
    world.until("exit", Duration::from_secs(20), |w| w.exit.is_some());
    assert_eq!(
        world.tty("/dev/arm").steps.len(),
        2,
        "{:?}",
        world.tty("/dev/arm").steps
    );
}

#[test]
fn connections_of_closed_channels_are_bounded() {
    let ssh = "[[endpoint]]\nname = \"ssh\"\nkind = \"tcp\"\nremote = \"192.0.2.7:22\"\nconnection = \"channel\"\n";
    let mut world = World::new(8, ssh);
    let n = world.connect(&[reliable("thingway"), reliable("ssh")], good(), 8);
    world.until("open", SOON, |w| w.peer(n).channels["ssh"].credit.is_some());
    world.tty("192.0.2.7:22").rate = 0;
    for i in 0..300 {
        let name = format!("c{i}");
        let now = world.now;
        world.peer(n).open_as(now, &name, reliable("ssh"));
        world.until("open", SOON, |w| w.peer(n).channels[&name].open);
        let now = world.now;
        assert!(world.peer(n).send(now, &name, true, b"x"));
        world.run(Duration::from_millis(20));
        let now = world.now;
        world.peer(n).close_channel(now, &name);
        world.run(Duration::from_millis(20));
    }
    let opened = world.tty("192.0.2.7:22").opened;
    let open = opened - world.closed.len().min(opened);
    assert!(
        open < 150,
        "{open} of {opened} connections are open for one channel; elapsed {:?}",
        world.elapsed()
    );
}

#[test]
fn a_slow_line_is_waited_for_while_it_moves() {
    let mut world = World::new(11, ARM);
    let n = connect(&mut world, "arm", 11);
    world.tty("/dev/arm").rate = 1; // 1000 B/s, a line at 9600 baud
    let now = world.now;
    for _ in 0..40 {
        assert!(world.peer(n).send_within_credit(now, "arm", &[1; 1000]));
    }
    ask(
        &mut world,
        n,
        &json!({"type": "line", "id": 1, "endpoint": "arm", "after": 40_000, "do": [{"dtr": false}]}),
    );
    world.until("answer", Duration::from_secs(60), |w| {
        !w.peer(n).told("line").is_empty()
    });
    let told = world.peer(n).told("line")[0].clone();
    assert_eq!(told["ok"], true, "{told}");
}

fn put(name: &str, body: &str) -> String {
    format!(
        "PUT /endpoints/{name} HTTP/1.1\r\nHost: board\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Checks that the daemon can start with every configuration that the API accepts.
#[test]
fn what_is_put_can_be_read_again() {
    use thingway::testing::config::{ConfigSources, File};
    let main = format!("[api]\nconfigure = true\n{ARM}");
    let mut world = World::new(10, &main);
    let body = r#"{"kind":"udp","remote":"127.0.0.1:7","capture":{"path":"/dev/arm"}}"#;
    let answer = world.request(put("x", body).as_bytes());
    let mut files = vec![File {
        name: "main".into(),
        text: main,
    }];
    files.extend(world.files.iter().filter_map(|(name, text)| {
        Some(File {
            name: name.clone(),
            text: text.clone()?,
        })
    }));
    let again = ConfigSources {
        files,
        environment: Vec::new(),
    }
    .read();
    assert!(again.is_ok(), "{:?} though {answer}", again.err());
}

#[test]
fn two_puts_of_one_turn_do_not_share_a_line() {
    let mut world = World::new(10, "[api]\nconfigure = true\n");
    let local = "127.0.0.1:8000".parse().unwrap();
    let remote = "127.0.0.1:40000".parse().unwrap();
    for name in ["a", "b"] {
        let source = world
            .gateway
            .handle_accept(world.now, local, remote)
            .unwrap();
        world.http.insert(source, Vec::new());
        world.gateway.handle_data(
            world.now,
            source,
            put(name, r#"{"kind":"serial","path":"/dev/x"}"#).as_bytes(),
        );
    }
    world.settle();
    assert_eq!(world.files.len(), 1, "{:?}", world.files);
}

/// Checks two pipelined GETs on one connection while the endpoint is being removed.
#[test]
fn a_pipelined_look_is_answered_when_the_endpoint_goes() {
    let mut world = World::new(12, ARM);
    let local = "127.0.0.1:8000".parse().unwrap();
    let remote = "127.0.0.1:40000".parse().unwrap();
    let source = world
        .gateway
        .handle_accept(world.now, local, remote)
        .unwrap();
    world.http.insert(source, Vec::new());
    let get = "GET /endpoints/arm HTTP/1.1\r\nHost: board\r\n\r\n".repeat(2);
    world.gateway.handle_data(world.now, source, get.as_bytes());
    world.gateway.handle_reload(
        world.now,
        Config::parse("[api]\nconfigure = true\n").map_err(|_| Vec::new()),
    );
    world.settle();
    let text = String::from_utf8_lossy(&world.http[&source]).into_owned();
    assert_eq!(text.matches("HTTP/1.1 ").count(), 2, "{text}");
}

/// Checks that answers of the old source do not count as answers of the new one.
#[test]
fn answers_do_not_outlive_their_line() {
    let mut world = World::new(20, ARM);
    let local = "127.0.0.1:8000".parse().unwrap();
    let remote = "127.0.0.1:40000".parse().unwrap();
    let source = world
        .gateway
        .handle_accept(world.now, local, remote)
        .unwrap();
    world.http.insert(source, Vec::new());
    world.gateway.handle_data(
        world.now,
        source,
        b"GET /endpoints/arm HTTP/1.1\r\nHost: board\r\n\r\n",
    );
    world.unplug("/dev/arm"); // before the command is run
    let text = String::from_utf8_lossy(&world.http[&source]).into_owned();
    assert_eq!(text.matches("HTTP/1.1 200").count(), 1, "{text}");
    world.tty("/dev/arm").present = true;
    world.run(Duration::from_secs(6));
    let n = connect(&mut world, "arm", 20);
    ask(
        &mut world,
        n,
        &json!({"type": "line", "id": 1, "endpoint": "arm", "do": [{"dtr": true}]}),
    );
    assert_eq!(world.peer(n).told("line").len(), 1);
}

/// Checks that bytes sent before the end arrive, however slowly they are read.
#[test]
fn the_last_bytes_arrive_before_the_end() {
    let ssh = "[[endpoint]]\nname = \"ssh\"\nkind = \"tcp\"\nremote = \"192.0.2.7:22\"\nconnection = \"channel\"\n";
    let mut world = World::new(22, ssh);
    let n = connect(&mut world, "ssh", 22);
    let source = world.tty("192.0.2.7:22").source().unwrap();
    for _ in 0..12 {
        world
            .gateway
            .handle_data(world.now, source, &[b'x'; 16_000]);
    }
    world.gateway.handle_closed(world.now, source);
    world.until("closed", SOON, |w| w.peer(n).channels["ssh"].closed);
    assert_eq!(world.peer(n).channels["ssh"].bytes.len(), 192_000);
}

/// Checks that a line that never drains does not hold its scripts for ever (see f3, too).
#[test]
fn a_driver_that_keeps_its_bytes_fails_the_script() {
    let mut world = World::new(25, ARM);
    let n = connect(&mut world, "arm", 25);
    world.tty("/dev/arm").driver_holds = 3;
    write(&mut world, n, "arm", b"abc");
    ask(
        &mut world,
        n,
        &json!({"type": "line", "id": 1, "endpoint": "arm", "after": 3, "do": [{"dtr": false}]}),
    );
    world.run(Duration::from_secs(31));
    assert_eq!(world.peer(n).told("line")[0]["reason"], "failed");
}

fn port(device: &str, name: &str) -> thingway::testing::ports::Port {
    thingway::testing::ports::Port {
        device: device.to_owned(),
        path: device.to_owned(),
        bus: "usb".to_owned(),
        suggested_name: name.to_owned(),
        ..Default::default()
    }
}

#[test]
fn a_program_that_hangs_up_at_once_is_tried_ever_more_slowly() {
    let tcp = "[[endpoint]]\nname = \"arm\"\nkind = \"tcp\"\nremote = \"192.0.2.7:22\"\n";
    let mut world = World::new(14, tcp);
    let end = world.now + Duration::from_secs(60);
    while world.now < end {
        if let Some(source) = world.tty("192.0.2.7:22").source() {
            let now = world.now;
            world.tty("192.0.2.7:22").present = true;
            world.gateway.handle_closed(now, source);
        }
        world.step();
    }
    let opened = world.tty("192.0.2.7:22").opened;
    assert!(opened < 100, "{opened} times in a minute");
}

#[test]
fn stopping_waits_for_the_driver() {
    let mut world = World::new(26, ARM);
    let n = connect(&mut world, "arm", 26);
    world.tty("/dev/arm").driver_holds = 3;
    write(&mut world, n, "arm", b"abc");
    let begun = world.now;
    world.gateway.handle_shutdown(world.now);
    world.run(Duration::from_secs(2));
    assert!(world.exit.is_none(), "the driver still holds three bytes");
    world.tty("/dev/arm").driver_holds = 0;
    world.until("exit", SOON, |w| w.exit.is_some());
    assert!(world.now - begun < Duration::from_secs(4));
}

#[test]
fn a_capture_is_tried_again() {
    let mut world = World::new(28, &format!("{ARM}capture = {{ path = \"/x\" }}\n"));
    let before = world.closed.len();
    world.run(Duration::from_secs(25));
    assert!(world.closed.len() >= before + 2, "{:?}", world.closed);
}

#[test]
fn a_port_in_use_is_not_found() {
    let mut world = World::new(31, "[serial]\ndiscover = true\n");
    let mut held = port("/dev/ttyUSB0", "ftdi");
    held.holders.push(thingway::testing::ports::Holder {
        pid: 7,
        name: "minicom".into(),
    });
    world.ports = vec![held];
    world.gateway.handle_devices_changed(world.now);
    world.settle();
    assert_eq!(
        world.get("/endpoints")["endpoints"]
            .as_array()
            .unwrap()
            .len(),
        0
    );
}
