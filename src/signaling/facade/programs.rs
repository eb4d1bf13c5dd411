//! Peers that programs have made, known by their tokens.

use std::time::{Duration, Instant};

use super::ports::port_client;
use super::{Facade, Output, ProgramId, Subject, Timer, Wrong, bad, wrong};
use crate::access::UnixTime;
use crate::access::locality::Locality;
use crate::access::scope::Scope;
use crate::api::skyway::ids::{Id, Kind};
use crate::api::skyway::request::{self, Credential, PeerOptions};
use crate::api::skyway::{Event, EventQueue, reply};
use crate::http::Response;
use crate::ids::PeerId;
use crate::signaling::dialect::DialectRequest;
use crate::signaling::door::{Application, PageOrigin};
use crate::signaling::hub::{NotJoined, Speaks};
use crate::signaling::names::{random_bytes, random_name};
use crate::signaling::rendezvous::lobby::Lobby;
use crate::signaling::rendezvous::roster::Guest;
use crate::signaling::skyway;

/// How long programs can poll the end of a peer.
const REMEMBERED: Duration = Duration::from_secs(30);
/// The number of seconds before the end of a credential at which its program is warned.
const WARNED_BEFORE: u64 = 300;

/// One peer of a program.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) name: String,
    pub(super) token: String,
    /// The peer in the hub. `None`: the peer was deleted, and only its end is still to be reported.
    pub(super) peer: Option<PeerId>,
    /// When the peer was deleted.
    ended: Option<Instant>,
    pub(super) events: EventQueue,
    /// The claims with which the program was admitted. Its credentials are signed with the secret of this
    /// key.
    pub(super) guest: Guest,
    /// The end of the credential, and whether the program was warned.
    expires: Option<UnixTime>,
    warned: bool,
}

impl Facade {
    pub(super) fn create_peer(
        &mut self,
        lobby: &mut Lobby<'_>,
        request: &DialectRequest,
        body: &[u8],
    ) -> Result<Response, Wrong> {
        let options = PeerOptions::parse(body).map_err(bad)?;
        if lobby.is_stopping() {
            return Err(wrong(403, "peer_id", "the gateway is shutting down"));
        }
        let name = options.peer_id;
        let name = name.unwrap_or_else(|| random_name(&mut self.random));
        // Without a server that signs, a credential has no meaning.
        let given = options.credential.as_ref();
        let credential = credential(given.filter(|_| lobby.is_signed(&options.key)))?;
        let application = Application {
            key: &options.key,
            domain: Some(&options.domain),
            origin: &request.origin,
            peer: Some(&name),
            credential: credential.as_ref(),
        };
        let admitted = lobby.admit(request.locality, application);
        let expires = admitted.map_err(|why| wrong(403, "key", why.detail()))?;
        let guest = Guest {
            key: options.key,
            locality: request.locality,
            origin: request.origin.clone(),
        };
        let joined = lobby.join(&name, Speaks::Gateway, guest.clone());
        let peer = joined.map_err(|why| match why {
            NotJoined::Taken => wrong(403, "peer_id", "peer_id is already in use"),
            NotJoined::Full => wrong(403, "peer_id", "there are as many peers as there may be"),
        })?;
        let token = Id::new(Kind::Token, random_bytes(&mut self.random));
        let token = token.as_str().to_owned();
        let response = reply::peer_created(&name, &token);
        let mut events = EventQueue::new();
        events.push(Event::Open);
        let id = self.programs.insert(Program {
            name,
            token: token.clone(),
            peer: Some(peer),
            ended: None,
            events,
            guest,
            expires,
            warned: false,
        });
        self.tokens.insert(token, id);
        self.peers.insert(peer, id);
        self.schedule_credential(lobby, id);
        // Redirects are checked against the present networks, so list them now.
        self.outputs.push_back(Output::ListAddresses);
        Ok(response)
    }

