//! `thingway setup`: opens the gateway to the network, and makes a certificate authority on request.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use serde::Deserialize;
use serde_json::json;

use super::Gateway;
use super::access::{Reach, forbidden};
use super::listeners::RETRY;
use super::source::{Command, Exit, Source};
use super::timers::TimerKey;
use super::tokens::{created, not_made, plain};
use crate::access::{self, Wanted};
use crate::api::origin::Caller;
use crate::api::problem::Problem;
use crate::config::is_host;
use crate::endpoint::{Failure, FailureKind};
use crate::http::Response;
use crate::ids::SourceId;
use crate::util::json;

/// The body of `POST /setup`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SetupBody {
    listen: Option<SocketAddr>,
    authority: Option<AuthorityBody>,
}

/// That a certificate authority is wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AuthorityBody {
    /// Names and addresses beside those that this machine knows of itself.
    #[serde(default)]
    hosts: Vec<String>,
}

/// A set-up that waits for its listener.
pub(super) struct Setup {
    source: SourceId,
    caller: Caller,
    /// Where to listen, as long as it waits for the certificate as well.
    waits_to_listen: Option<Option<SocketAddr>>,
    /// The listener of the set-up before, and where it is.
    before: Option<SourceId>,
    addr_before: Option<SocketAddr>,
}

impl Gateway {
    /// `POST /setup`: opens the gateway to the network and makes a token for the operator.
    pub(super) fn post_setup(
        &mut self,
        now: Instant,
        source: SourceId,
        caller: &Caller,
        body: &[u8],
    ) -> Result<(), Problem> {
        self.check_control_socket(source)?;
        if self.setup.is_some() {
            return Err(Problem::new(409, "another set-up is going on"));
        }
        let body: SetupBody = if body.is_empty() {
            SetupBody::default()
        } else {
            json::from_body(body).map_err(|error| Problem::new(400, &plain(&error)).at("body"))?
        };
        let hosts = match body.authority {
            Some(wanted) => Some(self.authority_hosts(wanted.hosts)?),
            None => None,
        };
        self.setup = Some(Setup {
            source,
            caller: caller.clone(),
            waits_to_listen: hosts.is_some().then_some(body.listen),
            before: self.lan,
            addr_before: self.access.lan,
        });
        match hosts {
            Some(hosts) => self.commands.push_back(Command::MakeAuthority { hosts }),
            None => self.listen_for_setup(now, body.listen),
        }
        Ok(())
    }

    /// Returns an error for requests that came any other way than over the control socket.
    fn check_control_socket(&self, source: SourceId) -> Result<(), Problem> {
        match self.sources.get(source) {
            Some(Source::Http(http)) if http.reach == Reach::ControlSocket => Ok(()),
            _ => {
                let detail = "only over the control socket: run thingway setup on the board";
                Err(forbidden(detail))
            }
        }
    }

