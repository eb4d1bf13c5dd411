//! Tests of BinaryPack: forms, bounds, and offsets of errors. `tests/golden` compares with the libraries.

use super::*;

const BOUNDS: Bounds = Bounds {
    depth: 4,
    elements: 40,
    size: 70_000,
};

fn encoded(value: &Value) -> Vec<u8> {
    let mut out = b"before".to_vec();
    assert_eq!(encode(value, &BOUNDS, &mut out), Ok(()));
    let wire = out.split_off(6);
    assert_eq!(out, b"before");
    wire
}

fn reason(input: &[u8]) -> (usize, Reason) {
    let error = decode(input, &BOUNDS).expect_err("no value");
    (error.offset, error.reason)
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::Null, |inner, _| Value::Array(vec![inner]))
}

#[test]
fn an_object_is_as_in_the_libraries() {
    let value = Value::Map(vec![
        ("a".to_owned(), Value::Unsigned(1)),
        ("b".to_owned(), Value::Text("hey".to_owned())),
    ]);
    assert_eq!(encoded(&value), b"\x82\xb1a\x01\xb1b\xb3hey");
    assert_eq!(decode(b"\x82\xb1a\x01\xb1b\xb3hey", &BOUNDS), Ok(value));
}

#[test]
fn lengths_take_the_shortest_form() {
    for (len, header) in [
        (0, &b"\xa0"[..]),
        (15, b"\xaf"),
        (16, b"\xda\x00\x10"),
        (65_535, b"\xda\xff\xff"),
        (65_536, b"\xdb\x00\x01\x00\x00"),
    ] {
        let wire = encoded(&Value::Bytes(vec![7; len]));
        assert_eq!(wire.strip_suffix(vec![7; len].as_slice()), Some(header));
        let text = encoded(&Value::Text("7".repeat(len)));
        assert_eq!(text.len(), wire.len());
    }
}

#[test]
fn numbers_of_any_form_are_read() {
    for (wire, value) in [
        (&b"\xcc\x05"[..], Value::Unsigned(5)),
        (
            b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
            Value::Unsigned(u64::MAX),
        ),
        (b"\xd0\x05", Value::Unsigned(5)),
        (
            b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00",
            Value::Signed(i64::MIN),
        ),
        (b"\xca\x3f\xc0\x00\x00", Value::Float(1.5)),
        (b"\xc1", Value::Undefined),
    ] {
        assert_eq!(decode(wire, &BOUNDS), Ok(value), "{wire:x?}");
    }
}

#[test]
fn a_number_without_a_fraction_is_an_integer() {
    assert_eq!(encoded(&Value::Float(-1.0)), b"\xff");
    assert_eq!(encoded(&Value::Float(-0.0)), b"\x00");
    assert_eq!(encoded(&Value::Signed(7)), b"\x07");
    let two_to_63 = encoded(&Value::Float(9_223_372_036_854_775_808.0));
    assert_eq!(two_to_63, b"\xcf\x80\0\0\0\0\0\0\0");
    for beyond in [1e300, -1e300, f64::INFINITY, f64::NAN, f64::MIN_POSITIVE] {
        assert_eq!(encoded(&Value::Float(beyond)).first(), Some(&0xcb));
    }
}

#[test]
fn what_is_missing_is_said_and_where() {
    assert_eq!(reason(b""), (0, Reason::Missing(1)));
    assert_eq!(reason(b"\xb3he"), (0, Reason::Missing(1)));
    assert_eq!(reason(b"\xda\x00"), (0, Reason::Missing(1)));
    assert_eq!(reason(b"\x92\x01\xda\x01\x00x"), (2, Reason::Missing(255)));
    assert_eq!(reason(b"\x93\x01\x02"), (0, Reason::Missing(1)));
    assert_eq!(reason(b"\x81\xb0"), (0, Reason::Missing(1)));
    // No memory is allocated for 4,294,967,295 values or bytes.
    for kind in [b"\xdd", b"\xdb", b"\xd9", b"\xdf"] {
        let input = [kind, &b"\xff\xff\xff\xff"[..]].concat();
        assert!(matches!(reason(&input), (0, Reason::Missing(_))));
    }
}

