//! The storage of tokens: hashes in a JSON file of the state directory, readable by the daemon's user alone.

use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;

use super::identity::{self, StateError};
use super::plain;
use crate::access::{Access, UnixTime};

const FILE: &str = "access.json";

/// Loads the stored access control. A damaged file is an error and is left as it is: starting without it
/// would lock out every client without a visible reason.
pub(crate) fn load() -> Result<Access, StateError> {
    let path = identity::state_directory()?.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => Access::parse(&text)
            .map_err(|why| StateError::Io(path, io::Error::new(io::ErrorKind::InvalidData, why))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Access::default()),
        Err(error) => Err(StateError::Io(path, error)),
    }
}

/// Stores the access control.
pub(super) fn store(text: &str) -> Result<(), String> {
    let directory = identity::state_directory().map_err(|error| error.to_string())?;
    let path = directory.join(FILE);
    identity::store(&directory, &path, text)
        .map_err(|error| format!("{}: {}", path.display(), plain(&error)))
}

/// `thingway.toml` on the boot partition, which any computer can write to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BootFile {
    /// Whether access from the network is allowed.
    #[serde(default)]
    lan: bool,
    /// The secret of a token with every right.
    secret: Option<String>,
}

/// Applies the boot file. A fault in it is logged but does not prevent the start, because a board without a
/// screen is useless if the program does not start.
pub(crate) fn apply_boot_file(access: &mut Access, path: &Path, time: UnixTime) {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => return log::error!("{}: {}", path.display(), plain(&error)),
    };
    let shown = path.display();
    let before = access.to_text();
    // A parser's message may quote the secret.
    let Ok(file) = toml::from_str::<BootFile>(&text) else {
        return log::error!("{shown}: it may have `lan = true` and `secret = \"…\"`, nothing else");
    };
    if let Some(secret) = &file.secret {
        match access.adopt(crate::access::BOOT, secret, time) {
            Ok(true) => log::info!("{shown}: its secret is token boot, with every right"),
            Ok(false) => {}
            Err(why) => return log::error!("{shown}: secret: {why}"),
        }
    }
    if file.lan && access.lan.is_none() {
        access.lan = Some(crate::access::LAN);
        log::info!("{shown}: opens the gateway to the network");
    }
    let after = access.to_text();
    if after != before
        && let Err(why) = store(&after)
    {
        log::warn!("{why}");
    }
}
