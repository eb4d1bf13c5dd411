//! A peer discards what it has sent and the device has not taken. After that the device receives only what
//! the peer sends then.

use std::time::Duration;

use serde_json::json;

use crate::access::with_token;
use crate::peer::reliable;
use crate::sessions::{ARM, good};
use crate::world::World;

const SOON: Duration = Duration::from_secs(5);

fn connect(world: &mut World, seed: u64) -> usize {
    let n = world.connect(&[reliable("thingway"), reliable("arm")], good(), seed);
    world.until("open", SOON, |w| w.peer(n).channels["arm"].credit.is_some());
    n
}

fn write(world: &mut World, n: usize, bytes: &[u8]) {
    let now = world.now;
    assert!(world.peer(n).send_within_credit(now, "arm", bytes));
}

fn discard(world: &mut World, n: usize, until: usize) {
    let now = world.now;
    let request = json!({"type": "line", "id": 1, "endpoint": "arm", "discard": until, "do": [{"flush": "output"}]});
    let text = request.to_string();
    assert!(world.peer(n).send(now, "thingway", false, text.as_bytes()));
}

fn written(world: &mut World) -> Vec<u8> {
    world.tty("/dev/arm").written.clone()
}

/// Makes a line that takes nothing, and sends it as much as the peer's credit allows. Returns how much that
/// was.
fn stuck(world: &mut World, n: usize) -> usize {
    world.tty("/dev/arm").rate = 0;
    let sent = world.fill(n, "arm", 1_000, 300_000);
    world.run(Duration::from_millis(200));
    assert_eq!(sent, 300_000);
    sent
}

#[test]
fn what_was_thrown_away_is_not_written_when_the_device_goes_on() {
    let mut world = World::new(1, ARM);
    let n = connect(&mut world, 1);
    let sent = stuck(&mut world, n);
    discard(&mut world, n, sent);
    world.run(Duration::from_millis(200));
    let told = world.peer(n).told("line");
    assert_eq!(told.last().expect("an answer")["ok"], true);
    world.tty("/dev/arm").rate = 1000;
    world.run(Duration::from_secs(1));
    assert_eq!(written(&mut world), b"", "nothing of it goes out");
    write(&mut world, n, b"after");
    world.run(Duration::from_secs(1));
    assert_eq!(written(&mut world), b"after");
    // Every byte is accounted for.
    assert_eq!(world.dropped("discarded") as usize, sent);
}

#[test]
fn what_a_closed_channel_has_left_behind_is_thrown_away_as_well() {
    let mut world = World::new(6, ARM);
    let n = connect(&mut world, 6);
    let sent = stuck(&mut world, n);
    let stream = world.peer(n).channels["arm"].stream.expect("a stream");
    let now = world.now;
    world.peer(n).close_channel(now, "arm");
    world.run(Duration::from_millis(200));
    let request = json!({
        "type": "line", "id": 1, "endpoint": "arm", "channel": stream, "discard": sent, "do": [{"flush": "output"}],
    });
    let now = world.now;
    let text = request.to_string();
    assert!(world.peer(n).send(now, "thingway", false, text.as_bytes()));
    world.run(Duration::from_millis(200));
    world.tty("/dev/arm").rate = 1000;
    world.run(Duration::from_secs(2));
    assert_eq!(written(&mut world), b"");
    assert_eq!(world.metric("thingway_queued_bytes"), 0);
}

#[test]
fn bytes_that_come_behind_the_request_are_thrown_away_too() {
    let mut world = World::new(2, ARM);
    let n = connect(&mut world, 2);
    write(&mut world, n, b"one");
    world.run(Duration::from_millis(100));
    // The request overtakes the second message, because it uses another channel.
    discard(&mut world, n, 6);
    world.run(Duration::from_millis(100));
    write(&mut world, n, b"two");
    write(&mut world, n, b"three");
    world.run(Duration::from_millis(200));
    assert_eq!(written(&mut world), b"onethree");
}

#[test]
fn a_script_that_waits_for_bytes_that_were_thrown_away_goes_on() {
    let mut world = World::new(3, ARM);
    let n = connect(&mut world, 3);
    let sent = stuck(&mut world, n);
    let now = world.now;
    let after =
        json!({"type": "line", "id": 7, "endpoint": "arm", "after": sent, "do": [{"rts": true}]});
    assert!(
        world
            .peer(n)
            .send(now, "thingway", false, after.to_string().as_bytes())
    );
    world.run(Duration::from_millis(200));
    discard(&mut world, n, sent);
    world.run(Duration::from_secs(1));
    let told = world.peer(n).told("line");
    let ids: Vec<_> = told
        .iter()
        .map(|line| (line["id"].clone(), line["ok"].clone()))
        .collect();
    assert_eq!(ids, [(json!(7), json!(true)), (json!(1), json!(true))]);
}

#[test]
fn a_script_that_overtakes_runs_though_another_waits() {
    let mut world = World::new(5, ARM);
    let n = connect(&mut world, 5);
    let sent = stuck(&mut world, n);
    for (id, more) in [
        (1, json!({"after": sent})),
        (2, json!({})),
        (3, json!({"overtake": true})),
    ] {
        let mut request =
            json!({"type": "line", "id": id, "endpoint": "arm", "do": [{"rts": true}]});
        let fields = request.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        let now = world.now;
        let text = request.to_string();
        assert!(world.peer(n).send(now, "thingway", false, text.as_bytes()));
        world.run(Duration::from_millis(100));
    }
    let done = |world: &mut World| -> Vec<_> {
        let told = world.peer(n).told("line");
        told.iter().map(|line| line["id"].clone()).collect()
    };
    assert_eq!(done(&mut world), [3]);
    world.tty("/dev/arm").rate = 10_000;
    world.run(Duration::from_secs(2));
    assert_eq!(done(&mut world), [3, 1, 2]);
}

