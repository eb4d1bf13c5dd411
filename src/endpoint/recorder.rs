//! The traffic of an endpoint, as lines of text for a capture file.
//!
//! One line per read or write: `1763692807.123456 < ok\r\n`. The time is Unix time with microseconds; `<` is
//! from the device, `>` to it. Printable ASCII characters stand for themselves, except the backslash; all
//! other bytes become `\r`, `\n`, `\t`, `\\` or `\x00` to `\xff`.

use std::fmt::Write as _;
use std::time::Duration;

use super::Count;
use crate::util::byte_queue::ByteQueue;

/// How much text may wait for the file. A read of 16 KiB may need four times that size.
const QUEUE: usize = 256 * 1024;

/// The direction of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the device.
    In,
    /// To the device.
    Out,
}

/// Lines that wait to be written to a file.
#[derive(Debug)]
pub struct Recorder {
    queue: ByteQueue,
    line: String,
    /// How many bytes did not fit since the last line that did.
    missing: u64,
    lost: Count,
}

impl Recorder {
    /// Returns a recorder without lines.
    pub fn new() -> Self {
        Self {
            queue: ByteQueue::new(QUEUE),
            line: String::new(),
            missing: 0,
            lost: Count::default(),
        }
    }

    /// Records bytes that pass. `time` is the time since 1970.
    pub fn record(&mut self, time: Duration, way: Way, bytes: &[u8]) {
        self.line.clear();
        let (seconds, micros) = (time.as_secs(), time.subsec_micros());
        if self.missing > 0 {
            let missing = self.missing;
            let _infallible = writeln!(
                self.line,
                "{seconds}.{micros:06} # {missing} bytes are missing"
            );
        }
        let arrow = match way {
            Way::In => '<',
            Way::Out => '>',
        };
        let _infallible = write!(self.line, "{seconds}.{micros:06} {arrow} ");
        for byte in bytes {
            match byte {
                b'\r' => self.line.push_str("\\r"),
                b'\n' => self.line.push_str("\\n"),
                b'\t' => self.line.push_str("\\t"),
                b'\\' => self.line.push_str("\\\\"),
                b' '..=b'~' => self.line.push(char::from(*byte)),
                other => {
                    let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
                    self.line.push_str("\\x");
                    self.line.push(digit(other >> 4));
                    self.line.push(digit(other & 15));
                }
            }
        }
        self.line.push('\n');
        if self.queue.push(self.line.as_bytes()) {
            self.missing = 0;
        } else {
            self.missing += bytes.len() as u64;
            self.lost.add(Count::one(bytes.len()));
        }
    }

    /// Returns whole lines to be written next.
    pub fn output(&self) -> &[u8] {
        self.queue.as_slice()
    }

    /// Removes the first `n` bytes of [`Self::output`], which were written.
    pub fn consume(&mut self, n: usize) {
        self.queue.consume(n);
    }

    /// Returns how much the file has missed in all.
    pub fn lost(&self) -> Count {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads the bytes of a capture as its reader would.
    fn read(text: &str, arrow: &str) -> Vec<u8> {
        let mut all = Vec::new();
        for line in text.lines() {
            let mut words = line.splitn(3, ' ');
            let (_, way, data) = (words.next(), words.next(), words.next().unwrap());
            if way != Some(arrow) {
                continue;
            }
            let mut chars = data.chars();
            while let Some(c) = chars.next() {
                all.push(match c {
                    '\\' => match chars.next().unwrap() {
                        'r' => b'\r',
                        'n' => b'\n',
                        't' => b'\t',
                        '\\' => b'\\',
                        'x' => {
                            let digits: String = chars.by_ref().take(2).collect();
                            u8::from_str_radix(&digits, 16).unwrap()
                        }
                        other => panic!("\\{other}"),
                    },
                    c => u8::try_from(c).unwrap(),
                });
            }
        }
        all
    }

    #[test]
    fn a_line_says_when_whence_and_what() {
        let mut recorder = Recorder::new();
        recorder.record(Duration::new(7, 42_000), Way::In, b"ok \\\r\n\xff\x00");
        let expected = "7.000042 < ok \\\\\\r\\n\\xff\\x00\n";
        assert_eq!(recorder.output(), expected.as_bytes());
    }

    #[test]
    fn what_did_not_fit_is_counted_and_said() {
        let mut recorder = Recorder::new();
        let big = [0; 16 * 1024];
        for _ in 0..6 {
            recorder.record(Duration::ZERO, Way::In, &big);
        }
        let line = 4 * big.len() + "0.000000 < \n".len();
        let kept = QUEUE / line;
        let lost = (6 - kept as u64) * big.len() as u64;
        assert_eq!(recorder.lost().bytes, lost);
        recorder.consume(recorder.output().len());
        recorder.record(Duration::ZERO, Way::Out, b"x");
        let text = String::from_utf8(recorder.output().to_vec()).unwrap();
        assert_eq!(
            text,
            format!("0.000000 # {lost} bytes are missing\n0.000000 > x\n")
        );
    }

    proptest! {
        #[test]
        fn every_byte_can_be_read_back(
            pieces in proptest::collection::vec(
                (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..50)), 0..20
            ),
        ) {
            let mut recorder = Recorder::new();
            for (way, bytes) in &pieces {
                let way = if *way { Way::In } else { Way::Out };
                recorder.record(Duration::ZERO, way, bytes);
            }
            let text = std::str::from_utf8(recorder.output()).unwrap();
            for (arrow, wanted) in [("<", true), (">", false)] {
                let expected: Vec<u8> = pieces
                    .iter()
                    .filter(|(way, _)| *way == wanted)
                    .flat_map(|(_, bytes)| bytes.clone())
                    .collect();
                prop_assert_eq!(read(text, arrow), expected);
            }
        }
    }
}
