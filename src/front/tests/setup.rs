//! `thingway setup`: the control socket opens the gateway to the network, and closes it again.

use std::sync::Arc;

use super::secured::identity;
use super::*;
use crate::access::LAN;
use crate::tls::authority::PublicAuthority;

fn set_up(rig: &mut Rig, client: Client, body: &Value) -> (u16, String) {
    rig.post(client, "/setup", "", body)
}

fn fail(rig: &mut Rig, source: SourceId) {
    let failure = Failure::new(FailureKind::Absent, "no such address");
    rig.with(|front, cx| front.handle_listener_failed(cx, source, &failure));
}

/// Opens the listener that was asked for, and returns the response.
fn open(rig: &mut Rig, client: Client) -> (SourceId, u16, String) {
    let listens = rig.listens();
    let [(source, addr)] = listens[..] else {
        panic!("{listens:?}");
    };
    rig.with(|front, cx| front.handle_listening(cx, source, addr));
    let (status, text) = rig.response(client);
    assert_eq!(status, 0, "not before the token is stored: {text}");
    assert_eq!(rig.store(Ok(())), 1);
    let (status, text) = rig.response(client);
    (source, status, text)
}

/// Returns a gateway that is open to the network at 192.0.2.1.
fn opened() -> (Rig, Client, SourceId) {
    let mut rig = Rig::new("");
    rig.commands();
    let client = rig.connect_control();
    set_up(&mut rig, client, &json!({"listen": "192.0.2.1:8443"}));
    let (source, status, _) = open(&mut rig, client);
    assert_eq!(status, 201);
    rig.with(|front, cx| front.handle_tls(cx, Ok(identity().0)));
    (rig, client, source)
}

#[test]
fn a_set_up_opens_a_listener_and_makes_a_token_for_the_operator() {
    let mut rig = Rig::new("");
    rig.commands();
    let client = rig.connect_control();
    assert_eq!(set_up(&mut rig, client, &json!({})).0, 0);
    let listens = rig.commands();
    let [
        Command::LoadTls { files: None },
        Command::Listen { source, addr },
    ] = listens[..]
    else {
        panic!("{listens:?}");
    };
    assert_eq!(addr, LAN);
    rig.with(|front, cx| front.handle_listening(cx, source, "[::]:8443".parse().unwrap()));
    assert_eq!(rig.store(Ok(())), 1);
    let (status, text) = rig.response(client);
    assert_eq!((status, field(&text, "name").as_str()), (201, "owner"));
    assert_eq!(field(&text, "listen"), "[::]:8443");
    let bearer = format!("Authorization: Bearer {}\r\n", field(&text, "token"));
    assert_eq!(rig.ask_from(THERE, "GET /tokens", &bearer), 200);
    // If the gateway is open there already, the operator only wants another token.
    set_up(&mut rig, client, &json!({}));
    assert_eq!(rig.store(Ok(())), 1);
    let (status, text) = rig.response(client);
    assert_eq!((status, field(&text, "name").as_str()), (201, "owner-2"));
}

#[test]
fn a_set_up_comes_over_the_control_socket_only_and_one_at_a_time() {
    let mut rig = Rig::new("");
    let admin = rig.admin();
    let here = rig.connect(HERE);
    assert_eq!(set_up(&mut rig, here, &json!({})).0, 403);
    let there = rig.connect(THERE);
    assert_eq!(
        rig.post(there, "/setup", &bearer(&admin), &json!({})).0,
        403
    );
    assert_eq!(rig.ask(here, "DELETE /setup", "").0, 403);
    let first = rig.connect_control();
    assert_eq!(set_up(&mut rig, first, &json!({})).0, 0);
    let second = rig.connect_control();
    assert_eq!(set_up(&mut rig, second, &json!({})).0, 409);
    assert_eq!(set_up(&mut rig, second, &json!({"lisen": 1})).0, 409);
}

#[test]
fn a_new_address_closes_the_listener_before_when_it_is_open() {
    let (mut rig, client, before) = opened();
    set_up(&mut rig, client, &json!({"listen": "192.0.2.2:8443"}));
    assert!(rig.sources.owner(before).is_some());
    let (after, status, _) = open(&mut rig, client);
    assert_eq!(status, 201);
    assert_eq!(rig.sources.owner(before), None);
    assert_eq!(rig.sources.owner(after), Some(Owner::Listener));
    assert_eq!(rig.front.access.lan, "192.0.2.2:8443".parse().ok());
}

#[test]
fn a_set_up_that_fails_goes_back_to_the_listener_before() {
    let (mut rig, client, before) = opened();
    let tokens = rig.front.access.tokens().count();
    set_up(&mut rig, client, &json!({"listen": "192.0.2.2:8443"}));
    let source = rig.listens()[0].0;
    fail(&mut rig, source);
    let (status, text) = rig.response(client);
    assert_eq!(status, 500);
    assert!(text.contains("no such address"), "{text}");
    assert_eq!(rig.front.access.lan, "192.0.2.1:8443".parse().ok());
    assert_eq!(rig.front.lan, Some(before));
    assert_eq!(rig.sources.owner(before), Some(Owner::Listener));
    assert_eq!(rig.front.access.tokens().count(), tokens);
    // The next set-up closes that listener.
    set_up(&mut rig, client, &json!({"listen": "192.0.2.3:8443"}));
    assert_eq!(open(&mut rig, client).1, 201);
    assert_eq!(rig.sources.owner(before), None);
}

