//! The header extension that says how the numbers of a picture are colors. VP8 has no other place for it, and what
//! browsers encode looks different without it. It is passed on as it is.
//!
//! str0m knows the URI and drops the value, so in its descriptions the extension has a URI that it does not know.

use str0m::rtp::{Extension, ExtensionSerializer, ExtensionValues};

use crate::transceiver::ColorSpace;

/// The URI of the extension.
pub(super) const URI: &str = "http://www.webrtc.org/experiments/rtp-hdrext/color-space";
/// The URI that str0m sees.
pub(super) const ALIAS: &str = "urn:x-thingway:color-space";

/// Returns the extension for str0m.
pub(super) fn extension() -> Extension {
    Extension::with_serializer(ALIAS, AsItIs)
}

/// Returns the value of a packet.
pub(super) fn get(values: &ExtensionValues) -> Option<ColorSpace> {
    values.user_values.get::<Value>().map(|value| value.0)
}

/// Sets the value of a packet.
pub(super) fn set(values: &mut ExtensionValues, value: ColorSpace) {
    values.user_values.set(Value(value));
}

/// The value among str0m's.
#[derive(Debug)]
struct Value(ColorSpace);

#[derive(Debug)]
struct AsItIs;

impl ExtensionSerializer for AsItIs {
    fn write_to(&self, buffer: &mut [u8], values: &ExtensionValues) -> usize {
        let value = get(values);
        let place = buffer.first_chunk_mut();
        let written = place.zip(value).map(|(place, value)| *place = value);
        written.map_or(0, |()| size_of::<ColorSpace>())
    }

    /// Takes the short form. The long one has the colors of a display for high dynamic range, and does not fit into
    /// the header that the other extensions need (RFC 8285 §4.2).
    fn parse_value(&self, buffer: &[u8], values: &mut ExtensionValues) -> bool {
        let value = ColorSpace::try_from(buffer);
        value.map(|value| set(values, value)).is_ok()
    }

    fn is_video(&self) -> bool {
        true
    }

    fn is_audio(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_any_length_but_four_is_left_out() {
        for (value, is_taken) in [
            (&[1, 2, 3, 4][..], true),
            (&[1, 2, 3], false),
            (&[0; 28], false),
        ] {
            let mut values = ExtensionValues::default();
            assert_eq!(AsItIs.parse_value(value, &mut values), is_taken);
            let mut buffer = [0; 8];
            let written = AsItIs.write_to(&mut buffer, &values);
            assert_eq!(&buffer[..written], if is_taken { value } else { &[] });
        }
    }
}
