//! The sections that str0m has, through all offers of a session.
//!
//! str0m wants every section at the place that it once had. A section that has lost its track is stopped, and
//! its place serves the next track: str0m then forgets the old streams, so that no stream continues the numbers of
//! another one.

use super::forms::Form;
use crate::transceiver::{TrackWish, TransceiverKey};

/// How the names of sections without a track begin. No section with a track may have such a name.
pub(super) const OURS: &str = "ours_";

/// The most places. Browsers that stop a section use its place again.
const MAX_SLOTS: usize = 33;

/// Who has a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Holder {
    DataChannel,
    Track(Box<SlotTrack>),
    Nobody,
}

/// A track with a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SlotTrack {
    pub(super) key: TransceiverKey,
    pub(super) wish: TrackWish,
    pub(super) payload_type: u8,
    /// Whether str0m has been told the streams of the peer. It keeps all that it is told.
    pub(super) has_streams: bool,
}

/// A place in the descriptions that str0m sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    /// The name of the section as str0m has it.
    pub(super) mid: String,
    pub(super) holder: Holder,
}

impl Slot {
    /// Returns who has this place. `None`: nobody.
    pub(super) fn section(&self) -> Option<&Holder> {
        (self.holder != Holder::Nobody).then_some(&self.holder)
    }

    /// Returns the track that has this place.
    pub(super) fn track(&self) -> Option<&SlotTrack> {
        match &self.holder {
            Holder::Track(track) => Some(track),
            Holder::DataChannel | Holder::Nobody => None,
        }
    }
}

/// The payload types that a form has for the whole session, because str0m keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UsedForm {
    pub(super) form: Form,
    pub(super) payload_type: u8,
    pub(super) resend: Option<u8>,
}

impl UsedForm {
    /// Returns whether both can be used in one session: they are the same, or have nothing in common.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        let numbers = |it: &Self| [Some(it.payload_type), it.resend].into_iter().flatten();
        let mut ours = numbers(self);
        self == other
            || (self.form != other.form
                && !ours.any(|number| numbers(other).any(|used| used == number)))
    }
}

/// The sections that str0m has, in its order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(in crate::session) struct Slots {
    all: Vec<Slot>,
    forms: Vec<UsedForm>,
}

impl Slots {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> + Clone {
        self.all.iter()
    }

    pub(super) fn forms(&self) -> &[UsedForm] {
        &self.forms
    }

    /// Returns the place of the data channels.
    pub(super) fn data_channel(&self) -> Option<usize> {
        let mut all = self.all.iter();
        all.position(|slot| slot.holder == Holder::DataChannel)
    }

    /// Returns the lowest key that no track has.
    pub(super) fn free_key(&self) -> Option<TransceiverKey> {
        let is_used = |key| {
            let mut tracks = self.all.iter().filter_map(Slot::track);
            tracks.any(|track| track.key == key)
        };
        let mut keys = (0..u8::MAX).map(TransceiverKey);
        keys.find(|key| !is_used(*key))
    }

    /// Returns the place of a track.
    pub(super) fn place_of(&self, key: TransceiverKey) -> Option<usize> {
        let mut all = self.all.iter();
        all.position(|slot| slot.track().is_some_and(|track| track.key == key))
    }

    /// Gives a place to a section. Returns `None` if there is none left.
    pub(super) fn take(&mut self, mid: String, holder: Holder) -> Option<usize> {
        let slot = Slot { mid, holder };
        let mut all = self.all.iter_mut();
        if let Some(at) = all.position(|slot| slot.holder == Holder::Nobody) {
            *self.all.get_mut(at)? = slot;
            return Some(at);
        }
        if self.all.len() == MAX_SLOTS {
            return None;
        }
        self.all.push(slot);
        Some(self.all.len() - 1)
    }

    /// Notes that str0m is told the streams of a track's peer.
    pub(super) fn note_streams(&mut self, key: TransceiverKey) {
        let place = self.place_of(key);
        let slot = place.and_then(|place| self.all.get_mut(place));
        if let Some(Holder::Track(track)) = slot.map(|slot| &mut slot.holder) {
            track.has_streams = true;
        }
    }

    /// Takes the place of a track away.
    pub(super) fn release(&mut self, key: TransceiverKey) {
        if let Some(place) = self.place_of(key)
            && let Some(slot) = self.all.get_mut(place)
        {
            *slot = Slot {
                mid: format!("{OURS}{place}"),
                holder: Holder::Nobody,
            };
        }
    }

    /// Notes the payload types of a form.
    pub(super) fn note_form(&mut self, used: UsedForm) {
        if !self.forms.contains(&used) {
            self.forms.push(used);
        }
    }
}
