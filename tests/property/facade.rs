//! Requests of all kinds, from random ones to nearly valid ones, passed to the fuzzer's function.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::fuzz::facade;
use thingway::testing::api::skyway::routes;

/// A body with every field that a connection can have.
const CONNECT: &str = r#"{"peer_id":"a","token":"pt-870c2c49-c16d-4c69-b1ad-fec7550564af","target_id":"b c","params":{"data_id":"da-50a32bab-b3d9-4913-8e20-f79c90a6a211","endpoint":"x","transcode":true},"feed_params":{"endpoint":"x"},"options":{"metadata":"m","serialization":"JSON","label":"l","dcInit":{"ordered":false,"maxPacketLifeTime":1,"maxRetransmits":0,"protocol":"p","negotiated":true,"id":65534,"priority":256}},"redirect_params":{"ip_v4":"127.0.0.1","ip_v6":"::1","port":10001},"key":"k","domain":"d","turn":true,"credential":{"timestamp":1,"ttl":600,"authToken":"x"},"timestamp":1,"ttl":600,"authToken":"x"}"#;

/// The values that a field may get.
const VALUES: [&str; 14] = [
    "null",
    "true",
    "\"n/a\"",
    "\"\"",
    "\"a b\"",
    "\"::1\"",
    "0",
    "-1",
    "65535",
    "1.5",
    "1e400",
    "{}",
    "[]",
    "\"\\ud800\"",
];

fn request(method: &str, path: &str, body: &[u8]) {
    let mut data = format!("{method} {path}?token=x\n").into_bytes();
    data.extend_from_slice(body);
    facade(&data);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        facade(&data);
    }

    #[test]
    fn any_path(
        method in select(vec!["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "get"]),
        words in proptest::collection::vec(
            select(vec!["peers", "data", "media", "connections", "rtcp", "events", "status", "", "%2f", "%", "a+b"]),
            0..6,
        ),
        query in "[token=&%+0-9a-f]{0,20}",
    ) {
        facade(format!("{method} /{}?{query}\n{{}}", words.join("/")).as_bytes());
    }

    #[test]
    fn any_body_to_every_call(body in "[{}\\[\\]\",:a-z0-9.\\-]{0,60}") {
        for (method, path) in routes() {
            request(method, path, body.as_bytes());
        }
    }

    #[test]
    fn almost_right_bodies(
        changes in proptest::collection::vec((any::<Index>(), select(VALUES.to_vec())), 0..6),
        cut in any::<Index>(), is_cut in any::<bool>(),
    ) {
        let mut body = CONNECT.to_owned();
        for (place, value) in changes {
            let colons: Vec<usize> = body.match_indices("\":").map(|(at, _)| at + 2).collect();
            let from = colons[place.index(colons.len())];
            let end = body[from..].find([',', '}']).map_or(body.len(), |end| from + end);
            // An object stays unchanged, because its own fields are changed separately.
            if !body[from..].starts_with('{') {
                body.replace_range(from..end, value);
            }
        }
        if is_cut {
            let mut at = cut.index(body.len() + 1);
            while !body.is_char_boundary(at) {
                at -= 1;
            }
            body.truncate(at);
        }
        for (method, path) in routes() {
            request(method, path, body.as_bytes());
        }
        request("GET", "/nowhere", body.as_bytes());
    }
}