#[test]
fn what_was_set_up_is_closed_on_request() {
    let (mut rig, client, source) = opened();
    assert_eq!(rig.ask(client, "DELETE /setup", "").0, 0);
    assert_eq!(rig.sources.owner(source), None);
    assert_eq!(rig.store(Ok(())), 1);
    assert_eq!(rig.response(client).0, 200);
    assert_eq!(rig.front.access.lan, None);
    assert!(!rig.front.addresses().any(|addr| addr.port() == 8443));
}

#[test]
fn an_address_of_the_last_run_is_tried_until_it_exists() {
    let mut rig = Rig::new("");
    rig.commands();
    let mut access = Access::default();
    access.lan = "192.0.2.1:8443".parse().ok();
    rig.with(|front, cx| front.use_access(cx, access));
    for _ in 0..2 {
        let source = rig.listens()[0].0;
        fail(&mut rig, source);
        assert_eq!(names(&rig.events()), [""; 0], "the daemon runs without it");
        rig.pass(Duration::from_millis(4_999));
        assert_eq!(rig.listens(), []);
        rig.pass(Duration::from_millis(1));
    }
    let (source, addr) = rig.listens()[0];
    assert_eq!(Some(addr), rig.front.access.lan);
    rig.with(|front, cx| front.handle_listening(cx, source, addr));
    rig.pass(Duration::from_secs(60));
    assert_eq!(rig.listens(), []);
}

fn with_authority() -> TlsIdentity {
    TlsIdentity {
        authority: Some(Arc::new(PublicAuthority {
            name: "board".to_owned(),
            hosts: vec!["board.example".to_owned()],
            certificate: Vec::new(),
            fingerprint: "AA".to_owned(),
        })),
        ..identity().0
    }
}

#[test]
fn an_authority_is_made_before_the_listener_is_opened() {
    let mut rig = Rig::new("[http]\nhosts = [\"board.example\"]\n");
    rig.commands();
    let client = rig.connect_control();
    let body = json!({"authority": {"hosts": ["More.Example", "192.0.2.7", "board.example"]}});
    assert_eq!(set_up(&mut rig, client, &body).0, 0);
    let hosts = ["board.example", "more.example", "192.0.2.7"];
    let hosts = hosts.map(str::to_owned).to_vec();
    assert_eq!(rig.commands(), [Command::MakeAuthority { hosts }]);
    rig.with(|front, cx| front.handle_tls(cx, Ok(with_authority())));
    let (_, status, text) = open(&mut rig, client);
    assert_eq!(status, 201);
    assert!(text.contains("\"fingerprint\":\"AA\""), "{text}");
}

#[test]
fn an_authority_that_cannot_be_made_opens_nothing() {
    let mut rig = Rig::new("");
    rig.commands();
    let client = rig.connect_control();
    set_up(&mut rig, client, &json!({"authority": {}}));
    rig.commands();
    rig.with(|front, cx| front.handle_tls(cx, Err("no random numbers".to_owned())));
    let (status, text) = rig.response(client);
    assert_eq!(status, 500);
    assert!(text.contains("no random numbers"), "{text}");
    assert_eq!(rig.listens(), []);
    assert_eq!(rig.front.access.lan, None);
    assert_eq!(names(&rig.events()), [""; 0]);
    assert_eq!(
        set_up(&mut rig, client, &json!({})).0,
        0,
        "another one may begin"
    );
}

#[test]
fn an_authority_needs_a_clock_good_names_and_no_other_certificate() {
    let mut rig = Rig::new("");
    let client = rig.connect_control();
    for host in ["dev", "https://board.example", "a b.example"] {
        let body = json!({"authority": {"hosts": [host]}});
        assert_eq!(set_up(&mut rig, client, &body).0, 422, "{host}");
    }
    rig.time = Duration::from_secs(1000);
    assert_eq!(set_up(&mut rig, client, &json!({"authority": {}})).0, 409);
    let config = "[http.tls]\ncertificate = \"/c.pem\"\nkey = \"/k.pem\"\n";
    let mut rig = Rig::new(config);
    let client = rig.connect_control();
    assert_eq!(set_up(&mut rig, client, &json!({"authority": {}})).0, 409);
}

#[test]
fn a_retry_of_the_address_before_does_not_end_a_set_up_that_waits_for_its_authority() {
    let mut rig = Rig::new("");
    rig.commands();
    let mut access = Access::default();
    access.lan = "192.0.2.1:8443".parse().ok();
    rig.with(|front, cx| front.use_access(cx, access));
    let source = rig.listens()[0].0;
    fail(&mut rig, source);
    let client = rig.connect_control();
    let body = json!({"listen": "192.0.2.2:8443", "authority": {}});
    set_up(&mut rig, client, &body);
    rig.commands();
    rig.pass(Duration::from_secs(5));
    if let Some((source, _)) = rig.listens().first() {
        fail(&mut rig, *source);
    }
    assert_eq!(rig.response(client).0, 0, "the authority is still to come");
    rig.with(|front, cx| front.handle_tls(cx, Err("no".to_owned())));
    assert_eq!(rig.response(client).0, 500);
    // The old address is tried again.
    rig.pass(Duration::from_secs(5));
    assert_eq!(rig.listens().len(), 1);
}
