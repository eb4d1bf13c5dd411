//! Access from another machine: the set-up, TLS, tokens, and the tries of a stranger.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::daemon::{Daemon, Folder, SOON};
use crate::stranger::{
    BOARD, CONFIG, bearer, curl, host, on_a_network, refusals_told, set_up, start, thingway,
};

#[test]
fn the_set_up_lets_in_who_has_the_token_and_nobody_else() {
    on_a_network(|| {
        let folder = Arc::new(Folder::new());
        let daemon = start(&folder, CONFIG);
        let (port, token, text) = set_up(&folder);
        assert!(text.contains('\u{2580}'), "a QR code: {text}");
        let shown = text
            .lines()
            .find(|line| line.trim().len() == 95)
            .expect("a fingerprint");

        let good = curl(&folder, port, "/endpoints", &["-H", &bearer(&token)]);
        assert_eq!(
            (good.status, good.json()["endpoints"][0]["name"].as_str()),
            (200, Some("arm"))
        );
        let me = curl(&folder, port, "/access", &["-H", &bearer(&token)]).json();
        assert_eq!(me["token"], "owner");
        assert!(
            me["admin"] == true && me["loopback"] == false && me["tls"] == true,
            "{me}"
        );

        let refused = |path: &str, more: &[&str], status, kind: &str| {
            let answer = curl(&folder, port, path, more);
            assert_eq!(
                (answer.status, answer.kind().as_str()),
                (status, kind),
                "{path} {more:?}"
            );
            answer
        };
        let missing = refused("/endpoints", &[], 401, "token-missing");
        assert!(
            missing
                .head
                .contains("WWW-Authenticate: Bearer realm=\"thingway\"\r")
        );
        for path in [
            "/sessions",
            "/metrics",
            "/events",
            "/ports",
            "/tokens",
            "/access",
        ] {
            refused(path, &[], 401, "token-missing");
        }
        refused(
            "/sessions",
            &["-d", "v=0", "-H", "Content-Type: application/sdp"],
            401,
            "token-missing",
        );
        refused(
            &format!("/endpoints?token={token}"),
            &[],
            400,
            "token-in-query",
        );
        refused(
            &format!("/endpoints?access_token={token}"),
            &["-H", &bearer(&token)],
            400,
            "token-in-query",
        );
        // Public resources, which reveal nothing.
        for path in ["/", "/healthz", "/readyz"] {
            assert_eq!(curl(&folder, port, path, &[]).status, 200, "{path}");
        }
        // A foreign host name that leads to this gateway, and a page of a foreign origin.
        for (line, status) in [
            ("Host: evil.example", 421),
            ("Origin: https://evil.example", 403),
        ] {
            let lines = ["-H", line, "-H", &bearer(&token)];
            refused("/endpoints", &lines, status, "about:blank");
        }
        // One line for each address and minute, whatever the reasons.
        assert_eq!(refusals_told(&daemon), 1, "{}", daemon.log());
        // The set-up is only for operators on the board.
        refused(
            "/setup",
            &[
                "-d",
                "{}",
                "-H",
                &bearer(&token),
                "-H",
                "Content-Type: application/json",
            ],
            403,
            "forbidden",
        );

        // The stranger guesses a token.
        let start = Instant::now();
        let mut forged = token.clone();
        forged.replace_range(forged.len() - 4.., "AAAA");
        refused(
            "/endpoints",
            &["-H", &bearer(&forged)],
            401,
            "token-unknown",
        );
        assert!(
            start.elapsed() >= Duration::from_millis(450),
            "{:?}",
            start.elapsed()
        );
        for _ in 0..11 {
            let mut stream = TcpStream::connect(daemon.addr).expect("it listens");
            stream
                .write_all(
                    format!(
                        "GET /endpoints HTTP/1.1\r\nHost: localhost\r\n{}\r\n\r\n",
                        bearer(&forged)
                    )
                    .as_bytes(),
                )
                .expect("sent");
        }
        daemon.until("told once per address", |d| {
            d.log().matches("refused: an unknown token").count() == 2
        });

        // Plain HTTP gets a redirection, which repeats nothing of the request.
        let mut plain = TcpStream::connect((BOARD, port)).expect("it listens");
        plain
            .write_all(
                format!("GET /ports HTTP/1.1\r\nHost: {BOARD}:{port}\r\nConnection: close\r\n\r\n")
                    .as_bytes(),
            )
            .expect("sent");
        let mut answer = String::new();
        plain.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
        assert!(
            answer.contains(&format!("Location: https://{BOARD}:{port}/ports\r\n")),
            "{answer}"
        );

        // The secret part of the token is stored nowhere.
        let secret = token.splitn(3, '_').nth(2).expect("a secret");
        let kept = folder.join("state/thingway/access.json");
        assert_eq!(
            fs::metadata(&kept).expect("kept").permissions().mode() & 0o777,
            0o600
        );
        let metrics = curl(&folder, port, "/metrics", &["-H", &bearer(&token)]).body;
        let (_, list) = thingway(&folder, &["token", "list", "--json"]);
        for text in [
            &fs::read_to_string(&kept).expect("kept"),
            &daemon.log(),
            &metrics,
            &list,
        ] {
            assert!(!text.contains(secret) && !text.contains(&token), "{text}");
        }
        assert!(daemon.log().contains(shown.trim()), "the fingerprint");
    });
}

