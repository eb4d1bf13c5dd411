//! Attacks from the network on a daemon with the configuration of `docs/skyway.md` and `docs/access.md`. An
//! attacker gets no more than its rights, and locks out no other client.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use serde_json::{Value, json};

use crate::daemon::{Daemon, Folder};
use crate::http::{Http, get};
use crate::peer::{Peer, reliable};
use crate::stranger::{BOARD, STRANGER, bearer, curl, on_a_network_with, set_up, start, thingway};

/// Returns the parts of `docs/skyway.md` that make peers, keys and the access from the network, as printed
/// there.
fn documented() -> String {
    let path = format!("{}/docs/skyway.md", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).expect("the document");
    let blocks = text.split("```toml\n").skip(1);
    let blocks = blocks.map(|rest| rest.split("```").next().unwrap_or_default());
    let wanted = ["[[endpoint]]", "[[skyway.key]]", "expose = true"];
    let chosen: Vec<&str> = blocks
        .filter(|block| wanted.iter().any(|word| block.contains(word)))
        .collect();
    assert_eq!(chosen.len(), 3, "{chosen:?}");
    // A key without a secret, so that the tries test the scope and not the signature.
    let listen = "[http]\nlisten = [\"127.0.0.1:0\"]\n[limits]\nsessions = 64\n";
    let more = "[[skyway.key]]\nkey = \"public\"\n[[skyway.key]]\nkey = \"arms\"\nendpoints = [\"arduino\"]\n\
                [[endpoint]]\nname = \"secret\"\nkind = \"echo\"\n";
    format!("{listen}{}{more}", chosen.join("\n"))
}

/// Runs an attack in its own network, which has some addresses for the attacker.
fn under_attack(test: impl FnOnce(&Arc<Folder>, &mut Daemon, u16, &str) + Send + 'static) {
    let addresses = (1..9).map(|n| format!("ip addr add 192.0.2.{n}/24 dev lo"));
    let addresses: Vec<String> = addresses.collect();
    on_a_network_with(&addresses.join(" && "), move || {
        let folder = Arc::new(Folder::new());
        let mut daemon = start(&folder, &documented());
        let (port, token, _) = set_up(&folder);
        test(&folder, &mut daemon, port, &token);
        assert_eq!(get(daemon.addr, "/healthz").status, 200);
    });
}

/// Sends a request of the stranger with a JSON body.
fn send(folder: &Folder, port: u16, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let text = body.to_string();
    let mut more = vec!["-X", method, "-H", "Content-Type: application/json"];
    if !body.is_null() {
        more.extend(["-d", &text]);
    }
    let answer = curl(folder, port, path, &more);
    (answer.status, answer.json())
}

/// Makes a peer of the stranger, and returns its token.
fn peer(folder: &Folder, port: u16, key: &str, name: &str) -> String {
    let body = json!({"key": key, "domain": "localhost", "peer_id": name});
    let (status, body) = send(folder, port, "POST", "/peers", &body);
    assert_eq!(status, 201, "{body}");
    body["params"]["token"]
        .as_str()
        .expect("a token")
        .to_owned()
}

/// Connects from one address of this network to another.
fn connect_from(from: &str, to: SocketAddr) -> OwnedFd {
    let fd = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    let from = SocketAddr::new(from.parse().expect("an address"), 0);
    bind(&fd, &from).expect("bound");
    connect(&fd, &to).expect("connected");
    fd
}

#[test]
fn a_public_key_opens_no_endpoint_that_was_not_given() {
    under_attack(|folder, daemon, port, _| {
        for (key, endpoint, status) in [
            ("public", "secret", 403),
            ("public", "no-such", 403),
            // The document's robot-1 offers both endpoints.
            ("public", "arduino", 202),
            ("public", "gps0", 202),
            ("arms", "arduino", 202),
            ("arms", "secret", 403),
        ] {
            let name = format!("{key}-{endpoint}");
            let token = peer(folder, port, key, &name);
            let body = json!({"peer_id": name, "token": token, "target_id": "robot-1",
                "params": {"endpoint": endpoint}});
            let (answered, body) = send(folder, port, "POST", "/data/connections", &body);
            assert_eq!(answered, status, "{key} {endpoint}: {body}");
        }
        // On the board itself a program may use all endpoints.
        let mut http = Http::connect(daemon.addr);
        let body = r#"{"key":"public","domain":"d","peer_id":"here"}"#;
        let head = |path: &str, length: usize| {
            format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n")
        };
        http.send(head("/peers", body.len()) + body);
        let token = http.answer().json()["params"]["token"].clone();
        let body = json!({"peer_id": "here", "token": token, "target_id": "robot-1",
            "params": {"endpoint": "secret"}})
        .to_string();
        http.send(head("/data/connections", body.len()) + &body);
        assert_eq!(http.answer().status, 202);
    });
}

