//! Calls of one dialect at a time with its view of the hub.

use super::lobby::Lobby;
use super::{Rendezvous, table};
use crate::ids::DialectId;
use crate::limits;
use crate::signaling::dialect::Dialect;
use crate::sources::Context;

impl Rendezvous {
    /// Lets a dialect act with its view of the hub. Its outputs stay in it until the next [`Self::relay`].
    pub(super) fn with(
        &mut self,
        cx: &Context<'_>,
        id: DialectId,
        act: impl FnOnce(&mut dyn Dialect, &mut Lobby<'_>),
    ) {
        let Some(dialect) = self.dialects.get_mut(id) else {
            return;
        };
        let mut lobby = Lobby::new(
            (cx.now, cx.time),
            (id, table::keys(id, &self.config)),
            &self.config,
            &self.site,
            &mut self.door,
            &mut self.roster,
            cx.sources.has_spare_descriptors(limits::SPARE_DESCRIPTORS),
        );
        act(dialect, &mut lobby);
    }
}
