//! Connections between peers of programs, of the configuration, and of pages.

use std::time::Duration;

use serde_json::{Value, json};

use super::bench::{Bench, text};
use crate::payload::Serialization;
use crate::signaling::links::Target;
use crate::signaling::rendezvous::RendezvousEvent;

/// Makes two peers and a connection between them that a port feeds; returns the paths of both ends.
fn connected(bench: &mut Bench, a: &str, b: &str, port: &str) -> [String; 2] {
    let (token_a, token_b) = (bench.peer(a), bench.peer(b));
    let more = json!({
        "params": {"data_id": port},
        "redirect_params": {"ip_v4": "127.0.0.1", "port": 7001},
        "options": {"serialization": "NONE", "metadata": "hello"},
    });
    let ours = bench.dialed(a, &token_a, b, &more);
    let events = format!("/peers/{b}/events?token={token_b}");
    assert_eq!(bench.get(&events).1["event"], "OPEN");
    let (_, event) = bench.get(&events);
    assert_eq!(event["event"], "CONNECTION");
    let id = text(&event["data_params"]["data_connection_id"]);
    let both = [ours, format!("/data/connections/{id}")];
    for path in &both {
        assert_eq!(bench.event(path), "OPEN");
    }
    both
}

#[test]
fn two_peers_are_connected_and_both_hear_of_the_end() {
    let mut bench = Bench::new("");
    let (port, number) = bench.port();
    assert_eq!(number, 50_001);
    let [ours, theirs] = connected(&mut bench, "a", "b", &port);
    let (back, _) = bench.port();
    let body = json!({
        "feed_params": {"data_id": back},
        "redirect_params": {"ip_v4": "127.0.0.1", "port": 7002},
    });
    bench.events.clear();
    let (status, body) = bench.call("PUT", &theirs, &body);
    assert_eq!((status, &body["data_id"]), (200, &json!(back)));
    let redirect = bench.events.iter().rposition(
        |event| matches!(event, RendezvousEvent::Redirect(_, Some(to)) if to.port() == 7002),
    );
    let rebind = bench
        .events
        .iter()
        .position(|event| matches!(event, RendezvousEvent::Rebind(_, Target::Port(_))));
    assert!(
        rebind.expect("bound") < redirect.expect("redirected"),
        "in this order"
    );
    let (_, status) = bench.get(&format!("{theirs}/status"));
    assert_eq!(
        (
            &status["metadata"],
            &status["remote_id"],
            &status["open"],
            &status["buffersize"]
        ),
        (&json!("hello"), &json!("a"), &json!(true), &json!(5))
    );
    assert_eq!(bench.delete(&ours), 204);
    for path in [&ours, &theirs] {
        assert_eq!(bench.event(path), "CLOSE");
    }
    // The port of the deleted connection was closed with it, the other port was not.
    assert_eq!(bench.delete(&format!("/data/{port}")), 404);
    assert_eq!(bench.delete(&format!("/data/{back}")), 204);
    bench.pass(Duration::from_secs(40));
    assert_eq!(bench.get(&format!("{ours}/events")).0, 404);
    assert_eq!(bench.stats().links, 0);
    assert!(bench.sessions.is_empty());
}

#[test]
fn one_port_feeds_several_connections_and_stays_while_one_is_there() {
    let mut bench = Bench::new("");
    let (port, _) = bench.port();
    let [first, _] = connected(&mut bench, "a", "b", &port);
    let [third, _] = connected(&mut bench, "c", "d", &port);
    let delete = format!("/data/{port}");
    assert_eq!(bench.delete(&delete), 403);
    bench.delete(&first);
    assert_eq!(bench.delete(&delete), 403, "the other one");
    bench.delete(&third);
    assert_eq!(bench.delete(&delete), 404);
}

#[test]
fn who_calls_nobody_hears_of_it_and_who_is_late_is_still_reached() {
    let mut bench = Bench::new("");
    let token = bench.peer("a");
    let call = bench.dialed("a", &token, "nobody", &json!({}));
    bench.pass(Duration::from_secs(6));
    let (_, event) = bench.get(&format!("{call}/events"));
    assert_eq!(event["event"], "ERROR");
    assert!(text(&event["error_message"]).contains("nobody"));
    assert_eq!(bench.event(&call), "CLOSE");
    let call = bench.dialed("a", &token, "nobody", &json!({}));
    bench.pass(Duration::from_secs(3));
    bench.peer("nobody");
    assert_eq!(bench.event(&call), "OPEN");
}

