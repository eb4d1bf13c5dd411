//! Small tools that depend on no other part of the program.

pub(crate) mod backoff;
pub(crate) mod byte_queue;
pub(crate) mod halves;
pub(crate) mod json;
pub(crate) mod rate_limit;
pub(crate) mod redact;
pub(crate) mod slab;
pub(crate) mod timers;
pub(crate) mod utf8;
