//! `kind = "serial"`: a tty and its settings.

use super::EndpointKind;
use super::reader::{Document, Section};
use super::values::{absolute, required};
use super::{AtOpen, FlowControl, Format, LineSettings, Parity, Rs485};

const LEVELS: [(&str, AtOpen); 3] = [
    ("keep", AtOpen::Keep),
    ("on", AtOpen::On),
    ("off", AtOpen::Off),
];

const PARITIES: [(&str, Parity); 5] = [
    ("none", Parity::None),
    ("odd", Parity::Odd),
    ("even", Parity::Even),
    ("mark", Parity::Mark),
    ("space", Parity::Space),
];

/// Reads the keys of a serial line.
pub(super) fn read<'a>(
    section: &mut Section<'a>,
    document: &mut Document<'a>,
) -> Option<EndpointKind> {
    let path = required(section, "path", document);
    let path = path.and_then(|path| absolute("path", path, document));
    // The highest rate of any adapter in the kernel. A driver may refuse a lower rate.
    let baud = section.integer("baud", 50..=20_000_000, document);
    let mut line = LineSettings::at(baud.and_then(|n| u32::try_from(n).ok()).unwrap_or(115_200));
    line.format = read_format(section, document);
    let flow = section.choice("flow", &FlowControl::NAMES, document);
    line.flow = flow.unwrap_or(line.flow);
    let exclusive = section.boolean("exclusive", document);
    line.exclusive = exclusive.unwrap_or(line.exclusive);
    let low_latency = section.boolean("low_latency", document);
    line.low_latency = low_latency.unwrap_or(line.low_latency);
    let hang_up = section.boolean("hupcl", document);
    line.hang_up = hang_up.unwrap_or(line.hang_up);
    line.dtr = section.choice("dtr", &LEVELS, document).unwrap_or(line.dtr);
    line.rts = section.choice("rts", &LEVELS, document).unwrap_or(line.rts);
    let (begin, rs485) = (section.line(), section.table("rs485", document));
    if let Some(rs485) = rs485 {
        line.rs485 = Some(read_rs485(rs485, document));
    }
    if line.flow == FlowControl::RtsCts && (line.rs485.is_some() || line.rts != AtOpen::Keep) {
        let message = "endpoint.flow \"rts-cts\" leaves RTS to the driver: neither rts nor rs485 \
                       can be set";
        document.fault_at(begin, message.to_owned());
    }
    Some(EndpointKind::Serial {
        path: path?,
        line: Box::new(line),
    })
}

fn read_format<'a>(section: &mut Section<'a>, document: &mut Document<'a>) -> Format {
    let default = Format::default();
    let mut number = |key, range, default: u8| {
        let given = section.integer(key, range, document);
        given.and_then(|n| u8::try_from(n).ok()).unwrap_or(default)
    };
    Format {
        data_bits: number("data_bits", 5..=8, default.data_bits),
        stop_bits: number("stop_bits", 1..=2, default.stop_bits),
        parity: section
            .choice("parity", &PARITIES, document)
            .unwrap_or(default.parity),
    }
}

fn read_rs485<'a>(mut section: Section<'a>, document: &mut Document<'a>) -> Rs485 {
    let mut flag = |key, default| section.boolean(key, document).unwrap_or(default);
    let rts_on_send = flag("rts_on_send", true);
    let rts_after_send = flag("rts_after_send", false);
    let rx_during_tx = flag("rx_during_tx", false);
    let mut delay = |key| {
        let given = section.integer(key, 0..=1_000, document);
        given.and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
    };
    let rs485 = Rs485 {
        rts_on_send,
        rts_after_send,
        delay_before_ms: delay("delay_before_ms"),
        delay_after_ms: delay("delay_after_ms"),
        rx_during_tx,
    };
    section.finish(document);
    rs485
}
