//! Small things that know nothing of the rest.

pub mod backoff;
pub mod byte_queue;
pub mod halves;
pub mod json;
pub mod rate_limit;
pub mod redact;
pub mod slab;
pub(crate) mod timers;
pub mod utf8;