    pub(super) fn update_credential(
        &mut self,
        lobby: &mut Lobby<'_>,
        peer: &str,
        request: &DialectRequest,
        body: &[u8],
    ) -> Result<Response, Wrong> {
        let id = self.program_of(peer, request, false)?;
        let given = Credential::parse(body).map_err(bad)?;
        let response = reply::credential_updated(&given);
        let Some(program) = self.programs.get_mut(id) else {
            return Ok(response);
        };
        if !lobby.is_signed(&program.guest.key) {
            return Ok(response);
        }
        let credential = credential(Some(&given))?;
        let application = Application {
            key: &program.guest.key,
            domain: None,
            origin: &request.origin,
            peer: Some(peer),
            credential: credential.as_ref(),
        };
        let admitted = lobby.admit(request.locality, application);
        let expires = admitted.map_err(|why| wrong(403, "authToken", why.detail()))?;
        (program.expires, program.warned) = (expires, false);
        self.schedule_credential(lobby, id);
        Ok(response)
    }

    pub(super) fn delete_peer(
        &mut self,
        lobby: &Lobby<'_>,
        peer: &str,
        request: &DialectRequest,
    ) -> Result<Response, Wrong> {
        let id = self.program_of(peer, request, false)?;
        self.delete_program(lobby, id);
        Ok(reply::deleted())
    }

    pub(super) fn peer_status(
        &self,
        peer: &str,
        request: &DialectRequest,
    ) -> Result<Response, Wrong> {
        let id = self.program_of(peer, request, true)?;
        let known = self.programs.get(id);
        Ok(reply::peer_status(
            peer,
            known.is_none_or(|it| it.peer.is_none()),
        ))
    }

    /// Returns the peer that a request names, if the token is right; with `ended`, also a recently deleted
    /// peer.
    pub(super) fn program_of(
        &self,
        peer: &str,
        request: &DialectRequest,
        ended: bool,
    ) -> Result<ProgramId, Wrong> {
        let given = request::token(Some(&request.query)).map_err(|fault| (400, vec![fault]))?;
        self.check_token(peer, &given, ended)
    }

    /// Returns the peer of this name and token; with `ended`, also a recently deleted peer.
    pub(super) fn check_token(
        &self,
        peer: &str,
        token: &str,
        ended: bool,
    ) -> Result<ProgramId, Wrong> {
        if let Some(id) = self.tokens.get(token)
            && let Some(known) = self.programs.get(*id)
            && known.name == peer
            && (ended || known.peer.is_some())
        {
            return Ok(*id);
        }
        let mut others = self.programs.iter();
        if others.any(|(_, it)| it.name == peer && it.peer.is_some()) {
            return Err(wrong(403, "token", "this is not the token of this peer"));
        }
        Err(wrong(404, "peer_id", "there is no peer with this id"))
    }

    /// Returns how many living peers a client has made: programs beyond this machine are counted by their
    /// address, pages of other origins by their origin. `None`: a program or trusted page on this machine,
    /// for which there is no such limit.
    pub(super) fn own_peers(&self, locality: Locality, origin: &PageOrigin) -> Option<usize> {
        let remote = locality.remote();
        if remote.is_none() && !origin.needs_key() {
            return None;
        }
        let programs = self.programs.iter();
        let own = programs.filter(|(_, program)| {
            program.peer.is_some()
                && program.guest.locality.remote() == remote
                && (!origin.needs_key() || program.guest.origin == *origin)
        });
        Some(own.count())
    }

    /// Returns the endpoints that a program at this location may use with a peer.
    pub(super) fn scopes(&self, lobby: &Lobby<'_>, locality: Locality, peer: PeerId) -> Vec<Scope> {
        let program = self.peers.get(&peer);
        let program = program.and_then(|id| self.programs.get(*id));
        let key = program.map_or("", |program| program.guest.key.as_str());
        let locality = match (locality, program) {
            // A peer that was made from beyond this machine keeps its rights when a local program uses it.
            (Locality::Local, Some(program)) => program.guest.locality,
            (locality, _) => locality,
        };
        lobby.scopes(locality, key)
    }

