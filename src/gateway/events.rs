//! The event stream: what comes, goes and fails, told to whoever listens at `/events`.

use std::time::Instant;

use serde_json::{Value, json};

use super::Gateway;
use super::KEEP_ALIVE;
use super::source::Source;
use super::timers::TimerKey;
use crate::access::scope::Grant;
use crate::ids::SourceId;

/// Who listens, and what they are still to be told.
#[derive(Debug, Default)]
pub(super) struct Hub {
    subscribers: Vec<Subscriber>,
    news: Vec<(&'static str, Value)>,
    last_id: u64,
    /// What has happened so far, whoever listens.
    pushed: u64,
}

#[derive(Debug)]
struct Subscriber {
    source: SourceId,
    /// The id of the token that let it in.
    token: Option<String>,
    /// It is told of more than endpoints: of other people's sessions, and of the configuration.
    admin: bool,
    /// Events that did not fit since the last one that did.
    lost: u64,
}

impl Hub {
    /// Something has happened; it is told at the end of the turn.
    pub(super) fn push(&mut self, kind: &'static str, data: &Value) {
        self.pushed += 1;
        if !self.subscribers.is_empty() {
            self.news.push((kind, data.clone()));
        }
    }

    pub(super) fn remove(&mut self, source: SourceId) -> bool {
        let before = self.subscribers.len();
        self.subscribers
            .retain(|subscriber| subscriber.source != source);
        self.subscribers.len() < before
    }

    /// Who listens with a token.
    fn sources_of(&self, token: &str) -> Vec<SourceId> {
        let subscribers = self.subscribers.iter();
        let ours = subscribers.filter(|s| s.token.as_deref() == Some(token));
        ours.map(|subscriber| subscriber.source).collect()
    }

    /// How many listen.
    pub(super) fn len(&self) -> usize {
        self.subscribers.len()
    }

    /// How much has happened.
    pub(super) fn pushed(&self) -> u64 {
        self.pushed
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

impl Gateway {
    /// A connection listens from now on; it is told first how things stand.
    pub(super) fn subscribe(&mut self, now: Instant, source: SourceId, grant: Grant) {
        let mut current = Vec::new();
        for view in self.endpoint_states(&grant) {
            current.push(("endpoint", view.event()));
        }
        let others = self.sessions.iter().filter(|_| grant.admin);
        for (_, entry) in others {
            let (name, state) = (entry.session.name(), entry.session.state().as_str());
            current.push(("session", json!({"id": name, "state": state})));
        }
        let mut subscriber = Subscriber {
            source,
            token: grant.token.map(|token| token.id),
            admin: grant.admin,
            lost: 0,
        };
        for (kind, data) in &current {
            let id = self.events.next_id();
            self.send_event(now, &mut subscriber, id, kind, data);
        }
        self.events.subscribers.push(subscriber);
        if !self.timers.is_set(TimerKey::KeepAlive) {
            self.timers.set(TimerKey::KeepAlive, Some(now + KEEP_ALIVE));
        }
        self.touch_source(source);
    }

    pub(super) fn flush_events(&mut self, now: Instant) {
        if self.events.news.is_empty() {
            return;
        }
        let news = std::mem::take(&mut self.events.news);
        let mut subscribers = std::mem::take(&mut self.events.subscribers);
        for (kind, data) in &news {
            let id = self.events.next_id();
            for subscriber in &mut subscribers {
                if !subscriber.admin && *kind != "endpoint" {
                    continue;
                }
                self.send_event(now, subscriber, id, kind, data);
            }
        }
        for subscriber in &subscribers {
            self.schedule_source(now, subscriber.source);
        }
        self.events.subscribers = subscribers;
    }

    /// Sends one event, whole or not at all; a reader that is too slow is told how many it lost.
    fn send_event(
        &mut self,
        now: Instant,
        subscriber: &mut Subscriber,
        id: u64,
        kind: &str,
        data: &Value,
    ) {
        if subscriber.lost > 0 {
            let lost = json!({"events": subscriber.lost});
            if self.send_one(now, subscriber.source, id, "lost", &lost) {
                subscriber.lost = 0;
            }
        }
        if subscriber.lost > 0 || !self.send_one(now, subscriber.source, id, kind, data) {
            subscriber.lost += 1;
            self.stats.events_lost += 1;
        }
    }

    fn send_one(
        &mut self,
        now: Instant,
        source: SourceId,
        id: u64,
        kind: &str,
        data: &Value,
    ) -> bool {
        match self.sources.get_mut(source) {
            Some(Source::Http(http)) => {
                let text = format!("event: {kind}\nid: {id}\ndata: {data}\n\n");
                http.connection.push(now, text.as_bytes()).is_ok()
            }
            Some(Source::WebSocket(socket)) => {
                let text = json!({"event": kind, "id": id, "data": data}).to_string();
                socket.connection.send_text(now, &text).is_ok()
            }
            Some(
                Source::Listener { .. }
                | Source::ControlSocket
                | Source::Device(_)
                | Source::DeviceListener(_)
                | Source::Capture(_)
                | Source::Ice,
            )
            | None => true,
        }
    }

    pub(super) fn keep_event_streams_alive(&mut self, now: Instant) {
        let sources: Vec<_> = self.events.subscribers.iter().map(|s| s.source).collect();
        for source in &sources {
            if let Some(Source::Http(http)) = self.sources.get_mut(*source) {
                // A reader whose buffer is full needs no keeping awake.
                let _full = http.connection.push(now, b": still here\n\n");
                self.schedule_source(now, *source);
            }
        }
        let next = (!sources.is_empty()).then(|| now + KEEP_ALIVE);
        self.timers.set(TimerKey::KeepAlive, next);
    }

    pub(super) fn end_event_streams(&mut self, now: Instant) {
        let sources: Vec<_> = self
            .events
            .subscribers
            .drain(..)
            .map(|s| s.source)
            .collect();
        for source in sources {
            self.end_event_stream(now, source, 1001, "shutting down");
        }
    }

    /// Ends one in good order; `code` is for a WebSocket (RFC 6455 §7.4.1).
    fn end_event_stream(&mut self, now: Instant, source: SourceId, code: u16, why: &str) {
        match self.sources.get_mut(source) {
            Some(Source::Http(http)) => http.connection.end_stream(now),
            Some(Source::WebSocket(socket)) => socket.connection.close(now, code, why),
            Some(
                Source::Listener { .. }
                | Source::ControlSocket
                | Source::Device(_)
                | Source::DeviceListener(_)
                | Source::Capture(_)
                | Source::Ice,
            )
            | None => {}
        }
        self.schedule_source(now, source);
    }

    /// Ends those that a token let in.
    pub(super) fn end_event_streams_of(&mut self, now: Instant, token: &str) {
        for source in self.events.sources_of(token) {
            self.events.remove(source);
            self.end_event_stream(now, source, 1008, "the token does not hold any more");
        }
    }
}
