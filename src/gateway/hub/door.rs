//! Access control of the hub, at the gateway: where a request stands, and whether its key is good. The rules themselves are in
//! `signaling::door`.

use std::time::Instant;

use crate::access::UnixTime;
use crate::access::tries::Guess;
use crate::config::KeyConfig;
use crate::gateway::Gateway;
use crate::gateway::access::{Reach, is_forwarded};
use crate::gateway::source::Source;
use crate::http::RequestHead;
use crate::ice::gatherer::Vantage as Peer;
use crate::ids::SourceId;
use crate::payload::Dialect;
use crate::signaling::door::{self, Admitted, Application, NotAdmitted, PageOrigin, Standing};

/// What candidates a client is offered that stands there.
pub(super) fn vantage(standing: Standing) -> Peer {
    match standing {
        Standing::Local => Peer::Local,
        Standing::Network(_) => Peer::Remote,
    }
}

impl Gateway {
    /// Where a request stands; the error says why it goes no further.
    pub(super) fn standing(
        &self,
        source: SourceId,
        head: &RequestHead,
    ) -> Result<Standing, String> {
        let Some(Source::Http(http)) = self.sources.get(source) else {
            return Err("the connection was closed".to_owned());
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
        Ok(Standing::Network(remote))
    }

    /// The keys of a dialect.
    pub(super) fn keys(&self, dialect: Dialect) -> &[KeyConfig] {
        match dialect {
            Dialect::SkyWay => &self.rendezvous.config.skyway_keys,
            Dialect::PeerJs => &self.rendezvous.config.peerjs_keys,
        }
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
        let admitted = door::check(self.keys(dialect), standing, application, time);
        self.count_guess(now, standing, admitted)
    }

    /// A client beyond this machine that was refused has guessed, and has to wait when it guesses often.
    fn count_guess(
        &mut self,
        now: Instant,
        standing: Standing,
        admitted: Result<Admitted, NotAdmitted>,
    ) -> Result<Option<UnixTime>, NotAdmitted> {
        let Some(remote) = standing.remote() else {
            return admitted.map(|admitted| admitted.until);
        };
        let has_to_wait = self.access.tries.check(now, remote, Guess::Key).is_err();
        match admitted {
            // A neighbour at the same address who guesses keeps out no key that cannot be guessed.
            Ok(Admitted {
                is_guessable: true, ..
            }) if has_to_wait => Err(NotAdmitted::Key(
                "too many wrong keys came from this address: wait a minute",
            )),
            Ok(admitted) => Ok(admitted.until),
            Err(why) => {
                self.note_failed_try(now, remote, Guess::Key);
                Err(why)
            }
        }
    }

    /// Whether an application may see which peers exist.
    pub(super) fn admit_reader(
        &mut self,
        now: Instant,
        dialect: Dialect,
        standing: Standing,
        application: Application<'_>,
    ) -> Result<(), NotAdmitted> {
        let time = self.unix_time();
        let checked = door::check(self.keys(dialect), standing, application, time);
        let checked = match checked {
            // A client that only asks has no id yet, so it has guessed nothing.
            Err(NotAdmitted::Peer | NotAdmitted::Credential(_)) => Ok(Admitted::default()),
            other => other,
        };
        self.count_guess(now, standing, checked).map(|_| ())
    }

    /// How many living peers a client has made: programs beyond this machine by their address, pages of other origins by their
    /// origin. `None`: a program or trusted page on this machine, which needs none.
    pub(super) fn own_peers(&self, standing: Standing, origin: &PageOrigin) -> Option<usize> {
        let remote = standing.remote();
        if remote.is_none() && !origin.needs_key() {
            return None;
        }
        let peers = self.rendezvous.rest_peers.values();
        let own = peers.filter(|peer| {
            peer.peer.is_some()
                && peer.standing.remote() == remote
                && (!origin.needs_key() || peer.origin == *origin)
        });
        Some(own.count())
    }
}