#[test]
fn everything_is_as_it_was_after_a_restart() {
    on_a_network(|| {
        let folder = Arc::new(Folder::new());
        let mut daemon = start(&folder, CONFIG);
        let (good, text) = thingway(&folder, &["setup", "--listen", &format!("{BOARD}:8443")]);
        assert!(good, "{text}");
        let (_, token) = text
            .lines()
            .find(|l| l.contains(BOARD))
            .expect("a line")
            .split_once("#token=")
            .expect("a token");
        let fingerprint = |daemon: &Daemon| {
            daemon
                .log()
                .split_once("certificate sha-256 ")
                .expect("said")
                .1[..95]
                .to_owned()
        };
        let before = fingerprint(&daemon);
        daemon.signal(Signal::TERM);
        assert!(daemon.ended_within(SOON).expect("an end").success());
        let daemon = start(&folder, CONFIG);
        assert_eq!(fingerprint(&daemon), before);
        assert_eq!(
            curl(&folder, 8443, "/endpoints", &["-H", &bearer(token)]).status,
            200
        );
        // A second set-up makes another token at the same address.
        let (good, again) = thingway(&folder, &["setup"]);
        assert!(
            good && again.contains(":8443/#token=") && !again.contains(token),
            "{again}"
        );
        assert!(again.contains("thingway token revoke owner-2"), "{again}");
    });
}

