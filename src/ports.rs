//! The serial ports of this machine as plain data, and their output for people.
//!
//! [`crate::io::ports`] finds the ports. This file makes their names for a configuration, the lines to paste
//! into one, and the output of `thingway ports`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Value, json};

use crate::names::CONTROL_LABEL;

/// One serial port that exists.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Port {
    /// The device file, such as `/dev/ttyUSB0`.
    pub device: String,
    /// The path for a configuration, which stays the same in whatever order adapters are plugged in.
    pub path: String,
    /// The link below `/dev/serial/by-id`, which names the adapter.
    pub by_id: Option<String>,
    /// The link below `/dev/serial/by-path`, which names the USB socket or slot.
    pub by_path: Option<String>,
    /// The kernel's driver, such as `ftdi_sio`.
    pub driver: Option<String>,
    /// The kernel's name of the bus: `usb`, `pci`, `platform`, `amba`, `pnp` …; `unknown` if the kernel gives
    /// none.
    pub bus: String,
    /// The vendor id, four hexadecimal digits. Only USB devices have this and the next four fields.
    pub vendor_id: Option<String>,
    /// The product id, four hexadecimal digits.
    pub product_id: Option<String>,
    /// The maker according to the adapter, or else according to udev's database.
    pub vendor: Option<String>,
    /// The product according to the adapter, or else according to udev's database.
    pub product: Option<String>,
    /// The serial number, which should distinguish adapters of one kind. Cheap adapters have none, or all the
    /// same one.
    pub serial_number: Option<String>,
    /// The processes that have the port open, as far as we may know. Of other users' processes only those are
    /// known that use the port as their terminal or keep a lock file.
    pub holders: Vec<Holder>,
    /// Likely problems, each with its remedy.
    pub warnings: Vec<String>,
    /// A name for the endpoint, such as `ftdi-a10k0x`. No two ports of a list have the same name.
    pub suggested_name: String,
}

/// A process that has a port open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// The process id.
    pub pid: u32,
    /// The process name, which the kernel shortens to 15 bytes.
    pub name: String,
}

/// Gives each port of a list a unique name that is valid in a configuration.
pub fn suggest_names(ports: &mut [Port]) {
    let mut taken = BTreeSet::from([CONTROL_LABEL.to_owned()]);
    for port in ports {
        let base = base_name(port);
        let mut name = base.clone();
        let mut n = 1;
        while !taken.insert(name.clone()) {
            n += 1;
            name = format!("{base}-{n}");
        }
        port.suggested_name = name;
    }
}

/// Returns a port as JSON, with lines of configuration for it and the name of the endpoint that uses it.
#[expect(clippy::indexing_slicing, reason = "serde_json inserts a missing key")]
pub fn to_json(port: &Port, endpoint: Option<String>) -> Value {
    let mut json = json!(port);
    json["config"] = Value::from(config_lines(port));
    json["endpoint"] = Value::from(endpoint);
    json
}

/// Returns the `[[endpoint]]` section to paste into a configuration.
pub fn config_lines(port: &Port) -> String {
    format!(
        "[[endpoint]]\nname = {}\nkind = \"serial\"\npath = {}\nbaud = 115200\n",
        toml_string(&port.suggested_name),
        toml_string(&port.path)
    )
}

/// Returns the output of `thingway ports`: a line for each port, then the problems, then the lines to paste.
pub fn table(ports: &[Port]) -> String {
    if ports.is_empty() {
        return wrapped(
            "There is no serial port on this machine. If an adapter is plugged in, dmesg says \
             what the kernel made of it.",
            "",
            "",
        );
    }
    let mut text = overview(ports);
    for port in ports.iter().filter(|port| !port.warnings.is_empty()) {
        let _infallible = writeln!(text, "\n{}", port.device);
        for warning in &port.warnings {
            text.push_str(&wrapped(warning, "  ! ", "    "));
        }
    }
    text.push_str("\nTo use one, put its lines into the file for thingway --config:\n");
    for port in ports {
        text.push('\n');
        text.push_str(&config_lines(port));
    }
    text
}

