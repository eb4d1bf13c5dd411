//! Tests of the server against a client of the same library, and against bytes made by hand.

use proptest::prelude::*;

use super::*;

/// A server and a client, made of the two roles of the same library, under a virtual clock.
struct Pair {
    now: Instant,
    server: WebSocketConnection,
    client: WebSocketContext,
    /// What the client reads and writes.
    wire: Pipe,
}

impl Pair {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "a test has to begin somewhere")]
        let now = Instant::now();
        let config = WebSocketConfig::default().write_buffer_size(0);
        Self {
            now,
            server: WebSocketConnection::new(now, b""),
            client: WebSocketContext::new(Role::Client, Some(config)),
            wire: Pipe::new(1 << 20),
        }
    }

    fn client_sends(&mut self, message: Message) -> &mut Self {
        self.client.write(&mut self.wire, message).unwrap();
        self
    }

    /// Delivers everything that the client has written to the server.
    fn deliver(&mut self) -> &mut Self {
        let bytes = self.wire.output().to_vec();
        self.wire.consume(bytes.len());
        self.server.handle_input(self.now, &bytes);
        self
    }

    /// Delivers everything that the server has written to the client, which answers its next message.
    fn client_reads(&mut self) -> Option<Message> {
        let bytes = self.server.output().to_vec();
        self.server.consume(bytes.len());
        self.wire.push(&bytes);
        match self.client.read(&mut self.wire) {
            Ok(message) => Some(message),
            Err(error) if is_would_block(&error) => None,
            Err(error) => panic!("{error}"),
        }
    }

    #[track_caller]
    fn client_sees_close(&mut self) -> (u16, String) {
        match self.client_reads() {
            Some(Message::Close(Some(frame))) => (frame.code.into(), frame.reason.to_string()),
            other => panic!("a close frame was expected, not {other:?}"),
        }
    }

    fn wait(&mut self, time: Duration) -> &mut Self {
        let end = self.now + time;
        for _ in 0..100 {
            match self.server.poll_timeout() {
                Some(at) if at <= end => {
                    self.now = self.now.max(at);
                    self.server.handle_timeout(self.now);
                }
                Some(_) | None => {
                    self.now = end;
                    return self;
                }
            }
        }
        panic!("the connection asks for the same deadline again and again")
    }

    #[track_caller]
    fn finished(&self) {
        assert!(self.server.is_finished());
        assert_eq!(self.server.poll_timeout(), None);
        assert!(self.server.output().is_empty() && !self.server.wants_input());
    }
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn ping(payload: &'static str) -> Message {
    Message::Ping(payload.into())
}

/// Returns a masked frame whose mask is zero.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u8::try_from(payload.len()) {
        Ok(n) if n < 126 => frame.push(0x80 | n),
        Ok(_) | Err(_) => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

#[test]
fn the_accept_key_is_that_of_the_rfc() {
    // RFC 6455 §1.3.
    assert_eq!(
        accept_key("dGhlIHNhbXBsZSBub25jZQ=="),
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    );
}

#[test]
fn messages_go_both_ways() {
    let mut pair = Pair::new();
    pair.client_sends(Message::text("grüß dich"))
        .client_sends(Message::binary(vec![0, 255]));
    pair.deliver();
    assert_eq!(
        pair.server.poll_message(),
        Some(WsMessage::Text("grüß dich".into()))
    );
    assert_eq!(
        pair.server.poll_message(),
        Some(WsMessage::Binary(vec![0, 255]))
    );
    assert_eq!(pair.server.poll_message(), None);
    assert_eq!(pair.server.send_text(pair.now, "und du"), Ok(()));
    assert_eq!(pair.client_reads(), Some(Message::text("und du")));
}

#[test]
fn what_followed_the_request_is_the_first_input() {
    let pair = Pair::new();
    let bytes = frame(0x81, b"early");
    let (received, later) = bytes.split_at(3);
    let mut server = WebSocketConnection::new(pair.now, received);
    assert_eq!(server.poll_message(), None);
    server.handle_input(pair.now, later);
    assert_eq!(server.poll_message(), Some(WsMessage::Text("early".into())));
}