#[test]
fn the_command_line_makes_shares_and_revokes_tokens() {
    on_a_network(|| {
        let folder = Arc::new(Folder::new());
        let daemon = start(&folder, CONFIG);
        let (port, owner, _) = set_up(&folder);
        let (good, lab) = thingway(
            &folder,
            &[
                "token",
                "add",
                "lab",
                "--endpoints",
                "a*",
                "--verbs",
                "read",
                "--expires",
                "2h",
                "--sessions",
                "3",
            ],
        );
        assert!(good, "{lab}");
        let lab = lab.trim();
        let seen = curl(&folder, port, "/endpoints", &["-H", &bearer(lab)]).json();
        let names: Vec<_> = seen["endpoints"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|e| e["name"].clone())
            .collect();
        assert_eq!(names, ["arm"]);
        assert_eq!(
            curl(&folder, port, "/tokens", &["-H", &bearer(lab)]).status,
            403
        );
        let (_, list) = thingway(&folder, &["token", "list"]);
        assert!(
            list.contains("a*: read") && list.contains("everything"),
            "{list}"
        );

        // A link works only once.
        let (good, link) = thingway(&folder, &["token", "share", "guest", "--endpoints", "leg"]);
        assert!(good, "{link}");
        let link = link
            .lines()
            .find(|line| line.contains(BOARD))
            .expect("a link");
        assert!(link.contains(&format!(":{port}/#share=")), "{link}");
        let (_, code) = link.split_once("#share=").expect("a code");
        let body = format!("{{\"share\":\"{code}\"}}");
        let redeem = ["-d", &body, "-H", "Content-Type: application/json"];
        let redeemed = curl(&folder, port, "/shares/redeem", &redeem);
        assert_eq!(redeemed.status, 201);
        let guest = redeemed.json()["token"]
            .as_str()
            .expect("a token")
            .to_owned();
        let again = curl(&folder, port, "/shares/redeem", &redeem);
        assert_eq!(
            (again.status, again.kind().as_str()),
            (404, "share-unknown")
        );
        assert_eq!(
            curl(&folder, port, "/endpoints/leg", &["-H", &bearer(&guest)]).status,
            200
        );
        assert_eq!(
            curl(&folder, port, "/endpoints/arm", &["-H", &bearer(&guest)]).status,
            404
        );

        // A stream of events ends with its token.
        let ticket = curl(
            &folder,
            port,
            "/tickets",
            &[
                "-X",
                "POST",
                "-H",
                "Content-Length: 0",
                "-H",
                &bearer(&owner),
            ],
        )
        .json();
        let path = format!(
            "/events?ticket={}",
            ticket["ticket"].as_str().expect("a ticket")
        );
        let inside = Arc::clone(&folder);
        let events = std::thread::spawn(move || curl(&inside, port, &path, &[]));
        daemon.until("a listener", |d| {
            let text = crate::http::get(d.addr, "/metrics").text();
            text.contains("thingway_event_readers 1")
        });
        for name in ["owner", "guest", "lab"] {
            let (good, said) = thingway(&folder, &["token", "revoke", name]);
            assert!(good, "{said}");
        }
        let ended = events.join().expect("no panic");
        assert!(
            ended.status == 200 && ended.body.contains("event: endpoint"),
            "{}",
            ended.body
        );
        for token in [&owner, lab, &guest] {
            let answer = curl(&folder, port, "/endpoints", &["-H", &bearer(token)]);
            assert_eq!(
                (answer.status, answer.kind().as_str()),
                (401, "token-revoked")
            );
        }
        for (arguments, words) in [
            (&["token", "revoke", "owner"][..], "no token has this name"),
            (&["token", "add", "a b"], "name"),
            (
                &["token", "add", "x", "--verbs", "own"],
                "not one of read, write, line",
            ),
            (&["token", "add", "x", "--expires", "soon"], "--expires"),
            (&["setup", "--listen", "here"], "is not an address"),
        ] {
            let (good, text) = thingway(&folder, arguments);
            assert!(!good && text.contains(words), "{arguments:?}: {text}");
        }
    });
}

#[test]
fn a_file_on_the_boot_partition_lets_the_network_in() {
    on_a_network(|| {
        let folder = Arc::new(Folder::new());
        let secret = "a-long-word-that-i-chose";
        let boot = folder.write(
            "thingway.toml",
            &format!("lan = true\nsecret = \"{secret}\"\n"),
        );
        let config = format!("{CONFIG}[access]\nboot_file = \"{}\"\n", boot.display());
        let mut daemon = start(&folder, &config);
        let token = format!("tw_boot_{secret}");
        let asked =
            |folder: &Folder| curl(folder, 8443, "/endpoints", &["-H", &bearer(&token)]).status;
        assert_eq!(asked(&folder), 200);
        assert!(!daemon.log().contains(secret));
        let (good, _) = thingway(&folder, &["token", "revoke", "boot"]);
        assert!(good);
        daemon.signal(Signal::TERM);
        assert!(daemon.ended_within(SOON).expect("an end").success());
        // A revoked token stays revoked, whatever the boot file on the card says.
        let mut daemon = start(&folder, &config);
        assert_eq!(asked(&folder), 401);
        daemon.signal(Signal::TERM);
        daemon.ended_within(SOON).expect("an end");
        for bad in [
            "secret = \"short\"\n",
            "lan = 1\n",
            "secret = \"a-long-word-that-i-chose\"\nx = 1\n",
        ] {
            folder.write("thingway.toml", bad);
            let daemon = start(&folder, &config);
            assert!(daemon.log().contains("thingway.toml: "), "{}", daemon.log());
            assert!(!daemon.log().contains("long-word"), "{}", daemon.log());
        }
    });
}

