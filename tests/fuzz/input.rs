//! A fuzzer's bytes, taken from the front as numbers and pieces.

/// What is left of an input.
#[derive(Debug)]
pub(super) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// The next byte; `None` at the end.
    pub(super) fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// The next byte; 0 after the end.
    pub(super) fn byte(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    /// A number below `n`, which is not 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n
    }

    /// A piece with its length in front, as far as there is one.
    pub(super) fn piece(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte());
        let (piece, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        piece
    }
}