    /// Ends a peer with its connections and their ports.
    pub(super) fn delete_program(&mut self, lobby: &Lobby<'_>, id: ProgramId) {
        let Some(program) = self.programs.get_mut(id) else {
            return;
        };
        let Some(peer) = program.peer.take() else {
            return;
        };
        program.events.push(Event::Close);
        program.ended = Some(lobby.now());
        let (locality, origin) = (program.guest.locality, program.guest.origin.clone());
        self.peers.remove(&peer);
        // The connections end before their ports are closed, because a port that feeds a connection stays open.
        self.outputs.push_back(Output::Remove(peer));
        let mut ports = self.ports.owners.of_peer(peer);
        // The client has no other peer that could use its unused ports.
        if self.own_peers(locality, &origin) == Some(0) {
            let client = port_client(locality, &origin);
            ports.extend(self.ports.owners.unused_of(&client));
        }
        for port in ports {
            self.close_unused_port(port, |(_, owner)| owner == peer);
        }
        let timer = Timer::Program(id);
        self.timers.set(timer, Some(lobby.now() + REMEMBERED));
        self.polls.touch(Subject::Program(id));
        self.bound_deleted(lobby.most_peers());
    }

    /// Forgets the oldest deleted peer if more deleted peers are remembered than peers are allowed.
    fn bound_deleted(&mut self, most: usize) {
        let programs = self.programs.iter();
        let deleted = programs.filter_map(|(id, program)| Some((program.ended?, id)));
        let deleted: Vec<(Instant, ProgramId)> = deleted.collect();
        if deleted.len() > most
            && let Some((_, oldest)) = deleted.into_iter().min()
        {
            self.forget_program(oldest);
        }
    }

    fn forget_program(&mut self, id: ProgramId) {
        self.timers.set(Timer::Program(id), None);
        if let Some(program) = self.programs.remove(id) {
            self.dropped += program.events.dropped();
            self.tokens.remove(&program.token);
        }
    }

    /// Acts on a deadline: forgets a deleted peer, or warns about or ends a credential.
    pub(super) fn handle_program_timeout(&mut self, lobby: &Lobby<'_>, id: ProgramId) {
        let time = lobby.unix_time();
        let Some(program) = self.programs.get_mut(id) else {
            return;
        };
        match (program.peer, program.expires) {
            (None, _) => self.forget_program(id),
            (Some(_), Some(end)) if end <= time => {
                log::info!("peer {}: its credential has ended", program.name);
                self.delete_program(lobby, id);
            }
            (Some(_), Some(end)) => {
                let left = end - time;
                if !program.warned && left <= WARNED_BEFORE {
                    program.warned = true;
                    let left = u32::try_from(left).unwrap_or(u32::MAX);
                    program.events.push(Event::ExpiresIn(left));
                    self.polls.touch(Subject::Program(id));
                }
                self.schedule_credential(lobby, id);
            }
            (Some(_), None) => {}
        }
    }

    /// Sets the next deadline for a credential.
    fn schedule_credential(&mut self, lobby: &Lobby<'_>, id: ProgramId) {
        let time = lobby.unix_time();
        let Some(program) = self.programs.get(id) else {
            return;
        };
        let wait = program.expires.map(|end| {
            let left = end.saturating_sub(time);
            let before = if program.warned { 0 } else { WARNED_BEFORE };
            // Check again at least once an hour, because the clock may be set meanwhile.
            Duration::from_secs(left.saturating_sub(before).clamp(1, 3600))
        });
        let at = wait.map(|wait| lobby.now() + wait);
        self.timers.set(Timer::Program(id), at);
    }
}

/// Returns a credential in the form in which it can be checked.
fn credential(given: Option<&Credential>) -> Result<Option<skyway::Credential>, Wrong> {
    let Some(given) = given else { return Ok(None) };
    let parsed = skyway::Credential::parse(&given.to_json());
    let parsed = parsed.map_err(|fault| wrong(400, "credential", fault.to_string()))?;
    Ok(Some(parsed))
}
