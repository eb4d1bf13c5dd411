//! Which components are lent together. Each macro borrows its fields alone, so that the other fields of the gateway stay free.

/// Makes the context of a call into a component.
macro_rules! cx {
    ($gateway:ident, $now:expr) => {
        &mut crate::sources::Context {
            now: $now,
            time: $gateway.clock.time,
            sources: &mut $gateway.sources,
        }
    };
}
pub(super) use cx;

/// Borrows all components for reading.
macro_rules! look {
    ($gateway:ident) => {
        crate::gateway::views::Views {
            table: $gateway.devices.table(),
            sessions: &$gateway.sessions,
            front: &$gateway.front,
            network: &$gateway.network,
            config: &$gateway.config,
            media: &$gateway.media,
        }
    };
}
pub(super) use look;

/// The components that control channels act on.
macro_rules! controls {
    ($gateway:ident) => {
        crate::gateway::control::Controls {
            devices: &mut $gateway.devices,
            sessions: &mut $gateway.sessions,
        }
    };
}
pub(super) use controls;

/// The components that pictures and sound concern.
macro_rules! watching {
    ($gateway:ident) => {
        crate::gateway::media::Watching {
            media: &mut $gateway.media,
            sessions: &mut $gateway.sessions,
            devices: &mut $gateway.devices,
            front: &mut $gateway.front,
        }
    };
}
pub(super) use watching;

/// The components whose counters are shown.
macro_rules! figures {
    ($gateway:ident, $now:expr) => {
        crate::gateway::metrics::Figures {
            uptime: $now.saturating_duration_since($gateway.clock.started),
            sources: &$gateway.sources,
            front: &$gateway.front,
            table: $gateway.devices.table(),
            network: &$gateway.network,
            sessions: &$gateway.sessions,
            rendezvous: &$gateway.rendezvous,
            media: &$gateway.media,
        }
    };
}
pub(super) use figures;

/// The listeners of news about endpoints.
macro_rules! tell {
    ($gateway:ident) => {
        crate::gateway::news::News {
            connections: $gateway.front.connections_mut(),
            sessions: &mut $gateway.sessions,
            table: $gateway.devices.table(),
        }
    };
}
pub(super) use tell;

/// Whether any component has an event. Most turns carry only messages, so this check is what most of them cost.
macro_rules! has_events {
    ($gateway:ident) => {
        $gateway.devices.has_event()
            || $gateway.sessions.has_ended()
            || $gateway.front.connections().has_event()
            || $gateway.rendezvous.has_event()
            || $gateway.network.has_gathered()
            || $gateway.media.has_news()
    };
}
pub(super) use has_events;

/// Brings every event to the components that act on it. The check stands here and not in the function, because the
/// large stack frame of the function costs more than the check.
macro_rules! settle {
    ($gateway:ident, $now:expr) => {
        if crate::gateway::has_events!($gateway) {
            $gateway.settle_events($now);
        }
    };
}
pub(super) use settle;
