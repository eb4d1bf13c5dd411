//! Commands for a running daemon over the control socket, such as `thingway status`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use rustix::process::Signal;
use serde_json::Value;

use crate::configure::{END, endpoint, fails, folder, listen, program};
use crate::daemon::{Daemon, Folder, SOON};
use crate::page::Page;
use crate::peer::reliable;

/// Returns the output of a command about the daemon at the folder's socket.
fn ask(folder: &Folder, arguments: &[&str]) -> String {
    let mut command = folder.program();
    command.env("RUNTIME_DIRECTORY", folder.join("run"));
    let output = command.args(arguments).output().expect("it runs");
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_command_line_reaches_the_daemon_by_its_socket() {
    let folder = folder(&(listen("127.0.0.1") + &endpoint("main", "echo")), &[]);
    let socket = folder.join("run/control.sock");
    let with_socket = || {
        let mut command = program(&folder);
        command.env("RUNTIME_DIRECTORY", folder.join("run"));
        Daemon::run(Arc::clone(&folder), command)
    };
    // A killed daemon leaves its socket behind, and the next daemon replaces it.
    let mut killed = with_socket();
    killed.signal(Signal::KILL);
    killed.ended_within(SOON).expect("killed");
    drop(killed);
    assert!(socket.exists());
    let mut daemon = with_socket();
    let mode = fs::metadata(&socket)
        .expect("a socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o660);

    let mut page = Page::connect(&daemon, &[reliable("thingway"), reliable("main")]);
    page.until("open", |page| page.peer.channels["main"].credit.is_some());
    let status = ask(&folder, &["status"]);
    assert!(
        status.contains("main") && status.contains(&page.session[..8]),
        "{status}"
    );
    let json = |text: String| serde_json::from_str::<Value>(&text).expect("JSON");
    let sessions = json(ask(&folder, &["sessions", "--json"]));
    assert_eq!(sessions["sessions"][0]["id"], page.session.as_str());
    let endpoints = json(ask(&folder, &["endpoints", "--json"]));
    assert_eq!(endpoints["endpoints"][0]["name"], "main");
    assert_eq!(endpoints["endpoints"][0]["routes"], 1);

    daemon.signal(Signal::TERM);
    assert!(daemon.ended_within(END).is_some());
    assert!(!socket.exists(), "gone with the daemon");
    for what in ["status", "sessions", "endpoints"] {
        let mut command = folder.program();
        command.arg(what).arg("--socket").arg(&socket);
        let (code, err) = fails(command);
        assert_eq!(code, Some(1), "{err}");
        let shown = socket.display().to_string();
        assert!(
            err.contains("no daemon answers") && err.contains(&shown),
            "{err}"
        );
    }
}

/// Checks that the command prints the daemon's fingerprint, because comparing the fingerprint of another
/// user's certificate with the daemon's would be pointless.
#[test]
fn the_fingerprint_is_that_of_the_daemon_and_not_of_who_asks() {
    let folder = Arc::new(Folder::new());
    // The daemon of this machine, where it runs as a service, would answer.
    if !std::path::Path::new("/run/thingway/control.sock").exists() {
        let mut alone = folder.program();
        alone.arg("fingerprint");
        let (code, err) = fails(alone);
        assert_eq!(code, Some(1), "{err}");
        assert!(err.contains("no daemon answers"), "{err}");
    }
    assert!(!folder.join("state").exists(), "none was made");

    let daemon = Daemon::start_in(Arc::clone(&folder), "", &["--listen", "127.0.0.1:0"]);
    let socket = folder.join("user/thingway/control.sock");
    let shown = socket.display().to_string();
    assert!(daemon.log().contains(&format!("control socket {shown}")));
    let mut elsewhere = folder.program();
    elsewhere
        .env("XDG_STATE_HOME", folder.join("other"))
        .arg("fingerprint");
    let output = elsewhere.output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let own = daemon.get("/access")["fingerprints"]["dtls"].clone();
    let own = own.as_str().expect("a fingerprint");
    assert!(daemon.log().contains(own));
    assert!(text.contains(own) && text.contains(&shown), "{text}");
    assert!(text.contains("none yet: thingway setup"), "{text}");
    assert!(!folder.join("other").exists(), "none was made");
}

/// Checks a user without `XDG_RUNTIME_DIR` and without a login session, as in cron: the daemon's socket is in
/// the state folder.
#[test]
fn a_user_without_a_runtime_folder_has_a_control_socket_too() {
    let folder = Arc::new(Folder::new());
    let mut command = folder.program();
    command.env_remove("XDG_RUNTIME_DIR");
    // The daemon must run as a user without a login session, and only root may become another user.
    if !rustix::process::getuid().is_root() {
        return crate::missing::skip("root, who may start the daemon as another user");
    }
    std::os::unix::fs::chown(folder.join("."), Some(64_999), Some(64_999)).expect("given away");
    std::os::unix::process::CommandExt::uid(&mut command, 64_999);
    command.args(["--listen", "127.0.0.1:0"]);
    let daemon = Daemon::run(Arc::clone(&folder), command);
    let socket = folder.join("state/thingway/control.sock");
    assert!(socket.exists(), "{}", daemon.log());
    let shown = socket.display().to_string();
    assert!(daemon.log().contains(&format!("control socket {shown}")));
}
