//! Bodies that are right, as the Ruby samples, the crate, the Node SDK and the ROS node write them.

use crate::api::skyway::ids::{Id, Kind};
use crate::api::skyway::request::{
    ConnectOptions, ConnectionChange, Credential, DataOptions, DcInit, Feed, PeerOptions,
    Reliability, Source, parse_nothing, token,
};
use crate::payload::Serialization;

const DATA: &str = "da-50a32bab-b3d9-4913-8e20-f79c90a6a211";

fn data_id() -> Id {
    Id::parse(Kind::Data, DATA).unwrap()
}

fn connect(rest: &str) -> ConnectOptions {
    let body =
        format!(r#"{{"peer_id":"data_caller","token":"t","target_id":"data_callee"{rest}}}"#);
    ConnectOptions::parse(body.as_bytes()).unwrap_or_else(|faults| panic!("{body}: {faults:?}"))
}

fn dc_init(text: &str) -> DcInit {
    connect(&format!(r#","options":{{"dcInit":{text}}}"#))
        .options
        .dc_init
}

fn change(body: &str) -> ConnectionChange {
    ConnectionChange::parse(body.as_bytes()).unwrap_or_else(|faults| panic!("{body}: {faults:?}"))
}

const PLAIN: DcInit = DcInit {
    ordered: true,
    reliability: Reliability::Full,
    protocol: String::new(),
    negotiated: None,
};

#[test]
fn a_peer_as_ruby_makes_it() {
    let body = br#"{"key":"03f94c1b-89dv-4cmn-b6aa-c999ab4467n1","domain":"localhost","turn":true,"peer_id":"data_callee"}"#;
    let wanted = PeerOptions {
        key: "03f94c1b-89dv-4cmn-b6aa-c999ab4467n1".to_owned(),
        domain: "localhost".to_owned(),
        peer_id: Some("data_callee".to_owned()),
        turn: true,
        credential: None,
    };
    assert_eq!(PeerOptions::parse(body), Ok(wanted));
}

#[test]
fn a_peer_with_the_least_and_with_everything() {
    let least = PeerOptions::parse(br#"{"key":"","domain":""}"#).unwrap();
    assert_eq!(
        (least.peer_id, least.turn, least.credential),
        (None, true, None)
    );
    let all = br#" {"key":"k","domain":"d","peer_id":"a+b","turn":false,"more":[{}],
        "credential":{"timestamp":1600000000,"ttl":600,"authToken":"dGVzdA==","x":1}} "#;
    let all = PeerOptions::parse(all).unwrap();
    assert_eq!((all.peer_id.as_deref(), all.turn), (Some("a+b"), false));
    let credential = Credential {
        timestamp: 1_600_000_000,
        ttl: 600,
        auth_token: "dGVzdA==".to_owned(),
    };
    assert_eq!(all.credential, Some(credential));
    let without = br#"{"key":"k","domain":"d","peer_id":null,"turn":null,"credential":null}"#;
    let without = PeerOptions::parse(without).unwrap();
    assert_eq!((without.peer_id, without.turn), (None, true));
}

#[test]
fn a_new_credential_lies_at_the_top() {
    let body = br#"{"timestamp":0,"ttl":90000,"authToken":"x"}"#;
    let credential = Credential::parse(body).unwrap();
    assert_eq!((credential.timestamp, credential.ttl), (0, 90_000));
}

#[test]
fn a_whole_number_may_be_written_as_a_float() {
    let body = br#"{"timestamp":1600000000.0,"ttl":6e2,"authToken":"x"}"#;
    let credential = Credential::parse(body).unwrap();
    assert_eq!((credential.timestamp, credential.ttl), (1_600_000_000, 600));
    let none = DcInit {
        reliability: Reliability::Retransmits(0),
        ..PLAIN
    };
    assert_eq!(dc_init(r#"{"maxRetransmits":-0.0,"priority":1.0}"#), none);
}

#[test]
fn a_connection_as_ruby_makes_it() {
    let rest = format!(
        r#","options":{{"serialization":"BINARY"}},"params":{{"data_id":"{DATA}"}},"redirect_params":{{"ip_v4":"127.0.0.1","port":10001}}"#
    );
    let wanted = ConnectOptions {
        peer_id: "data_caller".to_owned(),
        token: "t".to_owned(),
        target_id: "data_callee".to_owned(),
        params: Feed {
            source: Some(Source::Data(data_id())),
            transcode: None,
        },
        options: DataOptions {
            metadata: None,
            serialization: Serialization::SkyWayBinary,
            label: None,
            dc_init: PLAIN,
        },
        redirect_params: Some("127.0.0.1:10001".parse().unwrap()),
    };
    assert_eq!(connect(&rest), wanted);
}

#[test]
fn what_a_connection_may_leave_out() {
    let least = connect("");
    assert_eq!(
        (least.params, least.redirect_params),
        (Feed::default(), None)
    );
    assert_eq!(least.options.dc_init, PLAIN);
    let empty = r#","params":{},"options":{},"redirect_params":{}"#;
    assert_eq!(connect(empty), connect(""));
    let none = r#","params":null,"options":{"metadata":null,"serialization":"n/a","dcInit":"n/a"},"redirect_params":{"ip_v4":"n/a","port":null}"#;
    assert_eq!(connect(none), connect(""));
    assert_eq!(dc_init("{}"), PLAIN);
    let none = r#"{"ordered":"n/a","maxPacketLifeTime":"n/a","maxRetransmits":"n/a","protocol":"n/a","negotiated":"n/a","id":"n/a","priority":"n/a"}"#;
    assert_eq!(dc_init(none), PLAIN);
}

#[test]
fn a_connection_with_all_options() {
    let rest = r#","options":{"metadata":"n/a","serialization":"None","label":"gps","dcInit":{"ordered":false,"maxRetransmits":0,"protocol":"nmea","negotiated":true,"id":65534,"priority":"high","x":0}}"#;
    let wanted = DataOptions {
        metadata: Some("n/a".to_owned()),
        serialization: Serialization::Raw,
        label: Some("gps".to_owned()),
        dc_init: DcInit {
            ordered: false,
            reliability: Reliability::Retransmits(0),
            protocol: "nmea".to_owned(),
            negotiated: Some(65_534),
        },
    };
    assert_eq!(connect(rest).options, wanted);
}

#[test]
fn serializations_in_any_case() {
    for (name, serialization) in [
        ("BINARY", Serialization::SkyWayBinary),
        ("BINARY_UTF8", Serialization::SkyWayBinary),
        ("binary-utf8", Serialization::SkyWayBinary),
        ("Json", Serialization::SkyWayJson),
        ("NONE", Serialization::Raw),
    ] {
        let options = connect(&format!(r#","options":{{"serialization":"{name}"}}"#)).options;
        assert_eq!(options.serialization, serialization, "{name}");
    }
}

#[test]
fn channels() {
    let life_time = dc_init(r#"{"maxPacketLifeTime":65535,"maxRetransmits":null}"#);
    assert_eq!(life_time.reliability, Reliability::LifeTime(65_535));
    assert_eq!(dc_init(r#"{"negotiated":false,"id":3}"#).negotiated, None);
    assert_eq!(dc_init(r#"{"negotiated":true,"id":0}"#).negotiated, Some(0));
    for priority in [
        "-34137170660324133568512",
        "256",
        "\"256\"",
        "\"low\"",
        "\"\"",
        "-1",
    ] {
        assert_eq!(dc_init(&format!(r#"{{"priority":{priority}}}"#)), PLAIN);
    }
    let longest = "x".repeat(1_100);
    let label = connect(&format!(r#","options":{{"label":"{longest}"}}"#))
        .options
        .label;
    assert_eq!(label, Some(longest));
}

#[test]
fn an_endpoint_in_place_of_a_port() {
    let params = connect(r#","params":{"endpoint":"arduino","transcode":true}"#).params;
    let wanted = Feed {
        source: Some(Source::Endpoint("arduino".to_owned())),
        transcode: Some(true),
    };
    assert_eq!(params, wanted);
    let params = change(r#"{"feed_params":{"endpoint":"arduino","data_id":null}}"#).feed_params;
    assert_eq!((params.source, params.transcode), (wanted.source, None));
}

#[test]
fn a_change_as_ruby_and_node_make_it() {
    let ruby = format!(
        r#"{{"feed_params":{{"data_id":"{DATA}"}},"redirect_params":{{"ip_v4":"127.0.0.1","port":10002}}}}"#
    );
    let ruby = change(&ruby);
    assert_eq!(ruby.feed_params.source, Some(Source::Data(data_id())));
    assert_eq!(
        ruby.redirect_params,
        Some("127.0.0.1:10002".parse().unwrap())
    );
    let node = change(r#"{"redirect_params":{"ip_v4":"127.0.0.1","port":10000}}"#);
    assert_eq!(node.feed_params, Feed::default());
    let nothing = change("{}");
    assert_eq!(
        (nothing.feed_params, nothing.redirect_params),
        (Feed::default(), None)
    );
}

#[test]
fn where_to_send() {
    for (text, address) in [
        (r#"{"ip_v4":"10.0.0.1","port":1}"#, "10.0.0.1:1"),
        (r#"{"ip_v6":"fe80::1","port":65535}"#, "[fe80::1]:65535"),
        (r#"{"ip_v6":"::ffff:10.0.0.1","port":1}"#, "10.0.0.1:1"),
        (
            r#"{"ip_v6":"::1","ip_v4":"10.0.0.1","port":1}"#,
            "10.0.0.1:1",
        ),
        (
            r#"{"ip_v6":"nonsense","ip_v4":"10.0.0.1","port":1}"#,
            "10.0.0.1:1",
        ),
        (r#"{"ip_v4":"n/a","ip_v6":"::1","port":1}"#, "[::1]:1"),
    ] {
        let body = format!(r#"{{"redirect_params":{text}}}"#);
        let wanted = Some(address.parse().unwrap());
        assert_eq!(change(&body).redirect_params, wanted, "{text}");
    }
}

#[test]
fn bodies_that_say_nothing() {
    for body in ["", "{}", " { } ", r#"{"is_video":true}"#] {
        assert_eq!(parse_nothing(body.as_bytes()), Ok(()), "{body}");
    }
}

#[test]
fn tokens_in_queries() {
    let id = "pt-870c2c49-c16d-4c69-b1ad-fec7550564af";
    for query in [
        format!("token={id}"),
        format!("a=b&token={id}&c"),
        "token=pt%2D870c2c49-c16d-4c69-b1ad-fec7550564af".to_owned(),
        format!("tokens=x&token={id}"),
    ] {
        assert_eq!(token(Some(&query)).as_deref(), Ok(id), "{query}");
    }
    assert_eq!(token(Some("token=a+b")).as_deref(), Ok("a+b"));
    for (query, message) in [
        (None, "token field is not specified"),
        (Some(""), "token field is not specified"),
        (Some("token"), "token field is not specified"),
        (Some("token="), "token field is not specified"),
        (Some("Token=x"), "token field is not specified"),
        (Some("token=x&token=x"), "is there more than once"),
        (Some("token=%2"), "is not properly percent-encoded"),
        (Some("token=%ff"), "is not properly percent-encoded"),
    ] {
        let fault = token(query).unwrap_err();
        assert_eq!((fault.field, fault.message.as_ref()), ("token", message));
    }
}
