//! What the payload formats of H.264 and H.265 have in common.

/// Returns the NAL units of an aggregation packet. Each has its size in 16 bits before it (RFC 6184 §5.7.1,
/// RFC 7798 §4.4.2). A unit that ends beyond the payload ends the units.
pub(super) fn units(mut payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (size, rest) = payload.split_first_chunk()?;
        let size = usize::from(u16::from_be_bytes(*size));
        let (unit, rest) = rest.split_at_checked(size)?;
        payload = rest;
        Some(unit)
    })
}

/// Returns true if a slice is the first one of its picture. Its header begins with `first_mb_in_slice`
/// (H.264 §7.3.3), whose code for 0 is one bit that is set, or with the bit
/// `first_slice_segment_in_pic_flag` (H.265 §7.3.6.1).
pub(super) fn is_first_slice(header: &[u8]) -> bool {
    header.first().is_some_and(|byte| byte & 0x80 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_end_where_a_size_is_beyond_the_payload() {
        let all = |payload| units(payload).collect::<Vec<_>>();
        assert_eq!(all(&[0, 1, 7, 0, 0, 0, 2, 8, 9]), [&[7][..], &[], &[8, 9]]);
        assert_eq!(all(&[0, 1, 7, 0, 3, 8, 9]), [&[7]]);
        assert_eq!(all(&[0, 1, 7, 0]), [&[7]]);
        assert!(all(&[]).is_empty() && all(&[0xff, 0xff]).is_empty());
    }
}
