//! Who may use the hub. Its clients cannot send a token of ours: on this machine they are let in
//! like everybody there, and from beyond by a key of the configuration.

use std::net::IpAddr;
use std::time::Instant;

use crate::access::UnixTime;
use crate::config::KeyConfig;
use crate::gateway::Gateway;
use crate::gateway::access::{Reach, is_forwarded};
use crate::gateway::source::Source;
use crate::http::RequestHead;
use crate::ice::gatherer::Peer;
use crate::ids::SourceId;
use crate::payload::Dialect;
use crate::signaling::skyway::Credential;

/// Where somebody stands who is let in as far as the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// On this machine.
    Local,
    /// Beyond it.
    Network(IpAddr),
}

impl Standing {
    /// What candidates it is offered.
    pub(super) fn peer(self) -> Peer {
        match self {
            Self::Local => Peer::Local,
            Self::Network(_) => Peer::Remote,
        }
    }

    /// Its address, if it is not this machine.
    pub(super) fn remote(self) -> Option<IpAddr> {
        match self {
            Self::Local => None,
            Self::Network(address) => Some(address),
        }
    }
}

/// What a client says of itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Application<'a> {
    pub(super) key: &'a str,
    /// REST programs name one.
    pub(super) domain: Option<&'a str>,
    /// Whose page it is, if it is one.
    pub(super) origin: Option<&'a str>,
    pub(super) peer: Option<&'a str>,
    pub(super) credential: Option<&'a Credential>,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotAdmitted {
    /// The key is not known, or not for this domain or origin.
    Key(&'static str),
    /// Its peers may not have this id.
    Peer,
    /// It has to prove that it may have this id.
    Credential(&'static str),
}

impl NotAdmitted {
    /// The `type` of the error that a page of SkyWay-JS has.
    pub(super) fn skyway_kind(self) -> &'static str {
        match self {
            Self::Key(_) => "invalid-key",
            Self::Peer => "invalid-id",
            Self::Credential(_) => "authentication",
        }
    }

    /// For people.
    pub(super) fn detail(self) -> &'static str {
        match self {
            Self::Key(detail) | Self::Credential(detail) => detail,
            Self::Peer => "peers of this key may not have this id",
        }
    }
}

impl Gateway {
    /// Where a request stands; the error says why it goes no further.
    pub(super) fn standing(
        &mut self,
        now: Instant,
        source: SourceId,
        head: &RequestHead,
    ) -> Result<Standing, String> {
        let Some(Source::Http(http)) = self.sources.get(source) else {
            return Err("it has gone".to_owned());
        };
        let remote = http.remote.ip();
        let is_local = match http.reach {
            Reach::ControlSocket => true,
            Reach::Loopback => self.trust_loopback && !is_forwarded(head),
            Reach::Network { .. } => false,
            Reach::Redirect => return Err("this port speaks TLS: use https".to_owned()),
        };
        if is_local {
            return Ok(Standing::Local);
        }
        if !self.rendezvous.config.expose {
            return Err(
                "from beyond this machine it is open only where skyway.expose is true".to_owned(),
            );
        }
        if self.access.tries.check(now, remote).is_err() {
            return Err("too many wrong keys came from this address: wait a minute".to_owned());
        }
        Ok(Standing::Network(remote))
    }

    /// Whether an application may use the hub, and until when.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        dialect: Dialect,
        standing: Standing,
        application: Application<'_>,
    ) -> Result<Option<UnixTime>, NotAdmitted> {
        let time = self.unix_time();
        let config = &self.rendezvous.config;
        let keys = match dialect {
            Dialect::SkyWay => &config.skyway_keys,
            Dialect::PeerJs => &config.peerjs_keys,
        };
        let admitted = if keys.is_empty() && standing == Standing::Local {
            Ok(None)
        } else {
            let origins = &self.configured.allowed_origins;
            check(keys, origins, application, time)
        };
        if let (Err(_), Standing::Network(remote)) = (&admitted, standing) {
            self.note_failed_try(now, remote);
        }
        admitted
    }

    /// Whether an application may see who is there.
    pub(super) fn admit_reader(
        &mut self,
        now: Instant,
        dialect: Dialect,
        standing: Standing,
        application: Application<'_>,
    ) -> Result<(), NotAdmitted> {
        match self.admit(now, dialect, standing, application) {
            // Who only asks has no id yet.
            Ok(_) | Err(NotAdmitted::Peer | NotAdmitted::Credential(_)) => Ok(()),
            Err(key) => Err(key),
        }
    }

    /// Whether somebody beyond this machine has a peer: whoever has may open ports.
    pub(super) fn has_peer(&self, standing: Standing) -> bool {
        let Some(remote) = standing.remote() else {
            return true;
        };
        let mut peers = self.rendezvous.rest_peers.values();
        peers.any(|peer| peer.peer.is_some() && peer.remote == Some(remote))
    }
}

fn check(
    keys: &[KeyConfig],
    origins: &[String],
    application: Application<'_>,
    time: UnixTime,
) -> Result<Option<UnixTime>, NotAdmitted> {
    let known = keys.iter().find(|known| known.key == application.key);
    let known = known.ok_or(NotAdmitted::Key("this key is not known here"))?;
    if let (Some(wanted), Some(given)) = (&known.domain, application.domain)
        && wanted != given
    {
        return Err(NotAdmitted::Key("this key is for another domain"));
    }
    // Programs have no origin; what they are stopped by is the secret.
    if let Some(origin) = application.origin {
        let allowed = known.origins.iter().chain(origins);
        if !known.origins.is_empty() && !allowed.into_iter().any(|known| known == origin) {
            return Err(NotAdmitted::Key("this key is for pages of other origins"));
        }
    }
    let peer = application.peer.unwrap_or_default();
    if !known.allows_peer(peer) {
        return Err(NotAdmitted::Peer);
    }
    let Some(secret) = &known.secret else {
        return Ok(None);
    };
    let credential = application
        .credential
        .ok_or(NotAdmitted::Credential("this key needs a credential"))?;
    let verified = credential.verify(secret.expose(), peer, time);
    let expiry = verified.map_err(|_| {
        NotAdmitted::Credential("the credential is not valid for this peer, or not now")
    })?;
    Ok(Some(expiry.at_unix))
}
