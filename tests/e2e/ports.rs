//! `thingway ports` on any machine, compared with the kernel's files.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::daemon::Folder;
use crate::missing;
use crate::state::as_nobody;

/// Returns the output of a command that must succeed.
fn printed(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), errors.as_ref()), (Some(0), ""));
    String::from_utf8(output.stdout).expect("text")
}

fn listed(command: &mut Command) -> Vec<Value> {
    let text = printed(command.args(["ports", "--json"]));
    assert!(text.ends_with("]\n"), "{text}");
    serde_json::from_str(&text).expect("a list")
}

fn text<'a>(port: &'a Value, key: &str) -> &'a str {
    port[key].as_str().expect(key)
}

/// Returns the ttys that have a device, found as a shell would find them.
fn expected() -> Vec<String> {
    let entries = fs::read_dir("/sys/class/tty").expect("a list of ttys");
    let mut devices = Vec::new();
    for entry in entries {
        let entry = entry.expect("a tty");
        let kind = fs::read_to_string(entry.path().join("type")).unwrap_or_default();
        if entry.path().join("device").exists() && kind != "0\n" {
            devices.push(format!("/dev/{}", entry.file_name().display()));
        }
    }
    devices.sort();
    devices
}

#[test]
fn the_ports_of_this_machine_are_listed_for_people_and_for_programs() {
    let folder = Folder::new();
    let ports = listed(&mut folder.program());
    let mut devices: Vec<String> = ports
        .iter()
        .map(|port| text(port, "device").to_owned())
        .collect();
    devices.sort();
    assert_eq!(devices, expected());

    let table = printed(folder.program().arg("ports"));
    for port in &ports {
        let row = format!("{} ", text(port, "device"));
        assert!(table.lines().any(|line| line.starts_with(&row)), "{table}");
        let path = format!("path = \"{}\"", text(port, "path"));
        assert!(table.lines().any(|line| line == path), "{table}");
        assert!(Path::new(text(port, "path")).is_absolute(), "{port}");
    }
    if ports.is_empty() {
        assert!(table.starts_with("There is no serial port"), "{table}");
    } else {
        // The lines to paste are a valid configuration as they stand.
        let (_, lines) = table.split_once("\n[[endpoint]]").expect("lines to paste");
        let path = folder.write("board.toml", &format!("[[endpoint]]{lines}"));
        let good = printed(folder.program().args(["check", "--config"]).arg(&path));
        assert_eq!(good, format!("{}: good\n", path.display()));
    }
    assert!(!folder.join("state").exists(), "looking changes nothing");
}

/// Gives a command one more port than the machine has: a tty in the kernel's list, and a device file, in
/// separate file systems. Prints a note and returns `None` if this user may not mount any.
fn with_a_port(folder: &Folder, mode: &str, command: &Command) -> Option<Command> {
    if !rustix::process::getuid().is_root() {
        missing::skip("file systems of its own, which this user may not mount");
        return None;
    }
    let script = format!(
        "set -e; mkdir -p \"$0/class\" \"$0/dev\"; mount -t tmpfs tmpfs \"$0/class\"; \
         mkdir -p \"$0/class/ttyS9\"; echo 4 > \"$0/class/ttyS9/type\"; \
         ln -s /sys/devices \"$0/class/ttyS9/device\"; mount --bind \"$0/class\" /sys/class/tty; \
         cp -a /dev/null \"$0/dev/\"; touch \"$0/dev/ttyS9\"; chmod {mode} \"$0/dev/ttyS9\"; \
         mount --bind \"$0/dev\" /dev; exec \"$@\""
    );
    let mut wrapped = Command::new("unshare");
    wrapped.args(["--mount", "sh", "-c", &script]);
    wrapped.arg(folder.path()).arg(command.get_program());
    wrapped.args(command.get_args());
    for (key, value) in command.get_envs() {
        if let Some(value) = value {
            wrapped.env(key, value);
        }
    }
    Some(wrapped)
}

#[test]
fn who_may_not_open_a_port_is_told_so() {
    for (mode, is_ours) in [("600", false), ("666", true)] {
        let folder = Folder::new();
        let Some(command) = as_nobody(&folder) else {
            return;
        };
        let Some(mut command) = with_a_port(&folder, mode, &command) else {
            return;
        };
        let ports = listed(&mut command);
        let [port] = ports.as_slice() else {
            panic!("one port: {ports:?}");
        };
        assert_eq!(text(port, "device"), "/dev/ttyS9");
        let warnings = port["warnings"].as_array().expect("a list");
        let told = warnings.iter().any(|warning| {
            let warning = warning.as_str().expect("text");
            warning.starts_with("/dev/ttyS9") && warning.contains("permission denied")
        });
        assert_eq!(told, !is_ours, "{port}");
    }
}