#[test]
fn one_session_throws_away_nothing_that_another_has_waiting() {
    let mut world = World::new(4, ARM);
    let (a, b) = (connect(&mut world, 4), connect(&mut world, 5));
    let sent = stuck(&mut world, a);
    for _ in 0..10 {
        write(&mut world, b, b"mine");
    }
    world.run(Duration::from_millis(200));
    discard(&mut world, a, sent);
    world.run(Duration::from_millis(200));
    world.tty("/dev/arm").rate = 1000;
    world.run(Duration::from_secs(1));
    assert_eq!(
        String::from_utf8_lossy(&written(&mut world)),
        "mine".repeat(10)
    );
}

#[test]
fn a_token_that_only_reads_throws_nothing_away() {
    let mut world = World::new(7, ARM);
    let body = json!({"name": "eye", "scopes": [{"endpoints": ["*"], "verbs": ["read"]}]});
    let writer = connect(&mut world, 7);
    let sent = stuck(&mut world, writer);
    with_token(&mut world, &body);
    let eye = connect(&mut world, 8);
    discard(&mut world, eye, 0);
    world.run(Duration::from_millis(200));
    world.tty("/dev/arm").rate = 10_000;
    world.run(Duration::from_secs(2));
    assert_eq!(written(&mut world).len(), sent);
    assert_eq!(world.dropped("discarded"), 0);
}

#[test]
fn a_stop_is_not_thrown_away() {
    let deadman = "deadman = { timeout_ms = 5000, send = \"STOP\\n\" }\n";
    let mut world = World::new(8, &format!("{ARM}{deadman}"));
    let (driver, other) = (connect(&mut world, 9), connect(&mut world, 10));
    stuck(&mut world, driver);
    world.run(Duration::from_secs(6));
    assert_eq!(world.get("/endpoints/arm")["deadman"]["fired"], 1);
    for _ in 0..3 {
        discard(&mut world, other, 0);
        world.run(Duration::from_millis(20));
    }
    world.tty("/dev/arm").rate = 1000;
    world.run(Duration::from_secs(1));
    assert_eq!(written(&mut world), b"STOP\n");
    // Later bytes may be discarded again.
    world.tty("/dev/arm").rate = 0;
    write(&mut world, other, b"late");
    world.run(Duration::from_millis(100));
    discard(&mut world, other, 4);
    world.run(Duration::from_millis(100));
    world.tty("/dev/arm").rate = 1000;
    world.run(Duration::from_millis(300));
    assert_eq!(written(&mut world), b"STOP\n");
}

#[test]
fn looks_of_others_hold_up_no_writer() {
    let mut world = World::new(9, ARM);
    let (writer, eye) = (connect(&mut world, 11), connect(&mut world, 12));
    for n in 0..200 {
        let now = world.now;
        let look = json!({"type": "line", "id": n, "endpoint": "arm", "overtake": true, "do": []});
        let text = look.to_string();
        let _full = world
            .peer(eye)
            .send(now, "thingway", false, text.as_bytes());
        if n % 10 == 0 {
            write(&mut world, writer, b"go\n");
            world.run(Duration::from_millis(1));
        }
    }
    world.run(Duration::from_millis(200));
    assert_eq!(
        String::from_utf8_lossy(&written(&mut world)),
        "go\n".repeat(20)
    );
}

const PROGRAM: &str = "[[endpoint]]\nname = \"arm\"\nkind = \"tcp\"\nremote = \"127.0.0.1:2000\"\n";

#[test]
fn what_waits_behind_it_at_a_program_goes_on() {
    let mut world = World::new(10, PROGRAM);
    let n = connect(&mut world, 13);
    let other = connect(&mut world, 14);
    world.tty("127.0.0.1:2000").rate = 0;
    let sent = world.fill(n, "arm", 1_000, 300_000);
    write(&mut world, other, b"mine");
    world.run(Duration::from_millis(200));
    discard(&mut world, n, sent);
    world.run(Duration::from_millis(200));
    world.tty("127.0.0.1:2000").rate = 1000;
    world.run(Duration::from_secs(2));
    let written = world.tty("127.0.0.1:2000").written.clone();
    assert!(written.ends_with(b"mine"), "{}", written.len());
    assert_eq!(world.metric("thingway_queued_bytes"), 0);
}

#[test]
fn it_reaches_a_connection_of_ones_own_as_well() {
    let mut world = World::new(11, &format!("{PROGRAM}connection = \"channel\"\n"));
    let n = connect(&mut world, 15);
    world.tty("127.0.0.1:2000").rate = 0;
    let sent = world.fill(n, "arm", 1_000, 300_000);
    discard(&mut world, n, sent);
    world.run(Duration::from_millis(200));
    world.tty("127.0.0.1:2000").rate = 1000;
    world.run(Duration::from_secs(2));
    let written = world.tty("127.0.0.1:2000").written.len();
    assert!(written < 1_000, "{written} of {sent}");
}
