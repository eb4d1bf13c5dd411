//! Request bodies (RFC 9112 §6 and §7.1): how long they are, and how to take them off the wire.
//!
//! Chunk extensions and trailers are read, bounded, and ignored.

use super::error::HttpError;
use super::words::{Headers, Version};

/// The way in which a request delimits its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// No body, because neither of the two headers is present.
    None,
    /// A body of the length in `Content-Length`.
    Known(u64),
    /// A body in chunks (`Transfer-Encoding: chunked`).
    Chunked,
}

impl BodyLength {
    /// Reads the two headers, and refuses everything that two readers could interpret differently (RFC 9112
    /// §6.3 and §11.2).
    pub(super) fn of(headers: &Headers, version: Version) -> Result<Self, HttpError> {
        let mut lengths = headers
            .all("Content-Length")
            .flat_map(|v| v.split(|&b| b == b','));
        let mut codings = headers.all("Transfer-Encoding");
        match (lengths.next(), codings.next()) {
            (None, None) => Ok(Self::None),
            (Some(_), Some(_)) => Err(HttpError::LengthAndCoding),
            (None, Some(_)) if version == Version::Http10 => Err(HttpError::CodingBefore11),
            (None, Some(coding)) => {
                if coding.eq_ignore_ascii_case(b"chunked") && codings.next().is_none() {
                    Ok(Self::Chunked)
                } else {
                    Err(HttpError::TransferCoding)
                }
            }
            (Some(first), None) => {
                let length = decimal(first)?;
                for other in lengths {
                    if decimal(other)? != length {
                        return Err(HttpError::ContentLength);
                    }
                }
                Ok(Self::Known(length))
            }
        }
    }

    /// Returns whether not a single byte of body can follow.
    pub fn is_empty(self) -> bool {
        match self {
            Self::None | Self::Known(0) => true,
            Self::Known(_) | Self::Chunked => false,
        }
    }
}

/// A decoder that takes a body off the wire, piece by piece.
#[derive(Debug)]
pub(super) struct BodyDecoder {
    state: BodyState,
    /// The number of further bytes of body that are acceptable.
    room: u64,
}

#[derive(Debug)]
enum BodyState {
    Length(u64),
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    /// The trailers, which may have so many more bytes.
    Trailers(usize),
    Done,
}

/// The destination of the bytes of a body.
pub(super) enum Sink<'a> {
    Keep(&'a mut Vec<u8>),
    Discard,
}

impl BodyDecoder {
    /// Returns a decoder for a body of `length`, which fails as soon as the body announces more than `room`
    /// bytes in all.
    pub(super) fn new(length: BodyLength, room: usize) -> Self {
        let state = match length {
            BodyLength::None | BodyLength::Known(0) => BodyState::Done,
            BodyLength::Known(n) => BodyState::Length(n),
            BodyLength::Chunked => BodyState::ChunkSize,
        };
        Self {
            state,
            room: room as u64,
        }
    }

