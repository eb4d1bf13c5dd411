//! The REST API of SkyWay WebRTC Gateway 0.4.3, without its state: the operations that requests ask for, the
//! form of the answers, the events that wait, and the free ports.
//!
//! A [`Call`] is the operation that a method and a path ask for, [`request`] has the bodies, [`reply`] the
//! answers, [`EventQueue`] the events for a long poll. Names and shapes are those of its `api.yaml` and of
//! the programs that use it (its Ruby samples, the crate `skyway-webrtc-gateway-api`, the Node SDK). This
//! module does not know the owners of peers and connections, the existing ids, or the right token. Media
//! connections are refused.

mod call;
mod event;
pub mod ids;
mod port_owners;
mod ports;
pub mod reply;
pub mod request;
#[cfg(test)]
mod tests;

#[cfg(any(test, feature = "testing"))]
pub use call::routes;
pub use call::{Call, Media, NotAllowed, allow, resolve};
pub use event::{Event, EventQueue, Subject};
pub use port_owners::PortOwners;
pub use ports::ContentPorts;
pub use reply::error;

use std::borrow::Cow;

/// One fault of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The place of the fault: a field's path such as `redirect_params.port`, a parameter, or `body`.
    pub field: &'static str,
    /// The fault, in a sentence for people that repeats nothing of the request.
    pub message: Cow<'static, str>,
}

impl FieldError {
    /// Returns a fault of a field.
    pub fn new(field: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            field,
            message: message.into(),
        }
    }

    /// Returns the fault that a field is missing, in the words of SkyWay's gateway.
    pub fn missing(field: &'static str) -> Self {
        let name = field.rsplit('.').next().unwrap_or(field);
        Self::new(field, format!("{name} field is not specified"))
    }
}
