//! A reader that takes a TOML document key by key, and keeps a list of all its faults.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "every other type of TOML is as wrong"
)]

use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Fault;

/// A parsed file with the faults found so far.
pub(super) struct Document<'a> {
    text: &'a str,
    table: Option<DeTable<'a>>,
    faults: Vec<Fault>,
    /// Every key that was looked for, so that a test can compare them with the documents.
    asked: BTreeSet<String>,
}

/// One table of the file. Readers take keys out of the table, and the keys left at the end are unknown.
pub(super) struct Section<'a> {
    path: String,
    line: usize,
    table: DeTable<'a>,
}

impl<'a> Document<'a> {
    pub(super) fn parse(text: &'a str) -> Self {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut document = Self {
            text,
            table: Some(table.into_inner()),
            faults: Vec::new(),
            asked: BTreeSet::new(),
        };
        for error in errors {
            let line = document.line(&error.span().unwrap_or_default());
            document.fault_at(line, error.message().to_owned());
        }
        document
    }

    /// Returns the whole file as a section. This works once.
    pub(super) fn root(&mut self) -> Section<'a> {
        Section {
            path: String::new(),
            line: 1,
            table: self.table.take().unwrap_or_default(),
        }
    }

    pub(super) fn fault_at(&mut self, line: usize, message: String) {
        self.faults.push(Fault { line, message });
    }

    /// Returns the keys that were looked for, present or not.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn into_asked(self) -> BTreeSet<String> {
        self.asked
    }

    /// Returns the key of the same table that was probably meant, if one is spelled similarly.
    fn nearest(&self, name: &str) -> Option<&str> {
        let table = |name: &str| name.rsplit_once('.').map(|(table, _)| table.to_owned());
        let wanted = table(name);
        let siblings = self.asked.iter().filter(|key| table(key) == wanted);
        let near = siblings.map(|key| (strsim::damerau_levenshtein(key, name), key.as_str()));
        let (distance, key) = near.min()?;
        (distance <= 2).then_some(key)
    }

    /// Returns how many faults were found so far.
    pub(super) fn fault_count(&self) -> usize {
        self.faults.len()
    }

    /// Returns `value`, or the faults if there are any.
    pub(super) fn finish<T>(mut self, value: T) -> Result<T, Vec<Fault>> {
        self.faults.sort();
        self.faults.dedup();
        if self.faults.is_empty() {
            Ok(value)
        } else {
            Err(self.faults)
        }
    }

    fn line(&self, span: &Range<usize>) -> usize {
        let before = self
            .text
            .as_bytes()
            .get(..span.start)
            .unwrap_or(self.text.as_bytes());
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }

    fn wrong_type(&mut self, key: &str, span: &Range<usize>, wanted: &str, found: &DeValue<'_>) {
        let line = self.line(span);
        self.fault_at(
            line,
            format!("{key} must be {wanted}, not {}", found.type_str()),
        );
    }
}

impl<'a> Section<'a> {
    /// Returns the path of the section's table, as in `http.tls`.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Returns the line where the section begins.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// Returns the line of a key that was not taken yet, or `None` if the section does not have the key.
    pub(super) fn line_of(&self, key: &str, document: &Document<'a>) -> Option<usize> {
        let value = self.table.get(key)?;
        Some(document.line(&value.span()))
    }

    fn take(
        &mut self,
        key: &str,
        document: &mut Document<'a>,
    ) -> Option<(Range<usize>, DeValue<'a>)> {
        document.asked.insert(self.name(key));
        let value = self.table.remove(key)?;
        Some((value.span(), value.into_inner()))
    }

