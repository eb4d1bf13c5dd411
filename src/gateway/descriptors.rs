//! File descriptors: how many the process may have, and how many connections and content ports leave for others.

use super::Gateway;
use crate::limits;

impl Gateway {
    /// Keeps within the number of file descriptors that the process may have, and says so where the configuration asks for
    /// more than that.
    pub fn use_descriptors(&mut self, limit: usize) {
        self.descriptors = limit;
        let content = &self.rendezvous.config().content;
        let devices = 2 * self.routing.endpoints.len();
        let needed = limits::OWN_DESCRIPTORS
            + limits::SPARE_DESCRIPTORS
            + limits::CONTROL_CONNECTIONS
            + self.limits.connections
            + usize::from(content.ports)
            + devices;
        if needed > limit {
            log::warn!(
                "the process may open {limit} files, and with limits.connections = {} and content.ports = {} it may need \
                 {needed}: raise the limit (LimitNOFILE= of the service, or ulimit -n), or lower those",
                self.limits.connections,
                content.ports
            );
        }
    }

    /// Whether this many file descriptors stay free when one more is used.
    pub(super) fn has_spare_descriptors(&self, spare: usize) -> bool {
        self.sources.len() + limits::OWN_DESCRIPTORS + spare < self.descriptors
    }
}
