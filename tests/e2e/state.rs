//! The state folder, and missing permissions, tested as another user if the test runs as root.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustix::process::getuid;

use crate::daemon::{Daemon, Folder};
use crate::missing;
use crate::pty::Pty;
use crate::service_manager::ServiceManager;

/// The user `nobody`, who is in no group.
const NOBODY: &str = "65534";

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("ours to change");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").mode() & 0o7777
}

/// Returns the program as a user with few permissions, or `None` if that is not possible.
pub fn as_nobody(folder: &Folder) -> Option<Command> {
    if !getuid().is_root() {
        return Some(folder.program());
    }
    let program = folder.join("thingway");
    // Other users may not have access to the build's folder.
    fs::copy(env!("CARGO_BIN_EXE_thingway"), &program).expect("a copy");
    chmod(folder.path(), 0o755);
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"])
        .arg(&program);
    command
        .env_remove(missing::ALL)
        .env("XDG_STATE_HOME", folder.join("state"))
        .stdin(Stdio::null());
    let works = Command::new("setpriv").arg("--version").output().is_ok();
    if !works {
        missing::skip("setpriv, to be another user than root");
    }
    works.then_some(command)
}

fn code_and_reason(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().expect("it runs");
    (
        output.status.code(),
        String::from_utf8(output.stderr).expect("text"),
    )
}

#[test]
fn the_identity_is_readable_by_its_owner_alone() {
    let folder = Folder::new();
    assert!(
        folder
            .program()
            .args(["fingerprint", "--own"])
            .output()
            .expect("it runs")
            .status
            .success()
    );
    assert_eq!(mode(&folder.pem()), 0o600);
    assert_eq!(mode(folder.pem().parent().expect("a folder")), 0o700);
    let left = fs::read_dir(folder.join("state/thingway"))
        .expect("a folder")
        .count();
    assert_eq!(left, 1, "nothing half-written beside it");
}

#[test]
fn a_damaged_identity_is_an_error_and_is_left_alone() {
    let folder = Folder::new();
    assert!(
        folder
            .program()
            .args(["fingerprint", "--own"])
            .output()
            .expect("it runs")
            .status
            .success()
    );
    let good = fs::read(folder.pem()).expect("the identity");
    let truncated = good[..good.len() / 2].to_vec();
    let mut flipped = good.clone();
    // This byte is within the base64 of the certificate.
    flipped[100] = if flipped[100] == b'A' { b'B' } else { b'A' };
    for damaged in [
        Vec::new(),
        b"rubbish".to_vec(),
        truncated,
        flipped,
        vec![0xff; 100],
    ] {
        fs::write(folder.pem(), &damaged).expect("written");
        for arguments in [&["fingerprint", "--own"][..], &["--listen", "127.0.0.1:0"]] {
            let (code, reason) = code_and_reason(folder.program().args(arguments));
            assert_eq!(code, Some(1), "{arguments:?}: {reason}");
            assert!(reason.contains("dtls.pem"), "{reason}");
        }
        assert_eq!(fs::read(folder.pem()).expect("still there"), damaged);
    }
    fs::write(folder.pem(), &good).expect("written");
    assert!(
        folder
            .program()
            .args(["fingerprint", "--own"])
            .output()
            .expect("it runs")
            .status
            .success()
    );
}

#[test]
fn a_state_folder_that_is_denied_is_77() {
    let folder = Folder::new();
    let Some(mut command) = as_nobody(&folder) else {
        return;
    };
    fs::create_dir(folder.join("state")).expect("a folder");
    chmod(&folder.join("state"), 0o500);
    let (code, reason) = code_and_reason(command.args(["--listen", "127.0.0.1:0"]));
    assert_eq!(code, Some(77), "{reason}");
    let folder_shown = folder.join("state").display().to_string();
    assert!(
        reason.contains(&folder_shown) && reason.contains("denied"),
        "{reason}"
    );
    chmod(&folder.join("state"), 0o700);
}

#[test]
fn a_line_that_is_denied_is_77_and_says_what_to_do() {
    let folder = Folder::new();
    let Some(mut command) = as_nobody(&folder) else {
        return;
    };
    fs::create_dir(folder.join("state")).expect("a folder");
    chmod(&folder.join("state"), 0o777);
    let line = folder.write("line", "");
    chmod(&line, 0o000);
    let config = folder.write("config.toml", &crate::serial::config(&line));
    let (code, reason) = code_and_reason(
        command
            .args(["--listen", "127.0.0.1:0", "--config"])
            .arg(&config),
    );
    assert_eq!(code, Some(77), "{reason}");
    assert!(
        reason.contains("arm") && reason.contains(&line.display().to_string()),
        "{reason}"
    );
    assert!(reason.contains("dialout"), "{reason}");
}

/// Checks that the daemon waits for permission. At boot a device may exist a moment before its group is set,
/// and the service would not be started again.
#[test]
fn as_a_service_it_goes_on_and_opens_the_line_when_it_may() {
    let folder = Arc::new(Folder::new());
    let Some(program) = as_nobody(&folder) else {
        return;
    };
    fs::create_dir(folder.join("state")).expect("a folder");
    chmod(&folder.join("state"), 0o777);
    let link = folder.join("arm");
    let pty = Pty::plug(&link);
    chmod(&pty.line(), 0o000);
    let config = folder.write("config.toml", &crate::serial::config(&link));
    let mut command = ServiceManager::new(&folder).command(&program, Vec::new());
    command
        .args(["--listen", "127.0.0.1:0", "--config"])
        .arg(&config);
    let daemon = Daemon::run(Arc::clone(&folder), command);
    let state = |daemon: &Daemon| daemon.get("/endpoints/arm")["state"].clone();
    daemon.until("denied", |d| state(d) == "failed");
    assert!(
        daemon.get("/endpoints/arm")["detail"]
            .to_string()
            .contains("dialout")
    );
    chmod(&pty.line(), 0o666);
    daemon.until("open", |d| state(d) == "open");
}

#[test]
fn a_config_that_is_denied_is_77() {
    let folder = Folder::new();
    let Some(mut command) = as_nobody(&folder) else {
        return;
    };
    let config = folder.write("config.toml", "");
    chmod(&config, 0o000);
    let (code, reason) = code_and_reason(command.args(["check", "--config"]).arg(&config));
    assert_eq!(code, Some(77), "{reason}");
}
