//! The certificate for TLS.

use std::time::Duration;

use super::Front;
use super::event::TimerKey;
use crate::sources::{Command, Context};
use crate::tls::TlsIdentity;

/// How often the files of a certificate are checked.
const TLS_INTERVAL: Duration = Duration::from_secs(15);

impl Front {
    // ---- the certificate ----

    /// Asks for the certificate.
    pub(super) fn load_tls(&mut self, cx: &mut Context<'_>) {
        let files = self.tls_files.clone();
        cx.sources.ask(Command::LoadTls { files });
    }

    /// Schedules the next check of the certificate. A self-signed certificate never changes.
    pub(super) fn watch_tls(&mut self, cx: &Context<'_>) {
        let authority = self
            .connections
            .tls
            .as_ref()
            .and_then(|tls| tls.authority.as_ref());
        let changes = self.tls_files.is_some() || authority.is_some();
        let at = changes.then(|| cx.now + TLS_INTERVAL);
        self.connections.timers.set(TimerKey::Tls, at);
    }

    /// Has the certificate's files checked, because another program may have renewed them.
    pub(super) fn renew_tls(&mut self, cx: &mut Context<'_>) {
        let files = self.tls_files.clone();
        cx.sources.ask(Command::RenewTls { files });
        self.watch_tls(cx);
    }

    /// Returns the certificate.
    pub(crate) fn tls(&self) -> Option<&TlsIdentity> {
        self.connections.tls.as_ref()
    }
}
