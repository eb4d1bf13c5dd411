//! All dialects, in the order in which they may claim a request.

use crate::config::{HubConfig, KeyConfig};
use crate::http::{RequestHead, Response};
use crate::ids::DialectId;
use crate::signaling::dialect::{Claim, Dialect, Paths};
use crate::signaling::facade::{self, Facade};
use crate::signaling::peerjs::{self, PeerJs};
use crate::signaling::skyway::{self, SkyWay};

#[cfg(test)]
use super::tests::echo::{self, Echo};

/// The dialects, one field for each.
pub(super) struct Dialects {
    pub(super) facade: Facade,
    pub(super) skyway: SkyWay,
    pub(super) peerjs: PeerJs,
    #[cfg(test)]
    pub(super) echo: Echo,
}

/// The stateless description of a dialect.
pub(super) struct Row {
    pub(super) paths: &'static Paths,
    get: fn(&Dialects) -> &dyn Dialect,
    get_mut: fn(&mut Dialects) -> &mut dyn Dialect,
}

/// The rows, in the order in which dialects may claim a request. PeerJS is the last of the real dialects,
/// because it claims `/{key}/id` with any key.
pub(super) const ROWS: &[Row] = &[
    Row {
        paths: &facade::PATHS,
        get: |all| &all.facade,
        get_mut: |all| &mut all.facade,
    },
    Row {
        paths: &skyway::PATHS,
        get: |all| &all.skyway,
        get_mut: |all| &mut all.skyway,
    },
    Row {
        paths: &peerjs::PATHS,
        get: |all| &all.peerjs,
        get_mut: |all| &mut all.peerjs,
    },
    #[cfg(test)]
    Row {
        paths: &echo::PATHS,
        get: |all| &all.echo,
        get_mut: |all| &mut all.echo,
    },
];

impl Dialects {
    /// Returns a dialect, to change it.
    pub(super) fn get_mut(&mut self, id: DialectId) -> Option<&mut dyn Dialect> {
        Some((row(id)?.get_mut)(self))
    }

    /// Returns all dialects.
    pub(super) fn iter(&self) -> impl Iterator<Item = &dyn Dialect> {
        ROWS.iter().map(|row| (row.get)(self))
    }
}

/// Returns the ids of all dialects.
pub(super) fn ids() -> impl Iterator<Item = DialectId> {
    let count = u8::try_from(ROWS.len()).unwrap_or(u8::MAX);
    (0..count).map(DialectId)
}

/// Returns the row of a dialect.
fn row(id: DialectId) -> Option<&'static Row> {
    ROWS.get(usize::from(id.0))
}

/// Returns the keys of a dialect.
pub(super) fn keys(id: DialectId, config: &HubConfig) -> &[KeyConfig] {
    row(id).map_or(&[], |row| (row.paths.keys)(config))
}

/// Returns the claim of a dialect to a request, if any.
pub(super) fn claims(head: &RequestHead) -> Option<Claim> {
    // Begin with a cheap check, because most requests belong to no dialect.
    let mut raw = head.path.split('/').skip(1);
    let (first, second) = (raw.next().unwrap_or_default(), raw.next());
    if !ROWS.iter().any(|row| (row.paths.may_claim)(first, second)) {
        return None;
    }
    let mut segments = head.segments().ok()?;
    if segments.last().is_some_and(String::is_empty) {
        segments.pop();
    }
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    let dialect = ids().zip(ROWS).find(|(_, row)| (row.paths.claims)(&path));
    let (dialect, _) = dialect?;
    Some(Claim {
        dialect,
        method: head.method.clone(),
        segments,
    })
}

impl Claim {
    /// Returns an error in the form that clients of the dialect read.
    pub(crate) fn error(&self, status: u16, field: &'static str, detail: &str) -> Response {
        match row(self.dialect) {
            Some(row) => (row.paths.error)(self, status, field, detail),
            None => self.problem(status, field, detail),
        }
    }

    /// Returns the value of `Allow`.
    pub(crate) fn allow(&self, head: &RequestHead) -> String {
        let segments = head.segments().unwrap_or_default();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        row(self.dialect).map_or_else(String::new, |row| (row.paths.allow)(&segments))
    }

    /// Returns the response to a method that the path does not accept.
    pub(crate) fn not_allowed(&self) -> Option<Response> {
        (row(self.dialect)?.paths.not_allowed)(self)
    }

    /// Returns whether the dialect acts on the request only after its body has arrived.
    pub(crate) fn takes_body(&self) -> bool {
        row(self.dialect).is_some_and(|row| (row.paths.takes_body)(self))
    }
}
