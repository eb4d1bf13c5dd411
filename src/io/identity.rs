//! The storage of the identity: one PEM file in the state directory, readable by the daemon's user alone.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::plain;
use crate::session::crypto::{Identity, IdentityError};

const FILE: &str = "dtls.pem";

/// The reason why there is no identity.
#[derive(Debug)]
pub(crate) enum StateError {
    /// No state directory, because none of `STATE_DIRECTORY`, `XDG_STATE_HOME` and `HOME` is set.
    NoDirectory,
    /// A file or folder that could not be used.
    Io(PathBuf, io::Error),
    /// An existing file without a valid identity. It is not replaced automatically because the fingerprint
    /// would change without the operator's knowledge.
    Identity(PathBuf, IdentityError),
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDirectory => {
                f.write_str("no state directory: set STATE_DIRECTORY, XDG_STATE_HOME or HOME")
            }
            Self::Io(path, error) => write!(f, "{}: {}", path.display(), plain(error)),
            Self::Identity(path, error) => write!(
                f,
                "{}: {error}; remove the file to have a new identity made (its fingerprint will \
                 be another)",
                path.display()
            ),
        }
    }
}

impl std::error::Error for StateError {}

impl StateError {
    /// Returns whether permissions are the cause.
    pub(crate) fn is_denied(&self) -> bool {
        matches!(self, Self::Io(_, error) if error.kind() == io::ErrorKind::PermissionDenied)
    }
}

/// Returns `$STATE_DIRECTORY` (systemd), else the XDG state folder.
pub(crate) fn state_directory() -> Result<PathBuf, StateError> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(list) = set("STATE_DIRECTORY") {
        // systemd separates several folders by colons.
        let list = list.to_string_lossy().into_owned();
        return Ok(PathBuf::from(list.split(':').next().unwrap_or_default()));
    }
    if let Some(home) = set("XDG_STATE_HOME") {
        return Ok(PathBuf::from(home).join("thingway"));
    }
    let home = set("HOME").ok_or(StateError::NoDirectory)?;
    Ok(PathBuf::from(home).join(".local/state/thingway"))
}

/// Returns the identity of this machine, made at the first start. If the disk is full or the file system is
/// read-only, the identity lasts until the next start only.
pub(crate) fn load_or_go_on(now: Instant) -> Result<Identity, StateError> {
    let (identity, trouble) = load_or_make(now)?;
    match trouble {
        Some((path, error)) if is_no_room(&error) => log::warn!("{}", not_kept(&path, &error)),
        Some((path, error)) => return Err(StateError::Io(path, error)),
        None => {}
    }
    Ok(identity)
}

/// Returns the identity of this machine, and makes it if it does not exist.
pub(crate) fn load(now: Instant) -> Result<Identity, StateError> {
    match load_or_make(now)? {
        (_, Some((path, error))) => Err(StateError::Io(path, error)),
        (identity, None) => Ok(identity),
    }
}

/// Returns the log line for an object that was made but could not be stored.
pub(super) fn not_kept(path: &Path, error: &io::Error) -> String {
    let (path, error) = (path.display(), plain(error));
    format!("{path}: {error}: a new one at each start, until it can be kept")
}

/// Returns whether an error means a full disk or a read-only file system. A board can get into this state by
/// itself, unlike into a state of denied permissions.
fn is_no_room(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::ReadOnlyFilesystem
    )
}

/// Returns the identity, and the error if a new one could not be stored.
fn load_or_make(now: Instant) -> Result<(Identity, Option<(PathBuf, io::Error)>), StateError> {
    let directory = state_directory()?;
    let path = directory.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => match Identity::from_pem(now, &text) {
            Ok(identity) => Ok((identity, None)),
            Err(error) => Err(StateError::Identity(path, error)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let identity =
                Identity::generate().map_err(|error| StateError::Identity(path.clone(), error))?;
            let stored = store(&directory, &path, &identity.to_pem());
            Ok((identity, stored.err().map(|error| (path, error))))
        }
        Err(error) => Err(StateError::Io(path, error)),
    }
}

/// Stores a file: writes it beside the old one and renames it, so that a power cut leaves the old file or the
/// new one.
pub(super) fn store(directory: &Path, path: &Path, text: &str) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let beside = path.with_extension("new");
    // A file left by a power cut may have other permissions than a new file gets.
    if let Err(error) = fs::remove_file(&beside)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    if let Err(error) = write_new(&beside, text).and_then(|()| fs::rename(&beside, path)) {
        // Remove the file because other programs need the room on a full disk.
        let _not_there = fs::remove_file(&beside);
        return Err(error);
    }
    // Sync the folder because the name of a file is stored in it.
    fs::File::open(directory)?.sync_all()
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