#[test]
fn a_certificate_of_ones_own_is_read_again_on_sighup() {
    on_a_network(|| {
        let folder = Arc::new(Folder::new());
        let make = || {
            let made = rcgen::generate_simple_self_signed(vec![host()]).expect("made");
            folder.write("own.pem", &made.cert.pem());
            folder.write("own.key", &made.signing_key.serialize_pem());
        };
        make();
        let shown = |name: &str| folder.join(name).display().to_string();
        let config = format!(
            "[http]\nlisten = [\"127.0.0.1:0\", \"{BOARD}:8444\"]\n\
             tls = {{ certificate = \"{}\", key = \"{}\" }}\n",
            shown("own.pem"),
            shown("own.key")
        );
        let daemon = start(&folder, &config);
        assert!(daemon.log().contains("no token exists"), "{}", daemon.log());
        let own = shown("own.pem");
        let asked = || curl(&folder, 8444, "/endpoints", &["--cacert", &own]).status;
        assert_eq!(asked(), 401);
        make();
        daemon.signal(Signal::HUP);
        daemon.until("read again", |d| {
            d.log().matches("TLS certificate sha-256").count() == 2
        });
        assert_eq!(asked(), 401, "with the new one");
        folder.write("own.key", "rubbish");
        daemon.signal(Signal::HUP);
        daemon.until("refused", |d| {
            d.log().contains("the certificate stays as it was")
        });
        assert_eq!(asked(), 401, "with the one before");
    });
}

#[test]
fn without_tls_only_if_that_was_asked_for() {
    on_a_network(|| {
        let folder = Arc::new(Folder::new());
        let config =
            format!("[http]\nlisten = [\"127.0.0.1:0\", \"{BOARD}:8080\"]\nplain = true\n");
        let daemon = start(&folder, &config);
        assert!(
            daemon.log().contains("tokens are sent unencrypted"),
            "{}",
            daemon.log()
        );
        let (good, token) = thingway(&folder, &["token", "add", "x"]);
        assert!(good, "{token}");
        let addr: SocketAddr = format!("{BOARD}:8080").parse().expect("an address");
        assert_eq!(crate::http::get(addr, "/endpoints").status, 401);
        let url = format!("http://{addr}/access");
        let output = Command::new("curl")
            .args(["-s", "--noproxy", "*", "-H", &bearer(token.trim()), &url])
            .output()
            .expect("curl runs");
        let access: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert!(access["tls"] == false && access["token"] == "x", "{access}");
    });
}

#[test]
fn who_speaks_slowly_or_rubbish_is_hung_up_on() {
    on_a_network(|| {
        let folder = Arc::new(Folder::new());
        let daemon = start(&folder, CONFIG);
        let (port, token, _) = set_up(&folder);
        // A client hello that never ends, a single byte of one, and bytes that are no TLS after the first
        // byte.
        let mut slow = TcpStream::connect((BOARD, port)).expect("it listens");
        slow.write_all(&[0x16, 3, 1, 2, 0, 1]).expect("sent");
        let mut rubbish = TcpStream::connect((BOARD, port)).expect("it listens");
        rubbish.write_all(&[0x16; 300]).expect("sent");
        let mut end = Vec::new();
        rubbish.set_read_timeout(Some(SOON)).expect("a limit");
        let read = rubbish.read_to_end(&mut end);
        assert!(
            read.is_err() || end.first() == Some(&0x15),
            "an alert: {end:?}"
        );
        let start = Instant::now();
        slow.set_read_timeout(Some(SOON)).expect("a limit");
        let _alert = slow.read_to_end(&mut end);
        // The client was given its time. The virtual clock tests exactly how long that is.
        assert!(start.elapsed().as_secs() >= 8, "{:?}", start.elapsed());
        assert_eq!(
            curl(&folder, port, "/endpoints", &["-H", &bearer(&token)]).status,
            200
        );
        assert!(!daemon.log().contains("panicked"));
    });
}

