//! Answers byte for byte, as far as JSON is unambiguous, against what the documents of SkyWay's gateway show.

use serde_json::{Value, json};

use super::super::request::Credential;
use super::super::{Event, FieldError, Subject, reply};
use crate::http::Response;
use crate::payload::Serialization;

const TOKEN: &str = "pt-870c2c49-c16d-4c69-b1ad-fec7550564af";
const DATA: &str = "da-50a32bab-b3d9-4913-8e20-f79c90a6a211";
const CONNECTION: &str = "dc-4995f372-fb6a-4196-b30a-ce11e5c7f56c";

/// Returns status and body of a response, and checks its content type.
fn answer(response: &Response) -> (u16, Value) {
    assert_eq!(response.value("Content-Type"), Some("application/json"));
    let body = serde_json::from_slice(response.content()).unwrap();
    (response.status(), body)
}

#[test]
fn peers() {
    assert_eq!(
        answer(&reply::peer_created("ID_FOO", TOKEN)),
        (
            201,
            json!({"command_type":"PEERS_CREATE","params":{"peer_id":"ID_FOO","token":TOKEN}})
        )
    );
    let credential = Credential {
        timestamp: 1_600_000_000,
        ttl: 3600,
        auth_token: "dGVzdA==".to_owned(),
    };
    assert_eq!(
        answer(&reply::credential_updated(&credential)),
        (
            200,
            json!({"command_type":"PEERS_CREDENTIAL_UPDATE","params":{"credential":
                {"timestamp":1_600_000_000,"ttl":3600,"authToken":"dGVzdA=="}}})
        )
    );
    assert_eq!(
        answer(&reply::peer_status("ID_FOO", false)),
        (200, json!({"peer_id":"ID_FOO","disconnected":false}))
    );
    let gone = reply::deleted();
    assert_eq!((gone.status(), gone.content()), (204, [].as_slice()));
    assert_eq!(gone.value("Content-Type"), None);
}

#[test]
fn a_port_has_one_address_and_no_other_key() {
    assert_eq!(
        answer(&reply::data_created(
            DATA,
            "127.0.0.1:50001".parse().unwrap()
        )),
        (
            201,
            json!({"data_id":DATA,"ip_v4":"127.0.0.1","port":50001})
        )
    );
    assert_eq!(
        answer(&reply::data_created(DATA, "[::1]:50002".parse().unwrap())),
        (201, json!({"data_id":DATA,"ip_v6":"::1","port":50002}))
    );
}

#[test]
fn data_connections() {
    assert_eq!(
        answer(&reply::connection_created(CONNECTION)),
        (
            202,
            json!({"command_type":"DATA_CONNECTION_CREATE","params":{"data_connection_id":CONNECTION}})
        )
    );
    assert_eq!(
        answer(&reply::connection_changed(Some(DATA))),
        (
            200,
            json!({"command_type":"DATA_CONNECTION_PUT","data_id":DATA})
        )
    );
    assert_eq!(
        answer(&reply::connection_changed(None)),
        (200, json!({"command_type":"DATA_CONNECTION_PUT"}))
    );
}

#[test]
fn the_status_of_a_data_connection() {
    let metadata = json!("…");
    let status = reply::DataStatus {
        remote_id: "target_id",
        buffersize: 0,
        label: "dc_gr9oitwazkg",
        metadata: Some(&metadata),
        open: false,
        reliable: false,
        serialization: Serialization::Raw,
    };
    let shown = json!({"remote_id":"target_id","buffersize":0,"label":"dc_gr9oitwazkg",
        "metadata":"…","open":false,"reliable":false,"serialization":"NONE","type":"DATA"});
    assert_eq!(answer(&reply::data_status(&status)), (200, shown));

    let object = json!({"a":[1,null]});
    for (metadata, text) in [
        (Some(&object), r#"{"a":[1,null]}"#),
        (None, ""),
        (Some(&Value::Null), "null"),
    ] {
        let (_, body) = answer(&reply::data_status(&reply::DataStatus {
            metadata,
            ..status
        }));
        assert_eq!(body["metadata"], text);
    }
    for (serialization, name) in [
        (Serialization::SkyWayBinary, "BINARY"),
        (Serialization::PeerJsBinary, "BINARY"),
        (Serialization::SkyWayJson, "JSON"),
        (Serialization::PeerJsJson, "JSON"),
    ] {
        let status = reply::DataStatus {
            serialization,
            ..status
        };
        assert_eq!(
            answer(&reply::data_status(&status)).1["serialization"],
            name
        );
    }
}

#[test]
fn events_of_a_peer() {
    let subject = Subject::Peer {
        peer_id: "hoge",
        token: TOKEN,
    };
    let params = json!({"peer_id":"hoge","token":TOKEN});
    for (event, body) in [
        (Event::Open, json!({"event":"OPEN","params":params})),
        (
            Event::Connection {
                data_connection_id: CONNECTION.to_owned(),
            },
            json!({"event":"CONNECTION","params":params,
                "data_params":{"data_connection_id":CONNECTION}}),
        ),
        (
            Event::Call {
                media_connection_id: "mc-102127d9-30de-413b-93f7-41a33e39d82b".to_owned(),
            },
            json!({"event":"CALL","params":params,
                "call_params":{"media_connection_id":"mc-102127d9-30de-413b-93f7-41a33e39d82b"}}),
        ),
        (
            Event::ExpiresIn(300),
            json!({"event":"EXPIRESIN","params":params,"remainingSec":300}),
        ),
        (
            Event::Error("SERVER_DISCONNECTED".to_owned()),
            json!({"event":"ERROR","params":params,"error_message":"SERVER_DISCONNECTED"}),
        ),
        (Event::Close, json!({"event":"CLOSE","params":params})),
    ] {
        assert_eq!(answer(&reply::event(&event, subject)), (200, body));
    }
}

#[test]
fn events_of_a_data_connection() {
    for (event, body) in [
        (Event::Open, json!({"event":"OPEN"})),
        (
            Event::Error("no way through".to_owned()),
            json!({"event":"ERROR","error_message":"no way through"}),
        ),
        (Event::Close, json!({"event":"CLOSE"})),
    ] {
        assert_eq!(answer(&reply::event(&event, Subject::Data)), (200, body));
    }
}

#[test]
fn errors_have_a_body_whatever_their_status() {
    let fault = FieldError::missing("peer_id");
    assert_eq!(
        answer(&reply::error(400, "PEERS_CREATE", &[fault])),
        (
            400,
            json!({"command_type":"PEERS_CREATE","params":{"errors":
                [{"field":"peer_id","message":"peer_id field is not specified"}]}})
        )
    );
    for status in [400, 403, 404, 405, 406, 408] {
        let (code, body) = answer(&reply::error(status, "DATA_DELETE", &[]));
        assert_eq!(
            (code, &body["command_type"]),
            (status, &json!("DATA_DELETE"))
        );
        let errors = body["params"]["errors"].as_array().unwrap();
        assert!(!errors[0]["message"].as_str().unwrap().is_empty(), "{body}");
    }
    assert_eq!(
        answer(&reply::nothing_happened("DATA_CONNECTION_EVENTS")),
        (
            408,
            json!({"command_type":"DATA_CONNECTION_EVENTS","params":{"errors":
                [{"field":"","message":"nothing has happened"}]}})
        )
    );
    assert_eq!(
        answer(&reply::no_media("MEDIA_CREATE")),
        (
            400,
            json!({"command_type":"MEDIA_CREATE","params":{"errors":
                [{"field":"media","message":"media connections are not there yet"}]}})
        )
    );
}
