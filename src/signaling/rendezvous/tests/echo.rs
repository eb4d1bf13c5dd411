//! A dialect for tests: the text that a client sends to `/echo` is sent back, over a request and over a
//! WebSocket.
//!
//! A dialect is this folder, one field and one row in `table`.

use std::collections::VecDeque;

use crate::http::{Method, Response};
use crate::ids::{PeerId, SocketId};
use crate::signaling::dialect::{
    Claim, Dialect, DialectRequest, Eviction, Output, Paths, RequestInput, SocketInput,
};
use crate::signaling::rendezvous::lobby::Lobby;
use crate::websocket::WsMessage;

pub(in crate::signaling::rendezvous) const PATHS: Paths = Paths {
    may_claim: |first, _| first == "echo",
    claims: |path| matches!(path, ["echo"]),
    allow: |_| "GET, POST, OPTIONS".to_owned(),
    not_allowed: |_| None,
    takes_body: |claim| claim.method == Method::Post,
    error: Claim::problem,
    keys: |_| &[],
    routes: || vec!["/echo"],
};

/// The dialect.
#[derive(Debug, Default)]
pub(in crate::signaling::rendezvous) struct Echo {
    outputs: VecDeque<Output>,
}

impl Dialect for Echo {
    fn handle_request(
        &mut self,
        _lobby: &mut Lobby<'_>,
        request: &DialectRequest,
        input: RequestInput<'_>,
    ) {
        let output = match input {
            RequestInput::Head(head) => match head.wants_websocket() {
                Ok(Some(key)) => Output::Upgrade {
                    request: request.id,
                    key: key.to_owned(),
                    number: 7,
                },
                Ok(None) | Err(_) => Output::Answer(request.id, Response::new(204)),
            },
            RequestInput::Body(body) => {
                let response = Response::new(200).body("text/plain", body.to_vec());
                Output::Answer(request.id, response)
            }
        };
        self.outputs.push_back(output);
    }

    fn handle_socket(&mut self, _lobby: &mut Lobby<'_>, socket: SocketId, input: SocketInput<'_>) {
        match input {
            SocketInput::Opened(number) => assert_eq!(number, 7),
            SocketInput::Message(WsMessage::Text(text)) => {
                self.outputs.push_back(Output::Send(socket, text.clone()));
            }
            SocketInput::Message(WsMessage::Binary(_))
            | SocketInput::Drained(_)
            | SocketInput::Closed => {}
        }
    }

    fn handle_eviction(&mut self, _lobby: &mut Lobby<'_>, _peer: PeerId, _why: Eviction) {}

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
}
