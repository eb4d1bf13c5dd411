//! The command line of a running daemon: `thingway status` and its like, over the control socket.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use rustix::process::Signal;
use serde_json::Value;

use crate::configure::{END, endpoint, fails, folder, listen, program};
use crate::daemon::{Daemon, Folder, SOON};
use crate::page::Page;
use crate::peer::reliable;

/// What a command prints about the daemon at the folder's socket.
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
    // Killed, it leaves its socket behind; the next one takes the place.
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
