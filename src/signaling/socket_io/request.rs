//! Requests to `/socket.io/`, and their refusals.

use std::fmt;

use super::{Revision, Transport};

/// The form in which a request arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// GET.
    Get,
    /// POST.
    Post,
    /// A GET that asks for a WebSocket.
    WebSocket,
    /// Any other form.
    Other,
}

/// The meaning of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportRequest<'a> {
    /// A new client. If it polls, this is the first GET of its session.
    Open {
        /// The protocol revision of the client.
        revision: Revision,
        /// The transport of its packets.
        transport: Transport,
    },
    /// A GET that waits for packets.
    Poll {
        /// The id of the session.
        sid: &'a str,
    },
    /// Packets of a client.
    Post {
        /// The id of the session.
        sid: &'a str,
    },
    /// A WebSocket for a client that polls.
    Upgrade {
        /// The id of the session.
        sid: &'a str,
    },
}

impl<'a> TransportRequest<'a> {
    /// Reads the query, without its question mark; parameters that do not concern the transport (`t`, `b64`,
    /// `apiKey` and so on) are ignored.
    pub fn parse(arrival: Arrival, query: &'a str) -> Result<Self, TransportRefusal> {
        let transport = match value(query, "transport") {
            Some("polling") => Transport::Polling,
            Some("websocket") => Transport::WebSocket,
            Some(_) | None => return Err(TransportRefusal::Transport),
        };
        let revision = match value(query, "EIO") {
            Some("3") => Revision::Three,
            Some("4") => Revision::Four,
            Some(_) | None => return Err(TransportRefusal::Version),
        };
        // `j` asks for JSONP.
        if value(query, "j").is_some() {
            return Err(TransportRefusal::Request);
        }
        let Some(sid) = value(query, "sid").filter(|sid| !sid.is_empty()) else {
            return match (arrival, transport) {
                (Arrival::Get, Transport::Polling) | (Arrival::WebSocket, Transport::WebSocket) => {
                    Ok(Self::Open {
                        revision,
                        transport,
                    })
                }
                (Arrival::Get | Arrival::WebSocket, _) => Err(TransportRefusal::Request),
                (Arrival::Post | Arrival::Other, _) => Err(TransportRefusal::Method),
            };
        };
        match (arrival, transport) {
            (Arrival::Get, Transport::Polling) => Ok(Self::Poll { sid }),
            (Arrival::Post, Transport::Polling) => Ok(Self::Post { sid }),
            (Arrival::WebSocket, Transport::WebSocket) => Ok(Self::Upgrade { sid }),
            (Arrival::Get | Arrival::Post | Arrival::WebSocket | Arrival::Other, _) => {
                Err(TransportRefusal::Request)
            }
        }
    }
}

/// Returns the first value of this name, as it is written.
fn value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    })
}

/// The reason for refusing a request; Engine.IO has a number for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportRefusal {
    /// 0: neither polling nor WebSocket.
    Transport,
    /// 1: the session does not exist, or has ended.
    Session,
    /// 2: only a GET opens a session.
    Method,
    /// 3: the request does not fit the state of the session.
    Request,
    /// 4: the client is not allowed.
    Forbidden,
    /// 5: neither `EIO=3` nor `EIO=4`.
    Version,
}

impl TransportRefusal {
    /// Returns the status code.
    pub fn status(self) -> u16 {
        match self {
            Self::Transport | Self::Session | Self::Method | Self::Request | Self::Version => 400,
            Self::Forbidden => 403,
        }
    }

    /// Returns the number.
    pub fn code(self) -> u8 {
        match self {
            Self::Transport => 0,
            Self::Session => 1,
            Self::Method => 2,
            Self::Request => 3,
            Self::Forbidden => 4,
            Self::Version => 5,
        }
    }

    /// Returns the body, of the type `application/json`.
    pub fn body(self) -> String {
        format!("{{\"code\":{},\"message\":\"{self}\"}}", self.code())
    }
}

/// Uses the words of Engine.IO.
impl fmt::Display for TransportRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transport => "Transport unknown",
            Self::Session => "Session ID unknown",
            Self::Method => "Bad handshake method",
            Self::Request => "Bad request",
            Self::Forbidden => "Forbidden",
            Self::Version => "Unsupported protocol version",
        })
    }
}

