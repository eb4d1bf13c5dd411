//! What a dialect may do at once during a call: look who is in the hub, join, leave, say something.

use std::marker::PhantomData;

/// The part of the rendezvous that a dialect sees.
pub(crate) struct Lobby<'a> {
    marker: PhantomData<&'a ()>,
}
