//! Small containers that know nothing of the rest.

pub mod backoff;
pub mod byte_queue;
pub mod redact;
pub mod slab;