impl std::error::Error for TransportRefusal {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn queries_of_the_clients() {
        use Arrival::{Get, Post, WebSocket};
        let open = |revision, transport| {
            Ok(TransportRequest::Open {
                revision,
                transport,
            })
        };
        for (arrival, query, request) in [
            (
                Get,
                "EIO=4&transport=polling&t=OoX3z",
                open(Revision::Four, Transport::Polling),
            ),
            (
                Get,
                "apiKey=k&token=x&platform=javascript&sdk_version=4.4.5&EIO=3&transport=polling&t=N&b64=1",
                open(Revision::Three, Transport::Polling),
            ),
            (
                WebSocket,
                "EIO=4&transport=websocket",
                open(Revision::Four, Transport::WebSocket),
            ),
            (
                Get,
                "EIO=4&transport=polling&t=x&sid=ab_-1",
                Ok(TransportRequest::Poll { sid: "ab_-1" }),
            ),
            (
                Post,
                "EIO=3&transport=polling&sid=ab",
                Ok(TransportRequest::Post { sid: "ab" }),
            ),
            (
                WebSocket,
                "EIO=4&transport=websocket&sid=ab",
                Ok(TransportRequest::Upgrade { sid: "ab" }),
            ),
        ] {
            assert_eq!(TransportRequest::parse(arrival, query), request, "{query}");
        }
    }

    #[test]
    fn what_is_refused() {
        use Arrival::{Get, Other, Post, WebSocket};
        for (arrival, query, refusal) in [
            (Get, "", TransportRefusal::Transport),
            (
                Get,
                "EIO=4&transport=flashsocket",
                TransportRefusal::Transport,
            ),
            (Get, "EIO=2&transport=polling", TransportRefusal::Version),
            (Get, "transport=polling", TransportRefusal::Version),
            (Post, "EIO=4&transport=polling", TransportRefusal::Method),
            (Other, "EIO=4&transport=polling", TransportRefusal::Method),
            (
                Other,
                "EIO=4&transport=polling&sid=a",
                TransportRefusal::Request,
            ),
            (Get, "EIO=4&transport=websocket", TransportRefusal::Request),
            (
                WebSocket,
                "EIO=4&transport=polling&sid=a",
                TransportRefusal::Request,
            ),
            (
                Get,
                "EIO=3&transport=polling&j=0",
                TransportRefusal::Request,
            ),
        ] {
            assert_eq!(
                TransportRequest::parse(arrival, query),
                Err(refusal),
                "{query}"
            );
        }
    }

    #[test]
    fn errors_have_the_numbers_and_words_of_engine_io() {
        for (refusal, status, body) in [
            (
                TransportRefusal::Transport,
                400,
                r#"{"code":0,"message":"Transport unknown"}"#,
            ),
            (
                TransportRefusal::Session,
                400,
                r#"{"code":1,"message":"Session ID unknown"}"#,
            ),
            (
                TransportRefusal::Method,
                400,
                r#"{"code":2,"message":"Bad handshake method"}"#,
            ),
            (
                TransportRefusal::Request,
                400,
                r#"{"code":3,"message":"Bad request"}"#,
            ),
            (
                TransportRefusal::Forbidden,
                403,
                r#"{"code":4,"message":"Forbidden"}"#,
            ),
            (
                TransportRefusal::Version,
                400,
                r#"{"code":5,"message":"Unsupported protocol version"}"#,
            ),
        ] {
            assert_eq!(refusal.status(), status);
            assert_eq!(refusal.body(), body);
        }
    }

    proptest! {
        #[test]
        fn any_query_has_an_answer(query in "[EIO34=&transporgwebckl id\\PC]{0,64}") {
            for arrival in [Arrival::Get, Arrival::Post, Arrival::WebSocket, Arrival::Other] {
                let refused = TransportRequest::parse(arrival, &query).err();
                prop_assert!(refused.is_none_or(|it| it != TransportRefusal::Session));
            }
        }
    }
}
