//! Bodies both ways as real programs write and read them, every fault, and bodies of all kinds.

mod faults;
mod golden;
mod requests;

use super::request::Faults;

/// Returns each fault as field and message.
fn told(faults: &Faults) -> Vec<(&str, &str)> {
    let pairs = faults.iter();
    pairs.map(|it| (it.field, it.message.as_ref())).collect()
}
