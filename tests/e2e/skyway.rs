//! Programs written for SkyWay WebRTC Gateway, as they appear on the wire: Ruby's form `Content-Type`, one
//! request per connection, `localhost`. Answers are compared character by character.

use std::net::{Shutdown, UdpSocket};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::daemon::{Daemon, Folder, SOON, own_port};
use crate::http::{self, Answer, Http};
use crate::stranger::{BOARD, STRANGER, bearer, curl, on_a_network, set_up, start};

/// The headers that Ruby's `net/http` adds to a request.
const RUBY: &str = "Accept-Encoding: gzip;q=1.0,deflate;q=0.6,identity;q=0.3\r\nAccept: */*\r\nUser-Agent: Ruby\r\n\
                    Content-Type: application/x-www-form-urlencoded\r\n";

/// Sends a request as Ruby does, and closes the connection when the answer has arrived.
fn ruby(daemon: &Daemon, method: &str, path: &str, body: &str) -> Answer {
    let host = format!("Host: localhost:{}\r\n", daemon.addr.port());
    let length = match body.len() {
        0 => String::new(),
        n => format!("Content-Length: {n}\r\n"),
    };
    let mut http = Http::connect(daemon.addr);
    http.send(format!(
        "{method} {path} HTTP/1.1\r\n{RUBY}{host}{length}\r\n{body}"
    ));
    http.answer()
}

/// Sends a request as Ruby does, and checks the answer.
fn exactly(daemon: &Daemon, method: &str, path: &str, body: &str, status: u16, wanted: &str) {
    let answer = ruby(daemon, method, path, body);
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (status, wanted),
        "{method} {path}"
    );
    let kind = (!wanted.is_empty()).then_some("application/json");
    assert_eq!(answer.header("Content-Type"), kind, "{method} {path}");
    assert_eq!(answer.header("Content-Encoding"), None);
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

