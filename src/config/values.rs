//! Values that several tables have, and their faults.

use super::reader::{Document, Section};

/// Takes a string that must exist.
pub(super) fn required<'a>(
    section: &mut Section<'a>,
    key: &str,
    document: &mut Document<'a>,
) -> Option<(usize, String)> {
    let before = document.fault_count();
    let value = section.string(key, document);
    if value.is_none() && document.fault_count() == before {
        document.fault_at(section.line(), format!("{} without {key}", section.path()));
    }
    value
}

/// Checks a path of an endpoint's key, which must be absolute because a relative path would depend on where
/// the daemon was started.
pub(super) fn absolute(
    key: &str,
    (line, path): (usize, String),
    document: &mut Document<'_>,
) -> Option<std::path::PathBuf> {
    absolute_of(&format!("endpoint.{key}"), (line, path), document)
}

/// Checks a path of any table's key, which must be absolute.
pub(super) fn absolute_of(
    key: &str,
    (line, path): (usize, String),
    document: &mut Document<'_>,
) -> Option<std::path::PathBuf> {
    if path.starts_with('/') && !path.contains('\0') {
        return Some(path.into());
    }
    document.fault_at(line, format!("{key} {path:?} must begin with /"));
    None
}

/// Returns whether a text is an origin (RFC 6454 §6.1): scheme, host and port, without a path. `*` would
/// defeat the check, and any page may send `null`. Apps that show their pages with a scheme of their own
/// (Capacitor, Ionic, Tauri, Electron, extensions of browsers) send that scheme as it is.
pub(super) fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else {
        return false;
    };
    let in_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let in_host = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    // A browser omits the default port of a scheme, so an origin with that port would never match.
    let has_default_port = match scheme.to_ascii_lowercase().as_str() {
        "https" => host.ends_with(":443"),
        "http" => host.ends_with(":80"),
        _ => false,
    };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(in_scheme)
        && !host.is_empty()
        && host.chars().all(in_host)
        && !has_default_port
}
