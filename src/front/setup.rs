//! `thingway setup`: opens the gateway to the network, and makes a certificate authority on request.

use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;
use serde_json::json;

use super::Front;
use super::authorize::forbidden;
use super::event::{FrontEvent, TimerKey};
use super::listeners::RETRY_INTERVAL;
use super::tokens::{created, not_made, plain};
use crate::access::{self, Wanted};
use crate::api::problem::Problem;
use crate::config::is_host;
use crate::endpoint::{Failure, FailureKind};
use crate::http::Response;
use crate::ids::{RequestId, SourceId};
use crate::sources::{Command, Context, Owner};
use crate::util::json;

/// The body of `POST /setup`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SetupBody {
    listen: Option<SocketAddr>,
    authority: Option<AuthorityBody>,
}

/// The request for a certificate authority, inside `POST /setup`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AuthorityBody {
    /// Names and addresses in addition to those that this machine knows itself.
    #[serde(default)]
    hosts: Vec<String>,
}

/// A set-up in progress, until its listener is open.
pub(super) struct Setup {
    request: RequestId,
    /// The address to listen at, while the set-up waits for the certificate. `None`: the set-up no longer
    /// waits.
    waits_to_listen: Option<Option<SocketAddr>>,
    /// The listener of the set-up before, and its address.
    before: Option<SourceId>,
    addr_before: Option<SocketAddr>,
}

impl Front {
    /// Handles `POST /setup`: opens the gateway to the network and makes a token for the operator.
    pub(super) fn post_setup(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        body: &[u8],
    ) -> Result<(), Problem> {
        self.check_control_socket(request)?;
        if self.setup.is_some() {
            return Err(Problem::new(409, "another set-up is going on"));
        }
        let body: SetupBody = if body.is_empty() {
            SetupBody::default()
        } else {
            json::from_body(body).map_err(|error| Problem::new(400, &plain(&error)).at("body"))?
        };
        let hosts = match body.authority {
            Some(wanted) => Some(self.authority_hosts(cx, wanted.hosts)?),
            None => None,
        };
        self.setup = Some(Setup {
            request,
            waits_to_listen: hosts.is_some().then_some(body.listen),
            before: self.lan,
            addr_before: self.access.lan,
        });
        match hosts {
            Some(hosts) => cx.sources.ask(Command::MakeAuthority { hosts }),
            None => self.listen_for_setup(cx, body.listen),
        }
        Ok(())
    }

    /// Returns an error for a request that did not arrive over the control socket.
    fn check_control_socket(&self, request: RequestId) -> Result<(), Problem> {
        if self.connections.way_of(request).is_control {
            return Ok(());
        }
        let detail = "only over the control socket: run thingway setup on the board";
        Err(forbidden(detail))
    }

