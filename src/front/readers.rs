//! The event stream: sends the events of the gateway to the readers of `/events`.

use std::time::Duration;

use serde_json::{Value, json};

use super::Connections;
use super::connection::{Connection, Protocol};
use super::event::TimerKey;
use super::subscribers::Reader;
use crate::access::scope::Grant;
use crate::ids::ConnectionId;
use crate::sources::Context;

/// How often an idle event stream gets a comment, so that proxies keep it open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

impl Connections {
    /// Publishes an event, which is sent at the end of the turn.
    #[inline(never)]
    pub(crate) fn publish(&mut self, kind: &'static str, data: &Value) {
        self.readers.published += 1;
        if !self.readers.readers.is_empty() {
            self.readers.news.push((kind, data.clone()));
        }
    }

    /// Returns how many events were published. The number changes whenever a session or an endpoint changes.
    pub(crate) fn published(&self) -> u64 {
        self.readers.published
    }

    /// Returns how many readers exist.
    pub(crate) fn readers(&self) -> usize {
        self.readers.readers.len()
    }

    /// Returns the rights with which a client reads the event stream.
    pub(crate) fn reader_grant(&self, id: ConnectionId) -> Option<Grant> {
        self.get(id).map(|it| it.grant.clone())
    }

    /// Adds a reader. `current` is the current state, which the reader receives first.
    pub(crate) fn subscribe(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        current: &[(&'static str, Value)],
    ) {
        let Some(grant) = self.reader_grant(id) else {
            return;
        };
        let mut reader = Reader {
            connection: id,
            token: grant.token.map(|token| token.id),
            is_admin: grant.admin,
            lost: 0,
        };
        for (kind, data) in current {
            let number = self.readers.next_id();
            self.send_event(cx, &mut reader, number, kind, data);
        }
        self.readers.readers.push(reader);
        if !self.timers.is_set(TimerKey::KeepAlive) {
            let at = Some(cx.now + KEEP_ALIVE);
            self.timers.set(TimerKey::KeepAlive, at);
        }
        self.schedule(cx, id);
    }

    /// Returns whether events were published since [`Self::flush_events`] was called.
    pub(crate) fn has_news(&self) -> bool {
        !self.readers.news.is_empty()
    }

    /// Sends the events that were published in this turn.
    pub(crate) fn flush_events(&mut self, cx: &mut Context<'_>) {
        if self.readers.news.is_empty() {
            return;
        }
        let news = std::mem::take(&mut self.readers.news);
        let mut readers = std::mem::take(&mut self.readers.readers);
        for (kind, data) in &news {
            let number = self.readers.next_id();
            let hears = |reader: &&mut Reader| reader.is_admin || *kind == "endpoint";
            for reader in readers.iter_mut().filter(hears) {
                self.send_event(cx, reader, number, kind, data);
            }
        }
        let connections: Vec<ConnectionId> = readers.iter().map(|it| it.connection).collect();
        // Put the readers back before scheduling, because scheduling removes a finished connection together
        // with its reader.
        self.readers.readers = readers;
        for connection in connections {
            self.schedule(cx, connection);
        }
    }

    /// Sends one event, whole or not at all. A slow reader is told how many events it has lost.
    fn send_event(
        &mut self,
        cx: &Context<'_>,
        reader: &mut Reader,
        number: u64,
        kind: &str,
        data: &Value,
    ) {
        if reader.lost > 0 {
            let lost = json!({"events": reader.lost});
            if self.send_one(cx, reader.connection, number, "lost", &lost) {
                reader.lost = 0;
            }
        }
        if reader.lost > 0 || !self.send_one(cx, reader.connection, number, kind, data) {
            reader.lost += 1;
            self.stats.events_lost += 1;
        }
    }

    fn send_one(
        &mut self,
        cx: &Context<'_>,
        id: ConnectionId,
        number: u64,
        kind: &str,
        data: &Value,
    ) -> bool {
        let Some(connection) = self.list.get_mut(id) else {
            return true;
        };
        match &mut connection.protocol {
            Protocol::Http(http) => {
                let text = format!("event: {kind}\nid: {number}\ndata: {data}\n\n");
                http.push(cx.now, text.as_bytes()).is_ok()
            }
            Protocol::WebSocket(socket) => {
                let text = json!({"event": kind, "id": number, "data": data}).to_string();
                socket.send_text(cx.now, &text).is_ok()
            }
        }
    }

    pub(super) fn keep_event_streams_alive(&mut self, cx: &mut Context<'_>) {
        let readers = self.readers.readers.iter();
        let connections: Vec<ConnectionId> = readers.map(|it| it.connection).collect();
        for id in &connections {
            let connection = self.list.get_mut(*id);
            if let Some(http) = connection.and_then(Connection::http_mut) {
                // A reader whose buffer is full needs no comment to keep its connection open.
                let _full = http.push(cx.now, b": still here\n\n");
                self.schedule(cx, *id);
            }
        }
        let next = (!connections.is_empty()).then(|| cx.now + KEEP_ALIVE);
        self.timers.set(TimerKey::KeepAlive, next);
    }

    /// Ends all event streams, because the daemon ends.
    pub(crate) fn end_event_streams(&mut self, cx: &mut Context<'_>) {
        let readers = std::mem::take(&mut self.readers.readers);
        for reader in readers {
            self.end_event_stream(cx, reader.connection, 1001, "shutting down");
        }
    }

    /// Ends the event streams that a token has opened.
    pub(super) fn end_event_streams_of(&mut self, cx: &mut Context<'_>, token: &str) {
        let readers = self.readers.readers.iter();
        let ended = readers.filter(|it| it.token.as_deref() == Some(token));
        let ended: Vec<ConnectionId> = ended.map(|it| it.connection).collect();
        for id in ended {
            self.readers.remove(id);
            self.end_event_stream(cx, id, 1008, "the token does not hold any more");
        }
    }

    /// Ends an event stream properly; `code` is for a WebSocket (RFC 6455 §7.4.1).
    fn end_event_stream(&mut self, cx: &mut Context<'_>, id: ConnectionId, code: u16, why: &str) {
        if let Some(connection) = self.list.get_mut(id) {
            match &mut connection.protocol {
                Protocol::Http(http) => http.end_stream(cx.now),
                Protocol::WebSocket(socket) => socket.close(cx.now, code, why),
            }
        }
        self.schedule(cx, id);
    }

    /// Returns whether the owner has events to act on.
    pub(crate) fn has_event(&self) -> bool {
        !self.events.is_empty()
    }
}
