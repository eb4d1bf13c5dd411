//! Made-up machines: the files of /sys, /proc, /dev and /run in a folder of their own.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering as Atomic};

use super::*;
use crate::ports::Holder;

/// A machine with nothing in it except the tty class; its folder is removed when the test ends.
struct Machine(PathBuf);

/// The facts that an adapter reports about itself.
#[derive(Clone, Copy)]
struct Adapter {
    ids: [&'static str; 2],
    texts: [Option<&'static str>; 3],
}

const FTDI: Adapter = Adapter {
    ids: ["0403", "6001"],
    texts: [Some("FTDI"), Some("FT232R USB UART"), Some("A10K0X")],
};
const CH340: Adapter = Adapter {
    ids: ["1a86", "7523"],
    texts: [None, Some("USB Serial"), None],
};

impl Machine {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let n = COUNT.fetch_add(1, Atomic::Relaxed);
        let name = format!("thingway-ports-{}-{n}", std::process::id());
        let machine = Self(std::env::temp_dir().join(name));
        machine.folder("sys/class/tty");
        machine
    }

    fn folder(&self, path: &str) {
        fs::create_dir_all(self.0.join(path)).unwrap();
    }

    fn file(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn link(&self, path: &str, target: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    /// Adds a tty with this device behind it, whose folder is below `sys/devices`.
    fn tty(&self, name: &str, device: &str, number: (u32, u32)) {
        let class = format!("sys/devices/{device}/tty/{name}");
        self.file(
            &format!("{class}/dev"),
            format!("{}:{}\n", number.0, number.1),
        );
        self.link(&format!("{class}/device"), "../..");
        self.link(
            &format!("sys/class/tty/{name}"),
            &format!("../../devices/{device}/tty/{name}"),
        );
        self.file(&format!("dev/{name}"), "");
    }

    /// Sets the bus and the driver that the kernel reports for a device.
    fn driven(&self, device: &str, bus: &str, driver: &str) {
        self.link(
            &format!("sys/devices/{device}/subsystem"),
            &format!("/bus/{bus}"),
        );
        self.link(
            &format!("sys/devices/{device}/driver"),
            &format!("/x/{driver}"),
        );
    }

    /// Adds an adapter with one port to a socket of the only hub; returns its name below `by-path`.
    fn plug(&self, n: u32, socket: u32, driver: &str, adapter: Adapter) -> String {
        let usb = format!("pci0000:00/usb1/1-{socket}");
        let interface = format!("{usb}/1-{socket}:1.0");
        let device = format!("{interface}/ttyUSB{n}");
        self.driven(&usb, "usb", "usb");
        self.driven(&interface, "usb", driver);
        self.driven(&device, "usb-serial", driver);
        self.tty(&format!("ttyUSB{n}"), &device, (188, n));
        self.file(&format!("sys/devices/{interface}/bInterfaceNumber"), "00\n");
        self.file(&format!("sys/devices/{device}/port_number"), "0\n");
        self.file(&format!("sys/devices/{usb}/dev"), format!("189:{socket}\n"));
        let texts = adapter.ids.map(Some).into_iter().chain(adapter.texts);
        let files = ["idVendor", "idProduct", "manufacturer", "product", "serial"];
        for (file, text) in files.into_iter().zip(texts) {
            if let Some(text) = text {
                self.file(&format!("sys/devices/{usb}/{file}"), format!("{text}\n"));
            }
        }
        let path = format!("/dev/serial/by-path/pci-usb-0:{socket}:1.0-port0");
        self.link(&path[1..], &format!("../../ttyUSB{n}"));
        path
    }

    /// Adds the Raspberry Pi's UART as Linux 6.5 and later show it.
    fn build_in_ama0(&self) {
        let uart = "platform/soc/fe201000.serial";
        let port = format!("{uart}/fe201000.serial:0/fe201000.serial:0.0");
        self.driven(uart, "amba", "uart-pl011");
        self.driven(&format!("{uart}/fe201000.serial:0"), "serial-base", "ctrl");
        self.driven(&port, "serial-base", "port");
        self.tty("ttyAMA0", &port, (204, 64));
    }

    fn process(&self, pid: u32, name: &str, terminal: u32, arguments: &str, open: &[&str]) {
        let stat = format!("{pid} ({name}) S 1 {pid} {pid} {terminal} -1 4194560 1 0\n");
        self.file(&format!("proc/{pid}/stat"), stat);
        self.file(
            &format!("proc/{pid}/cmdline"),
            arguments.replace(' ', "\0") + "\0",
        );
        for (n, target) in open.iter().enumerate() {
            self.link(&format!("proc/{pid}/fd/{n}"), target);
        }
    }

    fn list(&self) -> Vec<Port> {
        list(&self.0).expect("a list")
    }

    /// Returns the only port.
    fn one(&self) -> Port {
        let [port] = self.list().try_into().expect("one port");
        port
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

fn devices(ports: &[Port]) -> Vec<&str> {
    ports.iter().map(|port| port.device.as_str()).collect()
}

fn holder(pid: u32, name: &str) -> Holder {
    Holder {
        pid,
        name: name.to_owned(),
    }
}

const BY_ID: &str = "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A10K0X-if00-port0";

#[test]
fn everything_of_an_adapter_is_told_and_nothing_is_wrong_with_it() {
    let machine = Machine::new();
    let by_path = machine.plug(0, 4, "ftdi_sio", FTDI);
    machine.link(&BY_ID[1..], "../../ttyUSB0");
    // Newer versions of udev make a second link.
    machine.link(
        "dev/serial/by-path/pci-usbv2-0:4:1.0-port0",
        "../../ttyUSB0",
    );
    let expected = Port {
        device: "/dev/ttyUSB0".into(),
        path: BY_ID.into(),
        by_id: Some(BY_ID.into()),
        by_path: Some(by_path),
        driver: Some("ftdi_sio".into()),
        bus: "usb".into(),
        vendor_id: Some("0403".into()),
        product_id: Some("6001".into()),
        vendor: Some("FTDI".into()),
        product: Some("FT232R USB UART".into()),
        serial_number: Some("A10K0X".into()),
        holders: Vec::new(),
        warnings: Vec::new(),
        suggested_name: "ftdi-a10k0x".into(),
    };
    assert_eq!(machine.one(), expected);
}

#[test]
fn only_ttys_that_exist_are_ports_and_2_is_before_10() {
    let machine = Machine::new();
    for n in [10, 2] {
        machine.plug(n, n, "ftdi_sio", FTDI);
    }
    for (n, kind) in [(0, "4\n"), (1, "0\n")] {
        let device = format!("pnp0/00:0{n}");
        machine.driven(&device, "pnp", "serial");
        machine.tty(&format!("ttyS{n}"), &device, (4, 64 + n));
        machine.file(&format!("sys/devices/{device}/tty/ttyS{n}/type"), kind);
    }
    machine.file("sys/devices/virtual/tty/tty1/dev", "4:1\n");
    machine.link("sys/class/tty/tty1", "../../devices/virtual/tty/tty1");
    machine.link("sys/class/tty/ttyUSB3", "../../devices/gone");
    machine.link("sys/class/tty/ttyUSB4/device", "../gone");
    machine.file("sys/class/tty/ttyUSB5", "not a folder");
    let names: [&[u8]; 3] = [b"tty\xff", b"tty \x1b[2J", b"tty\n"];
    for name in names {
        let class = machine
            .0
            .join("sys/class/tty")
            .join(OsStr::from_bytes(name));
        fs::create_dir(&class).unwrap();
        symlink(&machine.0, class.join("device")).unwrap();
    }
    let ports = machine.list();
    let expected = ["/dev/ttyS0", "/dev/ttyUSB2", "/dev/ttyUSB10"];
    assert_eq!(devices(&ports), expected);
    assert_eq!(ports[0].bus, "pnp");
    assert_eq!(ports[0].path, "/dev/ttyS0", "nothing better is there");
}

#[test]
fn the_order_is_the_one_people_count_in() {
    let mut names = [
        "ttyUSB10", "ttyACM0", "ttyUSB", "ttyUSB2a", "ttyUSB2", "tty07", "tty7", "ttyUSB02",
    ];
    names.sort_by(|a, b| natural_order(a, b));
    let expected = [
        "tty07", "tty7", "ttyACM0", "ttyUSB", "ttyUSB02", "ttyUSB2", "ttyUSB2a", "ttyUSB10",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_console_with_a_login_says_how_to_have_it_free() {
    let machine = Machine::new();
    machine.build_in_ama0();
    machine.file(
        "proc/cmdline",
        "console=tty1 console=ttyAMA0,115200 root=PARTUUID=x\n",
    );
    let port = machine.one();
    assert_eq!(port.bus, "amba");
    assert_eq!(port.driver.as_deref(), Some("uart-pl011"));
    assert_eq!(port.suggested_name, "ttyama0");
    let [warning] = port.warnings.as_slice() else {
        panic!("{:?}", port.warnings)
    };
    assert!(
        warning.contains("take console=ttyAMA0,115200 out"),
        "{warning}"
    );

    // Since systemd 255 agetty is given "-" and the tty as its terminal: 204 × 256 + 64.
    machine.process(412, "agetty", 52_288, "/sbin/agetty -o x - linux", &[]);
    let remedies = [
        (false, "/etc/inittab"),
        (true, "mask --now serial-getty@ttyAMA0.service"),
    ];
    for (systemd, remedy) in remedies {
        if systemd {
            machine.folder("run/systemd/system");
        }
        let port = machine.one();
        assert_eq!(port.holders, [holder(412, "agetty")]);
        assert_eq!(port.warnings.len(), 2, "{:?}", port.warnings);
        let warning = &port.warnings[0];
        assert!(
            warning.starts_with("agetty (pid 412) offers a login") && warning.contains(remedy),
            "{warning}"
        );
    }
}

#[test]
fn a_getty_is_known_by_its_arguments_too_and_a_console_without_any() {
    let machine = Machine::new();
    machine.build_in_ama0();
    machine.process(412, "getty", 0, "getty -L ttyAMA0 115200 vt100", &[]);
    machine.process(413, "agetty", 0, "/sbin/agetty tty1 linux", &[]);
    // A program that is not a getty, whatever its arguments are.
    machine.process(414, "vi", 0, "vi ttyAMA0", &[]);
    let tty = "sys/class/tty/ttyAMA0";
    machine.file(&format!("{tty}/console"), "Y\n");
    let port = machine.one();
    assert_eq!(port.holders, [holder(412, "getty")]);
    let starts = [
        "getty (pid 412) offers",
        "the kernel writes its messages to it, because the firmware",
    ];
    assert_eq!(port.warnings.len(), starts.len(), "{:?}", port.warnings);
    for (warning, start) in port.warnings.iter().zip(starts) {
        assert!(warning.starts_with(start), "{warning}");
    }
    machine.file(&format!("{tty}/console"), "N\n");
    assert_eq!(machine.one().warnings.len(), 1);
}

#[test]
fn who_has_it_open_is_named_once() {
    let machine = Machine::new();
    machine.plug(0, 4, "ftdi_sio", FTDI);
    let device = "/dev/ttyUSB0";
    machine.process(31, "minicom", 0, "minicom", &["/dev/null", device, device]);
    // A port was unplugged while this process had it open, so the process still holds the old device.
    machine.process(
        32,
        "cat",
        0,
        "cat",
        &["/dev/ttyUSB0 (deleted)", "socket:[1]"],
    );
    // A shell of another user on the line: 188 × 256.
    machine.process(33, "a) b (c", 48_128, "bash", &[]);
    machine.process(34, "thingway", 0, "thingway", &[device]);
    machine.process(std::process::id(), "test", 48_128, "test", &[device]);
    machine.file("proc/self-made/stat", "1 (x) S");
    machine.file("proc/35/stat", "rubbish");
    machine.folder("proc/36/stat");
    let port = machine.one();
    let mut holders = port.holders.clone();
    holders.sort_by_key(|holder| holder.pid);
    let expected = [
        holder(31, "minicom"),
        holder(33, "a) b (c"),
        holder(34, "thingway"),
    ];
    assert_eq!(holders, expected);
    assert_eq!(port.warnings.len(), 2, "{:?}", port.warnings);
    assert!(port.warnings[0].starts_with("thingway (pid 34) has it open already"));
    let warning = &port.warnings[1];
    assert!(
        warning.contains("minicom (pid 31)") && warning.contains(" have it open: stop them"),
        "{warning}"
    );
}

#[test]
fn a_lock_counts_while_its_process_lives() {
    let machine = Machine::new();
    machine.plug(0, 4, "ftdi_sio", FTDI);
    machine.process(77, "ser2net", 0, "ser2net", &[]);
    let lock = "run/lock/LCK..ttyUSB0";
    let contents: [(&[u8], bool); 7] = [
        (b"        77\n", true),
        (b"77 ser2net root\n", true),
        (&77_u32.to_ne_bytes(), true),
        (b"        78\n", false),
        (b"", false),
        (b"-77\n", false),
        (&[0; 4096], false),
    ];
    for (content, counts) in contents {
        machine.file(lock, content);
        let port = machine.one();
        assert_eq!(port.warnings.len(), usize::from(counts), "{content:?}");
        if counts {
            assert_eq!(port.holders, [holder(77, "ser2net")]);
            let warning = &port.warnings[0];
            assert!(warning.contains("ser2net (pid 77) has locked"), "{warning}");
            assert!(warning.contains("LCK..ttyUSB0"), "{warning}");
        }
    }
    // A file that any user may put into a world-writable folder must not block the reader.
    fs::remove_file(machine.0.join(lock)).unwrap();
    let fifo = std::process::Command::new("mkfifo")
        .arg(machine.0.join(lock))
        .status();
    assert!(fifo.unwrap().success());
    assert_eq!(machine.one().warnings, [""; 0]);
}

#[test]
fn modem_manager_is_told_of_unless_udev_keeps_it_off() {
    let machine = Machine::new();
    machine.plug(0, 4, "ftdi_sio", FTDI);
    machine.build_in_ama0();
    machine.process(9, "ModemManager", 0, "ModemManager", &[]);
    let warnings = || machine.list().into_iter().map(|port| port.warnings);
    let [built_in, usb] = warnings().collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(built_in, [""; 0]);
    let [warning] = usb.try_into().unwrap();
    for part in [
        "ModemManager (pid 9)",
        "ATTRS{idVendor}==\"0403\", ATTRS{idProduct}==\"6001\"",
        "ENV{ID_MM_DEVICE_IGNORE}=\"1\"",
    ] {
        assert!(warning.contains(part), "{warning}");
    }
    // The tty's own record, and that of the USB device, to which rules for `usb` write.
    for (record, line, told) in [
        ("c188:0", "E:ID_MM_CANDIDATE=1", true),
        ("c188:0", "E:ID_MM_DEVICE_IGNORE=0", true),
        ("c188:0", "S:x\nE:ID_MM_DEVICE_IGNORE=1", false),
        ("c188:0", "E:ID_MM_PORT_IGNORE=1", false),
        ("c188:0", "\u{0}", true),
        ("c189:4", "E:ID_MM_DEVICE_IGNORE=1", false),
    ] {
        machine.file(&format!("run/udev/data/{record}"), format!("{line}\n"));
        let count: usize = warnings().map(|warnings| warnings.len()).sum();
        assert_eq!(count, usize::from(told), "{record} {line}");
    }
}

#[test]
fn clones_are_told_apart_by_where_they_are_plugged_in() {
    let machine = Machine::new();
    let clone = Adapter {
        texts: [Some("Silicon Labs"), Some("CP2102"), Some("0001")],
        ids: ["10c4", "ea60"],
    };
    let first = machine.plug(0, 1, "cp210x", clone);
    let second = machine.plug(1, 2, "cp210x", clone);
    machine.plug(2, 3, "ftdi_sio", FTDI);
    let by_id = "/dev/serial/by-id/usb-Silicon_Labs_CP2102_0001-if00-port0";
    machine.link(&by_id[1..], "../../ttyUSB1");
    machine.link(&BY_ID[1..], "../../ttyUSB2");

    let ports = machine.list();
    let paths: Vec<&str> = ports.iter().map(|port| port.path.as_str()).collect();
    assert_eq!(paths, [first.as_str(), second.as_str(), BY_ID]);
    assert_eq!(ports[1].by_id.as_deref(), Some(by_id));
    let [warning] = ports[0].warnings.as_slice() else {
        panic!("{:?}", ports[0].warnings)
    };
    for part in ["/dev/ttyUSB1", "serial number 0001", "by-path"] {
        assert!(warning.contains(part), "{warning}");
    }
    assert_eq!(ports[2].warnings, [""; 0]);
    let names: Vec<&str> = ports
        .iter()
        .map(|port| port.suggested_name.as_str())
        .collect();
    assert_eq!(names, ["silicon-0001", "silicon-0001-2", "ftdi-a10k0x"]);

    // Two ports of one adapter are no clones: the name has the interface in it.
    let interface = "sys/devices/pci0000:00/usb1/1-2/1-2:1.0/bInterfaceNumber";
    machine.file(interface, "01\n");
    assert_eq!(machine.list()[0].warnings, [""; 0]);
}

#[test]
fn clones_without_serial_numbers_and_paths_are_told_of_all_the_same() {
    let machine = Machine::new();
    for n in 0..3 {
        machine.plug(n, n, "ch341-uart", CH340);
    }
    fs::remove_dir_all(machine.0.join("dev/serial")).unwrap();
    let ports = machine.list();
    for port in &ports {
        assert_eq!(port.path, port.device);
        let warning = &port.warnings[0];
        assert!(warning.contains("none has a serial number"), "{warning}");
    }
    assert!(ports[0].warnings[0].contains("of /dev/ttyUSB1, /dev/ttyUSB2, because"));
    let names: Vec<&str> = ports
        .iter()
        .map(|port| port.suggested_name.as_str())
        .collect();
    assert_eq!(names, ["ch341", "ch341-2", "ch341-3"]);
}

#[test]
fn udev_names_the_maker_where_the_adapter_does_not() {
    let machine = Machine::new();
    machine.plug(0, 1, "ch341-uart", CH340);
    let record = "E:ID_VENDOR_FROM_DATABASE=QinHeng Electronics\nE:ID_MODEL_FROM_DATABASE=CH340\n";
    machine.file("run/udev/data/c188:0", record);
    let port = machine.one();
    assert_eq!(port.vendor.as_deref(), Some("QinHeng Electronics"));
    assert_eq!(port.product.as_deref(), Some("USB Serial"), "its own word");
}

#[test]
fn rubbish_is_shown_as_rubbish_or_not_at_all() {
    let machine = Machine::new();
    machine.plug(0, 1, "ftdi_sio", FTDI);
    let usb = "sys/devices/pci0000:00/usb1/1-1";
    machine.file(
        &format!("{usb}/manufacturer"),
        b"\xff\x1b[2J\"O'Neill\"\x00\n",
    );
    machine.file(&format!("{usb}/serial"), " \n");
    machine.file(&format!("{usb}/idProduct"), "x".repeat(100_000));
    fs::remove_file(machine.0.join(format!("{usb}/product"))).unwrap();
    machine.folder(&format!("{usb}/product"));
    machine.file("sys/class/tty/ttyUSB0/dev", "188:many\n");
    machine.file("run/udev/data/c188:0", [0xff; 300]);
    machine.file(
        "proc/cmdline",
        b"console=\xff console= console=,115200 console",
    );
    // Links: broken, in a circle, out of /dev, to another folder, with a name that cannot be typed.
    for (name, target) in [
        ("a-broken", "../../ttyUSB9"),
        ("b-circle", "b-circle"),
        ("c-outside", "../../../proc/cmdline"),
        ("d-folder", "../by-path"),
        ("e rm -rf", "../../ttyUSB0"),
    ] {
        machine.link(&format!("dev/serial/by-id/{name}"), target);
    }
    let by_id = machine.0.join("dev/serial/by-id");
    symlink("../../ttyUSB0", by_id.join(OsStr::from_bytes(b"f-\xff"))).unwrap();
    let port = machine.one();
    let vendor = port.vendor.as_deref();
    assert_eq!(vendor, Some("\u{fffd}\u{fffd}[2J\"O'Neill\""));
    assert_eq!(port.serial_number, None);
    assert_eq!(port.product, None);
    assert_eq!(port.product_id.map(|text| text.len()), Some(4096));
    assert_eq!(port.by_id, None);
    assert_eq!(port.warnings, [""; 0]);
    assert_eq!(port.suggested_name, "2j");
}

#[test]
fn what_is_missing_is_left_out_and_only_the_list_itself_is_needed() {
    let machine = Machine::new();
    assert_eq!(machine.list(), []);
    machine.folder("sys/devices/x");
    machine.link("sys/class/tty/ttyX0/device", "../../../devices/x");
    let port = machine.one();
    assert_eq!((port.bus.as_str(), port.driver), ("unknown", None));
    let [warning] = port.warnings.try_into().unwrap();
    assert!(warning.contains("/dev/ttyX0 is not there"), "{warning}");

    fs::remove_dir_all(machine.0.join("sys")).unwrap();
    let error = list(&machine.0).expect_err("no list");
    let text = error.to_string();
    assert!(
        text.ends_with("sys/class/tty: No such file or directory"),
        "{text}"
    );
}

#[test]
fn a_port_that_is_denied_to_us_says_so() {
    let machine = Machine::new();
    machine.plug(0, 1, "ftdi_sio", FTDI);
    let device = machine.0.join("dev/ttyUSB0");
    fs::set_permissions(&device, fs::Permissions::from_mode(0o000)).unwrap();
    let warnings = machine.one().warnings;
    // Root is denied nothing; tests/e2e runs this as another user.
    if !rustix::process::getuid().is_root() {
        assert!(warnings[0].contains("dialout"), "{warnings:?}");
    } else {
        assert_eq!(warnings, [""; 0]);
    }
}

#[test]
fn more_ports_than_any_machine_has_are_cut() {
    let machine = Machine::new();
    for n in 0..300 {
        machine.tty(&format!("ttyX{n}"), &format!("x{n}"), (200, n));
    }
    let ports = machine.list();
    assert_eq!(ports.len(), PORTS);
    assert_eq!(ports[PORTS - 1].device, "/dev/ttyX255");
}
