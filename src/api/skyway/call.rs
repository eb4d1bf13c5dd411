//! The operation that a method and a path ask for.

use super::{FieldError, reply};
use crate::http::{Method, Response};

/// One operation of the API, with the id in its path. This module does not check whether the id is
/// well-formed or known; the caller does when it looks the id up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are the rows of `TABLE`")]
pub enum Call {
    CreatePeer,
    DeletePeer(String),
    UpdateCredential(String),
    PeerEvents(String),
    PeerStatus(String),
    CreateData,
    DeleteData(String),
    Connect,
    Disconnect(String),
    ChangeConnection(String),
    DataEvents(String),
    DataStatus(String),
    /// An operation about media.
    Media(Media),
}

/// An operation about media; none of them is implemented yet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are the rows of `TABLE`")]
pub enum Media {
    Create,
    Delete(String),
    CreateRtcp,
    DeleteRtcp(String),
    Call,
    HangUp(String),
    Answer(String),
    Pli(String),
    Events(String),
    Status(String),
}

/// Returns the operation that a path asks for; `None` if the path belongs to none, so that another part may
/// handle it. OPTIONS is not handled here: the caller answers it with [`allow`].
pub fn resolve(method: &Method, segments: &[&str]) -> Option<Result<Call, NotAllowed>> {
    // RFC 9110 §9.3.2: HEAD is handled as GET, without the body.
    let method = if *method == Method::Head {
        Method::Get.as_str()
    } else {
        method.as_str()
    };
    let mut first = None;
    for row in rows(segments) {
        let call = (row.call)(row.id);
        if row.method == method {
            return Some(Ok(call));
        }
        first = first.or(Some(call));
    }
    let refusal = NotAllowed {
        allow: allow(segments)?,
        command: first?.command(),
    };
    Some(Err(refusal))
}

/// Returns the value of `Allow` for a path; `None` if the path belongs to no operation.
pub fn allow(segments: &[&str]) -> Option<String> {
    let mut methods = Vec::new();
    for row in rows(segments) {
        methods.push(row.method);
        if row.method == Method::Get.as_str() {
            methods.push(Method::Head.as_str());
        }
    }
    if methods.is_empty() {
        return None;
    }
    methods.push(Method::Options.as_str());
    Some(methods.join(", "))
}

/// Returns every method with its path, as `docs/api.yaml` has them.
#[cfg(any(test, feature = "testing"))]
pub fn routes() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.iter().map(|(method, path, _)| (*method, *path))
}

/// The refusal of a method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAllowed {
    /// The value of `Allow`.
    pub allow: String,
    /// The `command_type` of the error: the command of one of the path's operations.
    pub command: &'static str,
}

impl NotAllowed {
    /// Returns the answer.
    pub fn response(&self) -> Response {
        let fault = FieldError::new("method", format!("this path takes {}", self.allow));
        reply::error(405, self.command, &[fault]).header("Allow", &self.allow)
    }
}

impl Call {
    /// Returns the `command_type` of the operation's answers. `api.yaml` has `PEERS_CONNECT` and `PEERS_CALL`
    /// in two answers; the diagrams, and the errors, have the names that are used here.
    pub fn command(&self) -> &'static str {
        match self {
            Self::CreatePeer => "PEERS_CREATE",
            Self::DeletePeer(_) => "PEERS_DELETE",
            Self::UpdateCredential(_) => "PEERS_CREDENTIAL_UPDATE",
            Self::PeerEvents(_) => "PEERS_EVENTS",
            Self::PeerStatus(_) => "PEERS_STATUS",
            Self::CreateData => "DATA_CREATE",
            Self::DeleteData(_) => "DATA_DELETE",
            Self::Connect => "DATA_CONNECTION_CREATE",
            Self::Disconnect(_) => "DATA_CONNECTION_DELETE",
            Self::ChangeConnection(_) => "DATA_CONNECTION_PUT",
            Self::DataEvents(_) => "DATA_CONNECTION_EVENTS",
            Self::DataStatus(_) => "DATA_CONNECTION_STATUS",
            Self::Media(media) => media.command(),
        }
    }

    /// Returns whether the operation has a body.
    pub fn wants_body(&self) -> bool {
        match self {
            Self::CreatePeer
            | Self::UpdateCredential(_)
            | Self::CreateData
            | Self::Connect
            | Self::ChangeConnection(_) => true,
            Self::DeletePeer(_)
            | Self::PeerEvents(_)
            | Self::PeerStatus(_)
            | Self::DeleteData(_)
            | Self::Disconnect(_)
            | Self::DataEvents(_)
            | Self::DataStatus(_) => false,
            Self::Media(media) => match media {
                Media::Create
                | Media::CreateRtcp
                | Media::Call
                | Media::Answer(_)
                | Media::Pli(_) => true,
                Media::Delete(_)
                | Media::DeleteRtcp(_)
                | Media::HangUp(_)
                | Media::Events(_)
                | Media::Status(_) => false,
            },
        }
    }
}

