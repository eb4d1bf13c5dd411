//! What the kernel and udev report about a tty.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::PORTS;
use super::files::{is_plain, link_name, read as read_file, read_line, shown};
use crate::ports::Port;

/// A port, and facts that only its warnings need.
pub(super) struct Found {
    pub(super) port: Port,
    /// The kernel's name, such as `ttyUSB0`.
    pub(super) name: String,
    /// Major and minor number of the device file.
    pub(super) number: Option<(u32, u32)>,
    /// The number of the port among the several ports of its adapter.
    interface: String,
    /// Whether the kernel writes its messages to the port.
    pub(super) is_console: bool,
    /// Whether udev tells ModemManager to leave the port alone.
    pub(super) is_no_modem: bool,
    /// The processes that offer a login on the port.
    pub(super) gettys: Vec<u32>,
    /// The process that claims the port in a lock file.
    pub(super) locker: Option<u32>,
}

/// Reads the tty of that name; `None` if there is no device behind it.
pub(super) fn read(root: &Path, name: &str) -> Option<Found> {
    let class = root.join("sys/class/tty").join(name);
    // A virtual console has no such link, so this one call of the kernel saves ten. The link of an adapter
    // that is being unplugged is broken.
    let link = class.join("device");
    fs::read_link(&link).ok()?;
    let device = fs::canonicalize(link).ok()?;
    // The 8250 driver makes ttys for ports that a board might have; 0 is PORT_UNKNOWN.
    if name.starts_with("ttyS") && read_line(&class.join("type")).as_deref() == Some("0") {
        return None;
    }
    let number = read_number(&class);
    let mut found = Found {
        port: Port {
            device: format!("/dev/{name}"),
            bus: "unknown".to_owned(),
            ..Port::default()
        },
        name: name.to_owned(),
        number,
        interface: read_line(&device.join("port_number")).unwrap_or_default(),
        is_console: read_line(&class.join("console")).as_deref() == Some("Y"),
        is_no_modem: false,
        gettys: Vec::new(),
        locker: None,
    };
    found.walk_up(root, &device);
    if let Some(number) = number {
        found.add_udev(root, number);
    }
    Some(found)
}

impl Found {
    /// Reads facts from the tty's device up the device tree, as far as the USB device.
    fn walk_up(&mut self, root: &Path, device: &Path) {
        let Ok(sys) = fs::canonicalize(root.join("sys")) else {
            return;
        };
        let mut bus = None;
        let below = device
            .ancestors()
            .take_while(|path| *path != sys && path.starts_with(&sys));
        for path in below.take(DEPTH) {
            let subsystem = link_name(&path.join("subsystem"));
            // Linux 6.5 put two `serial-base` devices between a UART and its tty.
            if bus.is_none() && subsystem.as_deref() != Some("serial-base") {
                self.port.driver = link_name(&path.join("driver"));
                bus = Some(subsystem);
            }
            if let Some(interface) = read_line(&path.join("bInterfaceNumber")) {
                self.interface = format!("{interface}.{}", self.interface);
            }
            if let Some(vendor_id) = read_line(&path.join("idVendor")) {
                self.port.vendor_id = Some(vendor_id);
                self.port.product_id = read_line(&path.join("idProduct"));
                self.port.vendor = read_line(&path.join("manufacturer"));
                self.port.product = read_line(&path.join("product"));
                self.port.serial_number = read_line(&path.join("serial"));
                if let Some(number) = read_number(path) {
                    self.add_udev(root, number);
                }
                break;
            }
        }
        match bus.flatten().as_deref() {
            Some("usb-serial") => self.port.bus = "usb".to_owned(),
            Some(bus) => self.port.bus = bus.to_owned(),
            None => {}
        }
    }

    /// Adds facts of udev's record of a character device: the record of the tty or that of its USB device.
    fn add_udev(&mut self, root: &Path, (major, minor): (u32, u32)) {
        let record = root.join(format!("run/udev/data/c{major}:{minor}"));
        let record = read_file(&record, RECORD).unwrap_or_default();
        for line in record.split(|byte| *byte == b'\n') {
            let Some(line) = shown(line) else { continue };
            let property = line
                .strip_prefix("E:")
                .and_then(|rest| rest.split_once('='));
            match property {
                Some(("ID_MM_DEVICE_IGNORE" | "ID_MM_PORT_IGNORE", value)) => {
                    self.is_no_modem |= value == "1";
                }
                Some(("ID_VENDOR_FROM_DATABASE", value)) if self.port.vendor_id.is_some() => {
                    self.port.vendor.get_or_insert_with(|| value.to_owned());
                }
                Some(("ID_MODEL_FROM_DATABASE", value)) if self.port.vendor_id.is_some() => {
                    self.port.product.get_or_insert_with(|| value.to_owned());
                }
                Some(_) | None => {}
            }
        }
    }

    /// Returns the facts from which udev makes the name below `by-id`; `None` for a device that is not USB.
    pub(super) fn identity(&self) -> Option<[&str; 6]> {
        let port = &self.port;
        let texts = [
            &port.product_id,
            &port.vendor,
            &port.product,
            &port.serial_number,
        ];
        let [product_id, vendor, product, serial_number] =
            texts.map(|text| text.as_deref().unwrap_or_default());
        let vendor_id = port.vendor_id.as_deref()?;
        Some([
            vendor_id,
            product_id,
            vendor,
            product,
            serial_number,
            &self.interface,
        ])
    }
}

/// Finds udev's links to the ports, and chooses the path to use.
pub(super) fn add_links(root: &Path, found: &mut [Found]) {
    let by_id = links(root, "dev/serial/by-id");
    let by_path = links(root, "dev/serial/by-path");
    for Found { port, name, .. } in found {
        port.by_id = by_id.get(name).cloned();
        port.by_path = by_path.get(name).cloned();
        let best = port.by_id.as_ref().or(port.by_path.as_ref());
        port.path = best.unwrap_or(&port.device).clone();
    }
}

/// Returns the links of a folder by the name of the device file that they lead to. If several links lead to
/// one file, the first in the alphabet is chosen, so that the answer is always the same.
fn links(root: &Path, folder: &str) -> BTreeMap<String, String> {
    let mut links: BTreeMap<String, String> = BTreeMap::new();
    let (Ok(dev), Ok(entries)) = (
        fs::canonicalize(root.join("dev")),
        fs::read_dir(root.join(folder)),
    ) else {
        return links;
    };
    for entry in entries.flatten().take(LINKS) {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| is_plain(name)) else {
            continue;
        };
        let Ok(target) = fs::canonicalize(entry.path()) else {
            continue;
        };
        let device = target.strip_prefix(&dev).ok().and_then(Path::to_str);
        let Some(device) = device else { continue };
        let link = format!("/{folder}/{name}");
        match links.get_mut(device) {
            Some(other) if *other <= link => {}
            Some(other) => *other = link,
            None => {
                links.insert(device.to_owned(), link);
            }
        }
    }
    links
}

/// Returns major and minor number from the file `dev`.
fn read_number(device: &Path) -> Option<(u32, u32)> {
    let text = read_line(&device.join("dev"))?;
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The number of steps up the device tree; a device behind seven USB hubs is about 20 deep.
const DEPTH: usize = 64;

/// The bytes read of a record; udev's record of a device is about 1 KiB.
const RECORD: usize = 65_536;

/// The number of links read; each port has about two in each folder.
const LINKS: usize = 4 * PORTS;
