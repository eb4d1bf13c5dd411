//! Tests of how one component acts on the events of another.

use std::time::SystemTime;

use super::*;
use crate::limits;
use crate::session::event::SessionEvent;

const OFFER: &str = include_str!("../../../tests/golden/offers/chromium-156-trickle.sdp");
const ARM: &str = "[[endpoint]]\nname = \"arm\"\nkind = \"echo\"\n";

fn offer(bench: &mut Bench) {
    let before = bench.headers.clone();
    bench.headers += "Content-Type: application/sdp\r\n";
    bench.ask("POST", "/sessions", OFFER);
    bench.headers = before;
}

/// Makes a token, and has a program outside this machine use it from now on.
fn show_token(bench: &mut Bench, name: &str) {
    bench.visit(HERE);
    bench.headers.clear();
    let body = json!({"name": name, "admin": true});
    let (status, body) = bench.call("POST", "/tokens", &body);
    assert_eq!(status, 201);
    let token = body["token"].as_str().expect("a token");
    bench.headers = format!("Authorization: Bearer {token}\r\n");
    bench.visit(STRANGER);
}

fn revoke(bench: &mut Bench, name: &str) {
    let (http, headers) = (bench.http, std::mem::take(&mut bench.headers));
    bench.visit(HERE);
    let path = format!("/tokens/{name}");
    assert_eq!(bench.call("DELETE", &path, &Value::Null).0, 200);
    bench.http = http;
    bench.headers = headers;
}

#[test]
fn an_offer_is_answered_when_the_addresses_are_known() {
    let mut bench = Bench::new(ARM);
    bench.tells_addresses = false;
    offer(&mut bench);
    assert_eq!(bench.response(), None);
    bench.tell_addresses();
    bench.settle();
    assert_eq!(bench.response().expect("now").0, 201);
    assert_eq!(bench.metric("thingway_sessions "), 1);
}

#[test]
fn an_offer_whose_client_has_gone_makes_no_session() {
    let mut bench = Bench::new(ARM);
    bench.tells_addresses = false;
    offer(&mut bench);
    let failure = Failure::new(crate::endpoint::FailureKind::Other, "reset");
    bench.gateway.handle_failed(bench.now, bench.http, &failure);
    bench.tell_addresses();
    bench.settle();
    assert_eq!(bench.metric("thingway_sessions_created_total "), 0);
}

#[test]
fn a_token_that_is_revoked_while_the_addresses_are_listed_makes_no_session() {
    let mut bench = Bench::new(ARM);
    show_token(&mut bench, "guest");
    bench.tells_addresses = false;
    offer(&mut bench);
    revoke(&mut bench, "guest");
    bench.tell_addresses();
    bench.settle();
    let (status, body) = bench.response().expect("an answer");
    assert_eq!(status, 401, "{body}");
    assert_eq!(bench.metric("thingway_sessions "), 0);
    assert_eq!(bench.metric("thingway_sessions_refused_total "), 1);
}

#[test]
fn the_end_of_a_token_ends_its_sessions_and_no_other() {
    let mut bench = Bench::new(ARM);
    offer(&mut bench);
    let (_, _) = bench.response().expect("an answer");
    let here = bench.gateway.sessions.ids();
    show_token(&mut bench, "guest");
    offer(&mut bench);
    assert_eq!(bench.response().expect("an answer").0, 201);
    assert_eq!(bench.gateway.sessions.len(), 2);
    revoke(&mut bench, "guest");
    assert_eq!(bench.gateway.sessions.ids(), here);
}

#[test]
fn readers_of_events_hear_of_sessions_from_their_beginning_to_their_end() {
    let mut bench = Bench::new(ARM);
    let reader = bench.http;
    bench.ask("GET", "/events", "");
    assert!(bench.read().contains("event: endpoint"), "how things are");
    bench.visit(HERE);
    let before = bench.gateway.revision();
    offer(&mut bench);
    let id = bench.gateway.sessions.ids()[0];
    let name = bench.gateway.sessions.name(id).expect("one").to_owned();
    assert!(bench.gateway.revision() > before);
    let path = format!("/sessions/{name}");
    bench.read();
    assert_eq!(bench.call("DELETE", &path, &Value::Null).0, 200);
    bench.http = reader;
    let text = bench.read();
    let begins = text.find(&format!("{{\"id\":\"{name}\",\"state\":\"new\"}}"));
    let ends = text.find("\"reason\":\"closed over the API\",\"state\":\"closed\"");
    assert!(begins.is_some() && begins < ends, "{text}");
}