#[test]
fn content_ports_cannot_take_the_board_away() {
    let setup = format!("ip addr add {BOARD}/24 dev lo && ip addr add {STRANGER}/24 dev lo");
    on_a_network_with(&setup, || {
        let folder = Arc::new(Folder::new());
        let config = folder.write("config.toml", &documented());
        // A hard limit that the daemon cannot raise, far below what its configuration may need.
        let mut command = Command::new("sh");
        let program = folder.program();
        let script = "ulimit -n 160 && exec \"$0\" \"$@\"";
        command.args(["-c", script]).arg(program.get_program());
        command.arg("--config").arg(config).env_clear();
        command.env("XDG_STATE_HOME", folder.join("state"));
        command.env("RUNTIME_DIRECTORY", folder.join("run"));
        let daemon = Daemon::run(Arc::clone(&folder), command);
        assert!(daemon.log().contains("LimitNOFILE"), "{}", daemon.log());
        let (port, owner, _) = set_up(&folder);
        let before = daemon.descriptors();
        let data = |_| send(&folder, port, "POST", "/data", &json!({})).0;
        assert_eq!(data(0), 403, "a peer comes first");
        let token = peer(&folder, port, "public", "greedy");
        // The same from the board, where this needs no key.
        let mut http = Http::connect(daemon.addr);
        let mut opened = (0..10).map(data).filter(|status| *status == 201).count();
        for _ in 0..1_000 {
            let request = "POST /data HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}";
            opened += usize::from(http.send(request).answer().status == 201);
        }
        assert!((10..=100).contains(&opened), "{opened}");
        assert!(daemon.descriptors() < 160 - 16, "some are left");
        for _ in 0..16 {
            let (good, text) = thingway(&folder, &["status"]);
            assert!(good, "the control socket answers: {text}");
        }
        let owner = bearer(&owner);
        let answer = curl(&folder, port, "/endpoints", &["-H", &owner]);
        assert_eq!(answer.status, 200, "an administrator gets in");
        // The stranger's ports are closed with the peer for which they could have been.
        let here = daemon.descriptors();
        let path = format!("/peers/greedy?token={token}");
        assert_eq!(send(&folder, port, "DELETE", &path, &Value::Null).0, 204);
        daemon.until("the ports are closed", |d| d.descriptors() + 10 <= here);
        assert!(daemon.descriptors() >= before);
    });
}

#[test]
fn offers_of_one_token_and_silent_connections_lock_nobody_out() {
    under_attack(|folder, daemon, port, owner| {
        let (good, nothing) = thingway(folder, &["token", "add", "nothing", "--endpoints", "none"]);
        assert!(good, "{nothing}");
        let nothing = bearer(nothing.trim());
        let owner = bearer(owner);
        let offer = |header: &str, n: u16| {
            let addr = SocketAddr::from(([192, 0, 2, 3], 1_000 + n));
            let (_, sdp) = Peer::offer(Instant::now(), addr, &[reliable("arduino")]);
            let kind = "Content-Type: application/sdp";
            let words = ["-H", header, "-H", kind, "--data-binary", &sdp];
            curl(folder, port, "/sessions", &words).status
        };
        for n in 0..70 {
            assert_eq!(offer(&nothing, n), 201, "the oldest makes room");
        }
        let count = |daemon: &Daemon| {
            daemon.get("/sessions")["sessions"]
                .as_array()
                .map_or(0, Vec::len)
        };
        assert!(count(daemon) <= 16, "{}", count(daemon));
        assert_eq!(offer(&owner, 200), 201);

        // Six addresses with 32 silent connections each use all connections of the network. Then as many
        // connect again.
        let board = SocketAddr::new(BOARD.parse().expect("an address"), port);
        let mut silent = Vec::new();
        for _ in 0..2 {
            for n in 3..9 {
                let from = format!("192.0.2.{n}");
                silent.extend((0..32).map(|_| connect_from(&from, board)));
            }
        }
        let answer = curl(folder, port, "/endpoints", &["-H", &owner]);
        assert_eq!(answer.status, 200, "an administrator gets in");

        // All connections that this machine may have are in use; root has its own.
        let mut held: Vec<Http> = Vec::new();
        while held.len() < 256 {
            let mut http = Http::connect(daemon.addr);
            let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
            let sent = http.stream.write_all(request.as_bytes());
            let read = sent.and_then(|()| http.stream.read(&mut [0; 500]));
            if !read.is_ok_and(|n| n > 0) {
                break;
            }
            held.push(http);
        }
        let (good, text) = thingway(folder, &["status"]);
        assert!(good, "{text}");
        drop(silent);
    });
}

#[test]
fn pages_stay_with_their_keys() {
    under_attack(|folder, _, port, _| {
        let ask = |origin: &str, key: &str| {
            let origin = format!("Origin: {origin}");
            let body = json!({"key": key, "domain": "example.org"}).to_string();
            curl(folder, port, "/peers", &["-H", &origin, "-d", &body]).status
        };
        // The origin of the document's keys is not allowed for a key without origins.
        let documented = "https://app.example.org";
        assert_eq!(ask(documented, "public"), 403);
        assert_eq!(ask("https://evil.example", "public"), 403);
        let origin = format!("Origin: {documented}");
        let answer = curl(folder, port, "/data", &["-H", &origin, "-d", "{}"]);
        assert_eq!(answer.status, 403, "without a peer of its own");
        let answer = curl(
            folder,
            port,
            "/peerjs/id",
            &["-H", "Origin: https://evil.example"],
        );
        assert_eq!(answer.status, 403);
    });
}

