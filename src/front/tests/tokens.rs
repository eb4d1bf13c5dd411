//! Tokens, shares and tickets: stored before they are shown, and ended in time.

use super::*;

fn add(rig: &mut Rig, control: Client, body: &Value) -> (u16, String) {
    rig.post(control, "/tokens", "", body)
}

fn token_ends(events: &[FrontEvent]) -> Vec<(&str, TokenEnd)> {
    let ends = events.iter().filter_map(|event| match event {
        FrontEvent::TokenEnded { id, why } => Some((id.as_str(), *why)),
        _ => None,
    });
    ends.collect()
}

#[test]
fn a_token_is_stored_before_it_is_told() {
    let mut rig = Rig::new("");
    let control = rig.connect_control();
    rig.commands();
    assert_eq!(
        add(&mut rig, control, &json!({"name": "a", "admin": true})).0,
        0
    );
    let commands = rig.commands();
    let [Command::StoreAccess { text }] = &commands[..] else {
        panic!("{commands:?}");
    };
    assert!(text.contains("\"name\": \"a\""));
    rig.with(|front, cx| front.handle_stored(cx, Ok(())));
    let (status, response) = rig.response(control);
    assert_eq!(status, 201);
    assert!(response.contains("Cache-Control: no-store"));
    let token = field(&response, "token");
    assert!(!text.contains(token.rsplit('_').next().expect("a secret")));
    let bearer = format!("Authorization: Bearer {token}\r\n");
    assert_eq!(rig.ask_from(THERE, "GET /tokens", &bearer), 200);
}

#[test]
fn responses_wait_for_their_own_file() {
    let mut rig = Rig::new("");
    let clients = [rig.connect_control(), rig.connect_control()];
    for (client, name) in clients.into_iter().zip(["a", "b"]) {
        add(&mut rig, client, &json!({"name": name, "admin": true}));
    }
    rig.with(|front, cx| front.handle_stored(cx, Ok(())));
    let told = clients.map(|client| rig.response(client).0);
    assert_eq!(told, [201, 0], "the second file is not written yet");
    // The client of the second token has disconnected. Its response must not go to a third client.
    rig.with(|front, cx| front.connections_mut().handle_failed(cx, clients[1].id));
    let third = rig.connect_control();
    add(&mut rig, third, &json!({"name": "c", "admin": true}));
    rig.with(|front, cx| front.handle_stored(cx, Ok(())));
    assert_eq!(rig.response(third).0, 0);
    rig.with(|front, cx| front.handle_stored(cx, Ok(())));
    assert_eq!(rig.response(third).0, 201);
}

#[test]
fn a_token_that_could_not_be_stored_is_told_with_a_warning() {
    let mut rig = Rig::new("");
    let control = rig.connect_control();
    add(&mut rig, control, &json!({"name": "a", "admin": true}));
    assert_eq!(rig.store(Err("the disk is full")), 1);
    let (status, response) = rig.response(control);
    assert_eq!(status, 201);
    assert!(field(&response, "warning").contains("the disk is full"));
    assert!(field(&response, "token").starts_with("tw_"));
}

#[test]
fn a_revocation_that_could_not_be_stored_is_told_and_tried_until_it_is() {
    let mut rig = Rig::new("");
    rig.admin();
    let control = rig.connect_control();
    assert_eq!(rig.ask(control, "DELETE /tokens/admin", "").0, 0);
    rig.store(Err("the disk is full"));
    let (status, response) = rig.response(control);
    assert_eq!(status, 507);
    assert!(response.contains("not-stored"), "{response}");
    assert!(rig.front.access.is_empty(), "it holds now");
    for _ in 0..3 {
        rig.pass(Duration::from_millis(9_999));
        assert_eq!(rig.store(Ok(())), 0, "not before 10 s");
        rig.pass(Duration::from_millis(1));
        assert_eq!(rig.store(Err("still full")), 1);
    }
    rig.pass(Duration::from_secs(10));
    assert_eq!(rig.store(Ok(())), 1);
    rig.pass(Duration::from_secs(60));
    assert_eq!(rig.store(Ok(())), 0, "it is stored");
}

