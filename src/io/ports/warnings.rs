//! Warnings about likely problems with a port, in plain words, with a remedy for each.

use std::collections::BTreeMap;
use std::path::Path;

use rustix::fs::Access;
use rustix::io::Errno;

use super::files::read_line;
use super::processes::lock_file;
use super::sysfs::Found;
use crate::io::tty;
use crate::ports::{Holder, Port};

/// Adds the warnings of all ports; chooses for clones the path that distinguishes them.
pub(super) fn add(root: &Path, found: &mut [Found], modem_manager: Option<u32>) {
    let consoles = consoles(root);
    for found in found.iter_mut() {
        let mut warnings = Vec::new();
        warnings.extend(access(root, found));
        warnings.extend(lock(root, found));
        warnings.extend(getty(root, found));
        warnings.extend(others(found));
        warnings.extend(console(found, consoles.get(&found.name)));
        warnings.extend(modem_manager.and_then(|pid| modem(found, pid)));
        found.port.warnings = warnings;
    }
    tell_clones(found);
}

fn access(root: &Path, found: &Found) -> Option<String> {
    let path = root.join("dev").join(&found.name);
    match rustix::fs::access(&path, Access::EXISTS) {
        Err(Errno::NOENT) => Some(format!(
            "the kernel has it, but {} is not there: a container must be given the device",
            found.port.device
        )),
        Ok(()) | Err(_) => tty::denied_to_us(&path),
    }
}

fn lock(root: &Path, found: &Found) -> Option<String> {
    let holders = &found.port.holders;
    let locker = holders
        .iter()
        .find(|holder| found.locker == Some(holder.pid))?;
    if is_ours(locker) {
        return None;
    }
    Some(format!(
        "{} has locked it by {}: stop that program",
        named(locker),
        lock_file(root, &found.name).display()
    ))
}

fn getty(root: &Path, found: &Found) -> Option<String> {
    let holders = &found.port.holders;
    let getty = holders
        .iter()
        .find(|holder| found.gettys.contains(&holder.pid))?;
    // sd_booted(3) makes the same check.
    let remedy = if root.join("run/systemd/system").exists() {
        // Masked, because a unit that a generator makes at every boot cannot be disabled.
        format!(
            "sudo systemctl mask --now serial-getty@{}.service",
            found.name
        )
    } else {
        "take its line out of /etc/inittab".to_owned()
    };
    Some(format!(
        "{} offers a login on it and answers what the device sends: {remedy}",
        named(getty)
    ))
}

/// Returns holders that no other warning names.
fn others(found: &Found) -> Vec<String> {
    let (ours, others): (Vec<_>, Vec<_>) = found
        .port
        .holders
        .iter()
        .partition(|holder| is_ours(holder));
    let mut warnings: Vec<String> = ours
        .into_iter()
        .map(|holder| {
            format!(
                "{} has it open already: one endpoint per port",
                named(holder)
            )
        })
        .collect();
    let others: Vec<String> = others
        .into_iter()
        .filter(|holder| found.locker != Some(holder.pid) && !found.gettys.contains(&holder.pid))
        .map(named)
        .collect();
    if let Some((last, rest)) = others.split_last() {
        let (names, have, what) = if rest.is_empty() {
            (last.clone(), "has", "it")
        } else {
            (format!("{} and {last}", rest.join(", ")), "have", "them")
        };
        warnings.push(format!(
            "{names} {have} it open: stop {what}, or each gets only a part of what the device sends"
        ));
    }
    warnings
}

fn console(found: &Found, argument: Option<&String>) -> Option<String> {
    match argument {
        Some(argument) => Some(format!(
            "the kernel writes its messages to it: take {argument} out of the kernel's command \
             line and reboot (Raspberry Pi: sudo raspi-config, Interface Options, Serial Port)"
        )),
        None if found.is_console => Some(
            "the kernel writes its messages to it, because the firmware says so: put console=tty1 \
             on the kernel's command line and reboot"
                .to_owned(),
        ),
        None => None,
    }
}

/// Warns of ModemManager, which leaves built-in ports alone.
fn modem(found: &Found, pid: u32) -> Option<String> {
    let port = &found.port;
    if port.bus != "usb" || found.is_no_modem {
        return None;
    }
    let rule = match (&port.vendor_id, &port.product_id) {
        (Some(vendor), Some(product)) => format!(
            ", or keep it off by a udev rule: ATTRS{{idVendor}}==\"{vendor}\", \
             ATTRS{{idProduct}}==\"{product}\", ENV{{ID_MM_DEVICE_IGNORE}}=\"1\""
        ),
        (_, None) | (None, _) => String::new(),
    };
    Some(format!(
        "ModemManager (pid {pid}) may take it for a modem and talk to it whenever it is plugged \
         in: stop it (sudo systemctl disable --now ModemManager){rule}"
    ))
}

/// Warns of adapters to which udev gives the same name below `by-id`: the name leads to one of them, and
/// after the next boot perhaps to another.
fn tell_clones(found: &mut [Found]) {
    let mut alike: BTreeMap<[String; 6], Vec<usize>> = BTreeMap::new();
    for (place, found) in found.iter().enumerate() {
        if let Some(identity) = found.identity() {
            alike
                .entry(identity.map(str::to_owned))
                .or_default()
                .push(place);
        }
    }
    for places in alike.values().filter(|places| places.len() > 1) {
        let device = |place: &usize| Some(found.get(*place)?.port.device.clone());
        let devices: Vec<String> = places.iter().filter_map(device).collect();
        for place in places {
            if let Some(found) = found.get_mut(*place) {
                tell_clone(&mut found.port, &devices);
            }
        }
    }
}

fn tell_clone(port: &mut Port, devices: &[String]) {
    let others = devices.iter().filter(|device| **device != port.device);
    let others: Vec<&str> = others.map(String::as_str).collect();
    let why = match &port.serial_number {
        Some(serial) => format!("all have the serial number {serial}"),
        None => "none has a serial number".to_owned(),
    };
    let (path, remedy) = match &port.by_path {
        Some(path) => (
            path.clone(),
            "take the path below /dev/serial/by-path, which names the socket it is plugged into",
        ),
        None => (
            port.device.clone(),
            "there is no path below /dev/serial/by-path either, so the order of plugging decides",
        ),
    };
    port.path = path;
    port.warnings.push(format!(
        "its name below /dev/serial/by-id is also that of {}, because {why}: {remedy}",
        others.join(", ")
    ));
}

/// Returns the arguments `console=` of the kernel by the tty that they name.
fn consoles(root: &Path) -> BTreeMap<String, String> {
    let line = read_line(&root.join("proc/cmdline")).unwrap_or_default();
    let arguments = line.split_whitespace().filter_map(|argument| {
        let value = argument.strip_prefix("console=")?;
        let name = value.split(',').next()?;
        let name = name.strip_prefix("/dev/").unwrap_or(name);
        Some((name.to_owned(), argument.to_owned()))
    });
    arguments.collect()
}

fn named(holder: &Holder) -> String {
    format!("{} (pid {})", holder.name, holder.pid)
}

/// Returns whether a holder is a daemon of this program.
fn is_ours(holder: &Holder) -> bool {
    holder.name == "thingway"
}