#[test]
fn what_is_wrong_is_said_and_where() {
    assert_eq!(reason(b"\x91\xc4"), (1, Reason::Unassigned(0xc4)));
    assert_eq!(reason(b"\xd7"), (0, Reason::Unassigned(0xd7)));
    assert_eq!(reason(b"\x92\x01\xb1\xff"), (2, Reason::NotUtf8));
    assert_eq!(reason(b"\x81\x01\x02"), (1, Reason::NotAKey));
    assert_eq!(reason(b"\x81\xb1\xff\x02"), (1, Reason::NotUtf8));
    assert_eq!(reason(b"\x01\x02\x03"), (1, Reason::Trailing(2)));
    let error = decode(b"\x92\x01\xb1\xff", &BOUNDS).expect_err("no text");
    assert_eq!(error.to_string(), "at byte 2: a string is not UTF-8");
}

#[test]
fn bounds_hold_both_ways() {
    let mut wire = encoded(&nested(4));
    assert_eq!(decode(&wire, &BOUNDS), Ok(nested(4)));
    wire.insert(0, 0x91);
    assert_eq!(reason(&wire), (4, Reason::Exceeded(Exceeded::Depth)));
    let many = Value::Array(vec![Value::Null; 39]);
    assert_eq!(decode(&encoded(&many), &BOUNDS), Ok(many));
    let too_many = [b"\xdc\x00\x28".as_slice(), &[0xc0; 40]].concat();
    assert_eq!(reason(&too_many), (0, Reason::Exceeded(Exceeded::Elements)));
    let spread = [
        b"\x92\xdc\x00\x14".as_slice(),
        &[0; 20],
        b"\xdc\x00\x14",
        &[0; 20],
    ]
    .concat();
    assert_eq!(reason(&spread), (24, Reason::Exceeded(Exceeded::Elements)));
    assert_eq!(reason(&[0; 70_001]), (0, Reason::Exceeded(Exceeded::Size)));

    for (value, exceeded) in [
        (nested(5), Exceeded::Depth),
        (Value::Array(vec![Value::Null; 40]), Exceeded::Elements),
        (Value::Bytes(vec![0; 69_996]), Exceeded::Size),
        (
            Value::Array(vec![Value::Text("x".repeat(35_000)); 2]),
            Exceeded::Size,
        ),
    ] {
        let mut out = b"before".to_vec();
        assert_eq!(encode(&value, &BOUNDS, &mut out), Err(exceeded));
        assert_eq!(out, b"before");
    }
}

#[test]
fn entries_are_passed_over_however_deep_they_are() {
    let wire = [b"\x82\xb1a".as_slice(), &[0x91; 60_000], b"\x00\xb1b\x07"].concat();
    let mut reader = Reader::new(&wire);
    assert_eq!(reader.item(), Ok(Item::Map(2)));
    assert_eq!(reader.entry().map(|entry| entry.key), Ok(&b"a"[..]));
    assert_eq!(
        reader.entry().map(|entry| entry.item),
        Ok(Item::Unsigned(7))
    );
    assert_eq!(reader.end(), Ok(()));
}

#[test]
fn json_is_that_of_javascript() {
    let value = Value::Map(vec![
        ("z".to_owned(), Value::Undefined),
        (
            "y".to_owned(),
            Value::Array(vec![Value::Undefined, Value::Float(f64::NAN)]),
        ),
        ("x".to_owned(), Value::Bytes(vec![0, 255])),
        (
            "w".to_owned(),
            Value::Array(vec![Value::Float(2.0), Value::Float(0.5)]),
        ),
        ("v".to_owned(), Value::Signed(-3)),
    ]);
    let json = serde_json::to_string(&value).expect("JSON");
    assert_eq!(json, r#"{"y":[null,null],"x":[0,255],"w":[2,0.5],"v":-3}"#);
}