#[test]
fn a_panic_costs_one_session_and_is_counted() {
    let mut bench = Bench::new(ARM);
    for _ in 0..2 {
        offer(&mut bench);
        bench.read();
    }
    let id = bench.gateway.sessions.ids()[0];
    let now = bench.now;
    let gateway = &mut bench.gateway;
    gateway.sessions.panic_in(cx!(gateway, now), id);
    bench.settle();
    bench.gateway.settle_events(now);
    assert_eq!(bench.metric("thingway_sessions_panicked_total "), 1);
    assert_eq!(bench.metric("thingway_sessions "), 1);
    offer(&mut bench);
    assert_eq!(bench.response().expect("an answer").0, 201);
}

#[test]
fn bytes_on_a_channel_that_does_not_exist_are_counted_as_dropped() {
    let mut bench = Bench::new(ARM);
    offer(&mut bench);
    let id = bench.gateway.sessions.ids()[0];
    let now = bench.now;
    let event = SessionEvent::Message {
        channel: crate::util::slab::Id::from_bits(9),
        binary: true,
        data: vec![0; 23],
    };
    bench.gateway.sessions.push_event_for_test(id, event);
    bench.gateway.take_news(now, id);
    let name = "thingway_dropped_bytes_total{direction=\"from_peer\",reason=\"closed\"} ";
    assert_eq!(bench.metric(name), 23);
}

#[test]
fn the_clock_that_is_set_moves_the_tokens_that_were_made_before() {
    let mut bench = Bench::new("");
    let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    bench.gateway.handle_clock(bench.now, at(100));
    let body = json!({"name": "early", "admin": true, "expires_in_s": 60});
    let (status, body) = bench.call("POST", "/tokens", &body);
    assert_eq!(status, 201);
    assert!(body["warning"].is_string(), "{body}");
    bench.pass(Duration::from_secs(10));
    bench.gateway.handle_clock(bench.now, at(1_772_000_000));
    bench.settle();
    let (_, body) = bench.call("GET", "/tokens", &Value::Null);
    let entry = &body["tokens"][0];
    // 10 s of the token's 60 s have passed.
    assert_eq!(entry["created"], "2026-02-25T06:13:10Z", "{entry}");
    assert_eq!(entry["expires"], "2026-02-25T06:14:10Z", "{entry}");
    // A second step of the clock does not move the expiry again.
    bench.gateway.handle_clock(bench.now, at(1_772_000_500));
    let (_, after) = bench.call("GET", "/tokens", &Value::Null);
    assert_eq!(after["tokens"][0]["expires"], entry["expires"]);
}

#[test]
fn a_reload_takes_effect_in_every_component() {
    let config = format!("[http]\nallowed_origins = [\"https://old.example\"]\n{ARM}");
    let mut bench = Bench::new(&config);
    let next = config.replace("old", "new").replace("arm", "leg") + "[limits]\nsessions = 4\n";
    let next = Config::parse(&next).expect("a configuration");
    bench.gateway.handle_reload(bench.now, Ok(next));
    bench.settle();
    for (origin, status) in [("old", 403), ("new", 200)] {
        bench.headers = format!("Origin: https://{origin}.example\r\n");
        assert_eq!(bench.call("GET", "/endpoints", &Value::Null).0, status);
    }
    bench.headers.clear();
    assert_eq!(bench.call("GET", "/endpoints/arm", &Value::Null).0, 404);
    assert_eq!(bench.call("GET", "/endpoints/leg", &Value::Null).0, 200);
    for status in [201, 201, 201, 201, 503] {
        offer(&mut bench);
        assert_eq!(bench.response().expect("an answer").0, status);
    }
    bench
        .gateway
        .handle_reload(bench.now, Err(vec!["a fault".to_owned()]));
    assert_eq!(bench.call("GET", "/endpoints/leg", &Value::Null).0, 200);
}

#[test]
fn a_daemon_that_is_told_to_stop_drains_and_then_stops() {
    let mut bench = Bench::new(ARM);
    offer(&mut bench);
    bench.read();
    bench.gateway.handle_shutdown(bench.now);
    assert!(bench.gateway.is_draining() && !bench.gateway.is_ready());
    offer(&mut bench);
    assert_eq!(bench.response().expect("an answer").0, 503);
    bench.pass(limits::DRAIN + Duration::from_secs(1));
    assert_eq!(bench.gateway.poll_exit(), Some(&Exit::Done));
    assert!(bench.gateway.sessions.is_empty());
    // A second shutdown request ends the process at once.
    let mut bench = Bench::new(ARM);
    offer(&mut bench);
    bench.gateway.handle_shutdown(bench.now);
    assert_eq!(bench.gateway.poll_exit(), None);
    bench.gateway.handle_shutdown(bench.now);
    assert_eq!(bench.gateway.poll_exit(), Some(&Exit::Done));
}
