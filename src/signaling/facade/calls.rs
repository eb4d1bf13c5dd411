//! The effect of each request of the API. Some are answered at once, some when the rest of the gateway has
//! done its part.

use super::paths::call;
use super::polls::Parked;
use super::ports::{Opening, port_client};
use super::{Facade, Lobby, RequestInput, Subject, Wrong, bad, error, wrong};
use crate::access::locality::Locality;
use crate::api::skyway::{Call, reply, request};
use crate::http::Method;
use crate::limits;
use crate::signaling::dialect::DialectRequest;

impl Facade {
    /// Performs a call.
    pub(super) fn handle_call(
        &mut self,
        lobby: &mut Lobby<'_>,
        request: &DialectRequest,
        input: RequestInput<'_>,
    ) {
        let Some(call) = call(&request.claim) else {
            return;
        };
        let (body, peek) = match input {
            RequestInput::Head(head) => (&[][..], head.method == Method::Head),
            RequestInput::Body(body) => (body, false),
        };
        let command = call.command();
        let done = match &call {
            Call::CreatePeer => self.create_peer(lobby, request, body),
            Call::DeletePeer(peer) => self.delete_peer(lobby, peer, request),
            Call::UpdateCredential(peer) => self.update_credential(lobby, peer, request, body),
            Call::PeerStatus(peer) => self.peer_status(peer, request),
            Call::DeleteData(id) => self.delete_port(id),
            Call::Disconnect(id) => self.disconnect(id),
            Call::ChangeConnection(id) => self.change_connection(lobby, id, request, body),
            Call::PeerEvents(peer) => {
                let program = self.program_of(peer, request, true);
                return self.poll(lobby, request, program.map(Subject::Program), command, peek);
            }
            Call::DataEvents(id) => {
                let connection = self.connection_of(id);
                let subject = connection.map(Subject::Connection);
                return self.poll(lobby, request, subject, command, peek);
            }
            Call::CreateData => match self.check_data(lobby, request, body) {
                Ok(()) => return self.create_data(request, command),
                Err(wrong) => Err(wrong),
            },
            Call::Connect => match self.connect(lobby, request, command, body) {
                Ok(()) => return,
                Err(wrong) => Err(wrong),
            },
            Call::DataStatus(id) => match self.data_status(request.id, id) {
                Ok(Some(response)) => Ok(response),
                Ok(None) => return,
                Err(wrong) => Err(wrong),
            },
            // The answer that there is no media proves no right.
            Call::Media(_) => return self.answer(request.id, reply::no_media(command)),
        };
        self.answer_done(request.id, command, done);
    }

    fn poll(
        &mut self,
        lobby: &Lobby<'_>,
        request: &DialectRequest,
        subject: Result<Subject, Wrong>,
        command: &'static str,
        peek: bool,
    ) {
        let request = request.id;
        match subject {
            Ok(subject) => {
                // The right gives the connection a longer timeout, so it must be noted before the request
                // waits.
                self.show_key(request);
                let parked = Parked { request, command };
                self.poll_events(lobby.now(), subject, parked, peek);
            }
            Err((status, faults)) => self.answer(request, error(status, command, &faults)),
        }
    }

    fn create_data(&mut self, request: &DialectRequest, command: &'static str) {
        self.open_port(Opening {
            request: request.id,
            command,
            client: port_client(request.locality, &request.origin),
            local: request.local.ip(),
        });
    }

    fn check_data(
        &self,
        lobby: &Lobby<'_>,
        request: &DialectRequest,
        body: &[u8],
    ) -> Result<(), Wrong> {
        request::parse_nothing(body).map_err(bad)?;
        let (locality, origin) = (request.locality, &request.origin);
        if self.own_peers(locality, origin) == Some(0) {
            let detail = "programs beyond this machine, and pages, make a peer first: POST /peers";
            return Err(wrong(403, "address", detail));
        }
        let client = port_client(locality, origin);
        if !self.ports.may_open(&client, locality != Locality::Local) {
            let most = limits::CONTENT_PORTS;
            let detail = format!(
                "{most} ports are open, which is the limit for one client: use or delete some"
            );
            return Err(wrong(403, "data", detail));
        }
        if !lobby.has_descriptors() {
            let detail = "the process may not open more files: raise its limit (LimitNOFILE=)";
            return Err(wrong(403, "data", detail));
        }
        Ok(())
    }
}