    fn name(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Takes a table below this one.
    pub(super) fn table(&mut self, key: &str, document: &mut Document<'a>) -> Option<Self> {
        let (span, value) = self.take(key, document)?;
        let path = self.name(key);
        match value {
            DeValue::Table(table) => Some(Section {
                path,
                line: document.line(&span),
                table,
            }),
            other => {
                document.wrong_type(&path, &span, &format!("a table, as in [{path}]"), &other);
                None
            }
        }
    }

    /// Takes an array of tables, as `[[key]]` makes it.
    pub(super) fn tables(&mut self, key: &str, document: &mut Document<'a>) -> Vec<Self> {
        let Some((span, value)) = self.take(key, document) else {
            return Vec::new();
        };
        let path = self.name(key);
        let wanted = format!("a list of tables, as in [[{path}]]");
        let DeValue::Array(array) = value else {
            document.wrong_type(&path, &span, &wanted, &value);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in array {
            let span = item.span();
            match item.into_inner() {
                DeValue::Table(table) => {
                    let line = document.line(&span);
                    sections.push(Section {
                        path: path.clone(),
                        line,
                        table,
                    });
                }
                other => document.wrong_type(&path, &span, &wanted, &other),
            }
        }
        sections
    }

    /// Takes a string, with its line.
    pub(super) fn string(
        &mut self,
        key: &str,
        document: &mut Document<'a>,
    ) -> Option<(usize, String)> {
        let (span, value) = self.take(key, document)?;
        match value {
            DeValue::String(text) => Some((document.line(&span), text.into_owned())),
            other => {
                document.wrong_type(&self.name(key), &span, "a string", &other);
                None
            }
        }
    }

    /// Takes a list of strings, each with its line. Returns `None` also if the list has values but no string,
    /// because that fault is reported and must not cause another one.
    pub(super) fn strings(
        &mut self,
        key: &str,
        document: &mut Document<'a>,
    ) -> Option<Vec<(usize, String)>> {
        let (span, value) = self.take(key, document)?;
        let name = self.name(key);
        let DeValue::Array(array) = value else {
            document.wrong_type(&name, &span, "a list of strings", &value);
            return None;
        };
        let is_empty = array.is_empty();
        let mut strings = Vec::new();
        for item in array {
            let span = item.span();
            match item.into_inner() {
                DeValue::String(text) => strings.push((document.line(&span), text.into_owned())),
                other => document.wrong_type(&name, &span, "a list of strings", &other),
            }
        }
        (is_empty || !strings.is_empty()).then_some(strings)
    }

    /// Takes a table of strings: the line, the key and the value of each.
    pub(super) fn pairs(
        &mut self,
        key: &str,
        document: &mut Document<'a>,
    ) -> Vec<(usize, String, String)> {
        let Some(section) = self.table(key, document) else {
            return Vec::new();
        };
        let mut pairs = Vec::new();
        for (key, value) in section.table {
            let (span, key) = (value.span(), key.into_inner().into_owned());
            match value.into_inner() {
                DeValue::String(text) => {
                    pairs.push((document.line(&span), key, text.into_owned()));
                }
                other => {
                    let name = format!("{}.{key}", section.path);
                    document.wrong_type(&name, &span, "a string", &other);
                }
            }
        }
        pairs
    }

    /// Takes `true` or `false`.
    pub(super) fn boolean(&mut self, key: &str, document: &mut Document<'a>) -> Option<bool> {
        let (span, value) = self.take(key, document)?;
        if let DeValue::Boolean(is) = value {
            return Some(is);
        }
        document.wrong_type(&self.name(key), &span, "true or false", &value);
        None
    }

    /// Takes one word out of a few.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &str,
        choices: &[(&str, T)],
        document: &mut Document<'a>,
    ) -> Option<T> {
        let (line, text) = self.string(key, document)?;
        let found = choices.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            let name = self.name(key);
            let message = format!("{name} must be {}, not {text:?}", one_of(&names));
            document.fault_at(line, message);
        }
        found.map(|(_, value)| *value)
    }

    /// Takes a whole number within a range.
    pub(super) fn integer(
        &mut self,
        key: &str,
        range: RangeInclusive<i64>,
        document: &mut Document<'a>,
    ) -> Option<i64> {
        let (_, number) = self.number(key, range, document)?;
        Some(number)
    }

    /// Takes a whole number within a range, with its line.
    pub(super) fn number(
        &mut self,
        key: &str,
        range: RangeInclusive<i64>,
        document: &mut Document<'a>,
    ) -> Option<(usize, i64)> {
        let (span, value) = self.take(key, document)?;
        let name = self.name(key);
        let number = within(&name, &span, &value, range, document)?;
        Some((document.line(&span), number))
    }

    /// Takes a list of whole numbers within a range, with the line of the list. Returns `None` if any value
    /// is wrong.
    pub(super) fn numbers(
        &mut self,
        key: &str,
        range: RangeInclusive<i64>,
        document: &mut Document<'a>,
    ) -> Option<(usize, Vec<i64>)> {
        let (span, value) = self.take(key, document)?;
        let name = self.name(key);
        let DeValue::Array(array) = value else {
            document.wrong_type(&name, &span, "a list of whole numbers", &value);
            return None;
        };
        // Check every item before the answer, so that all faults are reported.
        let items: Vec<Option<i64>> = array
            .into_iter()
            .map(|item| {
                let span = item.span();
                within(&name, &span, &item.into_inner(), range.clone(), document)
            })
            .collect();
        let numbers = items.into_iter().collect::<Option<_>>()?;
        Some((document.line(&span), numbers))
    }

    /// Reports every key that was not taken as unknown.
    pub(super) fn finish(self, document: &mut Document<'a>) {
        for key in self.table.keys() {
            let line = document.line(&Spanned::span(key));
            let name = if self.path.is_empty() {
                key.get_ref().to_string()
            } else {
                format!("{}.{}", self.path, key.get_ref())
            };
            let meant = document.nearest(&name);
            let hint = meant.map_or_else(String::new, |key| format!("; did you mean {key}?"));
            document.fault_at(line, format!("unknown key {name}{hint}"));
        }
    }
}

/// Returns a value as a whole number within a range, or reports why it is none.
fn within(
    name: &str,
    span: &Range<usize>,
    value: &DeValue<'_>,
    range: RangeInclusive<i64>,
    document: &mut Document<'_>,
) -> Option<i64> {
    let DeValue::Integer(number) = value else {
        document.wrong_type(name, span, "a whole number", value);
        return None;
    };
    let parsed = i64::from_str_radix(&number.as_str().replace('_', ""), number.radix());
    match parsed {
        Ok(n) if range.contains(&n) => Some(n),
        Ok(_) | Err(_) => {
            let line = document.line(span);
            let (from, to) = (range.start(), range.end());
            document.fault_at(
                line,
                format!(
                    "{name} must be from {from} to {to}, not {}",
                    number.as_str()
                ),
            );
            None
        }
    }
}

/// Returns the names as `a, b or c`.
pub(super) fn one_of(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
