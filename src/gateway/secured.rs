//! HTTP connections from beyond this machine: TLS between the stream and its protocol.
//!
//! The layer sits beside the source, under the same id, and nothing above it knows of it. Bytes
//! pass through it in `handle_data`, `output` and `consume`.

use std::time::{Duration, Instant};

use super::Gateway;
use super::access::Reach;
use super::source::{Command, Source};
use super::timers::TimerKey;
use crate::ids::SourceId;
use crate::tls::{FIRST_BYTE, Tls, TlsIdentity};

/// How often the files of a certificate are looked at.
const TLS_INTERVAL: Duration = Duration::from_secs(15);

/// What is between a stream and its protocol.
pub(super) enum Guard {
    /// The first byte tells whether it is TLS.
    Waiting,
    /// It is.
    Tls(Box<Tls>),
}

impl Gateway {
    /// The answer to [`Command::LoadTls`] and its like.
    pub fn handle_tls(&mut self, now: Instant, result: Result<TlsIdentity, String>) {
        self.take_tls(now, result);
        self.watch_tls(now);
    }

    fn take_tls(&mut self, now: Instant, result: Result<TlsIdentity, String>) {
        match result {
            Ok(identity) => {
                let before = self.tls.as_ref().map(|tls| &tls.fingerprint);
                if before != Some(&identity.fingerprint) {
                    log::info!("TLS certificate sha-256 {}", identity.fingerprint);
                }
                self.tls = Some(identity);
                self.note_authority(now);
            }
            Err(why) if self.fail_authority(now, &why) => {}
            Err(why) if self.tls.is_some() => {
                log::error!("the certificate stays as it was: {why}");
            }
            Err(why) => {
                log::error!("no certificate: {why}");
                self.fail_secure_listeners(now, &why);
            }
        }
    }

    /// Sets when the certificate is looked at again. One that signs itself never changes.
    fn watch_tls(&mut self, now: Instant) {
        let authority = self.tls.as_ref().and_then(|tls| tls.authority.as_ref());
        let changes = self.tls_files.is_some() || authority.is_some();
        self.timers
            .set(TimerKey::Tls, changes.then(|| now + TLS_INTERVAL));
    }

    /// Has the certificate's files looked at: another program may have renewed them.
    pub(super) fn renew_tls(&mut self, now: Instant) {
        let files = self.tls_files.clone();
        self.commands.push_back(Command::RenewTls { files });
        self.watch_tls(now);
    }

    /// Bytes of a guarded stream become what its protocol reads. False: it is not guarded.
    pub(super) fn unwrap_input(&mut self, now: Instant, source: SourceId, bytes: &[u8]) -> bool {
        let Some(guard) = self.guards.get_mut(&source) else {
            return false;
        };
        if let Guard::Waiting = guard {
            let identity = self
                .tls
                .as_ref()
                .filter(|_| bytes.first() == Some(&FIRST_BYTE));
            match identity.map(|identity| Tls::new(now, identity)) {
                Some(Ok(tls)) => *guard = Guard::Tls(Box::new(tls)),
                Some(Err(fault)) => {
                    log::error!("TLS: {fault}");
                    self.remove_connection(source);
                    return true;
                }
                None => {
                    // Somebody speaks plain HTTP here, and is told where to go.
                    self.guards.remove(&source);
                    if let Some(Source::Http(http)) = self.sources.get_mut(source) {
                        http.reach = Reach::Redirect;
                    }
                    return false;
                }
            }
        }
        let Some(Guard::Tls(tls)) = self.guards.get_mut(&source) else {
            return false;
        };
        let mut plain = std::mem::take(&mut self.plain);
        plain.clear();
        let result = tls.handle_input(now, bytes, &mut plain);
        let connection = self
            .sources
            .get_mut(source)
            .and_then(Source::connection_mut);
        if let Some(connection) = connection {
            if !plain.is_empty() {
                connection.handle_input(now, &plain);
            }
            if let Err(fault) = &result {
                log::debug!("TLS: {fault}");
                connection.handle_closed(now);
            }
        }
        self.plain = plain;
        self.service(now, source);
        true
    }

    /// What a protocol has to say goes into its TLS records. True: the connection is finished.
    pub(super) fn wrap_output(&mut self, now: Instant, source: SourceId) -> bool {
        let connection = self
            .sources
            .get_mut(source)
            .and_then(Source::connection_mut);
        let Some(connection) = connection else {
            return true;
        };
        let Some(Guard::Tls(tls)) = self.guards.get_mut(&source) else {
            return connection.is_finished();
        };
        loop {
            let taken = tls.push(now, connection.output());
            if taken == 0 {
                break;
            }
            connection.consume(taken);
        }
        if connection.is_finished() {
            tls.close(now);
        }
        tls.is_finished()
    }

    /// Records for a guarded stream; `None`: it is not guarded.
    pub(super) fn wrapped_output(&self, source: SourceId) -> Option<&[u8]> {
        match self.guards.get(&source)? {
            Guard::Waiting => Some(&[]),
            Guard::Tls(tls) => Some(tls.output()),
        }
    }

    /// Records have been written. False: the source is not guarded.
    pub(super) fn consume_wrapped(&mut self, now: Instant, source: SourceId, n: usize) -> bool {
        let Some(Guard::Tls(tls)) = self.guards.get_mut(&source) else {
            return false;
        };
        tls.consume(now, n);
        self.service(now, source);
        true
    }

    /// When a guarded stream's peer has had its time.
    pub(super) fn guard_deadline(&self, source: SourceId) -> Option<Instant> {
        match self.guards.get(&source)? {
            Guard::Waiting => None,
            Guard::Tls(tls) => tls.deadline(),
        }
    }

    /// Asks for the certificate.
    pub(super) fn load_tls(&mut self) {
        let files = self.tls_files.clone();
        self.commands.push_back(Command::LoadTls { files });
    }
}