#[test]
fn fragments_are_put_together_and_a_ping_between_them_is_answered() {
    let mut pair = Pair::new();
    let input = [
        frame(0x01, b"one "),
        frame(0x89, b"hm"),
        frame(0x80, b"message"),
    ]
    .concat();
    pair.server.handle_input(pair.now, &input);
    assert_eq!(
        pair.server.poll_message(),
        Some(WsMessage::Text("one message".into()))
    );
    assert_eq!(pair.client_reads(), Some(Message::Pong("hm".into())));
}

#[test]
fn every_ping_is_answered() {
    let mut pair = Pair::new();
    pair.client_sends(ping("a"))
        .client_sends(ping("b"))
        .deliver();
    assert_eq!(pair.server.poll_message(), None);
    assert_eq!(pair.client_reads(), Some(Message::Pong("a".into())));
    assert_eq!(pair.client_reads(), Some(Message::Pong("b".into())));
}

#[test]
fn the_peer_closes() {
    let mut pair = Pair::new();
    let frame = CloseFrame {
        code: CloseCode::Away,
        reason: "bye".into(),
    };
    pair.client_sends(Message::text("last"))
        .client_sends(Message::Close(Some(frame)))
        .deliver();
    assert_eq!(
        pair.server.poll_message(),
        Some(WsMessage::Text("last".into()))
    );
    assert_eq!(pair.server.poll_message(), None);
    assert!(!pair.server.is_finished());
    assert_eq!(pair.server.send_text(pair.now, "too late"), Ok(()));
    assert_eq!(pair.client_sees_close(), (1001, "bye".into()));
    // The server ends the stream (RFC 6455 §7.1.1).
    pair.finished();
}

#[test]
fn we_close() {
    let mut pair = Pair::new();
    pair.server.close(pair.now, 1001, "shutting down");
    pair.server.close(pair.now, 1000, "again");
    assert_eq!(pair.server.send_text(pair.now, "too late"), Ok(()));
    assert_eq!(pair.client_sees_close(), (1001, "shutting down".into()));
    // A message that was on its way still counts.
    pair.server
        .handle_input(pair.now, &frame(0x81, b"under way"));
    assert_eq!(
        pair.server.poll_message(),
        Some(WsMessage::Text("under way".into()))
    );
    assert_eq!(pair.client_reads(), None);
    pair.deliver();
    assert_eq!(pair.server.poll_message(), None);
    pair.finished();
}

#[test]
fn a_close_that_nobody_answers_ends_all_the_same() {
    let mut pair = Pair::new();
    pair.server.close(pair.now, 1000, "");
    pair.wait(secs(4));
    assert!(!pair.server.is_finished());
    pair.wait(secs(1)).finished();
}

#[test]
fn codes_and_reasons_that_cannot_be_sent_are_replaced() {
    for code in [0, 999, 1005, 1006, 1015, 2000, 5000] {
        let mut pair = Pair::new();
        pair.server.close(pair.now, code, &"ä".repeat(100));
        let (sent, reason) = pair.client_sees_close();
        assert_eq!((sent, reason), (1011, "ä".repeat(61)), "{code}");
    }
    let mut pair = Pair::new();
    pair.server.close(pair.now, 4001, "ours");
    assert_eq!(pair.client_sees_close(), (4001, "ours".into()));
}

#[test]
fn a_peer_that_breaks_off_is_gone() {
    let mut pair = Pair::new();
    assert_eq!(pair.server.send_text(pair.now, "unread"), Ok(()));
    pair.server.handle_closed(pair.now);
    pair.finished();
    assert_eq!(pair.server.poll_message(), None);
    assert_eq!(pair.server.send_text(pair.now, "nobody"), Ok(()));
    pair.finished();
}

