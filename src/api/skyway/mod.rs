//! The REST API of SkyWay WebRTC Gateway 0.4.3, without its state: what a request asks for, what
//! the answers look like, what waits to be told, and which ports are free.
//!
//! A [`Call`] is what a method and a path ask for, [`request`] has the bodies, [`reply`] the
//! answers, [`EventQueue`] what a long poll will be told. Names and shapes are those of its
//! `api.yaml` and of the programs that use it (its Ruby samples, the crate
//! `skyway-webrtc-gateway-api`, the Node SDK). Who holds peers and connections, which ids there
//! are and which token is right, is not known here. Media connections are refused.

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

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Where: a field's path such as `redirect_params.port`, a parameter, or `body`.
    pub field: &'static str,
    /// What, in a sentence for people that repeats nothing of the request.
    pub message: Cow<'static, str>,
}

impl FieldError {
    /// What is wrong there.
    pub fn new(field: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            field,
            message: message.into(),
        }
    }

    /// The words of the gateway for what is not there.
    pub fn missing(field: &'static str) -> Self {
        let name = field.rsplit('.').next().unwrap_or(field);
        Self::new(field, format!("{name} field is not specified"))
    }
}
