//! BinaryPack item by item, each in the form that the libraries write.

use super::Value;

#[cfg(any(test, feature = "testing"))]
pub(super) fn null(out: &mut Vec<u8>) {
    out.push(0xc0);
}

#[cfg(any(test, feature = "testing"))]
pub(super) fn bool(value: bool, out: &mut Vec<u8>) {
    out.push(if value { 0xc3 } else { 0xc2 });
}

/// Appends a number in the shortest form, except that from 2^32 on a signed form is preferred.
pub(in crate::payload) fn unsigned(value: u64, out: &mut Vec<u8>) {
    if let Ok(value) = u8::try_from(value) {
        if value <= 0x7f {
            out.push(value);
        } else {
            out.extend([0xcc, value]);
        }
    } else if let Ok(value) = u16::try_from(value) {
        form(0xcd, value.to_be_bytes(), out);
    } else if let Ok(value) = u32::try_from(value) {
        form(0xce, value.to_be_bytes(), out);
    } else if let Ok(value) = i64::try_from(value) {
        form(0xd3, value.to_be_bytes(), out);
    } else {
        form(0xcf, value.to_be_bytes(), out);
    }
}

/// Appends a number in the shortest form.
#[cfg(any(test, feature = "testing"))]
pub(super) fn signed(value: i64, out: &mut Vec<u8>) {
    if let Ok(value) = u64::try_from(value) {
        unsigned(value, out);
    } else if let Ok(value) = i8::try_from(value) {
        if value >= -0x20 {
            out.extend(value.to_be_bytes());
        } else {
            form(0xd0, value.to_be_bytes(), out);
        }
    } else if let Ok(value) = i16::try_from(value) {
        form(0xd1, value.to_be_bytes(), out);
    } else if let Ok(value) = i32::try_from(value) {
        form(0xd2, value.to_be_bytes(), out);
    } else {
        form(0xd3, value.to_be_bytes(), out);
    }
}

/// Appends a number of JavaScript.
#[cfg(any(test, feature = "testing"))]
pub(super) fn number(value: f64, out: &mut Vec<u8>) {
    match integer(value) {
        Some(Value::Unsigned(value)) => unsigned(value, out),
        Some(Value::Signed(value)) => signed(value, out),
        Some(_) | None => form(0xcb, value.to_be_bytes(), out),
    }
}

/// Returns the same number as an integer of 64 bits, if one exists.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it has no fraction and lies within the type"
)]
pub(super) fn integer(value: f64) -> Option<Value> {
    /// 2^63.
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    if value != value.trunc() {
        None
    } else if (0.0..2.0 * HALF).contains(&value) {
        Some(Value::Unsigned(value as u64))
    } else if (-HALF..0.0).contains(&value) {
        Some(Value::Signed(value as i64))
    } else {
        None
    }
}

/// Appends the header of a text of `len` bytes of UTF-8.
pub(in crate::payload) fn text_header(len: u32, out: &mut Vec<u8>) {
    header([0xb0, 0xd8, 0xd9], len, out);
}

/// Appends the header of `len` bytes.
pub(in crate::payload) fn bytes_header(len: u32, out: &mut Vec<u8>) {
    header([0xa0, 0xda, 0xdb], len, out);
}

/// Appends the header of an array of `count` values.
#[cfg(any(test, feature = "testing"))]
pub(super) fn array_header(count: u32, out: &mut Vec<u8>) {
    header([0x90, 0xdc, 0xdd], count, out);
}

/// Appends the header of an object of `count` keys and values.
pub(in crate::payload) fn map_header(count: u32, out: &mut Vec<u8>) {
    header([0x80, 0xde, 0xdf], count, out);
}

/// Appends a header: the type with the number in it, or the type before two bytes, or before four.
fn header([within, short, long]: [u8; 3], number: u32, out: &mut Vec<u8>) {
    match (u8::try_from(number), u16::try_from(number)) {
        (Ok(number @ 0..=0x0f), _) => out.push(within | number),
        (_, Ok(number)) => form(short, number.to_be_bytes(), out),
        (_, Err(_)) => form(long, number.to_be_bytes(), out),
    }
}

fn form<const N: usize>(kind: u8, bytes: [u8; N], out: &mut Vec<u8>) {
    out.push(kind);
    out.extend(bytes);
}
