//! Each rule finds its fault, and nothing where there is none.

use crate::rules;
use crate::source::File;

/// A house without a fault.
const GOOD: &[(&str, &str)] = &[
    (
        "sources.rs",
        "pub struct Context<'a> { now: u8, time: u8, sources: &'a mut Sources }
         pub struct Sources { owners: u8 }
         impl Sources { pub fn close(&mut self) {} }",
    ),
    (
        "devices/mod.rs",
        "mod act; mod table;
         use crate::sources::Context;
         pub struct Devices { routes: u8 }
         impl Devices { pub fn bind(&mut self, cx: &mut Context<'_>) { self.act(); } }",
    ),
    (
        "devices/act.rs",
        "use super::Devices;
         impl Devices { pub(super) fn act(&mut self) { table::look(); } }
         use super::table;",
    ),
    ("devices/table.rs", "pub fn look() {}"),
    (
        "gateway/mod.rs",
        "use crate::devices::Devices;
         use crate::sources::Sources;
         pub struct Gateway { devices: Devices, sources: Sources }
         impl Gateway { pub fn settle(&mut self) { self.devices.bind(); self.sources.close(); } }",
    ),
];

/// Returns the faults of the good house after one file was changed, or added.
fn faults(path: &str, text: &str) -> Vec<String> {
    let mut texts: Vec<(&str, &str)> = GOOD.to_vec();
    texts.retain(|(other, _)| *other != path);
    texts.push((path, text));
    let files = texts.iter().map(|(path, text)| File::parse(path, text));
    let files: Vec<File> = files.collect::<Result<_, _>>().expect("sources");
    let faults = rules::faults(&files);
    // The table has lines for folders that this small house does not need.
    let is_spare = |fault: &String| fault.contains("take it out of MAY_USE");
    faults
        .into_iter()
        .filter(|fault| !is_spare(fault))
        .collect()
}

fn only(path: &str, text: &str) -> String {
    let found = faults(path, text);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.into_iter().next().unwrap_or_default()
}

#[test]
fn a_good_house_has_no_fault() {
    assert_eq!(faults("devices/table.rs", "pub fn look() {}"), [""; 0]);
}

#[test]
fn a_folder_uses_only_what_it_may() {
    for text in [
        "use crate::gateway::Gateway; pub fn look() {}",
        "pub fn look() { crate::gateway::help(); }",
        "use crate::{gateway}; pub fn look() {}",
        "pub fn look(of: &crate::gateway::Gateway) {}",
    ] {
        let fault = only("devices/table.rs", text);
        assert_eq!(
            fault,
            "devices/table.rs: devices may not use crate::gateway"
        );
    }
    let of_tests = "pub fn look() {} #[cfg(test)] mod tests { use crate::gateway::Gateway; }";
    assert_eq!(faults("devices/table.rs", of_tests), [""; 0]);
    let fault = only("attic.rs", "pub fn sweep() {}");
    assert_eq!(fault, "attic.rs: attic has no line in MAY_USE");
}

#[test]
fn fields_of_components_are_private() {
    for visibility in ["pub", "pub(crate)", "pub(super)"] {
        let text = format!("pub struct Sessions {{ {visibility} entries: u8, names: u8 }}");
        let fault = only("session/set.rs", &text);
        assert!(
            fault.contains("the field entries of Sessions is not private"),
            "{fault}"
        );
    }
}

#[test]
fn components_do_not_take_one_another() {
    let text = "use crate::devices::Devices;
        pub struct Gateway { devices: Devices }
        pub struct Front { names: u8 }
        impl Front { pub fn show(&self, of: &Devices) {} }";
    let fault = only("gateway/mod.rs", text);
    assert!(fault.contains("Front::show takes Devices"), "{fault}");
}

#[test]
fn the_gateway_stays_small_and_in_its_folder() {
    let fields: String = (0..16).map(|n| format!("f{n}: u8, ")).collect();
    let fault = only(
        "gateway/mod.rs",
        &format!("pub struct Gateway {{ {fields} }}"),
    );
    assert!(fault.contains("Gateway has 16 fields of 15"), "{fault}");
    let fault = only(
        "program.rs",
        "use crate::gateway::Gateway; impl Gateway { fn more(&self) {} }",
    );
    assert!(
        fault.contains("impl Gateway is for the folder gateway"),
        "{fault}"
    );
    let methods: String = (0..81).map(|n| format!("fn m{n}(&self) {{}} ")).collect();
    let text = format!("pub struct Gateway {{ f: u8 }} impl Gateway {{ {methods} }}");
    let fault = only("gateway/mod.rs", &text);
    assert!(fault.contains("Gateway has 81 methods of 80"), "{fault}");
    let long = "\n".repeat(3501);
    let fault = only(
        "gateway/long.rs",
        &format!("pub fn a() {{}}{long}pub fn b() {{}}"),
    );
    assert!(fault.contains("gateway/ has 35"), "{fault}");
}

#[test]
fn the_context_has_three_fields() {
    let text = "pub struct Context<'a> { now: u8, time: u8, sources: &'a mut Sources, hub: u8 }
        pub struct Sources { owners: u8 }
        impl Sources { pub fn close(&mut self) {} }";
    let fault = only("sources.rs", text);
    assert!(fault.contains("Context has 4 fields, not 3"), "{fault}");
}

#[test]
fn no_type_is_too_long() {
    let body = "\n".repeat(2001);
    let text = format!("pub struct Long {{}} impl Long {{ fn a(&self) {{ {body} }} }}");
    let fault = only("devices/table.rs", &format!("pub fn look() {{}} {text}"));
    assert!(fault.contains("Long has 200"), "{fault}");
}

#[test]
fn calls_make_no_circle() {
    // By a method of the same type, by a field, by a parameter, by a function and by an associated function.
    for text in [
        "use super::Devices; impl Devices { pub(super) fn act(&mut self) { self.bind() } }",
        "use super::Devices; pub struct Desk { devices: Devices }
         impl Desk { fn x(&mut self) { self.devices.bind() } }
         impl Devices { pub(super) fn act(&mut self) {} }",
        "use super::Devices; impl Devices { pub(super) fn act(&mut self) {} }
         pub fn with(it: &mut Devices) { it.bind() }",
        "use super::Devices; impl Devices { pub(super) fn act(&mut self) { Devices::bind(self) } }",
        "use super::Devices; impl Devices { pub(super) fn act(&mut self) { Self::bind(self) } }",
    ] {
        let found = faults("devices/act.rs", text);
        assert!(
            found[0].contains("2 files call each other in a circle"),
            "{text}: {found:#?}"
        );
    }
    let text = "pub fn look() { super::act::turn() }";
    assert_eq!(
        faults("devices/table.rs", text),
        [""; 0],
        "no such function"
    );
    let found = faults(
        "devices/act.rs",
        "use super::{Devices, table}; impl Devices { pub(super) fn act(&mut self) { table::look(); } }
         pub fn turn() {}",
    );
    assert_eq!(found, [""; 0]);
}