fn overview(ports: &[Port]) -> String {
    let header = ["DEVICE", "BUS", "DRIVER"].map(str::to_owned);
    let mut rows = vec![(header, "WHAT".to_owned())];
    for port in ports {
        let driver = port.driver.as_deref().unwrap_or("-");
        let cells = [
            port.device.clone(),
            cut(&port.bus, NARROW),
            cut(driver, NARROW),
        ];
        rows.push((cells, what(port)));
    }
    let mut widths = [0; 3];
    for (cells, _) in &rows {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = cell.chars().count().max(*width);
        }
    }
    let used: usize = widths.iter().map(|width| width + GAP.len()).sum();
    let left = COLUMNS.saturating_sub(used).max(NARROW);
    let mut text = String::new();
    for (cells, what) in &rows {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            let _infallible = write!(line, "{cell:width$}{GAP}");
        }
        line.push_str(&cut(what, left));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Returns maker, product, serial number and ids, as far as they are known.
fn what(port: &Port) -> String {
    let mut words: Vec<String> = Vec::new();
    words.extend(port.vendor.clone());
    words.extend(port.product.clone());
    words.extend(port.serial_number.clone());
    if let (Some(vendor), Some(product)) = (&port.vendor_id, &port.product_id) {
        words.push(format!("({vendor}:{product})"));
    }
    words.join(" ")
}

/// Returns at most `most` characters of a text, with a mark if the text was longer.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept = text.chars().take(most.saturating_sub(1));
    kept.chain(std::iter::once('…')).collect()
}