impl Media {
    fn command(&self) -> &'static str {
        match self {
            Self::Create => "MEDIA_CREATE",
            Self::Delete(_) => "MEDIA_DELETE",
            Self::CreateRtcp => "RTCP_CREATE",
            Self::DeleteRtcp(_) => "RTCP_DELETE",
            Self::Call => "MEDIA_CONNECTION_CREATE",
            Self::HangUp(_) => "MEDIA_CONNECTION_DELETE",
            Self::Answer(_) => "MEDIA_CONNECTION_ANSWER",
            Self::Pli(_) => "MEDIA_CONNECTION_PLI",
            Self::Events(_) => "MEDIA_CONNECTION_EVENTS",
            Self::Status(_) => "MEDIA_CONNECTION_STATUS",
        }
    }
}

/// A function that makes a call from the id in a path, which is empty if the path has none.
type Make = fn(String) -> Call;

/// Method, path, call. If a request fits several paths, the first one applies, so `connections` and `rtcp`
/// are never ids.
const TABLE: &[(&str, &str, Make)] = &[
    ("POST", "/peers", |_| Call::CreatePeer),
    ("DELETE", "/peers/{peer_id}", Call::DeletePeer),
    ("PUT", "/peers/{peer_id}/credential", Call::UpdateCredential),
    ("GET", "/peers/{peer_id}/events", Call::PeerEvents),
    ("GET", "/peers/{peer_id}/status", Call::PeerStatus),
    ("POST", "/data", |_| Call::CreateData),
    ("POST", "/data/connections", |_| Call::Connect),
    ("DELETE", "/data/{data_id}", Call::DeleteData),
    (
        "PUT",
        "/data/connections/{data_connection_id}",
        Call::ChangeConnection,
    ),
    (
        "DELETE",
        "/data/connections/{data_connection_id}",
        Call::Disconnect,
    ),
    (
        "GET",
        "/data/connections/{data_connection_id}/events",
        Call::DataEvents,
    ),
    (
        "GET",
        "/data/connections/{data_connection_id}/status",
        Call::DataStatus,
    ),
    ("POST", "/media", |_| Call::Media(Media::Create)),
    ("POST", "/media/rtcp", |_| Call::Media(Media::CreateRtcp)),
    ("POST", "/media/connections", |_| Call::Media(Media::Call)),
    ("DELETE", "/media/{media_id}", |id| {
        Call::Media(Media::Delete(id))
    }),
    ("DELETE", "/media/rtcp/{rtcp_id}", |id| {
        Call::Media(Media::DeleteRtcp(id))
    }),
    ("DELETE", "/media/connections/{media_connection_id}", |id| {
        Call::Media(Media::HangUp(id))
    }),
    (
        "POST",
        "/media/connections/{media_connection_id}/answer",
        |id| Call::Media(Media::Answer(id)),
    ),
    (
        "POST",
        "/media/connections/{media_connection_id}/pli",
        |id| Call::Media(Media::Pli(id)),
    ),
    (
        "GET",
        "/media/connections/{media_connection_id}/events",
        |id| Call::Media(Media::Events(id)),
    ),
    (
        "GET",
        "/media/connections/{media_connection_id}/status",
        |id| Call::Media(Media::Status(id)),
    ),
];

/// A row of the table whose path fits.
struct Row {
    method: &'static str,
    id: String,
    call: Make,
}

/// Returns the rows of the first path that fits.
fn rows(segments: &[&str]) -> impl Iterator<Item = Row> {
    let fitting = TABLE
        .iter()
        .find(|(_, path, _)| fit(path, segments).is_some());
    let path = fitting.map(|(_, path, _)| *path);
    let rows = TABLE.iter().filter(move |row| Some(row.1) == path);
    rows.filter_map(|(method, path, call)| {
        Some(Row {
            method,
            id: fit(path, segments)?,
            call: *call,
        })
    })
}

