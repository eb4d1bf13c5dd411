//! Requests from their heads to their responses.

use super::*;

fn ok() -> Response {
    Response::new(200)
}

#[test]
fn the_next_request_of_a_connection_is_an_event_when_the_one_before_is_answered() {
    let mut rig = Rig::new("");
    let client = rig.connect(HERE);
    rig.send(client, request("GET /a", "") + &request("GET /b", ""));
    let (first, head) = rig.head();
    assert_eq!(head.path, "/a");
    assert!(rig.front.connections().is_open(first));
    rig.answer(first, ok());
    assert!(!rig.front.connections().is_open(first));
    let (second, head) = rig.head();
    assert_eq!(head.path, "/b");
    assert_ne!(first, second);
    assert_eq!(rig.read(client).matches("HTTP/1.1 200").count(), 1);
}

#[test]
fn an_answer_to_an_older_request_does_nothing() {
    let mut rig = Rig::new("");
    let client = rig.connect(HERE);
    rig.send(client, request("GET /a", "") + &request("GET /b", ""));
    let (first, _) = rig.head();
    rig.answer(first, ok());
    let (second, _) = rig.head();
    rig.read(client);
    rig.answer(first, Response::new(500));
    assert_eq!(rig.read(client), "");
    assert!(
        rig.front.connections().is_open(second),
        "the second is still to be answered"
    );
    rig.with(|front, cx| front.connections_mut().accept_body(cx, first, None));
    rig.with(|front, cx| front.connections_mut().hang_up(cx, first));
    assert_eq!(names(&rig.events()), [""; 0]);
    rig.answer(second, Response::new(404));
    assert_eq!(rig.response(client).0, 404);
    assert!(rig.is_connected(client));
}

#[test]
fn a_request_whose_connection_was_closed_is_gone_and_its_answer_is_counted() {
    let mut rig = Rig::new("");
    let client = rig.connect(HERE);
    rig.send(client, request("GET /a", ""));
    let (request, _) = rig.head();
    rig.with(|front, cx| front.connections_mut().handle_failed(cx, client.id));
    let events = rig.events();
    assert!(matches!(events[..], [FrontEvent::Gone(gone)] if gone == request));
    assert!(!rig.is_connected(client) && !rig.front.connections().is_open(request));
    rig.answer(request, Response::new(404));
    assert_eq!(rig.front.stats().requests, BTreeMap::from([(4, 1)]));
    assert_eq!(names(&rig.events()), [""; 0]);
    // Another client uses the place of the closed connection, but does not get its request.
    let other = rig.connect(HERE);
    rig.send(other, self::request("GET /b", ""));
    rig.answer(request, ok());
    assert_eq!(rig.read(other), "");
}

#[test]
fn a_connection_without_a_request_ends_unnoticed() {
    let mut rig = Rig::new("");
    let client = rig.connect(HERE);
    let (status, _) = rig.ask(client, "GET /healthz", "");
    assert_eq!(status, 200);
    rig.with(|front, cx| front.connections_mut().handle_failed(cx, client.id));
    assert_eq!(names(&rig.events()), [""; 0]);
    assert_eq!(
        rig.commands().pop(),
        Some(Command::Close {
            source: client.source
        })
    );
    assert_eq!(rig.front.connections().len(), 0);
    assert_eq!(rig.front.poll_timeout(), None);
}

#[test]
fn a_client_that_sends_no_more_is_answered_and_then_closed() {
    let mut rig = Rig::new("");
    let client = rig.connect(HERE);
    rig.send(client, request("GET /a", ""));
    let (asked, _) = rig.head();
    rig.with(|front, cx| front.connections_mut().handle_closed(cx, client.id));
    let events = rig.events();
    assert!(matches!(events[..], [FrontEvent::HalfClosed(it)] if it == asked));
    assert!(rig.front.connections().is_open(asked), "it may still read");
    rig.answer(asked, ok());
    assert_eq!(rig.response(client).0, 200);
    assert!(!rig.is_connected(client), "nothing is left to be done");
    // A request without an answer ends when its owner hangs up.
    let client = rig.connect(HERE);
    rig.send(client, request("GET /a", ""));
    let (asked, _) = rig.head();
    rig.with(|front, cx| front.connections_mut().handle_closed(cx, client.id));
    rig.events();
    rig.with(|front, cx| front.connections_mut().hang_up(cx, asked));
    assert_eq!(rig.read(client), "");
    assert!(!rig.is_connected(client));
    assert_eq!(names(&rig.events()), ["gone"]);
}