#[test]
fn an_answer_to_a_retry_is_no_answer_to_a_request() {
    let mut rig = Rig::new("");
    rig.admin();
    let control = rig.connect_control();
    rig.ask(control, "DELETE /tokens/admin", "");
    rig.store(Err("the disk is full"));
    rig.read(control);
    rig.pass(Duration::from_secs(10));
    add(&mut rig, control, &json!({"name": "b", "admin": true}));
    rig.with(|front, cx| front.handle_stored(cx, Ok(())));
    assert_eq!(rig.response(control).0, 0, "that was the retry's");
    rig.with(|front, cx| front.handle_stored(cx, Ok(())));
    assert_eq!(rig.response(control).0, 201);
}

#[test]
fn what_makes_no_token_is_said_without_its_secrets() {
    let mut rig = Rig::new("");
    let control = rig.connect_control();
    rig.commands();
    for (body, status) in [
        (json!({"name": "a"}), 422),
        (json!({"name": "boot", "admin": true}), 409),
        (json!({"name": 1, "secret": "hush"}), 400),
        (json!({"name": "a", "admin": true, "expires_in_s": 0}), 422),
        (json!("hush"), 400),
    ] {
        let (answered, text) = add(&mut rig, control, &body);
        assert_eq!(answered, status, "{body}: {text}");
        assert!(!text.contains("hush"), "{text}");
    }
    assert_eq!(rig.ask(control, "DELETE /tokens/none", "").0, 404);
    assert_eq!(rig.store(Ok(())), 0);
}

#[test]
fn a_share_becomes_a_token_once() {
    let mut rig = Rig::new("");
    let control = rig.connect_control();
    let body = json!({"name": "guest", "scopes": [{"endpoints": ["arm"], "verbs": ["read"]}]});
    rig.post(control, "/shares", "", &body);
    assert_eq!(rig.store(Ok(())), 1);
    let (status, response) = rig.response(control);
    assert_eq!(status, 201);
    assert!(
        !field(&response, "expires").is_empty(),
        "a day, if nothing else is said"
    );
    let code = json!({"share": field(&response, "share")});
    let client = rig.connect(THERE);
    assert_eq!(rig.post(client, "/shares/redeem", "", &code).0, 0);
    assert_eq!(rig.store(Ok(())), 1);
    let (status, response) = rig.response(client);
    assert_eq!(status, 201);
    let token = field(&response, "token");
    let bearer = format!("Authorization: Bearer {token}\r\n");
    assert_eq!(rig.ask_from(THERE, "GET /endpoints/arm", &bearer), 200);
    assert_eq!(rig.ask_from(THERE, "GET /endpoints/leg", &bearer), 404);
    // A second redemption of the share fails.
    let client = rig.connect(THERE);
    assert_eq!(rig.post(client, "/shares/redeem", "", &code).0, 0);
    rig.pass(Duration::from_millis(500));
    let (status, response) = rig.response(client);
    assert_eq!(status, 404);
    assert!(response.contains("share-unknown"), "{response}");
    assert_eq!(rig.front.stats().tries_failed, 1);
}

#[test]
fn wrong_codes_shut_out_no_good_one() {
    let mut rig = Rig::new("");
    let control = rig.connect_control();
    let body = json!({"name": "guest", "admin": true});
    rig.post(control, "/shares", "", &body);
    rig.store(Ok(()));
    let good = json!({"share": field(&rig.read(control), "share")});
    let wrong = json!({"share": "ts_a_b"});
    for _ in 0..10 {
        let client = rig.connect(THERE);
        rig.post(client, "/shares/redeem", "", &wrong);
    }
    let client = rig.connect(THERE);
    assert_eq!(rig.post(client, "/shares/redeem", "", &wrong).0, 429);
    let client = rig.connect(THERE);
    rig.post(client, "/shares/redeem", "", &good);
    rig.store(Ok(()));
    assert_eq!(rig.response(client).0, 201);
}

