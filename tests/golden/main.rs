//! What must not change by accident: the answers to real browsers' offers, and that the API's
//! description and its routes agree.
#![allow(
    clippy::unwrap_used,
    clippy::too_many_lines,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may fail by panicking; files are read and time begins somewhere"
)]

mod answers;
mod description;
mod payloads;
