//! Endpoints of the kind `rtp`: their configuration over the API, and the refusal of channels.

use std::time::Duration;

use serde_json::{Value, json};

use crate::configure::send;
use crate::peer::reliable;
use crate::sessions::{DEMO, good};
use crate::world::World;

const SOON: Duration = Duration::from_secs(5);

const CAMERA: &str = "[[endpoint]]\nname = \"camera\"\nkind = \"rtp\"\n[endpoint.video]\n\
                      codec = \"H264\"\nlisten = \"127.0.0.1:5004\"\n";

#[test]
fn a_channel_to_an_endpoint_of_media_is_refused_and_no_other() {
    let mut world = World::new(1, &format!("{DEMO}{CAMERA}"));
    let labels = ["thingway", "camera", "demo"].map(reliable);
    let n = world.connect(&labels, good(), 1);
    world.until("closed", SOON, |w| w.peer(n).channels["camera"].closed);
    world.until("told", SOON, |w| !w.peer(n).told("refused").is_empty());
    let refused = world.peer(n).told("refused")[0].clone();
    assert_eq!(refused["label"], "camera");
    assert_eq!(refused["reason"], "carries-media");
    assert_eq!(
        refused["detail"],
        "endpoint camera carries media: add a media section, or use /whep/camera"
    );
    let name = world.clients[n].session.clone();
    let session = world.get(&format!("/sessions/{name}"));
    assert_eq!(session["closed_channels"][0]["reason"], "carries-media");
    world.until("greeting", SOON, |w| w.peer(n).text("demo").ends_with("> "));
    let camera = world.get("/endpoints/camera");
    assert_eq!(
        (&camera["kind"], &camera["state"]),
        (&"rtp".into(), &"absent".into())
    );
    assert_eq!(camera["detail"], "no packets on 127.0.0.1:5004");
    assert_eq!(camera["routes"], 0);
}

#[test]
fn tracks_are_configured_over_the_api_and_shown() {
    let mut world = World::new(2, &format!("[api]\nconfigure = true\n{CAMERA}"));
    let talk = json!({
        "kind": "rtp",
        "video": {"codec": "VP8", "send_to": "127.0.0.1:6000"},
        "audio": {"codec": "PCMU", "listen": "127.0.0.1:5008", "rtcp": "mux"},
    });
    let answer = send(&mut world, "PUT", "talk", &talk.to_string());
    assert!(answer.starts_with("201 "), "{answer}");
    let config = world.ask_json("GET", "/endpoints/talk/config", &Value::Null);
    assert_eq!(config, (200, talk.clone()), "as it was sent");
    let view = world.get("/endpoints/talk");
    // What is configured; what the track does is shown beside it.
    let configured = |kind: &str| {
        let names = [
            "codec",
            "payload_type",
            "listen",
            "rtcp",
            "send_to",
            "send_rtcp",
            "send_payload_type",
        ];
        let fields = names.map(|name| (name.to_owned(), view[kind][name].clone()));
        Value::Object(fields.into_iter().collect())
    };
    let track = |codec, listen, rtcp, to, send_rtcp, payload_type| {
        json!({
            "codec": codec, "payload_type": Value::Null, "listen": listen, "rtcp": rtcp,
            "send_to": to, "send_rtcp": send_rtcp, "send_payload_type": payload_type,
        })
    };
    let null = Value::Null;
    let (to, after) = (json!("127.0.0.1:6000"), json!("127.0.0.1:6001"));
    assert_eq!(
        configured("video"),
        track("VP8", null.clone(), null.clone(), to, after, 96)
    );
    let (at, mux) = (json!("127.0.0.1:5008"), json!("mux"));
    assert_eq!(
        configured("audio"),
        track("PCMU", at, mux, null.clone(), null, 0)
    );

    // The same file again replaces the endpoint and does not collide with itself.
    assert!(send(&mut world, "PUT", "talk", &talk.to_string()).starts_with("200 "));
    for (track, status, why) in [
        (
            json!({"codec": "VP8", "listen": "127.0.0.1:5005"}),
            "409 ",
            "endpoint camera receives",
        ),
        (
            json!({"codec": "VP8", "listen": "0.0.0.0:7000"}),
            "422 ",
            "open to other machines",
        ),
        (json!({"codec": "opus"}), "422 ", "video.codec must be"),
        (
            json!({"codec": "VP8", "listen": "127.0.0.1:7000", "send_to": "127.0.0.1:7000"}),
            "422 ",
            "a port of this gateway itself",
        ),
    ] {
        let body = json!({"kind": "rtp", "video": track}).to_string();
        let answer = send(&mut world, "PUT", "other", &body);
        assert!(answer.starts_with(status), "{body}: {answer}");
        assert!(answer.contains(why), "{body}: {answer}");
    }
    assert!(send(&mut world, "DELETE", "talk", "").starts_with("200 "));
    assert_eq!(
        world.get("/endpoints")["endpoints"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
}