/// Makes a peer, and returns its token.
fn peer(daemon: &Daemon, name: &str) -> String {
    let body = format!(r#"{{"key":"any","domain":"localhost","peer_id":"{name}","turn":true}}"#);
    let answer = ruby(daemon, "POST", "/peers", &body);
    let token = text(&answer.json()["params"]["token"]);
    assert_eq!(
        (answer.status, answer.text()),
        (
            201,
            format!(
                r#"{{"command_type":"PEERS_CREATE","params":{{"peer_id":"{name}","token":"{token}"}}}}"#
            )
        )
    );
    let events = format!("/peers/{name}/events?token={token}");
    let open = format!(r#"{{"event":"OPEN","params":{{"peer_id":"{name}","token":"{token}"}}}}"#);
    exactly(daemon, "GET", &events, "", 200, &open);
    token
}

/// Opens a port that feeds connections. Returns its id, and a socket that sends there.
fn port(daemon: &Daemon) -> (String, UdpSocket) {
    let answer = ruby(daemon, "POST", "/data", "{}");
    let body = answer.json();
    let (id, port) = (text(&body["data_id"]), &body["port"]);
    assert_eq!(
        (answer.status, answer.text()),
        (
            201,
            format!(r#"{{"data_id":"{id}","ip_v4":"127.0.0.1","port":{port}}}"#)
        )
    );
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let port = u16::try_from(port.as_u64().expect("a number")).expect("a port");
    socket.connect(("127.0.0.1", port)).expect("loopback");
    (id, socket)
}

/// Opens a program's socket for redirected datagrams. Returns the socket, and its address.
fn hearing() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(SOON)).expect("a limit");
    let at = socket.local_addr().expect("its address").port();
    (socket, format!(r#"{{"ip_v4":"127.0.0.1","port":{at}}}"#))
}

fn arrives(from: &UdpSocket, to: &UdpSocket) {
    for message in [&b"hello"[..], &[0, 0xff, 0x80], &[7; 1_200]] {
        from.send(message).expect("sent");
        let mut buffer = [0; 2_000];
        let length = to.recv(&mut buffer).expect("it comes in time");
        assert_eq!(&buffer[..length], message, "one datagram is one message");
    }
}

fn status(daemon: &Daemon, connection: &str, remote: &str, label: &str, metadata: &str) {
    let path = format!("/data/connections/{connection}/status");
    let wanted = format!(
        r#"{{"buffersize":0,"label":"{label}","metadata":"{metadata}","open":true,"reliable":true,"remote_id":"{remote}","serialization":"NONE","type":"DATA"}}"#
    );
    daemon.until("all acknowledged", |daemon| {
        ruby(daemon, "GET", &path, "").json()["buffersize"] == 0
    });
    exactly(daemon, "GET", &path, "", 200, &wanted);
}

fn event(daemon: &Daemon, connection: &str, wanted: &str) {
    let path = format!("/data/connections/{connection}/events");
    exactly(daemon, "GET", &path, "", 200, wanted);
}

#[test]
fn two_programs_reach_each_other_and_every_answer_is_that_of_the_gateway() {
    let daemon = Daemon::start("");
    let (caller, callee) = (peer(&daemon, "data_caller"), peer(&daemon, "data_callee"));
    let alive = format!("/peers/data_caller/status?token={caller}");
    let wanted = r#"{"disconnected":false,"peer_id":"data_caller"}"#;
    exactly(&daemon, "GET", &alive, "", 200, wanted);

    // The caller opens a port, chooses where to receive, and calls.
    let (feed, to_callee) = port(&daemon);
    let (at_caller, redirect) = hearing();
    let call = format!(
        r#"{{"peer_id":"data_caller","token":"{caller}","target_id":"data_callee","params":{{"data_id":"{feed}"}},"options":{{"serialization":"NONE","metadata":"hello"}},"redirect_params":{redirect}}}"#
    );
    let answer = ruby(&daemon, "POST", "/data/connections", &call);
    let ours = text(&answer.json()["params"]["data_connection_id"]);
    assert_eq!(
        (answer.status, answer.text()),
        (
            202,
            format!(
                r#"{{"command_type":"DATA_CONNECTION_CREATE","params":{{"data_connection_id":"{ours}"}}}}"#
            )
        )
    );

    // The callee gets an event, and answers with its own port.
    let events = format!("/peers/data_callee/events?token={callee}");
    let answer = ruby(&daemon, "GET", &events, "");
    let theirs = text(&answer.json()["data_params"]["data_connection_id"]);
    assert_eq!(
        (answer.status, answer.text()),
        (
            200,
            format!(
                r#"{{"data_params":{{"data_connection_id":"{theirs}"}},"event":"CONNECTION","params":{{"peer_id":"data_callee","token":"{callee}"}}}}"#
            )
        )
    );
    let (back, to_caller) = port(&daemon);
    let (at_callee, redirect) = hearing();
    let change =
        format!(r#"{{"feed_params":{{"data_id":"{back}"}},"redirect_params":{redirect}}}"#);
    let path = format!("/data/connections/{theirs}");
    let wanted = format!(r#"{{"command_type":"DATA_CONNECTION_PUT","data_id":"{back}"}}"#);
    exactly(&daemon, "PUT", &path, &change, 200, &wanted);
    for connection in [&ours, &theirs] {
        event(&daemon, connection, r#"{"event":"OPEN"}"#);
    }

    arrives(&to_callee, &at_callee);
    arrives(&to_caller, &at_caller);
    let shown = ruby(
        &daemon,
        "GET",
        &format!("/data/connections/{ours}/status"),
        "",
    );
    let label = text(&shown.json()["label"]);
    status(&daemon, &ours, "data_callee", &label, "hello");
    status(&daemon, &theirs, "data_caller", &label, "hello");

    // A port that feeds a connection cannot be deleted; it is closed with the connection.
    let path = format!("/data/{feed}");
    let in_use = r#"{"command_type":"DATA_DELETE","params":{"errors":[{"field":"data_id","message":"a connection is fed by this port"}]}}"#;
    exactly(&daemon, "DELETE", &path, "", 403, in_use);
    exactly(
        &daemon,
        "DELETE",
        &format!("/data/connections/{ours}"),
        "",
        204,
        "",
    );
    event(&daemon, &theirs, r#"{"event":"CLOSE"}"#);
    let gone = r#"{"command_type":"DATA_DELETE","params":{"errors":[{"field":"data_id","message":"there is no port with this id"}]}}"#;
    exactly(&daemon, "DELETE", &path, "", 404, gone);

    let (unused, _socket) = port(&daemon);
    exactly(&daemon, "DELETE", &format!("/data/{unused}"), "", 204, "");
    let renewed = r#"{"timestamp":1600000000,"ttl":3600,"authToken":"dGVzdA=="}"#;
    let path = format!("/peers/data_caller/credential?token={caller}");
    let wanted = r#"{"command_type":"PEERS_CREDENTIAL_UPDATE","params":{"credential":{"authToken":"dGVzdA==","timestamp":1600000000,"ttl":3600}}}"#;
    exactly(&daemon, "PUT", &path, renewed, 200, wanted);
    for (name, token) in [("data_caller", &caller), ("data_callee", &callee)] {
        let path = format!("/peers/{name}?token={token}");
        exactly(&daemon, "DELETE", &path, "", 204, "");
        let close =
            format!(r#"{{"event":"CLOSE","params":{{"peer_id":"{name}","token":"{token}"}}}}"#);
        let events = format!("/peers/{name}/events?token={token}");
        exactly(&daemon, "GET", &events, "", 200, &close);
    }
}

const MEDIA: &[(&str, &str, &str)] = &[
    ("POST", "/media", "MEDIA_CREATE"),
    ("DELETE", "/media/vi-1", "MEDIA_DELETE"),
    ("POST", "/media/rtcp", "RTCP_CREATE"),
    ("DELETE", "/media/rtcp/rc-1", "RTCP_DELETE"),
    ("POST", "/media/connections", "MEDIA_CONNECTION_CREATE"),
    (
        "DELETE",
        "/media/connections/mc-1",
        "MEDIA_CONNECTION_DELETE",
    ),
    (
        "POST",
        "/media/connections/mc-1/answer",
        "MEDIA_CONNECTION_ANSWER",
    ),
    (
        "POST",
        "/media/connections/mc-1/pli",
        "MEDIA_CONNECTION_PLI",
    ),
    (
        "GET",
        "/media/connections/mc-1/events",
        "MEDIA_CONNECTION_EVENTS",
    ),
    (
        "GET",
        "/media/connections/mc-1/status",
        "MEDIA_CONNECTION_STATUS",
    ),
];

#[test]
fn errors_have_the_body_that_programs_read() {
    let daemon = Daemon::start("");
    let token = peer(&daemon, "there");
    let nobody = "pt-870c2c49-c16d-4c69-b1ad-fec7550564af";
    let none = "dc-4995f372-fb6a-4196-b30a-ce11e5c7f56c";
    let error = |command: &str, field: &str, message: &str| {
        format!(
            r#"{{"command_type":"{command}","params":{{"errors":[{{"field":"{field}","message":"{message}"}}]}}}}"#
        )
    };
    let again = r#"{"key":"any","domain":"localhost","peer_id":"there","turn":true}"#;
    let wanted = error("PEERS_CREATE", "peer_id", "peer_id is already in use");
    exactly(&daemon, "POST", "/peers", again, 403, &wanted);
    let missing = r#"{"key":"any","peer_id":"other"}"#;
    let wanted = error("PEERS_CREATE", "domain", "domain field is not specified");
    exactly(&daemon, "POST", "/peers", missing, 400, &wanted);
    let wanted = error("PEERS_DELETE", "token", "token field is not specified");
    exactly(&daemon, "DELETE", "/peers/there", "", 400, &wanted);
    let path = format!("/peers/there/status?token={nobody}");
    let wanted = error(
        "PEERS_STATUS",
        "token",
        "this is not the token of this peer",
    );
    exactly(&daemon, "GET", &path, "", 403, &wanted);
    let path = format!("/peers/nobody/events?token={token}");
    let wanted = error("PEERS_EVENTS", "peer_id", "there is no peer with this id");
    exactly(&daemon, "GET", &path, "", 404, &wanted);
    for (method, rest, command) in [
        ("GET", "/status", "DATA_CONNECTION_STATUS"),
        ("GET", "/events", "DATA_CONNECTION_EVENTS"),
        ("DELETE", "", "DATA_CONNECTION_DELETE"),
    ] {
        let path = format!("/data/connections/{none}{rest}");
        let wanted = error(
            command,
            "data_connection_id",
            "there is no connection with this id",
        );
        exactly(&daemon, method, &path, "", 404, &wanted);
    }
    let elsewhere = format!(
        r#"{{"peer_id":"there","token":"{token}","target_id":"x","redirect_params":{{"ip_v4":"203.0.113.1","port":9}}}}"#
    );
    let detail = "this address is in none of the networks of skyway.redirect";
    let wanted = error("DATA_CONNECTION_CREATE", "redirect_params", detail);
    exactly(
        &daemon,
        "POST",
        "/data/connections",
        &elsewhere,
        403,
        &wanted,
    );
    for (method, path, command) in MEDIA {
        let wanted = error(command, "media", "media connections are not there yet");
        let body = if *method == "POST" { "{}" } else { "" };
        exactly(&daemon, method, path, body, 400, &wanted);
    }
    let wanted = error("PEERS_CREATE", "method", "this path takes POST, OPTIONS");
    exactly(&daemon, "GET", "/peers", "", 405, &wanted);
}

#[test]
fn who_calls_nobody_is_told_by_an_event() {
    let daemon = Daemon::start("");
    let token = peer(&daemon, "alone");
    let call = format!(r#"{{"peer_id":"alone","token":"{token}","target_id":"nobody"}}"#);
    let answer = ruby(&daemon, "POST", "/data/connections", &call);
    assert_eq!(answer.status, 202, "{}", answer.text());
    let connection = text(&answer.json()["params"]["data_connection_id"]);
    let path = format!("/data/connections/{connection}/events");
    let first = ruby(&daemon, "GET", &path, "");
    assert_eq!(
        (first.status, &first.json()["event"]),
        (200, &"ERROR".into()),
        "{}",
        first.text()
    );
    assert!(!text(&first.json()["error_message"]).is_empty());
    event(&daemon, &connection, r#"{"event":"CLOSE"}"#);
}

#[test]
fn a_post_without_body_and_without_length_is_answered() {
    let daemon = Daemon::start("");
    // Some libraries send this if there is no body (RFC 9112 §6.3).
    for (path, status) in [("/data", 201), ("/media/rtcp", 400), ("/peers", 400)] {
        let answer = ruby(&daemon, "POST", path, "");
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }
    let none = "a JSON object is expected, and there is none";
    let answer = ruby(&daemon, "POST", "/peers", "").json();
    assert_eq!(answer["params"]["errors"][0]["message"], none);
}

/// Waits until this many requests wait for an event.
fn parked(daemon: &Daemon, count: usize) {
    let line = format!("thingway_parked_polls {count}\n");
    daemon.until(&line, |daemon| {
        http::get(daemon.addr, "/metrics").text().contains(&line)
    });
}

#[test]
fn an_event_is_not_lost_on_who_has_hung_up() {
    let daemon = Daemon::start("");
    let (caller, callee) = (peer(&daemon, "a"), peer(&daemon, "b"));
    let events = format!("/peers/b/events?token={callee}");
    let mut gone = Http::connect(daemon.addr);
    gone.send(format!(
        "GET {events} HTTP/1.1\r\n{RUBY}Host: localhost\r\n\r\n"
    ));
    parked(&daemon, 1);
    drop(gone);
    parked(&daemon, 0);
    let call = format!(r#"{{"peer_id":"a","token":"{caller}","target_id":"b"}}"#);
    assert_eq!(
        ruby(&daemon, "POST", "/data/connections", &call).status,
        202
    );
    let next = ruby(&daemon, "GET", &events, "").json();
    assert_eq!(next["event"], "CONNECTION", "{next}");
}

#[test]
fn who_has_said_all_is_answered_at_once_and_misses_nothing() {
    let daemon = Daemon::start("");
    let (caller, callee) = (peer(&daemon, "a"), peer(&daemon, "b"));
    let events = format!("/peers/b/events?token={callee}");
    // As `nc` does: the request, and then the end of the input.
    let mut half = Http::connect(daemon.addr);
    half.send(format!(
        "GET {events} HTTP/1.1\r\n{RUBY}Host: localhost\r\n\r\n"
    ));
    half.stream.shutdown(Shutdown::Write).expect("half closed");
    let answer = half.answer();
    assert_eq!(answer.status, 408, "{}", answer.text());
    assert!(half.is_closed());
    parked(&daemon, 0);
    let call = format!(r#"{{"peer_id":"a","token":"{caller}","target_id":"b"}}"#);
    let called = ruby(&daemon, "POST", "/data/connections", &call);
    assert_eq!(called.status, 202);
    // That answer contains an event that already waits.
    let mut half = Http::connect(daemon.addr);
    half.send(format!(
        "GET {events} HTTP/1.1\r\n{RUBY}Host: localhost\r\n\r\n"
    ));
    half.stream.shutdown(Shutdown::Write).expect("half closed");
    assert_eq!(half.answer().json()["event"], "CONNECTION");
}

#[test]
fn a_byte_order_mark_before_a_body_does_no_harm() {
    let daemon = Daemon::start("");
    let body = r#"{"key":"any","domain":"localhost","peer_id":"a","turn":true}"#;
    let answer = ruby(&daemon, "POST", "/peers", &format!("\u{feff}{body}"));
    assert_eq!(answer.status, 201, "{}", answer.text());
}

#[test]
fn of_two_polls_the_older_one_is_told_to_ask_again() {
    let daemon = Daemon::start("");
    let token = peer(&daemon, "a");
    let events = format!("/peers/a/events?token={token}");
    let poll = format!("GET {events} HTTP/1.1\r\n{RUBY}Host: localhost\r\n\r\n");
    let (mut older, mut newer) = (Http::connect(daemon.addr), Http::connect(daemon.addr));
    older.send(&poll);
    parked(&daemon, 1);
    newer.send(&poll);
    let answer = older.answer();
    let nothing = r#"{"command_type":"PEERS_EVENTS","params":{"errors":[{"field":"","message":"nothing has happened"}]}}"#;
    assert_eq!((answer.status, answer.text().as_str()), (408, nothing));
    let path = format!("/peers/a?token={token}");
    exactly(&daemon, "DELETE", &path, "", 204, "");
    assert_eq!(newer.answer().json()["event"], "CLOSE");
}

/// A process that is ended with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ended_before = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[test]
fn an_old_configuration_is_understood() {
    let port = own_port(2);
    let old = |level: &str| format!("[general]\napi_port = {port}\nlog_level = \"{level}\"\n");
    let daemon = Daemon::start_in(Arc::new(Folder::new()), &old("debug"), &[]);
    assert_eq!(daemon.addr.port(), port);
    assert!(daemon.log().contains("DEBUG"), "{}", daemon.log());
    peer(&daemon, "a");
    drop(daemon);

    // With the level `error` of the first configuration, a program without faults logs nothing.
    let folder = Folder::new();
    let config = folder.write("config.toml", &old("error"));
    let mut command = folder.program();
    command.arg("--config").arg(config).stderr(Stdio::piped());
    let mut program = Program(command.spawn().expect("the program starts"));
    let end = Instant::now() + SOON;
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < end, "it does not listen on {port}");
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(
        http::get(([127, 0, 0, 1], port).into(), "/healthz").status,
        200
    );
    program.0.kill().expect("a process of ours");
    let mut said = String::new();
    let mut stderr = program.0.stderr.take().expect("a pipe");
    std::io::Read::read_to_string(&mut stderr, &mut said).expect("text");
    assert_eq!(said, "");
}

const PEER: &str = r#"{"key":"a-key","domain":"localhost","peer_id":"stranger"}"#;

#[test]
fn from_the_network_it_is_closed_unless_somebody_opens_it() {
    on_a_network(|| {
        let folder = Arc::new(Folder::new());
        let _daemon = start(&folder, "[http]\nlisten = [\"127.0.0.1:0\"]\n");
        let (port, token, _) = set_up(&folder);
        // A token of this gateway is no SkyWay key, although it gives every other right.
        for more in [vec![], vec!["-H".to_owned(), bearer(&token)]] {
            let mut arguments = vec!["-d", PEER];
            arguments.extend(more.iter().map(String::as_str));
            let answer = curl(&folder, port, "/peers", &arguments);
            let wanted = r#"{"command_type":"PEERS_CREATE","params":{"errors":[{"field":"address","message":"from beyond this machine it is open only where skyway.expose is true"}]}}"#;
            assert_eq!((answer.status, answer.body.as_str()), (403, wanted));
        }
    });
}

#[test]
fn with_expose_a_key_opens_it_to_the_network() {
    on_a_network(|| {
        let folder = Arc::new(Folder::new());
        let config = "[http]\nlisten = [\"127.0.0.1:0\"]\n[skyway]\nexpose = true\nredirect = [\"local\"]\n\
                      [[skyway.key]]\nkey = \"a-key\"\ndomain = \"localhost\"\n";
        let daemon = start(&folder, config);
        let (port, _, _) = set_up(&folder);
        let ask = |method: &str, path: &str, body: &str| {
            curl(&folder, port, path, &["-X", method, "-d", body])
        };
        let wrong = PEER.replace("a-key", "another");
        let answer = ask("POST", "/peers", &wrong);
        let wanted = r#"{"command_type":"PEERS_CREATE","params":{"errors":[{"field":"key","message":"this key is not known here"}]}}"#;
        assert_eq!((answer.status, answer.body.as_str()), (403, wanted));
        // A client without a peer cannot open ports.
        assert_eq!(ask("POST", "/data", "{}").status, 403);

        let answer = ask("POST", "/peers", PEER);
        assert_eq!(answer.status, 201, "{}", answer.body);
        let token = text(&answer.json()["params"]["token"]);
        let opened = ask("POST", "/data", "{}");
        assert_eq!(
            (opened.status, opened.json()["ip_v4"].as_str()),
            (201, Some("127.0.0.1"))
        );

        let call = |to: &str| {
            let body = format!(
                r#"{{"peer_id":"stranger","token":"{token}","target_id":"x","redirect_params":{{"ip_v4":"{to}","port":9}}}}"#
            );
            ask("POST", "/data/connections", &body)
        };
        for to in ["203.0.113.1", "127.0.0.1", "192.0.3.1"] {
            let answer = call(to);
            let wanted = r#"{"command_type":"DATA_CONNECTION_CREATE","params":{"errors":[{"field":"redirect_params","message":"this address is in none of the networks of skyway.redirect"}]}}"#;
            assert_eq!((answer.status, answer.body.as_str()), (403, wanted), "{to}");
        }
        for to in [BOARD, STRANGER] {
            let answer = call(to);
            assert_eq!(answer.status, 202, "{to}: {}", answer.body);
        }
        // A configured list of keys also applies to programs on this machine.
        assert_eq!(ruby(&daemon, "POST", "/peers", &wrong).status, 403);
    });
}
