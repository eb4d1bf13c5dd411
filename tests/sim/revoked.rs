//! Rights after the start: the rights that a token loses later, and the events that a stream sends later.

use std::time::Duration;

use serde_json::{Value, json};
use thingway::testing::config::Config;

use crate::access::with_token;
use crate::peer::{Peer, reliable};
use crate::sessions::{ARM, good};
use crate::world::World;

#[test]
fn an_offer_whose_token_is_revoked_before_the_answer_makes_no_session() {
    let mut world = World::new(1, ARM);
    let token = with_token(&mut world, &json!({"name": "boss", "admin": true}));
    let addr = "192.0.2.77:5000".parse().unwrap();
    let (_peer, offer) = Peer::offer(world.now, addr, &[reliable("arm")]);
    let request = format!(
        "POST /sessions HTTP/1.1\r\nHost: board\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{offer}",
        offer.len()
    );
    // The offer is complete and waits for the list of addresses.
    world.holds_addresses = true;
    let source = world.open(request.as_bytes());
    assert_eq!(world.http_text(source), "");
    world.token = None;
    assert_eq!(
        world.ask_json("DELETE", "/tokens/boss", &Value::Null).0,
        200
    );
    world.release_addresses();
    let answer = world.http_text(source);
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert_eq!(world.metric("thingway_sessions_created_total"), 0);
}

#[test]
fn who_only_reads_hears_of_endpoints_and_of_nothing_else() {
    let mut world = World::new(2, &format!("{ARM}writers = \"one\"\n"));
    let watch = json!({"name": "watch", "scopes": [{"endpoints": ["*"], "verbs": ["read"]}]});
    let watch = with_token(&mut world, &watch);
    world.token = None;
    let head =
        format!("GET /events HTTP/1.1\r\nHost: board\r\nAuthorization: Bearer {watch}\r\n\r\n");
    let reader = world.open(head.as_bytes());
    let owner = world.open(b"GET /events HTTP/1.1\r\nHost: board\r\n\r\n");

    // Another session connects, opens a channel, takes the lease and ends; the configuration is reloaded.
    let n = world.connect(&[reliable("thingway"), reliable("arm")], good(), 2);
    let session = world.clients[n].session.clone();
    world.until("open", Duration::from_secs(5), |w| {
        w.peer(n).channels["arm"].credit.is_some()
    });
    let now = world.now;
    assert!(world.peer(n).send_within_credit(now, "arm", b"go"));
    world.run(Duration::from_secs(1));
    world.delete(n);
    let config = Config::parse(&format!("{ARM}writers = \"one\"\n")).map_err(|_| Vec::new());
    world.gateway.handle_reload(world.now, config);
    world.unplug("/dev/arm");
    world.run(Duration::from_secs(1));

    let kinds = |text: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix("event: "));
        let mut kinds: Vec<String> = lines.map(str::to_owned).collect();
        kinds.sort();
        kinds.dedup();
        kinds
    };
    let all = world.http_text(owner);
    for kind in ["session", "channel", "lease", "config", "endpoint"] {
        assert!(kinds(&all).iter().any(|k| k == kind), "{kind}: {all}");
    }
    let heard = world.http_text(reader);
    assert!(heard.contains("\"absent\""), "{heard}");
    assert_eq!(kinds(&heard), ["endpoint"], "{heard}");
    assert!(!heard.contains(&session), "{heard}");
}