#[test]
fn a_deleted_connection_can_be_asked_about_for_half_a_minute() {
    let mut bench = Bench::new("");
    let token = bench.peer("a");
    let path = bench.dialed("a", &token, "nobody", &json!({}));
    let status = format!("{path}/status");
    assert_eq!(bench.delete(&path), 204);
    assert_eq!(bench.delete(&path), 404);
    bench.pass(Duration::from_secs(29));
    let (code, body) = bench.get(&status);
    assert_eq!(
        (code, &body["open"], &body["buffersize"]),
        (200, &json!(false), &json!(0))
    );
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.get(&status).0, 404);
}

#[test]
fn connections_that_are_over_make_room() {
    let mut bench = Bench::new("[limits]\nsessions = 1\n");
    let token = bench.peer("a");
    let ids = [0; 2].map(|_| bench.dialed("a", &token, "nobody", &json!({})));
    assert_eq!(bench.dial("a", &token, "nobody", &json!({})).0, 403);
    assert_eq!(bench.stats().links_refused, 1);
    for path in ids.iter().rev() {
        bench.pass(Duration::from_millis(1));
        assert_eq!(bench.delete(path), 204);
    }
    bench.dialed("a", &token, "nobody", &json!({}));
    assert_eq!(bench.stats().links, 2);
    // The connection that ended last can still be polled.
    assert_eq!(bench.get(&format!("{}/events", ids[1])).0, 404);
    assert_eq!(bench.event(&ids[0]), "CLOSE");
}

#[test]
fn nothing_is_left_of_what_was_made_and_deleted() {
    let mut bench = Bench::new("");
    let before = (bench.stats(), bench.ports.len());
    for round in 0..50 {
        let (port, _) = bench.port();
        let (a, b) = (format!("a{round}"), format!("b{round}"));
        let tokens = [&a, &b].map(|name| (bench.peer(name), name.clone()));
        let call = bench.dialed(&a, &tokens[0].0, &b, &json!({"params": {"data_id": port}}));
        if round % 3 == 0 {
            assert_eq!(bench.delete(&call), 204);
        }
        for (token, name) in tokens {
            assert_eq!(bench.delete(&format!("/peers/{name}?token={token}")), 204);
        }
        bench.pass(Duration::from_secs(40));
    }
    assert_eq!(before, (bench.stats(), bench.ports.len()));
    assert!(bench.sessions.is_empty());
    assert_eq!(bench.hub.poll_timeout(), None);
}

#[test]
fn a_session_that_ends_by_itself_is_told_to_both() {
    let mut bench = Bench::new("");
    let (port, _) = bench.port();
    let [ours, theirs] = connected(&mut bench, "a", "b", &port);
    let session = *bench.sessions.keys().next().expect("a session");
    bench.end_session(session);
    bench.settle();
    for path in [&ours, &theirs] {
        assert_eq!(bench.event(path), "CLOSE");
    }
    // A port is closed with a connection that its program deletes, and stays otherwise.
    assert_eq!(bench.stats().content_ports, 1);
}

#[test]
fn a_peer_of_the_configuration_offers_its_endpoint() {
    let mut bench = Bench::new(
        "[[endpoint]]\nname = \"arm\"\nkind = \"echo\"\n[[peer]]\nid = \"robot\"\nendpoint = \"arm\"\n",
    );
    let token = bench.peer("a");
    let more = json!({"options": {"serialization": "JSON", "label": "joy"}});
    let call = bench.dialed("a", &token, "robot", &more);
    assert_eq!(bench.event(&call), "OPEN");
    let plans: Vec<_> = bench.plans.values().collect();
    let endpoint = |target| matches!(target, Target::Endpoint(_));
    let robot = plans.iter().find(|plan| endpoint(plan.target));
    let robot = robot.expect("bound to the endpoint");
    assert_eq!(robot.serialization, Some(Serialization::SkyWayJson));
    assert!(robot.may_write && robot.as_text);
    let caller = plans.iter().find(|plan| plan.target == Target::Sender);
    assert_eq!(caller.expect("fed by nothing").serialization, None);
    // When the configuration drops the peer, the caller receives the end.
    bench.use_config("");
    assert_eq!(bench.event(&call), "CLOSE");
}

#[test]
fn what_was_said_in_vain_is_answered_with_a_request_that_waits() {
    let mut bench = Bench::new("");
    let token = bench.peer("a");
    bench.is_held = true;
    bench.peer("b");
    let call = bench.dialed("a", &token, "b", &json!({}));
    let waiting = bench.ask("GET", &format!("{call}/events"), &Value::Null);
    assert_eq!(bench.answer(waiting), None);
    let link = bench.sessions.values().next().expect("a session").link;
    bench.with(|hub, cx| hub.handle_session_ended(cx, link, true, None));
    bench.settle();
    let (_, event) = bench.answer(waiting).expect("it is told");
    assert!(text(&event["error_message"]).contains("did not connect"));
    assert_eq!(bench.event(&call), "CLOSE");
}