#[test]
fn a_token_that_cannot_be_kept_is_shown_with_a_warning_and_holds() {
    let folder = Arc::new(Folder::new());
    let daemon = start(&folder, CONFIG);
    // Not even root can write a file in place of a folder.
    fs::create_dir(folder.join("state/thingway/access.json")).expect("a folder");
    let (good, text) = thingway(&folder, &["token", "add", "lab"]);
    assert!(
        good && text.contains("warning: this holds until the next start only"),
        "{text}"
    );
    let token = text
        .lines()
        .find(|line| line.starts_with("tw_"))
        .expect("a token");
    let output = Command::new("curl")
        .args(["-s", "--noproxy", "*", "-H", &bearer(token)])
        .arg(format!("http://{}/access", daemon.addr))
        .output()
        .expect("curl runs");
    let access: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(access["token"], "lab");
}

#[test]
fn a_token_that_expires_does_so_after_a_restart_too() {
    let folder = Arc::new(Folder::new());
    let mut daemon = start(&folder, CONFIG);
    let (good, token) = thingway(&folder, &["token", "add", "short", "--expires", "4s"]);
    assert!(good, "{token}");
    daemon.signal(Signal::TERM);
    assert!(daemon.ended_within(SOON).expect("an end").success());
    let daemon = start(&folder, CONFIG);
    let ticket = format!("http://{}/events", daemon.addr);
    // The stream stays open until then, and the daemon ends it, not the time limit.
    let output = Command::new("curl")
        .args([
            "-s",
            "--noproxy",
            "*",
            "--max-time",
            "120",
            "-H",
            &bearer(token.trim()),
            &ticket,
        ])
        .output()
        .expect("curl runs");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_set_up_works_where_the_configuration_listens_already() {
    on_a_network(|| {
        let folder = Arc::new(Folder::new());
        let config = "[http]\nlisten = [\"127.0.0.1:0\", \"0.0.0.0:8443\"]\n";
        let _daemon = start(&folder, config);
        let (good, text) = thingway(&folder, &["setup"]);
        assert!(good, "{text}");
    });
}

#[test]
fn a_set_up_that_fails_leaves_the_one_before() {
    on_a_network(|| {
        let folder = Arc::new(Folder::new());
        let _daemon = start(&folder, CONFIG);
        let (port, token, _) = set_up(&folder);
        let (good, text) = thingway(&folder, &["setup", "--listen", "203.0.113.9:8443"]);
        assert!(!good, "{text}");
        assert_eq!(
            curl(&folder, port, "/endpoints", &["-H", &bearer(&token)]).status,
            200
        );
    });
}

#[test]
fn a_stream_ends_when_its_token_expires() {
    let folder = Arc::new(Folder::new());
    let daemon = start(&folder, CONFIG);
    let (good, token) = thingway(&folder, &["token", "add", "short", "--expires", "8s"]);
    assert!(good, "{token}");
    let start = Instant::now();
    let output = Command::new("curl")
        .args([
            "-s",
            "--noproxy",
            "*",
            "--max-time",
            "120",
            "-H",
            &bearer(token.trim()),
        ])
        .arg(format!("http://{}/events", daemon.addr))
        .output()
        .expect("curl runs");
    assert!(output.status.success(), "ended by the daemon: {output:?}");
    // The stream does not end before the token expires. The virtual clock tests exactly when.
    assert!(start.elapsed() > Duration::from_secs(6), "{output:?}");
}