    /// Returns the names that the authority signs in addition to this machine's addresses: this machine's
    /// names, and the operator's additions.
    fn authority_hosts(&self, cx: &Context<'_>, more: Vec<String>) -> Result<Vec<String>, Problem> {
        if self.tls_files.is_some() {
            let detail = "http.tls names a certificate: remove it from the configuration to use an authority";
            return Err(Problem::new(409, detail));
        }
        if !access::is_clock_set(cx.unix_time()) {
            let detail = "the clock is not set, and certificates hold from and until a date";
            return Err(Problem::new(409, detail));
        }
        // A name without a dot, such as `dev`, would stand for all names below it.
        let is_name = |host: &str| is_host(host) && host.trim_matches('.').contains('.');
        let is_good = |host: &str| host.parse::<IpAddr>().is_ok() || is_name(host);
        if let Some(bad) = more.iter().find(|host| !is_good(host)) {
            let detail = format!("{bad:?} is neither a name like board.example nor an address");
            return Err(Problem::new(422, &detail).at("authority.hosts"));
        }
        let mut hosts = self.outside_hosts();
        hosts.retain(|host| host.parse::<IpAddr>().is_err() && is_name(host));
        for host in more {
            let host = host.to_ascii_lowercase();
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        Ok(hosts)
    }

    /// Continues a set-up that waited for the certificate.
    pub(super) fn go_on_with_setup(&mut self, cx: &mut Context<'_>) {
        let setup = self.setup.as_mut();
        if let Some(listen) = setup.and_then(|setup| setup.waits_to_listen.take()) {
            self.listen_for_setup(cx, listen);
        }
    }

    /// Ends a set-up whose authority could not be made. Returns false if no set-up waits for an authority.
    pub(super) fn fail_authority(&mut self, cx: &mut Context<'_>, why: &str) -> bool {
        let setup = self.setup.as_mut();
        let is_ours = setup
            .and_then(|setup| setup.waits_to_listen.take())
            .is_some();
        if is_ours {
            self.finish_setup(cx, Err(format!("no certificate authority: {why}")));
        }
        is_ours
    }

    fn listen_for_setup(&mut self, cx: &mut Context<'_>, listen: Option<SocketAddr>) {
        let addr = listen.unwrap_or(access::LAN);
        // If the listener already exists, the operator only wants another token.
        let is_same = listen.is_none_or(|addr| Some(addr) == self.access.lan);
        match self.secure_address().filter(|_| is_same) {
            Some(local) => self.finish_setup(cx, Ok(local)),
            None => {
                // The old listener is closed once the new one is open.
                self.access.lan = Some(addr);
                self.open_lan(cx, addr);
            }
        }
    }

    /// Handles `DELETE /setup`: closes what a set-up has opened to the network.
    pub(super) fn delete_setup(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
    ) -> Result<(), Problem> {
        self.check_control_socket(request)?;
        if let Some(lan) = self.lan.take() {
            self.close_listener(cx, lan);
        }
        self.access.lan = None;
        log::info!("closed to the network: what setup had opened is closed");
        self.store(cx, request, Response::new(200));
        Ok(())
    }

    /// Tries again to open the listener that could not be opened at the start, because its address may exist
    /// now. A set-up in progress may choose another address, so the set-up's end decides whether this address
    /// is tried again.
    pub(super) fn retry_lan(&mut self, cx: &mut Context<'_>) {
        if self.setup.is_none()
            && let (None, Some(addr)) = (self.lan, self.access.lan)
        {
            self.open_lan(cx, addr);
        }
    }

    /// Handles the set-up's listener that could not be opened.
    pub(super) fn handle_lan_failed(
        &mut self,
        cx: &mut Context<'_>,
        source: SourceId,
        failure: &Failure,
    ) {
        self.listeners.retain(|it| it.source != source);
        cx.sources.forget(source);
        self.lan = None;
        log::error!("not open to the network: {failure}");
        if self.setup.is_none() {
            let again = Some(cx.now + RETRY_INTERVAL);
            self.connections.timers.set(TimerKey::Lan, again);
        }
        self.finish_setup(cx, Err(failure.to_string()));
    }

    /// Fails all TLS listeners, because there is no certificate.
    pub(super) fn fail_secure_listeners(&mut self, cx: &mut Context<'_>, why: &str) {
        let failure = Failure::new(FailureKind::Other, format!("no certificate: {why}"));
        let secure = self.listeners.iter().filter(|it| it.is_secure);
        let secure: Vec<SourceId> = secure.map(|it| it.source).collect();
        for source in secure {
            if self.lan == Some(source) {
                self.lan = None;
                self.close_listener(cx, source);
                self.finish_setup(cx, Err(failure.to_string()));
            } else {
                self.connections
                    .events
                    .push_back(FrontEvent::Failed(failure.clone()));
            }
        }
    }

    /// Opens the listener of a set-up.
    pub(super) fn open_lan(&mut self, cx: &mut Context<'_>, addr: SocketAddr) {
        if self.connections.tls.is_none() {
            self.load_tls(cx);
        }
        let listen = |source| Command::Listen { source, addr };
        let source = cx.sources.open(Owner::Listener, listen);
        self.add_listener(source, addr, true);
        self.lan = Some(source);
        self.names.serves_network = true;
    }

    /// Returns a name for the token of an owner that no other token has.
    fn free_owner_name(&self) -> String {
        let taken: Vec<&str> = self.access.tokens().map(|t| t.name.as_str()).collect();
        let mut names = (1..).map(|n| {
            if n == 1 {
                "owner".to_owned()
            } else {
                format!("owner-{n}")
            }
        });
        names
            .find(|name| !taken.contains(&name.as_str()))
            .unwrap_or_default()
    }

    /// Ends a set-up whose listener was opened or cannot be opened.
    pub(super) fn finish_setup(
        &mut self,
        cx: &mut Context<'_>,
        result: Result<SocketAddr, String>,
    ) {
        let Some(setup) = self.setup.take() else {
            return;
        };
        let request = setup.request;
        let local = match result {
            Ok(local) => {
                let before = setup.before.filter(|before| Some(*before) != self.lan);
                if let Some(before) = before {
                    self.close_listener(cx, before);
                }
                local
            }
            Err(why) => {
                self.lan = setup.before;
                self.access.lan = setup.addr_before;
                if self.lan.is_none() && self.access.lan.is_some() {
                    let again = Some(cx.now + RETRY_INTERVAL);
                    self.connections.timers.set(TimerKey::Lan, again);
                }
                let problem = Problem::new(500, &why);
                return self.connections.answer(cx, request, problem.response());
            }
        };
        let name = self.free_owner_name();
        let wanted = Wanted {
            name: name.clone(),
            admin: true,
            ..Wanted::default()
        };
        let (time, random) = (cx.unix_time(), &mut self.random);
        let secret = match self.access.add(time, wanted, random) {
            Ok(secret) => secret,
            Err(why) => {
                return self
                    .connections
                    .answer(cx, request, not_made(&why).response());
            }
        };
        log::info!("open to the network at {local}; token {name} was made");
        let tls = self.connections.tls.as_ref();
        let fingerprint = tls.map(|tls| tls.fingerprint.clone());
        let authority = tls.and_then(|tls| tls.authority.as_ref());
        let authority = authority.map(|authority| {
            json!({
                "name": authority.name,
                "fingerprint": authority.fingerprint,
                "hosts": authority.hosts,
            })
        });
        let body = json!({
            "name": name,
            "token": secret.reveal(),
            "listen": local.to_string(),
            "port": local.port(),
            "fingerprint": fingerprint,
            "hosts": self.outside_hosts(),
            "authority": authority,
        });
        self.store(cx, request, created(&body));
    }
}