    pub(super) fn set_room(&mut self, room: usize) {
        self.room = room as u64;
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, BodyState::Done)
    }

    /// Returns how many bytes are still to come, if the head said so.
    pub(super) fn remaining(&self) -> Option<u64> {
        match self.state {
            BodyState::Length(left) => Some(left),
            BodyState::Done => Some(0),
            BodyState::ChunkSize
            | BodyState::ChunkData(_)
            | BodyState::ChunkEnd
            | BodyState::Trailers(_) => None,
        }
    }

    /// Takes what it can from the beginning of `input`, and returns how much that was. If input is left over,
    /// the decoder is either done, or needs the next byte to decide.
    pub(super) fn decode(&mut self, input: &[u8], mut sink: Sink<'_>) -> Result<usize, HttpError> {
        let mut rest = input;
        loop {
            let before = rest.len();
            let changed = self.step(&mut rest, &mut sink)?;
            if !changed && rest.len() == before {
                return Ok(input.len() - rest.len());
            }
        }
    }

    /// Processes the input of one state. Returns whether the state changed.
    fn step(&mut self, rest: &mut &[u8], sink: &mut Sink<'_>) -> Result<bool, HttpError> {
        let next = match &mut self.state {
            BodyState::Length(left) => {
                if *left > self.room {
                    return Err(HttpError::BodyTooLarge);
                }
                self.room -= copy(left, rest, sink);
                if *left > 0 {
                    return Ok(false);
                }
                BodyState::Done
            }
            BodyState::ChunkSize => match chunk_size(rest)? {
                None => return Ok(false),
                Some(0) => BodyState::Trailers(MAX_TRAILERS),
                Some(size) if size > self.room => return Err(HttpError::BodyTooLarge),
                Some(size) => BodyState::ChunkData(size),
            },
            BodyState::ChunkData(left) => {
                self.room = self.room.saturating_sub(copy(left, rest, sink));
                if *left > 0 {
                    return Ok(false);
                }
                BodyState::ChunkEnd
            }
            BodyState::ChunkEnd => match rest.strip_prefix(b"\r\n") {
                None if b"\r\n".starts_with(rest) => return Ok(false),
                None => return Err(HttpError::Chunk),
                Some(after) => {
                    *rest = after;
                    BodyState::ChunkSize
                }
            },
            BodyState::Trailers(room) => match line(rest, *room)? {
                None => return Ok(false),
                Some([]) => BodyState::Done,
                Some(trailer) => BodyState::Trailers(*room - trailer.len() - b"\r\n".len()),
            },
            BodyState::Done => return Ok(false),
        };
        self.state = next;
        Ok(true)
    }
}

/// Moves at most `left` bytes.
fn copy(left: &mut u64, rest: &mut &[u8], sink: &mut Sink<'_>) -> u64 {
    let n = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
    let (taken, after) = rest.split_at(n);
    *rest = after;
    match sink {
        Sink::Keep(body) => body.extend_from_slice(taken),
        Sink::Discard => {}
    }
    *left -= n as u64;
    n as u64
}

/// Takes the line that begins a chunk, and returns the chunk's size.
fn chunk_size(rest: &mut &[u8]) -> Result<Option<u64>, HttpError> {
    // The parser accepts a line without any digit as a size of zero.
    if rest.first().is_some_and(|byte| !byte.is_ascii_hexdigit()) {
        return Err(HttpError::Chunk);
    }
    let whole = *rest;
    let Some(line) = line(rest, MAX_CHUNK_LINE)? else {
        return Ok(None);
    };
    let end = line.len() + b"\r\n".len();
    match whole.get(..end).map(httparse::parse_chunk_size) {
        Some(Ok(httparse::Status::Complete((n, size)))) if n == end => Ok(Some(size)),
        Some(Ok(httparse::Status::Complete(_) | httparse::Status::Partial) | Err(_)) | None => {
            Err(HttpError::Chunk)
        }
    }
}

/// Takes a line of at most `max` bytes, its end included, and returns it without its end. In bodies a line
/// ends with CR LF only.
fn line<'a>(rest: &mut &'a [u8], max: usize) -> Result<Option<&'a [u8]>, HttpError> {
    let window = rest.get(..max).unwrap_or(rest);
    let Some(at) = window.iter().position(|&b| b == b'\n') else {
        return if window.len() == max {
            Err(HttpError::Chunk)
        } else {
            Ok(None)
        };
    };
    let (line, after) = rest.split_at(at + 1);
    *rest = after;
    line.strip_suffix(b"\r\n").map(Some).ok_or(HttpError::Chunk)
}

fn decimal(text: &[u8]) -> Result<u64, HttpError> {
    let text = text.trim_ascii();
    // `u64::from_str` would accept a plus sign.
    if !text.iter().all(u8::is_ascii_digit) {
        return Err(HttpError::ContentLength);
    }
    str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(HttpError::ContentLength)
}

/// The longest line with a chunk size and its extensions. In practice, clients send no extensions.
const MAX_CHUNK_LINE: usize = 256;