#[test]
fn faults_are_told_with_their_code() {
    let unmasked = vec![0x81, 0x01, b'a'];
    let long_ping = [vec![0x89, 0x80 | 126, 0, 126, 0, 0, 0, 0], vec![0; 126]].concat();
    let announced = [
        &[0x82, 0x80 | 127],
        65_537_u64.to_be_bytes().as_slice(),
        &[0; 4],
    ]
    .concat();
    let half = vec![0; 40_000];
    let table = [
        (unmasked, 1002),
        (long_ping, 1002),
        (frame(0xc1, b"reserved bit"), 1002),
        (frame(0x83, b"unknown data"), 1002),
        (frame(0x8b, b"unknown control"), 1002),
        (frame(0x09, b"fragmented ping"), 1002),
        (frame(0x80, b"continues nothing"), 1002),
        ([frame(0x01, b"a"), frame(0x81, b"b")].concat(), 1002),
        (frame(0x88, b"x"), 1002),
        (frame(0x88, &999_u16.to_be_bytes()), 1002),
        (frame(0x81, b"\xff"), 1007),
        ([frame(0x01, b"\xc3"), frame(0x80, b"\xff")].concat(), 1007),
        (announced, 1009),
        ([frame(0x02, &half), frame(0x80, &half)].concat(), 1009),
    ];
    for (input, code) in table {
        let mut pair = Pair::new();
        pair.server.handle_input(pair.now, &input);
        assert_eq!(pair.server.poll_message(), None, "{code}");
        assert_eq!(pair.client_sees_close().0, code, "{}", input.escape_ascii());
        // Later input is ignored, and does not keep the connection open.
        if !pair.server.is_finished() {
            pair.server.handle_input(pair.now, &frame(0x81, b"more"));
            assert_eq!(pair.server.poll_message(), None);
            pair.wait(secs(1));
        }
        pair.finished();
    }
}

#[test]
fn the_largest_message_is_taken() {
    let mut pair = Pair::new();
    pair.server
        .handle_input(pair.now, &frame(0x82, &vec![7; 65_536]));
    assert_eq!(
        pair.server.poll_message(),
        Some(WsMessage::Binary(vec![7; 65_536]))
    );
}

#[test]
fn output_is_bounded_and_a_text_fits_whole_or_not_at_all() {
    let mut pair = Pair::new();
    let text = "x".repeat(1000);
    let mut sent = 0;
    while pair.server.send_text(pair.now, &text).is_ok() {
        sent += 1;
    }
    assert_eq!(sent, 130);
    assert_eq!(pair.server.output().len(), 130 * 1004);
    assert_eq!(pair.client_reads(), Some(Message::text(text.clone())));
    assert_eq!(pair.server.send_text(pair.now, &text), Ok(()));
    for _ in 0..sent {
        assert_eq!(pair.client_reads(), Some(Message::text(text.clone())));
    }
    assert_eq!(pair.client_reads(), None);
    assert_eq!(
        pair.server.send_text(pair.now, &"x".repeat(131_073)),
        Err(Full)
    );
}

#[test]
fn a_peer_that_pings_and_does_not_read_is_not_read_either() {
    let mut pair = Pair::new();
    let pings = frame(0x89, &[b'p'; 125]).repeat(2000);
    pair.server.handle_input(pair.now, &pings);
    assert_eq!(pair.server.poll_message(), None);
    assert!(pair.server.output().len() <= MAX_OUTPUT);
    assert!(!pair.server.wants_input());
    let mut pongs = 0;
    while let Some(message) = pair.client_reads() {
        assert_eq!(message, Message::Pong(vec![b'p'; 125].into()));
        pongs += 1;
        assert_eq!(pair.server.poll_message(), None);
    }
    assert_eq!(pongs, 2000);
    assert!(pair.server.wants_input());
}