    /// What the authority is to sign for beside this machine's addresses: its names, and what the operator adds.
    fn authority_hosts(&self, more: Vec<String>) -> Result<Vec<String>, Problem> {
        if self.tls_files.is_some() {
            let detail = "http.tls names a certificate: remove it from the configuration to use an authority";
            return Err(Problem::new(409, detail));
        }
        if !access::is_clock_set(self.unix_time()) {
            let detail = "the clock is not set, and certificates hold from and until a date";
            return Err(Problem::new(409, detail));
        }
        // A name without a dot would stand for all names below it, as `dev` does.
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

    /// A certificate is there, which a set-up may have waited for.
    pub(super) fn note_authority(&mut self, now: Instant) {
        let setup = self.setup.as_mut();
        if let Some(listen) = setup.and_then(|setup| setup.waits_to_listen.take()) {
            self.listen_for_setup(now, listen);
        }
    }

    /// The authority could not be made. Returns false if no set-up waits for one.
    pub(super) fn fail_authority(&mut self, now: Instant, why: &str) -> bool {
        let setup = self.setup.as_mut();
        let is_ours = setup
            .and_then(|setup| setup.waits_to_listen.take())
            .is_some();
        if is_ours {
            self.finish_setup(now, Err(format!("no certificate authority: {why}")));
        }
        is_ours
    }

    fn listen_for_setup(&mut self, now: Instant, listen: Option<SocketAddr>) {
        let addr = listen.unwrap_or(access::LAN);
        // It may be there already: then another token is all that is wanted.
        let is_same = listen.is_none_or(|addr| Some(addr) == self.access.lan);
        match self.secure_listener().filter(|_| is_same) {
            Some(local) => self.finish_setup(now, Ok(local)),
            None => {
                // The one before goes when the new one is there.
                self.access.lan = Some(addr);
                self.open_lan(addr);
            }
        }
    }

    /// Where somebody from the network gets in, if anywhere.
    fn secure_listener(&self) -> Option<SocketAddr> {
        let mut listeners = self.sources.iter().filter_map(|(_, source)| match source {
            Source::Listener {
                local,
                secure: true,
                ..
            } => *local,
            Source::Listener { .. }
            | Source::ControlSocket
            | Source::Http(_)
            | Source::WebSocket(_)
            | Source::Device(_)
            | Source::DeviceListener(_)
            | Source::Capture(_)
            | Source::Ice => None,
        });
        listeners.find(|local| !local.ip().to_canonical().is_loopback())
    }

    /// `DELETE /setup`: the network is let in no more, at least not by a set-up.
    pub(super) fn delete_setup(
        &mut self,
        now: Instant,
        source: SourceId,
        caller: &Caller,
    ) -> Result<(), Problem> {
        self.check_control_socket(source)?;
        if let Some(lan) = self.lan.take() {
            self.close_listener(lan);
        }
        self.access.lan = None;
        log::info!("closed to the network: what setup had opened is closed");
        self.store_access(now, source, caller, Response::new(200));
        Ok(())
    }

    fn close_listener(&mut self, listener: SourceId) {
        self.sources.remove(listener);
        self.opening.retain(|id| *id != listener);
        self.commands.push_back(Command::Close { source: listener });
    }

    /// Another try at a listener that could not be opened when the daemon was started: its address may
    /// have come since.
    pub(super) fn retry_lan(&mut self) {
        if let (None, Some(addr)) = (self.lan, self.access.lan) {
            self.open_lan(addr);
        }
    }

    /// The listener of the set-up could not be opened.
    pub(super) fn handle_lan_failed(&mut self, now: Instant, source: SourceId, failure: &Failure) {
        self.sources.remove(source);
        self.lan = None;
        log::error!("not open to the network: {failure}");
        if self.setup.is_none() {
            self.timers.set(TimerKey::Lan, Some(now + RETRY));
        }
        self.finish_setup(now, Err(failure.to_string()));
    }

    /// There is no certificate, so there can be no TLS.
    pub(super) fn fail_secure_listeners(&mut self, now: Instant, why: &str) {
        let failure = Failure::new(FailureKind::Other, format!("no certificate: {why}"));
        let sources = self.sources.iter();
        let secure = sources.filter(|(_, s)| matches!(s, Source::Listener { secure: true, .. }));
        let secure: Vec<_> = secure.map(|(id, _)| id).collect();
        for source in secure {
            if self.lan == Some(source) {
                self.lan = None;
                self.close_listener(source);
                self.finish_setup(now, Err(failure.to_string()));
            } else {
                self.exit = Some(Exit::Failed(failure.clone()));
            }
        }
    }

    /// Listens where the network is let in.
    pub(super) fn open_lan(&mut self, addr: SocketAddr) {
        if self.tls.is_none() {
            self.load_tls();
        }
        let listener = Source::Listener {
            addr,
            local: None,
            secure: true,
            is_late: false,
        };
        let source = self.sources.insert(listener);
        self.lan = Some(source);
        self.serves_network = true;
        self.commands.push_back(Command::Listen { source, addr });
    }

    /// The listener of a set-up is there, or cannot be.
    pub(super) fn finish_setup(&mut self, now: Instant, result: Result<SocketAddr, String>) {
        let Some(setup) = self.setup.take() else {
            return;
        };
        let Setup { source, caller, .. } = setup;
        let local = match result {
            Ok(local) => {
                let before = setup.before.filter(|before| Some(*before) != self.lan);
                if let Some(before) = before {
                    self.close_listener(before);
                }
                local
            }
            Err(why) => {
                self.lan = setup.before;
                self.access.lan = setup.addr_before;
                let problem = Problem::new(500, &why);
                self.answer(now, source, &caller, problem.response());
                return self.service(now, source);
            }
        };
        let taken: Vec<String> = self.access.tokens().map(|t| t.name.clone()).collect();
        let mut names = (1..).map(|n| {
            if n == 1 {
                "owner".to_owned()
            } else {
                format!("owner-{n}")
            }
        });
        let name = names.find(|name| !taken.contains(name)).unwrap_or_default();
        let wanted = Wanted {
            name: name.clone(),
            admin: true,
            ..Wanted::default()
        };
        let (time, random) = (self.unix_time(), &mut self.random);
        let secret = match self.access.add(time, wanted, random) {
            Ok(secret) => secret,
            Err(why) => {
                self.answer(now, source, &caller, not_made(&why).response());
                return self.service(now, source);
            }
        };
        log::info!("open to the network at {local}; token {name} was made");
        let fingerprint = self.tls.as_ref().map(|tls| tls.fingerprint.clone());
        let authority = self.tls.as_ref().and_then(|tls| tls.authority.as_ref());
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
        self.store_access(now, source, &caller, created(&body));
    }
}
