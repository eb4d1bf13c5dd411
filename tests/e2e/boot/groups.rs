//! Serial lines of groups that this user is not in, whatever the name of the group, if it has one.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};

use rustix::process::getuid;

use crate::daemon::Folder;
use crate::missing;
use crate::state::as_nobody;

/// A group number that no system uses. The numbers of packages and people are below it or far above.
const WITHOUT_A_NAME: u32 = 64_999;

/// Returns the number of a group's name on this machine.
fn number(name: &str) -> u32 {
    let groups = fs::read_to_string("/etc/group").expect("the groups");
    let line = groups
        .lines()
        .find(|line| line.starts_with(&format!("{name}:")));
    let number = line.expect(name).split(':').nth(2).expect("a number");
    number.parse().expect("a number")
}

#[test]
fn a_line_that_is_denied_names_the_group_that_it_is_of() {
    let folder = Folder::new();
    if !getuid().is_root() {
        return missing::skip("root, who may give a file to a group that it is not in");
    }
    let line = folder.write("line", "");
    let config = folder.write("config.toml", &crate::serial::config(&line));
    for (group, said) in [
        (
            number("dialout"),
            "not in group dialout (sudo usermod -aG dialout USER".to_owned(),
        ),
        // The group on systems other than Debian.
        (
            number("tty"),
            "not in group tty (sudo usermod -aG tty USER".to_owned(),
        ),
        (
            WITHOUT_A_NAME,
            format!("of group {WITHOUT_A_NAME}, which has no name"),
        ),
    ] {
        chown(&line, None, Some(group)).expect("ours to give");
        fs::set_permissions(&line, Permissions::from_mode(0o660)).expect("ours to change");
        let Some(mut command) = as_nobody(&folder) else {
            return;
        };
        command
            .args(["--listen", "127.0.0.1:0", "--config"])
            .arg(&config);
        let output = command.output().expect("it runs");
        let reason = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(77), "{reason}");
        assert!(
            reason.contains(&line.display().to_string()) && reason.contains(&said),
            "{reason}"
        );
    }
}
