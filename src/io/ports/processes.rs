//! The processes that use ports: one walk through /proc, and the lock files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::files::{LINE, read, shown};
use super::sysfs::Found;
use crate::ports::Holder;

/// Notes for each port the processes that have it open. Returns the process id of ModemManager, if it runs.
pub(super) fn add_holders(root: &Path, found: &mut [Found]) -> Option<u32> {
    let mut by_device = BTreeMap::new();
    let mut by_number = BTreeMap::new();
    for (place, found) in found.iter().enumerate() {
        by_device.insert(found.port.device.clone().into_bytes(), place);
        if let Some(number) = found.number {
            by_number.insert(number, place);
        }
    }
    let mut modem_manager = None;
    let mut descriptors = DESCRIPTORS;
    let entries = fs::read_dir(root.join("proc")).into_iter().flatten();
    for entry in entries.flatten() {
        let pid = entry.file_name().to_str().and_then(|pid| pid.parse().ok());
        let Some(pid) = pid else { continue };
        let folder = entry.path();
        let Some(Process { name, terminal }) = Process::read(&folder) else {
            continue;
        };
        if name == "ModemManager" {
            modem_manager = Some(pid);
        }
        let is_getty = name.ends_with("getty");
        let mut held = open_devices(&folder, &by_device, &mut descriptors);
        if let Some(place) = by_number.get(&terminal).copied() {
            if pid == std::process::id() {
                // This process was started from a shell on that port, so the shell holds the port.
                held.retain(|held| *held != place);
            } else {
                held.push(place);
            }
        }
        if is_getty {
            held.extend(named_devices(&folder, &by_device));
        }
        for place in held {
            if let Some(found) = found.get_mut(place) {
                found.add_holder(pid, &name, is_getty);
            }
        }
    }
    for found in found {
        found.add_locker(root);
    }
    modem_manager
}

impl Found {
    fn add_holder(&mut self, pid: u32, name: &str, is_getty: bool) {
        let holders = &mut self.port.holders;
        let is_known = holders.iter().any(|holder| holder.pid == pid);
        if !is_known && holders.len() < HOLDERS {
            let name = name.to_owned();
            holders.push(Holder { pid, name });
            if is_getty {
                self.gettys.push(pid);
            }
        }
    }

    /// Adds the process that made a UUCP lock file, if the process still exists.
    fn add_locker(&mut self, root: &Path) {
        let file = read(&lock_file(root, &self.name), LOCK);
        let Some(pid) = file.and_then(|bytes| locker(&bytes)) else {
            return;
        };
        let process = Process::read(&root.join("proc").join(pid.to_string()));
        if let Some(Process { name, .. }) = process {
            self.locker = Some(pid);
            self.add_holder(pid, &name, false);
        }
    }
}

/// Returns the path at which programs with UUCP locks claim a port.
pub(super) fn lock_file(root: &Path, name: &str) -> PathBuf {
    root.join("run/lock").join(format!("LCK..{name}"))
}

/// Returns the process id in a lock file: digits (the Filesystem Hierarchy Standard, section 5.9), or the
/// number in native byte order, which older programs write.
fn locker(bytes: &[u8]) -> Option<u32> {
    let digits = str::from_utf8(bytes)
        .ok()
        .and_then(|text| text.split_whitespace().next());
    let pid = digits.and_then(|digits| digits.parse().ok());
    pid.or_else(|| Some(u32::from_ne_bytes(bytes.try_into().ok()?)))
        .filter(|pid| *pid != 0)
}

/// What every user may know about a process.
struct Process {
    name: String,
    /// Major and minor number of the controlling terminal, 0 and 0 if the process has none.
    terminal: (u32, u32),
}

impl Process {
    /// Reads proc(5)'s `stat`: the second field is the name in parentheses, which may contain parentheses
    /// itself, and the seventh is the terminal.
    fn read(folder: &Path) -> Option<Self> {
        let stat = read(&folder.join("stat"), LINE)?;
        let start = stat.iter().position(|byte| *byte == b'(')?;
        let end = stat.iter().rposition(|byte| *byte == b')')?;
        let name = shown(stat.get(start + 1..end)?)?;
        let rest = str::from_utf8(stat.get(end + 1..)?).ok()?;
        let terminal: i32 = rest.split_whitespace().nth(4)?.parse().ok()?;
        let terminal = terminal.cast_unsigned();
        // The kernel's new_encode_dev(): 12 bits of major number in the middle of the minor one.
        let major = (terminal >> 8) & 0xfff;
        let minor = (terminal & 0xff) | ((terminal >> 12) & 0xf_ff00);
        Some(Self {
            name,
            terminal: (major, minor),
        })
    }
}

/// Returns the ports that a process has open; none if the process belongs to another user.
fn open_devices(
    folder: &Path,
    by_device: &BTreeMap<Vec<u8>, usize>,
    descriptors: &mut usize,
) -> Vec<usize> {
    let mut held = Vec::new();
    let Ok(entries) = fs::read_dir(folder.join("fd")) else {
        return held;
    };
    for entry in entries.flatten() {
        if *descriptors == 0 {
            break;
        }
        *descriptors -= 1;
        let Ok(target) = fs::read_link(entry.path()) else {
            continue;
        };
        held.extend(by_device.get(target.as_os_str().as_encoded_bytes()));
    }
    held
}

/// Returns the ports among the arguments of a getty. Other processes are not asked, because reading arguments
/// waits for a lock that a process stuck in the kernel may hold.
fn named_devices(folder: &Path, by_device: &BTreeMap<Vec<u8>, usize>) -> Vec<usize> {
    let arguments = read(&folder.join("cmdline"), LINE).unwrap_or_default();
    let arguments = arguments.split(|byte| *byte == 0);
    let devices = arguments.map(|argument| match argument.first() {
        Some(b'/') => argument.to_vec(),
        Some(_) | None => [b"/dev/", argument].concat(),
    });
    devices
        .filter_map(|device| by_device.get(&device).copied())
        .collect()
}

/// The bytes read of a lock file, which has eleven; some programs add their name and user.
const LOCK: usize = 256;

/// The number of descriptors read in one walk, of all processes together: about 0.1 s if there are as many.
/// Holders beyond that are not found.
const DESCRIPTORS: usize = 32_768;

/// The number of holders reported for one port, because a login may have as many processes as it likes.
const HOLDERS: usize = 16;
