//! The lines that `thingway ports` prints are a valid configuration, whatever the names of the ports.

use std::path::Path;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use thingway::testing::config::{Config, EndpointKind};
use thingway::testing::ports::{Port, config_lines, suggest_names};

/// Returns any text, often with characters that have a meaning in some format.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[\"'\\\\\u{1}-\u{1f}\u{7f}-\u{9f}#=\\[\\]a\u{2028}]{0,8}",
        "[A-Za-z0-9 ._-]{0,100}",
        Just("thingway".to_owned()),
    ]
}

fn port() -> impl Strategy<Value = Port> {
    let usb = option::of(text());
    let texts = (text(), text(), option::of(text()), usb);
    let more = (option::of(text()), option::of(text()));
    (texts, more).prop_map(
        |((device, path, driver, vendor_id), (vendor, serial_number))| Port {
            device: format!("/dev/{device}"),
            path: format!("/{path}"),
            driver,
            vendor_id,
            vendor,
            serial_number,
            ..Port::default()
        },
    )
}

proptest! {
    #[test]
    fn what_is_to_be_pasted_parses_and_means_the_port(mut ports in vec(port(), 0..8)) {
        suggest_names(&mut ports);
        let lines: Vec<String> = ports.iter().map(config_lines).collect();
        for (text, port) in lines.iter().zip(&ports) {
            // Each port is tested by itself, because two endpoints may not have the same path.
            let config = Config::parse(text);
            let config = config.map_err(|faults| TestCaseError::fail(format!("{faults:?}: {text}")))?;
            let [endpoint] = config.endpoints.as_slice() else {
                return Err(TestCaseError::fail("not one endpoint"));
            };
            prop_assert_eq!(&endpoint.name, &port.suggested_name);
            let EndpointKind::Serial { path, .. } = &endpoint.kind else {
                return Err(TestCaseError::fail("another kind"));
            };
            prop_assert_eq!(path.as_path(), Path::new(&port.path));
        }
    }
}