#[test]
fn a_full_output_does_not_swallow_the_close_frame() {
    let mut pair = Pair::new();
    pair.server
        .handle_input(pair.now, &frame(0x89, &[b'p'; 125]).repeat(2000));
    assert_eq!(pair.server.poll_message(), None);
    pair.server.close(pair.now, 1001, &"r".repeat(123));
    loop {
        match pair.client_reads() {
            Some(Message::Pong(_)) => {}
            Some(Message::Close(Some(frame))) => {
                assert_eq!(frame.code, CloseCode::Away);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_silent_peer_is_pinged_and_then_given_up() {
    let mut pair = Pair::new();
    pair.wait(secs(29));
    assert_eq!(pair.client_reads(), None);
    pair.wait(secs(1));
    assert_eq!(pair.client_reads(), Some(Message::Ping("".into())));
    pair.wait(secs(29));
    assert_eq!(pair.client_reads(), None);
    pair.wait(secs(1));
    assert_eq!(pair.client_sees_close().0, 1011);
    pair.wait(secs(1)).finished();
}

#[test]
fn a_pong_is_a_sign_of_life_but_what_we_send_is_not() {
    let mut pair = Pair::new();
    for _ in 0..10 {
        pair.wait(secs(15));
        assert_eq!(pair.server.send_text(pair.now, "event"), Ok(()));
        assert_eq!(pair.client_reads(), Some(Message::text("event")));
        pair.wait(secs(15));
        assert_eq!(pair.client_reads(), Some(Message::Ping("".into())));
        // The client's pong leaves with its next read.
        assert_eq!(pair.client_reads(), None);
        pair.deliver();
        assert_eq!(pair.server.poll_message(), None);
    }
    assert!(!pair.server.is_finished());
}

#[test]
fn a_peer_that_does_not_read_is_given_up() {
    let mut pair = Pair::new();
    while pair.server.send_text(pair.now, &"x".repeat(100)).is_ok() {}
    pair.wait(secs(60));
    assert!(!pair.server.is_finished());
    pair.wait(secs(1)).finished();
}

/// Returns what a server makes of its input: messages, everything written, and whether it still reads.
fn transcript<'a>(
    now: Instant,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Vec<WsMessage>, Vec<u8>, bool) {
    let mut server = WebSocketConnection::new(now, b"");
    let (mut messages, mut written) = (Vec::new(), Vec::new());
    for piece in pieces {
        server.handle_input(now, piece);
        loop {
            let message = server.poll_message();
            let output = server.output().to_vec();
            server.consume(output.len());
            written.extend_from_slice(&output);
            let done = message.is_none() && output.is_empty();
            messages.extend(message);
            if done {
                break;
            }
        }
        server.handle_timeout(now);
    }
    (messages, written, server.reads())
}

fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let first = prop::sample::select(vec![0x81, 0x82, 0x81, 0x82, 0x01, 0x80, 0x00, 0x89, 0x8a]);
    let payload = prop_oneof![
        "[a-zä]{0,60}".prop_map(String::into_bytes),
        any::<[u8; 3]>().prop_map(Vec::from)
    ];
    let odd = prop::sample::select(vec![0x88, 0x83, 0xc1, 0x09, 0x8f]);
    prop_oneof![20 => first.boxed(), 1 => odd.boxed()].prop_flat_map(move |first| {
        payload
            .clone()
            .prop_map(move |payload| frame(first, &payload))
    })
}

proptest! {
    #[test]
    fn any_chopping_means_the_same(
        frames in prop::collection::vec(any_frame(), 1..10),
        garbage in prop::collection::vec(any::<u8>(), 0..6),
        size in 1_usize..9,
    ) {
        let pair = Pair::new();
        let input = [frames.concat(), garbage].concat();
        let whole = transcript(pair.now, std::iter::once(input.as_slice()));
        let chopped = transcript(pair.now, input.chunks(size));
        prop_assert_eq!(whole, chopped);
    }

    #[test]
    fn whatever_the_client_sends_arrives(
        texts in prop::collection::vec(".{0,300}", 1..10),
        size in 1_usize..100,
    ) {
        let mut pair = Pair::new();
        for text in &texts {
            pair.client_sends(Message::text(text));
        }
        let (messages, _, _) = transcript(pair.now, pair.wire.output().chunks(size));
        prop_assert_eq!(messages, texts.into_iter().map(WsMessage::Text).collect::<Vec<_>>());
    }
}
