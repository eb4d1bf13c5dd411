//! Connections from beyond this machine: TLS between the stream and its protocol, and the certificate for it.

use std::time::{Duration, Instant};

use super::connection::{Connection, Reach};
use super::{Front, TimerKey};
use crate::ids::ConnectionId;
use crate::sources::{Command, Context};
use crate::tls::{FIRST_BYTE, Tls, TlsIdentity};

/// How often the files of a certificate are looked at.
const TLS_INTERVAL: Duration = Duration::from_secs(15);

/// What is between a stream and its protocol.
pub(super) enum Guard {
    /// The first byte tells whether the client speaks TLS.
    Waiting,
    /// The client speaks TLS.
    Tls(Box<Tls>),
}

impl Guard {
    /// Returns the records that are to be written.
    pub(super) fn output(&self) -> &[u8] {
        match self {
            Self::Waiting => &[],
            Self::Tls(tls) => tls.output(),
        }
    }

    /// The first `n` bytes of [`Self::output`] were written.
    pub(super) fn consume(&mut self, now: Instant, n: usize) {
        if let Self::Tls(tls) = self {
            tls.consume(now, n);
        }
    }

    /// Returns until when the client may take its time.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Waiting => None,
            Self::Tls(tls) => tls.deadline(),
        }
    }
}

impl Connection {
    /// Puts what the protocol has to say into TLS records. Returns whether the connection is finished.
    pub(super) fn wrap_output(&mut self, now: Instant) -> bool {
        let mut guard = self.guard.take();
        let protocol = self.protocol_mut();
        let is_finished = match &mut guard {
            Some(Guard::Tls(tls)) => {
                loop {
                    let taken = tls.push(now, protocol.output());
                    if taken == 0 {
                        break;
                    }
                    protocol.consume(taken);
                }
                if protocol.is_finished() {
                    tls.close(now);
                }
                tls.is_finished()
            }
            Some(Guard::Waiting) | None => protocol.is_finished(),
        };
        self.guard = guard;
        is_finished
    }
}

impl Front {
    /// Takes the bytes of a guarded stream out of their records. Returns false if the stream is not guarded.
    pub(super) fn unwrap_input(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        bytes: &[u8],
    ) -> bool {
        let Some(connection) = self.connections.get_mut(id) else {
            return true;
        };
        if let Some(guard @ Guard::Waiting) = &mut connection.guard {
            let is_tls = bytes.first() == Some(&FIRST_BYTE);
            match self
                .tls
                .as_ref()
                .filter(|_| is_tls)
                .map(|it| Tls::new(cx.now, it))
            {
                Some(Ok(tls)) => *guard = Guard::Tls(Box::new(tls)),
                Some(Err(fault)) => {
                    log::error!("TLS: {fault}");
                    self.remove_connection(cx, id);
                    return true;
                }
                // The client speaks plain HTTP here, and is told where to go.
                None => {
                    connection.guard = None;
                    connection.reach = Reach::Redirect;
                    return false;
                }
            }
        }
        let Some(Guard::Tls(tls)) = &mut connection.guard else {
            return false;
        };
        self.plain.clear();
        let result = tls.handle_input(cx.now, bytes, &mut self.plain);
        if !self.plain.is_empty() {
            connection.protocol_mut().handle_input(cx.now, &self.plain);
        }
        if let Err(fault) = result {
            log::debug!("TLS: {fault}");
            connection.protocol_mut().handle_closed(cx.now);
        }
        self.service(cx, id);
        true
    }

    // ---- the certificate ----

    /// Asks for the certificate.
    pub(super) fn load_tls(&mut self, cx: &mut Context<'_>) {
        let files = self.tls_files.clone();
        cx.sources.ask(Command::LoadTls { files });
    }

    /// Takes the answer to [`Command::LoadTls`] and its like.
    pub(crate) fn handle_tls(&mut self, cx: &mut Context<'_>, result: Result<TlsIdentity, String>) {
        match result {
            Ok(identity) => {
                let before = self.tls.as_ref().map(|tls| &tls.fingerprint);
                if before != Some(&identity.fingerprint) {
                    log::info!("TLS certificate sha-256 {}", identity.fingerprint);
                }
                self.tls = Some(identity);
                self.go_on_with_setup(cx);
            }
            Err(why) if self.fail_authority(cx, &why) => {}
            Err(why) if self.tls.is_some() => {
                log::error!("the certificate stays as it was: {why}");
            }
            Err(why) => {
                log::error!("no certificate: {why}");
                self.fail_secure_listeners(cx, &why);
            }
        }
        self.watch_tls(cx);
    }

    /// Sets when the certificate is looked at again. One that signs itself never changes.
    fn watch_tls(&mut self, cx: &Context<'_>) {
        let authority = self.tls.as_ref().and_then(|tls| tls.authority.as_ref());
        let changes = self.tls_files.is_some() || authority.is_some();
        let at = changes.then(|| cx.now + TLS_INTERVAL);
        self.timers.set(TimerKey::Tls, at);
    }

    /// Has the certificate's files looked at: another program may have renewed them.
    pub(super) fn renew_tls(&mut self, cx: &mut Context<'_>) {
        let files = self.tls_files.clone();
        cx.sources.ask(Command::RenewTls { files });
        self.watch_tls(cx);
    }

    /// Returns the certificate.
    pub(crate) fn tls(&self) -> Option<&TlsIdentity> {
        self.tls.as_ref()
    }
}
