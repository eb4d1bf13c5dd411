//! Where the identity is kept: one PEM file in the state directory, readable by us alone.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::plain;
use crate::session::crypto::{Identity, IdentityError};

const FILE: &str = "dtls.pem";

/// Why there is no identity.
#[derive(Debug)]
pub(crate) enum StateError {
    /// None of `STATE_DIRECTORY`, `XDG_STATE_HOME` and `HOME` is set.
    NoDirectory,
    /// A file or folder could not be used.
    Io(PathBuf, io::Error),
    /// The file is there and of no use. It is not replaced by itself: the fingerprint would
    /// change behind the operator's back.
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
    /// Whether it is a matter of permissions.
    pub(crate) fn is_denied(&self) -> bool {
        matches!(self, Self::Io(_, error) if error.kind() == io::ErrorKind::PermissionDenied)
    }
}

/// `$STATE_DIRECTORY` (systemd), else the XDG state folder.
pub(crate) fn state_directory() -> Result<PathBuf, StateError> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(list) = set("STATE_DIRECTORY") {
        // systemd separates several by colons.
        let list = list.to_string_lossy().into_owned();
        return Ok(PathBuf::from(list.split(':').next().unwrap_or_default()));
    }
    if let Some(home) = set("XDG_STATE_HOME") {
        return Ok(PathBuf::from(home).join("thingway"));
    }
    let home = set("HOME").ok_or(StateError::NoDirectory)?;
    Ok(PathBuf::from(home).join(".local/state/thingway"))
}

/// The identity of this machine, made at the first start. Where there is no room for it or the file system is read-only, it
/// is one that lasts until the next start.
pub(crate) fn load_or_go_on(now: Instant) -> Result<Identity, StateError> {
    let (identity, trouble) = load_or_make(now)?;
    match trouble {
        Some((path, error)) if is_no_room(&error) => log::warn!("{}", not_kept(&path, &error)),
        Some((path, error)) => return Err(StateError::Io(path, error)),
        None => {}
    }
    Ok(identity)
}

/// The identity of this machine, made now if it was not.
pub(crate) fn load(now: Instant) -> Result<Identity, StateError> {
    match load_or_make(now)? {
        (_, Some((path, error))) => Err(StateError::Io(path, error)),
        (identity, None) => Ok(identity),
    }
}

/// What was made and could not be kept, for the log.
pub(super) fn not_kept(path: &Path, error: &io::Error) -> String {
    let (path, error) = (path.display(), plain(error));
    format!("{path}: {error}: a new one at each start, until it can be kept")
}

/// A state that a board gets into, unlike a folder that is denied to us.
fn is_no_room(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::ReadOnlyFilesystem
    )
}

/// The identity, and why a new one could not be kept.
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

/// Written beside and renamed, so that a power cut leaves the old file or the new one.
pub(super) fn store(directory: &Path, path: &Path, text: &str) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let beside = path.with_extension("new");
    // One left by a power cut may have other permissions than a new file gets.
    if let Err(error) = fs::remove_file(&beside)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    if let Err(error) = write_new(&beside, text).and_then(|()| fs::rename(&beside, path)) {
        // A disk that is full needs the room for others.
        let _not_there = fs::remove_file(&beside);
        return Err(error);
    }
    // The name of a file is kept with its folder.
    fs::File::open(directory)?.sync_all()
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