#[test]
fn a_body_comes_when_it_is_wanted_and_brings_what_was_asked() {
    let mut rig = Rig::new("");
    let client = rig.connect(HERE);
    let head = request(
        "POST /tokens",
        "Expect: 100-continue\r\nContent-Length: 4\r\n",
    );
    rig.send(client, head);
    let (request, head) = rig.head();
    let asked = rig.with(|front, cx| front.check(cx, request, &head));
    assert_eq!(rig.read(client), "", "the client waits for leave to send");
    rig.with(|front, cx| front.connections_mut().accept_body(cx, request, asked));
    assert!(rig.read(client).starts_with("HTTP/1.1 100"));
    rig.send(client, "bo");
    assert_eq!(names(&rig.events()), [""; 0]);
    rig.send(client, "dy");
    let events = rig.events();
    assert!(
        matches!(&events[..], [FrontEvent::Body(it, body)] if *it == request && body == b"body")
    );
    let resumed = rig.with(|front, cx| front.resume(cx, request));
    let asked = resumed.expect("its right holds").expect("one of ours");
    assert_eq!(
        (asked.resource, asked.action),
        (Resource::Tokens, Action::Post)
    );
    let again = rig.with(|front, cx| front.resume(cx, request));
    assert!(matches!(again, Ok(None)), "it is taken out");
}

#[test]
fn a_body_of_another_owner_brings_nothing() {
    let mut rig = Rig::new("");
    let client = rig.connect(HERE);
    rig.send(
        client,
        request("POST /peers", "Content-Length: 2\r\n") + "{}",
    );
    let (request, _) = rig.head();
    rig.with(|front, cx| front.connections_mut().accept_body(cx, request, None));
    assert_eq!(names(&rig.events()), ["body"]);
    let resumed = rig.with(|front, cx| front.resume(cx, request));
    assert!(matches!(resumed, Ok(None)));
}

#[test]
fn a_token_that_is_revoked_between_head_and_body_does_nothing() {
    let mut rig = Rig::new("");
    let admin = rig.admin();
    let client = rig.connect(THERE);
    let headers = format!("{}Content-Length: 29\r\n", bearer(&admin));
    rig.send(client, request("POST /tokens", &headers));
    rig.serve();
    rig.front.access.revoke("admin").expect("it exists");
    rig.send(client, "{\"name\":\"late\",\"admin\": true}");
    rig.serve();
    let (status, text) = rig.response(client);
    assert_eq!(status, 401, "{text}");
    assert!(text.contains("token-revoked"), "{text}");
    assert!(rig.front.access.is_empty());
}

#[test]
fn responses_are_counted_by_class() {
    let mut rig = Rig::new("");
    rig.ask_from(HERE, "GET /healthz", "");
    rig.ask_from(HERE, "GET /nothing", "");
    rig.ask_from(THERE, "GET /endpoints", "");
    assert_eq!(rig.front.stats().requests, BTreeMap::from([(2, 1), (4, 2)]));
}

#[test]
fn a_request_knows_its_token_while_it_is_open() {
    let mut rig = Rig::new("");
    let admin = rig.admin();
    let client = rig.connect(THERE);
    rig.send(client, request("GET /sessions", &bearer(&admin)));
    let (request, head) = rig.head();
    assert!(
        !rig.front.connections().is_of_token(request, &admin.id),
        "not checked yet"
    );
    rig.with(|front, cx| front.check(cx, request, &head));
    assert!(rig.front.connections().is_of_token(request, &admin.id));
    assert!(!rig.front.connections().is_of_token(request, "another"));
    rig.answer(request, ok());
    assert!(!rig.front.connections().is_of_token(request, &admin.id));
}

#[test]
fn the_way_of_a_request_is_known() {
    let mut rig = Rig::new("");
    let clients = [rig.connect_control(), rig.connect(HERE), rig.connect(THERE)];
    let ways = clients.map(|client| {
        rig.send(client, request("GET /a", ""));
        let (request, _) = rig.head();
        let way = rig.front.connections().way_of(request);
        assert!(!way.is_tls);
        (way.is_control, way.is_loopback)
    });
    assert_eq!(ways, [(true, true), (false, true), (false, false)]);
}
