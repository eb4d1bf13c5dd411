//! REMB, the receiver's estimated maximum bitrate (draft-alvestrand-rmcat-remb-03 §2.2), as the feedback control
//! information (FCI) of a payload-specific feedback packet. The crate rtcp-types does not know it.

use rtcp_types::FciFeedbackPacketType;
use rtcp_types::RtcpWriteError;
use rtcp_types::prelude::{FciBuilder, RtcpPacketWriter};

use super::RtcpFault;

/// The format of application layer feedback (RFC 4585 §6.4). REMB is one kind of it.
pub(super) const FORMAT: u8 = 15;

const IDENTIFIER: [u8; 4] = *b"REMB";
/// The bits of the mantissa. The exponent has 6 bits.
const MANTISSA_BITS: u32 = 18;
/// The identifier, the number of sources, exponent and mantissa.
const HEADER: usize = 8;

/// Returns the bitrate, or `None` for application layer feedback of another kind. A bitrate beyond 64 bits, which
/// the format can express, becomes the largest one.
pub(super) fn read(fci: &[u8]) -> Result<Option<u64>, RtcpFault> {
    let Some((&IDENTIFIER, rest)) = fci.split_first_chunk() else {
        return Ok(None);
    };
    let [count, high, middle, low, sources @ ..] = rest else {
        return Err(RtcpFault::BadLength);
    };
    if sources.len() < 4 * usize::from(*count) {
        return Err(RtcpFault::BadLength);
    }
    let exponent = u32::from(high >> 2);
    let mantissa = u64::from(u32::from_be_bytes([0, high & 0x03, *middle, *low]));
    if mantissa.leading_zeros() < exponent {
        return Ok(Some(if mantissa == 0 { 0 } else { u64::MAX }));
    }
    Ok(Some(mantissa << exponent))
}

/// An estimate to be written.
#[derive(Debug)]
pub(super) struct Estimate<'a> {
    pub(super) bitrate: u64,
    /// The streams that the estimate is for. At most 255.
    pub(super) sources: &'a [u32],
}

impl RtcpPacketWriter for Estimate<'_> {
    fn calculate_size(&self) -> Result<usize, RtcpWriteError> {
        if u8::try_from(self.sources.len()).is_err() {
            let count = self.sources.len();
            return Err(RtcpWriteError::TooManySources {
                count,
                max: u8::MAX,
            });
        }
        Ok(HEADER + 4 * self.sources.len())
    }

    fn write_into_unchecked(&self, buf: &mut [u8]) -> usize {
        // The mantissa is rounded down, because an estimate must not promise more than there is.
        let exponent = (u64::BITS - self.bitrate.leading_zeros()).saturating_sub(MANTISSA_BITS);
        let value = exponent << MANTISSA_BITS | low_half(self.bitrate >> exponent);
        let [_, high, middle, low] = value.to_be_bytes();
        let count = u8::try_from(self.sources.len()).unwrap_or(u8::MAX);
        let header = [count, high, middle, low];
        let sources = self.sources.iter().map(|source| source.to_be_bytes());
        let words = [IDENTIFIER, header].into_iter().chain(sources);
        let mut written = 0;
        for (place, word) in buf.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word);
            written += word.len();
        }
        written
    }

    fn get_padding(&self) -> Option<u8> {
        None
    }
}

impl FciBuilder<'_> for Estimate<'_> {
    fn format(&self) -> u8 {
        FORMAT
    }

    fn supports_feedback_type(&self) -> FciFeedbackPacketType {
        FciFeedbackPacketType::PAYLOAD
    }
}

/// Returns a mantissa as 32 bits.
fn low_half(mantissa: u64) -> u32 {
    u32::try_from(mantissa).unwrap_or(u32::MAX >> (u32::BITS - MANTISSA_BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(bitrate: u64, sources: &[u32]) -> Vec<u8> {
        let estimate = Estimate { bitrate, sources };
        let mut fci = vec![0; estimate.calculate_size().unwrap()];
        assert_eq!(estimate.write_into_unchecked(&mut fci), fci.len());
        fci
    }

    #[test]
    fn bitrates_of_18_bits_are_exact_and_others_lose_less_than_their_last_bits() {
        for bitrate in [0, 1, 64_000, (1 << 18) - 1] {
            assert_eq!(read(&written(bitrate, &[])), Ok(Some(bitrate)));
        }
        for bitrate in [1 << 18, (1 << 18) + 1, 2_500_000, 987_654_321, u64::MAX] {
            let read = read(&written(bitrate, &[7])).unwrap().unwrap();
            assert!(
                read <= bitrate && bitrate - read <= bitrate >> 17,
                "{bitrate}"
            );
        }
    }

    #[test]
    fn the_layout_is_that_of_the_draft() {
        // 2,500,000 = 156,250 * 2^4, and 156,250 = 0x2625a.
        let expected = [
            b'R', b'E', b'M', b'B', 2, 0x12, 0x62, 0x5a, 0, 0, 0, 7, 0xff, 0, 0, 9,
        ];
        assert_eq!(written(2_500_000, &[7, 0xff00_0009]), expected);
    }

    #[test]
    fn what_does_not_fit_is_the_largest_bitrate_or_a_fault() {
        let bytes = |rest: &[u8]| [&IDENTIFIER[..], rest].concat();
        assert_eq!(read(&bytes(&[0, 0xff, 0xff, 0xff])), Ok(Some(u64::MAX)));
        assert_eq!(read(&bytes(&[0, 0xfc, 0, 0])), Ok(Some(0)));
        assert_eq!(read(&bytes(&[0, 0xfc, 0, 1])), Ok(Some(1 << 63)));
        assert_eq!(read(&bytes(&[1, 0, 0, 1])), Err(RtcpFault::BadLength));
        assert_eq!(read(&bytes(&[0, 0, 0])), Err(RtcpFault::BadLength));
        assert_eq!(read(b"AFB1\0\0\0\x01"), Ok(None));
        assert_eq!(read(b""), Ok(None));
    }

    #[test]
    fn more_sources_than_the_count_can_say_are_refused() {
        let sources = [1; 256];
        let (bitrate, sources) = (1, &sources[..]);
        let estimate = Estimate { bitrate, sources };
        assert!(estimate.calculate_size().is_err());
    }
}
