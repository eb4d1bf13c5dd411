//! Events that concern several parts of the front: opened listeners, loaded certificates, and the tokens of
//! the last run.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::Front;
use super::event::{FrontEvent, TimerKey};
use super::listeners::RETRY_INTERVAL;
use super::tokens::nothing_here;
use crate::access::Access;
use crate::api::Resource;
use crate::api::problem::Problem;
use crate::endpoint::{Failure, FailureKind};
use crate::ids::{RequestId, SourceId};
use crate::sources::{Command, Context, Owner};
use crate::tls::TlsIdentity;

/// How long after the start the clock is assumed to be known.
const CLOCK_KNOWN: Duration = Duration::from_secs(1);

impl Front {
    /// Loads the tokens of the last run, and opens the gateway to the network if that was set up.
    pub(crate) fn use_access(&mut self, cx: &mut Context<'_>, access: Access) {
        let lan = access.lan;
        self.access = access;
        if self.access.next_expiry(0).is_some() {
            let soon = cx.now + CLOCK_KNOWN;
            self.connections.timers.set(TimerKey::Expiry, Some(soon));
        }
        if let Some(addr) = lan {
            self.open_lan(cx, addr);
        }
        if self.access.is_empty() && self.names.serves_network {
            log::warn!(
                "no token exists, so other machines cannot connect: run thingway setup or thingway token add"
            );
        }
        if self.names.is_plain && self.names.serves_network {
            log::warn!(
                "http.plain: tokens are sent unencrypted, and anyone on the network path can read and use them"
            );
        }
    }

    /// Listens at a Unix socket for the command line, too.
    pub(crate) fn listen_control(&mut self, cx: &mut Context<'_>, path: PathBuf) {
        self.control.push(path.clone());
        let listen = |source| Command::ListenControl { source, path };
        cx.sources.open(Owner::ControlSocket, listen);
    }

    /// Handles a listener that was opened; `local` is its real address.
    pub(crate) fn handle_listening(
        &mut self,
        cx: &mut Context<'_>,
        source: SourceId,
        local: SocketAddr,
    ) {
        let mut listeners = self.listeners.iter_mut();
        if let Some(listener) = listeners.find(|it| it.source == source) {
            listener.local = Some(local);
            listener.is_late = false;
            let scheme = if listener.is_secure { "https" } else { "http" };
            log::info!("listening on {scheme}://{local}/");
        }
        if self.lan == Some(source) {
            self.finish_setup(cx, Ok(local));
        }
    }

    /// Handles a listener that could not be opened. If this machine does not have the address (yet: the
    /// network may come up after us) and clients can reach another listener, the address is tried again.
    /// Every other failure ends the daemon.
    pub(crate) fn handle_listener_failed(
        &mut self,
        cx: &mut Context<'_>,
        source: SourceId,
        failure: &Failure,
    ) {
        if self.lan == Some(source) {
            return self.handle_lan_failed(cx, source, failure);
        }
        let mut others = self.listeners.iter();
        let is_served = others.any(|it| it.source != source && !it.is_late);
        let mut listeners = self.listeners.iter_mut();
        let Some(listener) = listeners.find(|it| it.source == source) else {
            return;
        };
        if !is_served || (failure.kind != FailureKind::Absent && !listener.is_late) {
            return self
                .connections
                .events
                .push_back(FrontEvent::Failed(failure.clone()));
        }
        if !std::mem::replace(&mut listener.is_late, true) {
            log::warn!("{failure}: this machine does not have it yet, and is asked again");
        }
        let again = Some(cx.now + RETRY_INTERVAL);
        self.connections
            .timers
            .set(TimerKey::Listener(source), again);
    }

    /// Handles a control socket that could not be opened.
    pub(crate) fn handle_control_failed(
        &mut self,
        cx: &mut Context<'_>,
        source: SourceId,
        failure: &Failure,
    ) {
        cx.sources.forget(source);
        log::warn!("no control socket: {failure}");
    }

    /// Handles the result of [`Command::LoadTls`] and of the other commands that load a certificate.
    pub(crate) fn handle_tls(&mut self, cx: &mut Context<'_>, result: Result<TlsIdentity, String>) {
        match result {
            Ok(identity) => {
                let before = self.connections.tls.as_ref().map(|tls| &tls.fingerprint);
                if before != Some(&identity.fingerprint) {
                    log::info!("TLS certificate sha-256 {}", identity.fingerprint);
                }
                self.connections.tls = Some(identity);
                self.go_on_with_setup(cx);
            }
            Err(why) if self.fail_authority(cx, &why) => {}
            Err(why) if self.connections.tls.is_some() => {
                log::error!("the certificate stays as it was: {why}");
            }
            Err(why) => {
                log::error!("no certificate: {why}");
                self.fail_secure_listeners(cx, &why);
            }
        }
        self.watch_tls(cx);
    }

    /// Handles a POST about tokens, shares or the set-up, or a DELETE if there is no body. After `Ok` the response
    /// comes later.
    pub(crate) fn change_access(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        resource: &Resource,
        body: Option<&[u8]>,
    ) -> Result<(), Problem> {
        let Some(body) = body else {
            if let Resource::Token(name) = resource {
                return self.delete_token(cx, request, name);
            }
            if *resource == Resource::Setup {
                return self.delete_setup(cx, request);
            }
            return Err(nothing_here());
        };
        if *resource == Resource::Tokens {
            self.post_token(cx, request, body)
        } else if *resource == Resource::Shares {
            self.post_share(cx, request, body)
        } else if *resource == Resource::Redeem {
            self.redeem_share(cx, request, body)
        } else if *resource == Resource::Setup {
            self.post_setup(cx, request, body)
        } else {
            Err(nothing_here())
        }
    }
}