/// Breaks a text into lines that fit a terminal. A word that is longer than a line stays whole.
fn wrapped(text: &str, first: &str, rest: &str) -> String {
    let mut lines = String::new();
    let mut line = first.to_owned();
    let mut empty = true;
    for word in text.split(' ') {
        let fits = line.chars().count() + 1 + word.chars().count() <= COLUMNS;
        if !empty && !fits {
            lines.push_str(&line);
            lines.push('\n');
            line = rest.to_owned();
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    lines.push_str(&line);
    lines.push('\n');
    lines
}

/// Returns a basic string of TOML 1.0. JSON's escapes are valid there, but TOML requires one more.
fn toml_string(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// Returns maker and serial number of an adapter, or the device's own name for a built-in port.
fn base_name(port: &Port) -> String {
    if port.vendor_id.is_none() {
        let device = port.device.rsplit('/').next();
        return device
            .and_then(first_word)
            .unwrap_or_else(|| "port".to_owned());
    }
    // CH340 adapters give their vendor id in the place of the maker's name.
    let vendor = port
        .vendor
        .as_deref()
        .filter(|_| port.vendor != port.vendor_id);
    let mut name = vendor
        .and_then(first_word)
        .or_else(|| first_word(port.driver.as_deref()?))
        .unwrap_or_else(|| "usb".to_owned());
    if let Some(serial) = port.serial_number.as_deref().and_then(serial_word) {
        name.push('-');
        name.push_str(&serial);
    }
    name
}

fn first_word(text: &str) -> Option<String> {
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let mut word = words.find(|word| !word.is_empty()).map(plain)?;
    word.truncate(WORD);
    Some(word)
}

/// Returns a serial number, or its end, because long ones differ at the end.
fn serial_word(text: &str) -> Option<String> {
    let word = plain(text);
    let start = match word.len() {
        0 => return None,
        length if length > SERIAL_WHOLE => length - SERIAL_END,
        _ => 0,
    };
    word.get(start..).map(str::to_owned)
}

/// Returns only the letters and digits of a text, in lower case.
fn plain(text: &str) -> String {
    let letters = text.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|c| c.to_ascii_lowercase()).collect()
}

/// The smallest width of a terminal.
const COLUMNS: usize = 80;

/// The space between two columns of the table.
const GAP: &str = "  ";

/// The width to which the names of buses and drivers are shortened, and the smallest width of the last
/// column.
const NARROW: usize = 16;

/// The longest word in a name. With a serial number and a number behind it the name stays below
/// `limits::LABEL`.
const WORD: usize = 24;

/// The longest serial number that a person can compare as a whole.
const SERIAL_WHOLE: usize = 12;

/// How many characters from the end of a longer serial number go into a name.
const SERIAL_END: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn ftdi() -> Port {
        Port {
            device: "/dev/ttyUSB0".into(),
            path: "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A10K0X-if00-port0".into(),
            driver: Some("ftdi_sio".into()),
            bus: "usb".into(),
            vendor_id: Some("0403".into()),
            product_id: Some("6001".into()),
            vendor: Some("FTDI".into()),
            product: Some("FT232R USB UART".into()),
            serial_number: Some("A10K0X".into()),
            ..Port::default()
        }
    }

    fn named(ports: &mut [Port]) -> Vec<&str> {
        suggest_names(ports);
        ports
            .iter()
            .map(|port| port.suggested_name.as_str())
            .collect()
    }

    #[test]
    fn names_say_which_adapter_and_are_there_once() {
        let arduino = Port {
            vendor: Some("Arduino (www.arduino.cc)".into()),
            serial_number: Some("75830303934351C0E1A0".into()),
            ..ftdi()
        };
        let ch340 = Port {
            vendor_id: Some("1a86".into()),
            vendor: Some("1a86".into()),
            driver: Some("ch341-uart".into()),
            serial_number: None,
            ..ftdi()
        };
        let nameless = Port {
            vendor: Some("--".into()),
            driver: None,
            serial_number: Some(" ".into()),
            ..ftdi()
        };
        let built_in = Port {
            device: "/dev/ttyAMA0".into(),
            ..Port::default()
        };
        let ours = Port {
            vendor: Some("Thingway".into()),
            ..nameless.clone()
        };
        let mut ports = [
            ftdi(),
            ftdi(),
            arduino,
            ch340.clone(),
            ch340,
            nameless,
            built_in,
            Port::default(),
            ours,
        ];
        let expected = [
            "ftdi-a10k0x",
            "ftdi-a10k0x-2",
            "arduino-c0e1a0",
            "ch341",
            "ch341-2",
            "usb",
            "ttyama0",
            "port",
            "thingway-2",
        ];
        assert_eq!(named(&mut ports), expected);
    }

    #[test]
    fn the_table_fits_a_terminal_and_ends_with_what_to_paste() {
        let held = Port {
            warnings: vec![
                "screen (pid 7) has it open: stop that program, or each gets a part only of what \
                 the device sends"
                    .into(),
            ],
            ..ftdi()
        };
        let long = Port {
            device: "/dev/ttyACM12".into(),
            path: "/dev/ttyACM12".into(),
            product: Some("x".repeat(200)),
            driver: Some("y".repeat(200)),
            ..ftdi()
        };
        let mut ports = [held, long];
        suggest_names(&mut ports);
        let table = table(&ports);
        let expected = "\
DEVICE         BUS  DRIVER            WHAT
/dev/ttyUSB0   usb  ftdi_sio          FTDI FT232R USB UART A10K0X (0403:6001)
/dev/ttyACM12  usb  yyyyyyyyyyyyyyy…  FTDI xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…

/dev/ttyUSB0
  ! screen (pid 7) has it open: stop that program, or each gets a part only of
    what the device sends

To use one, put its lines into the file for thingway --config:

[[endpoint]]
name = \"ftdi-a10k0x\"
kind = \"serial\"
path = \"/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A10K0X-if00-port0\"
baud = 115200

[[endpoint]]
name = \"ftdi-a10k0x-2\"
kind = \"serial\"
path = \"/dev/ttyACM12\"
baud = 115200
";
        assert_eq!(table, expected);
        assert!(table.lines().all(|line| line.chars().count() <= COLUMNS));
    }

    #[test]
    fn none_at_all_is_a_sentence() {
        let text = table(&[]);
        assert!(
            text.starts_with("There is no serial port") && text.ends_with(".\n"),
            "{text}"
        );
        assert!(
            text.lines().all(|line| line.chars().count() <= COLUMNS),
            "{text}"
        );
    }
}