/// The largest size of all trailers together.
const MAX_TRAILERS: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROOM: usize = 1000;

    /// The result of decoding: the body, and the number of bytes of input that it took; `None` if unfinished.
    type Decoded = Result<Option<(Vec<u8>, usize)>, HttpError>;

    fn decode(length: BodyLength, pieces: &[&[u8]]) -> Decoded {
        let mut decoder = BodyDecoder::new(length, ROOM);
        let mut body = Vec::new();
        let (mut pending, mut total) = (Vec::new(), 0);
        for piece in pieces {
            pending.extend_from_slice(piece);
            let n = decoder.decode(&pending, Sink::Keep(&mut body))?;
            pending.drain(..n);
            total += n;
        }
        Ok(decoder.is_done().then_some((body, total)))
    }

    /// Decodes the input as a whole and byte by byte; both must agree.
    fn chunked(input: &[u8]) -> Decoded {
        let whole = decode(BodyLength::Chunked, &[input]);
        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(whole, decode(BodyLength::Chunked, &bytes));
        whole
    }

    #[test]
    fn a_known_length_takes_exactly_that() {
        let three = BodyLength::Known(3);
        assert_eq!(
            decode(three, &[b"a", b"", b"bcd"]),
            Ok(Some((b"abc".to_vec(), 3)))
        );
        assert_eq!(decode(three, &[b"ab"]), Ok(None));
        assert_eq!(decode(BodyLength::Known(0), &[b"x"]), Ok(Some((vec![], 0))));
        assert_eq!(decode(BodyLength::None, &[b"x"]), Ok(Some((vec![], 0))));
        assert_eq!(
            decode(BodyLength::Known(1001), &[b""]),
            Err(HttpError::BodyTooLarge)
        );
    }

    #[test]
    fn chunks_extensions_and_trailers() {
        let input = b"3\r\nabc\r\nA ;x=\"y\"\r\n0123456789\r\n000\r\nT: u\r\nV: w\r\n\r\nGET";
        let (body, taken) = chunked(input).unwrap().unwrap();
        assert_eq!(body, b"abc0123456789");
        assert_eq!(&input[taken..], b"GET");
        assert_eq!(chunked(b"0\r\n\r\n"), Ok(Some((vec![], 5))));
        assert_eq!(chunked(b"0\r\n\r"), Ok(None));
        assert_eq!(chunked(b"3\r\nabc"), Ok(None));
    }

    #[test]
    fn malformed_chunks() {
        let bad: [&[u8]; 17] = [
            b"\r\n",
            b";x\r\n",
            b" 1\r\na",
            b"g\r\n",
            b"-1\r\n",
            b"+1\r\n",
            b"0x1\r\n",
            b"1 1\r\n",
            b"1\na\r\n",
            b"1;a\nb\r\n",
            b"1\rx\n",
            b"1\r\nab\r\n",
            b"1\r\na\n0\r\n\r\n",
            b"11111111111111111\r\n",
            b"0\r\nT: u\n\r\n",
            b"0\r\n\n",
            b"1\r\na\rb",
        ];
        for input in bad {
            assert_eq!(
                chunked(input),
                Err(HttpError::Chunk),
                "{}",
                input.escape_ascii()
            );
        }
    }

    #[test]
    fn everything_is_bounded() {
        assert_eq!(chunked(b"3e9\r\n"), Err(HttpError::BodyTooLarge));
        assert_eq!(
            chunked(b"ffffffffffffffff\r\n"),
            Err(HttpError::BodyTooLarge)
        );
        let full = [b"3e8\r\n".as_slice(), &[7; 1000], b"\r\n"].concat();
        assert_eq!(chunked(&full), Ok(None));
        assert_eq!(
            chunked(&[&full, b"1\r\n".as_slice()].concat()),
            Err(HttpError::BodyTooLarge)
        );
        let extended = |n: usize| [b"1;".as_slice(), &vec![b'x'; n], b"\r\na"].concat();
        assert_eq!(chunked(&extended(MAX_CHUNK_LINE - 4)), Ok(None));
        assert_eq!(
            chunked(&extended(MAX_CHUNK_LINE - 3)),
            Err(HttpError::Chunk)
        );
        assert_eq!(chunked(&[b'1'; 300]), Err(HttpError::Chunk));
        let trailed = |n: usize| [b"0\r\n".as_slice(), &b"T: 89\r\n".repeat(n), b"\r\n"].concat();
        assert!(chunked(&trailed(MAX_TRAILERS / 7 - 1)).unwrap().is_some());
        assert_eq!(
            chunked(&trailed(MAX_TRAILERS / 7 + 1)),
            Err(HttpError::Chunk)
        );
    }

    #[test]
    fn lengths() {
        let of = |lines: &[(&str, &str)], version| {
            let mut head = "POST / HTTP/1.1\r\nHost: a\r\n".to_owned();
            for (name, value) in lines {
                head += &format!("{name}: {value}\r\n");
            }
            let head = head.replace("1.1", version) + "\r\n";
            super::super::head::RequestHead::parse(head.as_bytes()).map(|h| h.body_length())
        };
        let (cl, te) = ("Content-Length", "transfer-encoding");
        assert_eq!(of(&[], "1.1"), Ok(BodyLength::None));
        assert_eq!(of(&[(cl, "005")], "1.0"), Ok(BodyLength::Known(5)));
        assert_eq!(
            of(&[(cl, "5, 5"), (cl, "5")], "1.1"),
            Ok(BodyLength::Known(5))
        );
        assert_eq!(
            of(&[(cl, "18446744073709551615")], "1.1"),
            Ok(BodyLength::Known(u64::MAX))
        );
        assert_eq!(of(&[(te, "Chunked")], "1.1"), Ok(BodyLength::Chunked));
        assert_eq!(
            of(&[(te, "chunked")], "1.0"),
            Err(HttpError::CodingBefore11)
        );
        assert_eq!(
            of(&[(te, "chunked"), (cl, "1")], "1.1"),
            Err(HttpError::LengthAndCoding)
        );
        for bad in [
            "",
            "+5",
            "-5",
            "5 5",
            "0x5",
            "5,",
            "5,6",
            "18446744073709551616",
            "5.0",
            "a",
        ] {
            assert_eq!(
                of(&[(cl, bad)], "1.1"),
                Err(HttpError::ContentLength),
                "{bad}"
            );
        }
        assert_eq!(
            of(&[(cl, "5"), (cl, "6")], "1.1"),
            Err(HttpError::ContentLength)
        );
        for bad in [
            "gzip, chunked",
            "chunked, chunked",
            "identity",
            "",
            "xchunked",
            "chunked;q=1",
        ] {
            assert_eq!(
                of(&[(te, bad)], "1.1"),
                Err(HttpError::TransferCoding),
                "{bad}"
            );
        }
        let twice = [(te, "chunked"), (te, "chunked")];
        assert_eq!(of(&twice, "1.1"), Err(HttpError::TransferCoding));
    }

    proptest! {
        #[test]
        fn chunks_survive_any_chopping(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..10),
            cuts in prop::collection::vec(1_usize..20, 1..50),
        ) {
            let mut wire = Vec::new();
            for part in &parts {
                wire.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
                wire.extend_from_slice(part);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\n\r\n");
            let mut pieces = Vec::new();
            let mut rest = wire.as_slice();
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            pieces.push(rest);
            prop_assert_eq!(
                decode(BodyLength::Chunked, &pieces),
                Ok(Some((parts.concat(), wire.len())))
            );
        }

        #[test]
        fn no_input_panics_or_depends_on_chopping(
            input in prop::collection::vec(
                prop::sample::select(b"0123abf;\r\n\r\n x".to_vec()), 0..60),
        ) {
            if let Ok(Some((body, taken))) = chunked(&input) {
                prop_assert!(body.len() < taken && taken <= input.len());
            }
        }
    }
}
