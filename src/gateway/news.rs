//! What peers and readers of events are told about endpoints.

use serde_json::json;

use crate::access::scope::Verb;
use crate::devices::{EndpointView, Stop, Table};
use crate::endpoint::{Count, DropReason};
use crate::front::Connections;
use crate::ids::{EndpointId, SessionId};
use crate::session::control::{EndpointState, Reply};
use crate::session::set::Sessions;

/// The listeners of news, and the endpoints that the news are about.
pub(super) struct News<'a> {
    pub(super) connections: &'a mut Connections,
    pub(super) sessions: &'a mut Sessions,
    pub(super) table: &'a Table,
}

impl News<'_> {
    /// Tells every session with a channel to a device that vanished how many queued bytes are lost.
    pub(super) fn lost(&mut self, id: EndpointId, count: Count) {
        let endpoint = self.table.name(id).unwrap_or_default();
        for session in self.table.sessions_at(id) {
            self.sessions.tell(
                session,
                &Reply::Lost {
                    endpoint,
                    reason: DropReason::Unwritten.as_str(),
                    bytes: count.bytes,
                },
            );
        }
    }

    /// Tells every session with a channel to a machine, and the readers of events, that it was stopped.
    pub(super) fn stopped(&mut self, stop: Stop) {
        let endpoint = self.table.name(stop.endpoint).unwrap_or_default();
        let writer = stop.writer.and_then(|id| self.sessions.name(id));
        let writer = writer.map(str::to_owned);
        let millis = u64::try_from(stop.timeout.as_millis()).unwrap_or(u64::MAX);
        let event = json!({
            "endpoint": endpoint, "session": writer, "timeout_ms": millis, "fired": stop.fired,
        });
        self.connections.publish("deadman", &event);
        for reader in self.table.sessions_at(stop.endpoint) {
            self.sessions.tell(
                reader,
                &Reply::Deadman {
                    endpoint,
                    session: writer.as_deref(),
                    fired: stop.fired,
                },
            );
        }
    }

    /// Tells every reader of an endpoint the endpoint's new state, and logs it.
    pub(super) fn announce(&mut self, view: &EndpointView, state: &str) {
        let (name, detail) = (&view.name, view.state.detail());
        if detail.is_empty() {
            log::info!("endpoint {name}: {state}");
        } else {
            log::warn!("endpoint {name}: {state}: {detail}");
        }
        self.endpoint(&EndpointState {
            name,
            kind: view.kind,
            state,
            detail,
            media: &view.media,
            takes: &view.takes,
        });
    }

    /// Tells the readers of events, and every session that may read an endpoint, the endpoint's new state.
    pub(super) fn endpoint(&mut self, endpoint: &EndpointState<'_>) {
        self.connections.publish("endpoint", &json!(endpoint));
        for session in self.sessions.ids() {
            let grant = self.sessions.grant(session);
            if grant.is_some_and(|grant| grant.allows(endpoint.name, Verb::Read)) {
                let endpoint = endpoint.clone();
                self.sessions.tell(session, &Reply::Endpoint { endpoint });
            }
        }
    }

    /// Tells the readers of events which session has the lease of an endpoint.
    pub(super) fn leased(&mut self, id: EndpointId, holder: Option<SessionId>) {
        let holder = holder.and_then(|id| self.sessions.name(id));
        let name = self.table.name(id);
        let (shown, nobody) = (name.unwrap_or_default(), "nobody");
        log::debug!(
            "endpoint {shown}: the lease has {}",
            holder.unwrap_or(nobody)
        );
        let event = json!({"endpoint": name, "holder": holder});
        self.connections.publish("lease", &event);
    }
}
