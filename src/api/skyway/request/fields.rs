//! The fields of a JSON body, read one by one. Each fault is recorded and reading continues, so that a caller
//! sees all faults of a body at once.

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::Faults;
use crate::api::skyway::FieldError;
use crate::util::json;

/// The faults found so far.
///
/// Fields are named by their whole path (`redirect_params.port`), which ends in their own name. A field that
/// is `null` counts as absent, and so does a field with the value `"n/a"`, which some programs write.
#[derive(Debug, Default)]
pub(super) struct Reader {
    faults: Faults,
}

/// An object in a body; without fields if there is none.
pub(super) type Object<'a> = Option<&'a Map<String, Value>>;

impl Reader {
    /// Parses a body and reads it. The result of `read` is dropped if there was a fault.
    pub(super) fn read<T>(
        body: &[u8],
        read: impl FnOnce(&mut Self, Object<'_>) -> T,
    ) -> Result<T, Faults> {
        let fault = |message: String| vec![FieldError::new("body", message)];
        if body.trim_ascii().is_empty() {
            return Err(fault("a JSON object is expected, and there is none".into()));
        }
        let body: Value = json::with_halves(body)
            .map_err(|error| fault(format!("the body is not JSON: {error}")))?;
        let object = body.as_object();
        if object.is_none() {
            return Err(fault("the body must be a JSON object".into()));
        }
        let mut reader = Self::default();
        let result = read(&mut reader, object);
        if reader.faults.is_empty() {
            Ok(result)
        } else {
            Err(reader.faults)
        }
    }

    /// Records a fault of a field.
    pub(super) fn fault(&mut self, field: &'static str, message: impl Into<String>) {
        self.faults.push(FieldError::new(field, message.into()));
    }

    /// Records a fault if a field is missing.
    pub(super) fn require(&mut self, object: Object<'_>, field: &'static str) {
        if given(object, field).is_none() {
            self.faults.push(FieldError::missing(field));
        }
    }

    /// Returns a text of up to `longest` characters, as JSON Schema counts them.
    pub(super) fn text(
        &mut self,
        object: Object<'_>,
        field: &'static str,
        longest: usize,
    ) -> Option<String> {
        let value = given(object, field)?;
        let text = self.any_text(value, field)?;
        if text.chars().count() > longest {
            self.fault(field, format!("may have {longest} characters at most"));
            return None;
        }
        Some(text)
    }

    /// Returns a text of up to `longest` bytes, where `"n/a"` is a text like any other.
    pub(super) fn free_text(
        &mut self,
        object: Object<'_>,
        field: &'static str,
        longest: usize,
    ) -> Option<String> {
        let value = present(object, field)?;
        let text = self.any_text(value, field)?;
        if text.len() > longest {
            self.fault(field, format!("may have {longest} bytes at most"));
            return None;
        }
        Some(text)
    }

    /// Returns `true` or `false`.
    pub(super) fn boolean(&mut self, object: Object<'_>, field: &'static str) -> Option<bool> {
        let value = given(object, field)?;
        let boolean = value.as_bool();
        if boolean.is_none() {
            self.fault(field, "must be true or false");
        }
        boolean
    }

    /// Returns a whole number; `1.0` counts as one because languages with one kind of number write it so.
    pub(super) fn number<T: Copy + Display + PartialOrd + TryFrom<i64>>(
        &mut self,
        object: Object<'_>,
        field: &'static str,
        range: RangeInclusive<T>,
    ) -> Option<T> {
        let value = given(object, field)?;
        let number = whole(value).and_then(|number| T::try_from(number).ok());
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let (start, end) = range.into_inner();
            self.fault(
                field,
                format!("must be a whole number from {start} to {end}"),
            );
        }
        number
    }

    /// Returns an object.
    pub(super) fn object<'a>(&mut self, object: Object<'a>, field: &'static str) -> Object<'a> {
        let value = given(object, field)?;
        let found = value.as_object();
        if found.is_none() {
            self.fault(field, "must be an object");
        }
        found
    }

    fn any_text(&mut self, value: &Value, field: &'static str) -> Option<String> {
        let text = value.as_str();
        if text.is_none() {
            self.fault(field, "must be a string");
        }
        text.map(str::to_owned)
    }
}

/// Returns a value as a whole number. Beyond 2^53 a float is not exact.
#[expect(
    clippy::cast_possible_truncation,
    reason = "it has no fraction, and an i64 holds it"
)]
pub(super) fn whole(value: &Value) -> Option<i64> {
    let float = || {
        let number = value.as_f64()?;
        (number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0).then_some(number as i64)
    };
    value.as_i64().or_else(float)
}

/// Returns a field that is present and has a value.
pub(super) fn given<'a>(object: Object<'a>, field: &str) -> Option<&'a Value> {
    present(object, field).filter(|value| value.as_str() != Some("n/a"))
}

fn present<'a>(object: Object<'a>, field: &str) -> Option<&'a Value> {
    let name = field.rsplit('.').next()?;
    object?.get(name).filter(|value| !value.is_null())
}
