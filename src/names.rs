//! Names of endpoints and tokens, which are labels of channels and parts of paths.

use crate::limits;

/// The label of the control channel. No endpoint has this name.
pub const CONTROL_LABEL: &str = "thingway";

/// Checks a name, which becomes a label, a path segment, a file name and a metric's label, so it must be
/// plain.
pub fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > limits::LABEL {
        return Err(format!("must have 1 to {} bytes", limits::LABEL));
    }
    if name == CONTROL_LABEL {
        return Err("is reserved for the control channel".to_owned());
    }
    if !name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    {
        return Err("may have letters, digits, '-', '_' and '.' only".to_owned());
    }
    if name.starts_with('.') {
        return Err("may not begin with '.'".to_owned());
    }
    Ok(())
}
