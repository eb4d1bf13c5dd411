//! Finds where a request head ends (RFC 9112 §2.2), byte by byte.
//!
//! Every decision depends on the bytes seen so far and never on how they were cut, no byte is examined twice,
//! and input that cannot become a request head (a TLS hello, say) is refused at its first impossible byte.
//! The scanner does not interpret the lines.

use super::error::HttpError;

/// The state of the search.
#[derive(Debug)]
pub(super) struct HeadScanner {
    limit: usize,
    /// The number of bytes examined.
    seen: usize,
    /// The length of the current line, without its end.
    line: usize,
    /// The number of spaces in the first line; `None` after that line.
    spaces: Option<usize>,
    /// The length of the request target.
    target: usize,
    carriage_return: bool,
}

impl HeadScanner {
    /// Returns a scanner. `limit` is for the whole head, the empty line at its end included.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            seen: 0,
            line: 0,
            spaces: Some(0),
            target: 0,
            carriage_return: false,
        }
    }

    /// Continues with `input`, which begins where the head begins and may have grown since the last call.
    /// Returns the length of the head, or `None` if its end has not arrived yet.
    pub(super) fn scan(&mut self, input: &[u8]) -> Result<Option<usize>, HttpError> {
        for &byte in input.get(self.seen..).unwrap_or_default() {
            self.seen += 1;
            if self.seen > self.limit {
                return Err(match self.spaces {
                    Some(_) => HttpError::TargetTooLong,
                    None => HttpError::HeadTooLarge,
                });
            }
            if self.take(byte)? {
                return Ok(Some(self.seen));
            }
        }
        Ok(None)
    }

    /// Returns whether `byte` ended the head.
    fn take(&mut self, byte: u8) -> Result<bool, HttpError> {
        if byte == b'\n' {
            self.carriage_return = false;
            self.spaces = None;
            let empty = self.line == 0;
            self.line = 0;
            return Ok(empty);
        }
        if self.carriage_return {
            return Err(HttpError::ControlByte);
        }
        if byte == b'\r' {
            self.carriage_return = true;
            return Ok(false);
        }
        if byte.is_ascii_control() && byte != b'\t' {
            return Err(HttpError::ControlByte);
        }
        self.line += 1;
        self.measure_target(byte)?;
        Ok(false)
    }

    fn measure_target(&mut self, byte: u8) -> Result<(), HttpError> {
        match &mut self.spaces {
            Some(spaces) if byte == b' ' => *spaces += 1,
            Some(1) => {
                self.target += 1;
                if self.target > MAX_TARGET {
                    return Err(HttpError::TargetTooLong);
                }
            }
            Some(_) | None => {}
        }
        Ok(())
    }
}

/// The longest request target; RFC 9112 §3 requires at least 8000 bytes.
pub(super) const MAX_TARGET: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Scans the input as a whole and byte by byte; both must agree.
    fn scan(limit: usize, input: &[u8]) -> Result<Option<usize>, HttpError> {
        let whole = HeadScanner::new(limit).scan(input);
        let mut scanner = HeadScanner::new(limit);
        let mut piecewise = Ok(None);
        for end in 0..=input.len() {
            piecewise = scanner.scan(&input[..end]);
            if piecewise != Ok(None) {
                break;
            }
        }
        assert_eq!(whole, piecewise);
        whole
    }

    #[test]
    fn ends_at_the_empty_line() {
        assert_eq!(scan(99, b"GET / HTTP/1.1\r\n\r\nmore"), Ok(Some(18)));
        assert_eq!(scan(99, b"GET / HTTP/1.1\nA: b\n\nmore"), Ok(Some(21)));
        assert_eq!(scan(99, b"GET / HTTP/1.1\r\nA: b\r\n"), Ok(None));
    }

    #[test]
    fn the_limit_counts_the_whole_head() {
        assert_eq!(scan(18, b"GET / HTTP/1.1\r\n\r\n"), Ok(Some(18)));
        assert_eq!(
            scan(17, b"GET / HTTP/1.1\r\n\r\n"),
            Err(HttpError::HeadTooLarge)
        );
        assert_eq!(
            scan(7, b"GET / HTTP/1.1\r\n\r\n"),
            Err(HttpError::TargetTooLong)
        );
    }

    #[test]
    fn the_target_has_its_own_limit() {
        let line = |n: usize| [b"GET ", vec![b'a'; n].as_slice(), b" HTTP/1.1\r\n\r\n"].concat();
        let fits = line(MAX_TARGET);
        assert_eq!(scan(1 << 20, &fits), Ok(Some(fits.len())));
        assert_eq!(
            scan(1 << 20, &line(MAX_TARGET + 1)),
            Err(HttpError::TargetTooLong)
        );
    }

    #[test]
    fn refuses_at_the_first_impossible_byte() {
        assert_eq!(scan(99, &[0x16, 3, 1, 2]), Err(HttpError::ControlByte));
        assert_eq!(scan(99, b"GET /\0"), Err(HttpError::ControlByte));
        assert_eq!(scan(99, b"GET / HTTP/1.1\rX"), Err(HttpError::ControlByte));
        assert_eq!(
            scan(99, b"GET / HTTP/1.1\r\r\n"),
            Err(HttpError::ControlByte)
        );
        assert_eq!(
            scan(99, b"GET / HTTP/1.1\r\nA: \x7f"),
            Err(HttpError::ControlByte)
        );
        assert_eq!(scan(99, b"GET / HTTP/1.1\r\nA:\tb\xff"), Ok(None));
    }
}