/// Returns the id if the segments fit the path; empty if the path has no id.
fn fit(path: &str, segments: &[&str]) -> Option<String> {
    let mut id = String::new();
    let mut wanted = path.split('/').skip(1);
    for segment in segments {
        let word = wanted.next()?;
        if word.starts_with('{') {
            // `/peers/` has an empty segment, which is no id.
            if segment.is_empty() {
                return None;
            }
            (*segment).clone_into(&mut id);
        } else if word != *segment {
            return None;
        }
    }
    wanted.next().is_none().then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn segments(path: &str) -> Vec<&str> {
        path.split('/').skip(1).collect()
    }

    fn ask(method: Method, path: &str) -> Option<Result<Call, NotAllowed>> {
        resolve(&method, &segments(path))
    }

    fn method(name: &str) -> Method {
        match name {
            "GET" => Method::Get,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "DELETE" => Method::Delete,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn every_row_is_found_by_its_own_path() {
        let mut commands = BTreeSet::new();
        for (name, path, make) in TABLE {
            let has_id = path.contains('{');
            let id = if has_id { "a+b c" } else { "" };
            let asked: Vec<&str> = segments(path)
                .into_iter()
                .map(|word| if word.starts_with('{') { id } else { word })
                .collect();
            let call = resolve(&method(name), &asked).unwrap().unwrap();
            assert_eq!(call, make(id.to_owned()), "{name} {path}");
            assert!(commands.insert(call.command()), "{}", call.command());
            assert_eq!(call.wants_body(), matches!(*name, "POST" | "PUT"));
        }
        // As many as `api.yaml` and the names of the errors have.
        assert_eq!((commands.len(), routes().count()), (22, 22));
    }

    #[test]
    fn words_are_no_ids() {
        assert_eq!(
            ask(Method::Post, "/data/connections"),
            Some(Ok(Call::Connect))
        );
        for (path, methods) in [
            ("/data/connections", "POST, OPTIONS"),
            ("/media/rtcp", "POST, OPTIONS"),
            ("/media/connections", "POST, OPTIONS"),
            ("/data/da-1", "DELETE, OPTIONS"),
            ("/data/connections/dc-1", "PUT, DELETE, OPTIONS"),
            ("/data/connections/dc-1/events", "GET, HEAD, OPTIONS"),
            ("/peers", "POST, OPTIONS"),
        ] {
            assert_eq!(allow(&segments(path)).as_deref(), Some(methods));
            let refused = ask(Method::Patch, path).unwrap().unwrap_err();
            assert_eq!(refused.allow, methods, "{path}");
        }
        let refused = ask(Method::Delete, "/data/connections")
            .unwrap()
            .unwrap_err();
        assert_eq!(refused.command, "DATA_CONNECTION_CREATE");
        let refused = ask(Method::Get, "/data/connections/dc-1");
        assert_eq!(refused.unwrap().unwrap_err().command, "DATA_CONNECTION_PUT");
    }

    #[test]
    fn head_is_get_and_nothing_else_is() {
        let id = || "x".to_owned();
        let path = "/peers/x/status";
        assert_eq!(ask(Method::Head, path), Some(Ok(Call::PeerStatus(id()))));
        assert!(ask(Method::Head, "/peers").unwrap().is_err());
        assert!(ask(Method::Other("get".into()), path).unwrap().is_err());
        assert!(ask(Method::Options, path).unwrap().is_err());
    }

    #[test]
    fn other_paths_are_somebody_elses() {
        for path in [
            "",
            "/",
            "/sessions",
            "/Peers",
            "/peers/",
            "/peers//events",
            "/peers/x/",
            "/peers/x/y",
            "/peers/x/status/",
            "/data/",
            "/data/connections/",
            "/data/x/events",
            "/media/rtcp/x/y",
            "/media/connections/x/redirect",
        ] {
            assert_eq!(ask(Method::Get, path), None, "{path}");
            assert_eq!(allow(&segments(path)), None, "{path}");
        }
        assert_eq!(resolve(&Method::Get, &[]), None);
    }

    #[test]
    fn a_refusal_says_what_may_be_done() {
        let refused = ask(Method::Get, "/peers").unwrap().unwrap_err();
        let response = refused.response();
        assert_eq!(response.status(), 405);
        assert_eq!(response.value("Allow"), Some("POST, OPTIONS"));
        let body = String::from_utf8(response.content().to_vec()).unwrap();
        assert_eq!(
            body,
            r#"{"command_type":"PEERS_CREATE","params":{"errors":[{"field":"method","message":"this path takes POST, OPTIONS"}]}}"#
        );
    }
}
