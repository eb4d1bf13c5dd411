//! Small things that know nothing of the rest.

pub(crate) mod backoff;
pub(crate) mod byte_queue;
pub(crate) mod halves;
pub(crate) mod json;
pub(crate) mod rate_limit;
pub(crate) mod redact;
pub(crate) mod slab;
pub(crate) mod timers;
pub(crate) mod utf8;
