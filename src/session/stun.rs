//! The parts of STUN that the demultiplexer reads (RFC 8489).

/// Looks up our ufrag that a STUN request names in its USERNAME (RFC 8445 §7.2.2). Returns `None` if the
/// datagram is not such a request. A response to us may have a USERNAME, too: libnice repeats the one of our
/// request, in which the peer's ufrag comes first.
pub fn by_stun_ufrag<R>(datagram: &[u8], find: impl FnOnce(&str) -> Option<R>) -> Option<R> {
    // RFC 8489 §5 and RFC 7983: other first bytes are DTLS and RTP.
    const BINDING_REQUEST: [u8; 2] = [0, 1];
    if !datagram.starts_with(&BINDING_REQUEST) {
        return None;
    }
    let message = str0m::ice::StunMessage::parse(datagram).ok()?;
    find(message.split_username()?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A success response of libnice 0.1.21, which has the USERNAME of the request: `theirs:ours`.
    const RESPONSE: &[u8] = b"\x01\x01\x00p!\x12\xa4B\x1fw0\x9e\xa1\x0c<\xe8\x83\xc4R\x97\
          \x00 \x00\x14\x00\x02\x95\xb3!\x12\xa4B\x1fw0\x9e\xa1\x0c<\xe8\x83\xc4R\x96\
          \x00\x06\x0014dtwYWg27rtmZ1g+N594ICZlqUjlqujN:fsKNNVfz7Y8zlhze\x20\x20\x20\
          \x00\x08\x00\x14#\xdd\xd34\xf7\x0f{\x95\xa6cA\x85yB\xe0n\xc8)\x0f\x18\
          \x80(\x00\x04\x9c8\xf7\x84";

    #[test]
    fn a_response_names_nobody_even_with_a_username() {
        assert!(str0m::ice::StunMessage::parse(RESPONSE).is_ok());
        let none = by_stun_ufrag(RESPONSE, |_| Some("by its name"));
        assert_eq!(none, None, "it belongs to whom its addresses belong to");
    }
}
