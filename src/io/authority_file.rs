//! The storage of this machine's certificate authority: JSON in the state directory, readable by the daemon's
//! user alone.

use std::fs;
use std::io;

use super::{addresses, identity, plain};
use crate::tls::authority::Authority;

const FILE: &str = "authority.json";

/// Returns the authority that was made, if any, with a valid certificate of the server.
///
/// # Errors
/// Fails if the file is damaged. The file is left as it is because phones know the authority in it.
pub(super) fn load(now: u64) -> Result<Option<Authority>, String> {
    let Some(mut authority) = read()? else {
        return Ok(None);
    };
    // A board whose clock is not set yet must not sign for a wrong time.
    if crate::access::is_clock_set(now) && authority.is_due(now) {
        authority.sign(now)?;
        if let Err(why) = store(&authority) {
            log::warn!("{why}: the certificate of the server is renewed at each start");
        }
    }
    Ok(Some(authority))
}

/// Makes an authority for these names and this machine's addresses, unless an existing authority signs for
/// all of them. Only IPv4 addresses of this machine are included, because hosts change their IPv6 addresses
/// every day (RFC 8981).
///
/// # Errors
/// Fails if the authority could not be made or stored.
pub(super) fn make(hosts: &[String], now: u64) -> Result<(), String> {
    let mut hosts = hosts.to_vec();
    let own = addresses::list().map_err(|error| plain(&error))?;
    for address in own.iter().filter(|own| own.is_ipv4() && !own.is_loopback()) {
        let address = address.to_string();
        if !hosts.contains(&address) {
            hosts.push(address);
        }
    }
    if read()?.is_some_and(|authority| authority.covers(&hosts, now)) {
        return Ok(());
    }
    store(&Authority::make(hosts, now)?)
}

/// Returns whether an authority exists whose server needs another certificate.
pub(super) fn is_due(now: u64) -> bool {
    let read = read().unwrap_or_else(|why| {
        log::error!("{why}");
        None
    });
    crate::access::is_clock_set(now) && read.is_some_and(|authority| authority.is_due(now))
}

fn read() -> Result<Option<Authority>, String> {
    let directory = identity::state_directory().map_err(|error| error.to_string())?;
    let path = directory.join(FILE);
    match fs::read_to_string(&path) {
        // A parser's message may quote a key.
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|_| {
            format!(
                "{}: it is damaged; remove it to have another authority made",
                path.display()
            )
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {}", path.display(), plain(&error))),
    }
}

fn store(authority: &Authority) -> Result<(), String> {
    let directory = identity::state_directory().map_err(|error| error.to_string())?;
    let path = directory.join(FILE);
    let text = serde_json::to_string_pretty(authority).map_err(|error| error.to_string())?;
    identity::store(&directory, &path, &text)
        .map_err(|error| format!("{}: {}", path.display(), plain(&error)))
}
