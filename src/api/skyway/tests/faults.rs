//! Every fault by its field, and all faults at once.

use super::told;
use crate::api::skyway::request::{
    ConnectOptions, ConnectionChange, Credential, PeerOptions, parse_nothing,
};

const DATA: &str = "da-50a32bab-b3d9-4913-8e20-f79c90a6a211";

/// Checks the faults of a peer that has these fields beside a key and a domain.
#[track_caller]
fn peer(fields: &str, wanted: &[(&str, &str)]) {
    let body = format!(r#"{{"key":"k","domain":"d",{fields}}}"#);
    let faults = PeerOptions::parse(body.as_bytes()).expect_err(&body);
    assert_eq!(told(&faults), wanted, "{body}");
}

/// Checks the faults of a connection that has these fields beside its two peers and the token.
#[track_caller]
fn connect(fields: &str, wanted: &[(&str, &str)]) {
    let body = format!(r#"{{"peer_id":"a","token":"t","target_id":"b",{fields}}}"#);
    let faults = ConnectOptions::parse(body.as_bytes()).expect_err(&body);
    assert_eq!(told(&faults), wanted, "{body}");
}

#[track_caller]
fn change(body: &str, wanted: &[(&str, &str)]) {
    let faults = ConnectionChange::parse(body.as_bytes()).expect_err(body);
    assert_eq!(told(&faults), wanted, "{body}");
}

/// Checks the faults of a connection with these fields in `options.dcInit`.
#[track_caller]
fn dc_init(fields: &str, wanted: &[(&str, &str)]) {
    connect(&format!(r#""options":{{"dcInit":{{{fields}}}}}"#), wanted);
}

/// Checks the faults of these fields in `redirect_params`, in both bodies that have it.
#[track_caller]
fn redirect(fields: &str, wanted: &[(&str, &str)]) {
    connect(&format!(r#""redirect_params":{fields}"#), wanted);
    change(&format!(r#"{{"redirect_params":{fields}}}"#), wanted);
}

const PEER_ID: &str = "may have letters, digits, '+', '-' and '_', and single spaces between them";

#[test]
fn broken_bodies_say_where() {
    for (body, message) in [
        ("", "a JSON object is expected, and there is none"),
        (" \r\n", "a JSON object is expected, and there is none"),
        ("[]", "the body must be a JSON object"),
        ("\"{}\"", "the body must be a JSON object"),
        ("null", "the body must be a JSON object"),
        (
            "{\"key\":\n x}",
            "the body is not JSON: expected value at line 2 column 2",
        ),
        (
            "{} {}",
            "the body is not JSON: trailing characters at line 1 column 4",
        ),
        (
            "key=a&domain=b",
            "the body is not JSON: expected value at line 1 column 1",
        ),
    ] {
        let wanted = [("body", message)];
        let bytes = body.as_bytes();
        assert_eq!(told(&PeerOptions::parse(bytes).unwrap_err()), wanted);
        assert_eq!(told(&Credential::parse(bytes).unwrap_err()), wanted);
        assert_eq!(told(&ConnectOptions::parse(bytes).unwrap_err()), wanted);
        change(body, &wanted);
        if !body.is_empty() {
            assert_eq!(told(&parse_nothing(bytes).unwrap_err()), wanted);
        }
    }
    let faults = PeerOptions::parse(b"{\"key\":\"\xff\"}").unwrap_err();
    assert!(faults[0].message.contains("line 1 column"), "{faults:?}");
    let deep = "[".repeat(100_000);
    let faults = PeerOptions::parse(format!("{{\"x\":{deep}").as_bytes()).unwrap_err();
    assert!(faults[0].message.contains("recursion"), "{faults:?}");
}

#[test]
fn what_is_missing() {
    assert_eq!(
        told(&PeerOptions::parse(b"{}").unwrap_err()),
        [
            ("key", "key field is not specified"),
            ("domain", "domain field is not specified"),
        ]
    );
    let null = br#"{"key":null,"domain":"n/a"}"#;
    assert_eq!(told(&PeerOptions::parse(null).unwrap_err()).len(), 2);
    assert_eq!(
        told(&Credential::parse(b"{}").unwrap_err()),
        [
            ("timestamp", "timestamp field is not specified"),
            ("ttl", "ttl field is not specified"),
            ("authToken", "authToken field is not specified"),
        ]
    );
    assert_eq!(
        told(&ConnectOptions::parse(b"{}").unwrap_err()),
        [
            ("peer_id", "peer_id field is not specified"),
            ("token", "token field is not specified"),
            ("target_id", "target_id field is not specified"),
        ]
    );
}

#[test]
fn peers() {
    let string = "must be a string";
    let body = br#"{"key":1,"domain":[]}"#;
    assert_eq!(
        told(&PeerOptions::parse(body).unwrap_err()),
        [("key", string), ("domain", string)]
    );
    let long = format!(r#"{{"key":"{}","domain":"d"}}"#, "x".repeat(257));
    assert_eq!(
        told(&PeerOptions::parse(long.as_bytes()).unwrap_err()),
        [("key", "may have 256 characters at most")]
    );
    // Characters of any kind count once, as in the schema.
    let wide = format!(r#"{{"key":"{}","domain":"d"}}"#, "\u{1f600}".repeat(256));
    assert!(PeerOptions::parse(wide.as_bytes()).is_ok());
    peer(r#""peer_id":5"#, &[("peer_id", string)]);
    peer(r#""peer_id":"""#, &[("peer_id", PEER_ID)]);
    peer(r#""peer_id":"a  b""#, &[("peer_id", PEER_ID)]);
    peer(r#""peer_id":"a/b""#, &[("peer_id", PEER_ID)]);
    let long = format!(r#""peer_id":"{}""#, "x".repeat(129));
    peer(&long, &[("peer_id", "may have 128 characters at most")]);
    peer(r#""turn":"yes""#, &[("turn", "must be true or false")]);
}

#[test]
fn credentials() {
    peer(
        r#""credential":"x""#,
        &[("credential", "must be an object")],
    );
    let ttl = "must be a whole number from 600 to 90000";
    for bad in [
        "599",
        "90001",
        "-1",
        "600.5",
        "\"600\"",
        "599.0",
        "99999999999999999999",
        "[]",
    ] {
        let fields = format!(r#""credential":{{"timestamp":0,"ttl":{bad},"authToken":"x"}}"#);
        peer(&fields, &[("credential.ttl", ttl)]);
        let body = format!(r#"{{"timestamp":0,"ttl":{bad},"authToken":"x"}}"#);
        let faults = Credential::parse(body.as_bytes()).expect_err(&body);
        assert_eq!(told(&faults), [("ttl", ttl)]);
    }
    let timestamp = "must be a whole number from 0 to 253402300799";
    for bad in ["-1", "253402300800", "9223372036854775808", "{}", "0.5"] {
        let fields = format!(r#""credential":{{"timestamp":{bad},"ttl":600,"authToken":"x"}}"#);
        peer(&fields, &[("credential.timestamp", timestamp)]);
    }
    peer(
        r#""credential":{"timestamp":0,"ttl":600}"#,
        &[("credential.authToken", "authToken field is not specified")],
    );
}

#[test]
fn peers_of_a_connection() {
    let body = br#"{"peer_id":"a b-","token":7,"target_id":"\u0000"}"#;
    assert_eq!(
        told(&ConnectOptions::parse(body).unwrap_err()),
        [
            ("peer_id", PEER_ID),
            ("token", "must be a string"),
            ("target_id", PEER_ID),
        ]
    );
}

#[test]
fn what_feeds_a_connection() {
    for name in ["params", "feed_params"] {
        let ask = |inner: &str, field: &str, message: &str| {
            let field = match field {
                "" => name.to_owned(),
                field => format!("{name}.{field}"),
            };
            let fields = format!(r#""{name}":{inner}"#);
            let wanted = [(field.as_str(), message)];
            if name == "params" {
                connect(&fields, &wanted);
            } else {
                change(&format!("{{{fields}}}"), &wanted);
            }
        };
        let id = "is not an id as POST /data gives it";
        ask("[]", "", "must be an object");
        ask(r#"{"data_id":1}"#, "data_id", "must be a string");
        ask(r#"{"data_id":""}"#, "data_id", id);
        ask(
            r#"{"data_id":"dc-50a32bab-b3d9-4913-8e20-f79c90a6a211"}"#,
            "data_id",
            id,
        );
        ask(r#"{"endpoint":false}"#, "endpoint", "must be a string");
        ask(r#"{"endpoint":""}"#, "endpoint", "is empty");
        let long = format!(r#"{{"endpoint":"{}"}}"#, "x".repeat(65));
        ask(&long, "endpoint", "may have 64 characters at most");
        let both = format!(r#"{{"data_id":"{DATA}","endpoint":"arduino"}}"#);
        ask(&both, "endpoint", "cannot stand beside data_id");
        ask(r#"{"transcode":1}"#, "transcode", "must be true or false");
    }
}

#[test]
fn options() {
    let string = "must be a string";
    connect(r#""options":7"#, &[("options", "must be an object")]);
    connect(
        r#""options":{"metadata":{}}"#,
        &[("options.metadata", string)],
    );
    let long = format!(r#""options":{{"metadata":"{}"}}"#, "x".repeat(16_385));
    connect(
        &long,
        &[("options.metadata", "may have 16384 bytes at most")],
    );
    let serialization = "must be BINARY, BINARY_UTF8, JSON or NONE";
    for bad in ["raw", "", "MSGPACK"] {
        connect(
            &format!(r#""options":{{"serialization":"{bad}"}}"#),
            &[("options.serialization", serialization)],
        );
    }
    connect(
        r#""options":{"serialization":0}"#,
        &[("options.serialization", string)],
    );
    connect(
        r#""options":{"dcInit":[]}"#,
        &[("options.dcInit", "must be an object")],
    );
    connect(r#""options":{"label":1}"#, &[("options.label", string)]);
    connect(
        r#""options":{"label":"thingway"}"#,
        &[("options.label", "is reserved for the control channel")],
    );
}

#[test]
fn label_and_protocol_share_their_length() {
    let options = |label: usize, protocol: usize| {
        let (label, protocol) = ("x".repeat(label), "y".repeat(protocol));
        format!(r#""options":{{"label":"{label}","dcInit":{{"protocol":"{protocol}"}}}}"#)
    };
    let alone = "may have 1100 bytes at most";
    let together = "and the label may have 1100 bytes together at most";
    connect(&options(1101, 0), &[("options.label", alone)]);
    let letters = "may have 1100 characters at most";
    connect(&options(0, 1101), &[("options.dcInit.protocol", letters)]);
    connect(&options(1, 1100), &[("options.dcInit.protocol", together)]);
}

#[test]
fn channels() {
    let boolean = "must be true or false";
    let short = "must be a whole number from 0 to 65535";
    let id = "must be a whole number from 0 to 65534";
    dc_init(
        r#""priority":0.5"#,
        &[(
            "options.dcInit.priority",
            "must be a string or a whole number",
        )],
    );
    dc_init(r#""ordered":1"#, &[("options.dcInit.ordered", boolean)]);
    for field in ["maxPacketLifeTime", "maxRetransmits"] {
        for bad in ["-1", "65536", "1.5", "65536.0", "1e300", "-1e300", "true"] {
            let path = format!("options.dcInit.{field}");
            dc_init(&format!(r#""{field}":{bad}"#), &[(&path, short)]);
        }
    }
    dc_init(
        r#""maxPacketLifeTime":1,"maxRetransmits":1"#,
        &[(
            "options.dcInit.maxRetransmits",
            "cannot stand beside maxPacketLifeTime",
        )],
    );
    dc_init(
        r#""protocol":1"#,
        &[("options.dcInit.protocol", "must be a string")],
    );
    dc_init(
        r#""negotiated":"true","id":1"#,
        &[("options.dcInit.negotiated", boolean)],
    );
    dc_init(
        r#""negotiated":true"#,
        &[("options.dcInit.id", "id field is not specified")],
    );
    for bad in ["-1", "65535", "65536", "\"1\""] {
        let fields = format!(r#""negotiated":true,"id":{bad}"#);
        dc_init(&fields, &[("options.dcInit.id", id)]);
        dc_init(&format!(r#""id":{bad}"#), &[("options.dcInit.id", id)]);
    }
    for bad in ["true", "[]", "{}", "1.5"] {
        dc_init(
            &format!(r#""priority":{bad}"#),
            &[(
                "options.dcInit.priority",
                "must be a string or a whole number",
            )],
        );
    }
}

#[test]
fn where_to_send() {
    let (v4, v6, port) = (
        "redirect_params.ip_v4",
        "redirect_params.ip_v6",
        "redirect_params.port",
    );
    let number = "must be a whole number from 1 to 65535";
    redirect("\"x\"", &[("redirect_params", "must be an object")]);
    redirect(r#"{"port":1}"#, &[(v4, "ip_v4 or ip_v6 is needed")]);
    redirect(
        r#"{"ip_v4":"10.0.0.1"}"#,
        &[(port, "port field is not specified")],
    );
    for bad in ["0", "65536", "-1", "\"80\"", "1.5", "true"] {
        redirect(
            &format!(r#"{{"ip_v4":"10.0.0.1","port":{bad}}}"#),
            &[(port, number)],
        );
    }
    for bad in [
        "localhost",
        "",
        "10.0.0",
        "10.0.0.256",
        "010.0.0.1",
        "::1",
        "10.0.0.1 ",
    ] {
        redirect(
            &format!(r#"{{"ip_v4":"{bad}","ip_v6":"::1","port":1}}"#),
            &[(v4, "is not an IPv4 address")],
        );
    }
    for bad in ["10.0.0.1", "", "[::1]", "fe80::1%eth0", "::g"] {
        redirect(
            &format!(r#"{{"ip_v6":"{bad}","port":1}}"#),
            &[(v6, "is not an IPv6 address")],
        );
    }
    redirect(r#"{"ip_v4":5,"port":1}"#, &[(v4, "must be a string")]);
    redirect(
        r#"{"ip_v6":"x","port":0}"#,
        &[(port, number), (v6, "is not an IPv6 address")],
    );
}

#[test]
fn all_at_once() {
    let body =
        br#"{"peer_id":"","token":null,"target_id":[],"params":{"data_id":"x","transcode":0},
        "options":{"serialization":"x","metadata":1,"dcInit":{"ordered":0,"negotiated":true}},
        "redirect_params":{"port":0}}"#;
    let faults = ConnectOptions::parse(body).unwrap_err();
    let fields: Vec<&str> = faults.iter().map(|it| it.field).collect();
    assert_eq!(
        fields,
        [
            "peer_id",
            "token",
            "target_id",
            "params.data_id",
            "params.transcode",
            "options.dcInit.ordered",
            "options.dcInit.id",
            "options.metadata",
            "options.serialization",
            "redirect_params.port",
            "redirect_params.ip_v4",
        ]
    );
}
