//! Two buffers that look like a non-blocking socket.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Result, Write};

/// The peer's bytes as input, and the server's bytes as output.
#[derive(Debug)]
pub(super) struct Pipe {
    input: VecDeque<u8>,
    output: Vec<u8>,
    max_output: usize,
}

impl Pipe {
    pub(super) fn new(max_output: usize) -> Self {
        Self {
            input: VecDeque::new(),
            output: Vec::new(),
            max_output,
        }
    }

    pub(super) fn push(&mut self, input: &[u8]) {
        self.input.extend(input);
    }

    pub(super) fn clear_input(&mut self) {
        self.input = VecDeque::new();
    }

    pub(super) fn consume(&mut self, n: usize) {
        self.output.drain(..n.min(self.output.len()));
    }

    /// Returns how many bytes of input are unread.
    pub(super) fn waiting(&self) -> usize {
        self.input.len()
    }

    pub(super) fn output(&self) -> &[u8] {
        &self.output
    }

    /// Returns how many bytes of output still fit.
    pub(super) fn room(&self) -> usize {
        self.max_output - self.output.len()
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.input.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.input.read(buffer)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let taken = bytes.get(..self.room()).unwrap_or(bytes);
        if taken.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.output.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_side_and_a_full_one_would_block() {
        let mut pipe = Pipe::new(3);
        let mut buffer = [0; 2];
        assert_eq!(
            pipe.read(&mut buffer).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        pipe.push(b"abc");
        assert_eq!((pipe.read(&mut buffer).unwrap(), &buffer), (2, b"ab"));
        assert_eq!(pipe.waiting(), 1);

        assert_eq!(pipe.write(b"wxyz").unwrap(), 3);
        assert_eq!(pipe.write(b"z").unwrap_err().kind(), ErrorKind::WouldBlock);
        pipe.consume(1);
        assert_eq!((pipe.output(), pipe.room()), (b"xy".as_slice(), 1));
        pipe.consume(9);
        assert_eq!(pipe.room(), 3);
    }
}