#[test]
fn nothing_is_sent_round_through_the_daemon_itself() {
    under_attack(|folder, daemon, port, owner| {
        let token = peer(folder, port, "public", "looper");
        let (_, made) = send(folder, port, "POST", "/data", &json!({}));
        let own = made["port"].as_u64().expect("a port");
        let ice = daemon.log();
        let ice = ice
            .split_once("sessions use UDP port ")
            .expect("it says so")
            .1;
        let ice: u64 = ice
            .split(' ')
            .next()
            .and_then(|n| n.parse().ok())
            .expect("a number");
        for (ip, number) in [
            ("127.0.0.1", own),
            (BOARD, own),
            ("127.0.0.1", ice),
            (BOARD, ice),
            // Any other program that listens on the board.
            ("127.0.0.1", 9),
            (BOARD, 9),
        ] {
            let body = json!({"peer_id": "looper", "token": token, "target_id": "robot-1",
                "redirect_params": {"ip_v4": ip, "port": number}});
            let (status, body) = send(folder, port, "POST", "/data/connections", &body);
            assert_eq!(status, 403, "{ip} {number}: {body}");
        }

        // An endpoint that leads to the API would make each writer an administrator.
        let local = daemon.addr;
        let control = folder.join("run/control.sock");
        let link = folder.join("elsewhere.sock");
        std::os::unix::fs::symlink(&control, &link).expect("a link");
        let bodies = [
            json!({"kind": "tcp", "remote": local.to_string()}),
            json!({"kind": "tcp", "remote": format!("127.0.0.1:{port}")}),
            json!({"kind": "unix", "remote": control}),
        ];
        let config = documented();
        for body in &bodies {
            let endpoint = format!(
                "[[endpoint]]\nname = \"back\"\nkind = {}\nremote = {}\n",
                body["kind"], body["remote"]
            );
            // `check` knows only the configuration, so the ports are named there.
            let listen = format!("listen = [\"{local}\", \"0.0.0.0:{port}\"]");
            let text = config.replace("listen = [\"127.0.0.1:0\"]", &listen) + &endpoint;
            let path = folder.write("back.toml", &text);
            let path = path.to_string_lossy().into_owned();
            let (good, said) = thingway(folder, &["check", "--config", &path]);
            assert!(!good && said.contains("\"back\""), "{body}: {said}");
        }
        // A link is found only when the file system opens it.
        let endpoint = format!(
            "[api]\nconfigure = true\n[[endpoint]]\nname = \"back\"\nkind = \"unix\"\nremote = {:?}\n",
            link.display().to_string()
        );
        folder.write("config.toml", &(config + &endpoint));
        daemon.signal(rustix::process::Signal::HUP);
        daemon.until("refused when it is opened", |d| {
            let state = d.get("/endpoints/back");
            state["detail"]
                .as_str()
                .is_some_and(|why| why.contains("control socket"))
        });
        let owner = bearer(owner);
        for body in &bodies {
            let text = body.to_string();
            let words = [
                "-X",
                "PUT",
                "-H",
                &owner,
                "-H",
                "Content-Type: application/json",
                "-d",
                &text,
            ];
            let answer = curl(folder, port, "/endpoints/again", &words);
            assert_eq!(answer.status, 422, "{body}: {}", answer.body);
        }
    });
}

#[test]
fn the_log_is_neither_flooded_nor_forged() {
    let forged =
        "[[endpoint]]\nname = \"x\"\nkind = \"serial\"\npath = \"/dev/\\u001b[2Jx\\nforged\"\n";
    let daemon = Daemon::start(forged);
    let mut http = Http::connect(daemon.addr);
    for n in 0..500 {
        let body = format!(r#"{{"key":"k","domain":"d","peer_id":"p{n}"}}"#);
        let length = body.len();
        http.send(format!(
            "POST /peers HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        let answer = http.answer();
        assert_eq!(answer.status, 201);
        let token = answer.json()["params"]["token"]
            .as_str()
            .expect("a token")
            .to_owned();
        http.send(format!(
            "DELETE /peers/p{n}?token={token} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        ));
        assert_eq!(http.answer().status, 204);
    }
    let log = daemon.log();
    let lives = log.lines().filter(|line| line.contains(" peer p")).count();
    assert!((20..250).contains(&lives), "{lives} lines for 500 lives");
    daemon.until("the device is told of", |d| d.log().contains("[2Jx"));
    let log = daemon.log();
    assert!(
        !log.contains('\u{1b}') && log.contains("\\u{1b}[2Jx\\nforged"),
        "{log}"
    );
}

#[test]
fn the_control_socket_takes_programs_as_ever() {
    let folder = Arc::new(Folder::new());
    let _daemon = start(&folder, "[http]\nlisten = [\"127.0.0.1:0\"]\n");
    let mut stream = UnixStream::connect(folder.join("run/control.sock")).expect("it listens");
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