#[test]
fn tickets_of_one_token_are_bounded() {
    let mut rig = Rig::new("");
    let admin = rig.admin();
    let ask = |rig: &mut Rig| {
        let client = rig.connect(THERE);
        rig.post(client, "/tickets", &bearer(&admin), &json!({})).0
    };
    for n in 0..16 {
        assert_eq!(ask(&mut rig), 201, "{n}");
    }
    assert_eq!(ask(&mut rig), 503);
    rig.pass(Duration::from_secs(30));
    assert_eq!(ask(&mut rig), 201);
}

#[test]
fn a_token_ends_when_its_time_is_over() {
    let mut rig = Rig::new("");
    let control = rig.connect_control();
    let body = json!({"name": "short", "admin": true, "expires_in_s": 100});
    add(&mut rig, control, &body);
    rig.store(Ok(()));
    let response = rig.read(control);
    assert!(
        !response.contains("warning"),
        "the clock is set: {response}"
    );
    let id = field(&response, "id");
    assert!(rig.front.wants_clock());
    rig.pass(Duration::from_secs(99));
    assert_eq!(token_ends(&rig.events()), []);
    rig.pass(Duration::from_secs(1));
    let events = rig.events();
    assert_eq!(token_ends(&events), [(id.as_str(), TokenEnd::Expired)]);
    rig.pass(Duration::from_secs(7200));
    assert_eq!(token_ends(&rig.events()), [], "once");
}

#[test]
fn the_clock_is_looked_at_once_an_hour_while_a_token_expires() {
    let mut rig = Rig::new("");
    rig.token(Wanted {
        name: "long".to_owned(),
        admin: true,
        lifetime: Some(100_000),
        ..Wanted::default()
    });
    rig.with(|front, cx| front.schedule_expiry(cx));
    assert_eq!(
        rig.front.poll_timeout(),
        Some(rig.now + Duration::from_secs(3600))
    );
    // The time of day jumps to the token's expiry; the daemon's own clock does not.
    rig.time += Duration::from_secs(100_000);
    rig.pass(Duration::from_secs(3600));
    assert_eq!(names(&rig.events()), ["token-ended"]);
}

#[test]
fn a_token_that_was_made_before_the_clock_was_set_holds_as_long_as_was_asked_for() {
    let mut rig = Rig::new("");
    rig.time = Duration::from_secs(1000);
    let control = rig.connect_control();
    let body = json!({"name": "early", "admin": true, "expires_in_s": 60});
    add(&mut rig, control, &body);
    rig.store(Ok(()));
    let response = rig.read(control);
    assert!(field(&response, "warning").contains("clock"), "{response}");
    rig.pass(Duration::from_secs(10));
    let by = 1_772_000_000;
    rig.time += Duration::from_secs(by);
    rig.with(|front, cx| front.handle_clock_set(cx, by));
    assert_eq!(rig.store(Ok(())), 1, "its new times are kept");
    rig.pass(Duration::from_secs(49));
    assert_eq!(token_ends(&rig.events()), []);
    rig.pass(Duration::from_secs(1));
    let events = rig.events();
    assert_eq!(
        token_ends(&events),
        [(field(&response, "id").as_str(), TokenEnd::Expired)]
    );
    // No token from before the jump is left.
    rig.with(|front, cx| front.handle_clock_set(cx, 5));
    assert_eq!(rig.store(Ok(())), 0);
}

#[test]
fn the_tokens_of_the_last_run_expire_when_the_clock_is_known() {
    let mut rig = Rig::new("");
    let mut access = Access::default();
    let wanted = Wanted {
        name: "old".to_owned(),
        admin: true,
        lifetime: Some(10),
        ..Wanted::default()
    };
    let time = TODAY.as_secs() - 1000;
    let token = access.add(time, wanted, &mut rig.random).expect("a token");
    rig.with(|front, cx| front.use_access(cx, access));
    assert_eq!(
        token_ends(&rig.events()),
        [],
        "the time may not be told yet"
    );
    rig.pass(Duration::from_secs(1));
    let events = rig.events();
    assert_eq!(
        token_ends(&events),
        [(token.id.as_str(), TokenEnd::Expired)]
    );
}
