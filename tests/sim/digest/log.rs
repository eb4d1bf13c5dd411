//! A log of what an outsider sees, with one list of lines per object. The order between two objects is not
//! part of it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::mask::Mask;

#[derive(Default)]
pub struct Log {
    pub mask: Mask,
    objects: BTreeMap<String, Vec<String>>,
}

impl Log {
    /// Adds a line to an object. Random names are masked in both.
    pub fn note(&mut self, object: &str, line: &str) {
        let (object, line) = (self.mask.text(object), self.mask.text(line));
        self.objects.entry(object).or_default().push(line);
    }

    /// Adds a line with a message in JSON, like [`Self::note`].
    pub fn note_json(&mut self, object: &str, message: &Value) {
        let text = self.mask.json(message).to_string();
        self.note(object, &text);
    }

    /// Adds a line with bytes, like [`Self::note`]: short ones as they are, long ones as their hash.
    pub fn note_bytes(&mut self, object: &str, what: &str, bytes: &[u8]) {
        let line = if bytes.len() <= 64 {
            format!("{what} {}", bytes.escape_ascii())
        } else {
            format!("{what} {} bytes, {:016x}", bytes.len(), hash(bytes))
        };
        // Bytes of an application contain no names to mask.
        self.note_plainly(object, line);
    }

    /// Adds a line that is not masked.
    pub fn note_plainly(&mut self, object: &str, line: String) {
        let object = self.mask.text(object);
        self.objects.entry(object).or_default().push(line);
    }

    /// Returns all lines, object by object.
    pub fn text(mut self) -> String {
        // Several objects have the same masked id, and their order has no meaning.
        let several = self.objects.iter_mut();
        let several =
            several.filter(|(object, _)| object.contains("id>") && object.contains("GET /events"));
        several.for_each(|(_, lines)| lines.sort());
        let objects = self.objects.iter();
        let lines = objects.map(|(object, lines)| {
            let lines = lines
                .iter()
                .map(|line| format!("    {}\n", line.replace('\n', "\n    ")));
            format!("{object}\n{}", lines.collect::<String>())
        });
        lines.collect()
    }
}

/// Returns the FNV-1a hash in 64 bits, which depends on no version of the standard library.
pub fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
