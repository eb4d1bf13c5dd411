use serde_json::{Value, json};

use crate::limits;
use crate::signaling::message::Carries;
use crate::signaling::skyway::{ClientMessage, Emit, RoomCall, RoomKind, Rooms, parse};

const NOW: u64 = 1_600_000_000_000;

fn join(room: &str) -> RoomCall {
    RoomCall::Join {
        room: room.to_owned(),
        kind: RoomKind::Mesh,
    }
}

fn leave(room: &str) -> RoomCall {
    RoomCall::Leave {
        room: room.to_owned(),
    }
}

fn data(room: &str, data: Value) -> RoomCall {
    RoomCall::Data {
        room: room.to_owned(),
        data,
    }
}

fn emit(to: &[&str], name: &'static str, argument: Value) -> Emit {
    Emit {
        to: to.iter().map(|&it| it.to_owned()).collect(),
        event: (name, argument),
    }
}

/// Returns the message of the refusal that the client receives.
fn refusal(rooms: &mut Rooms, from: &str, call: RoomCall) -> String {
    let emits = rooms.handle(NOW, from, call);
    let [Emit { to, event }] = emits.as_slice() else {
        panic!("{emits:?}");
    };
    assert_eq!(*to, [from]);
    assert_eq!((event.0, &event.1["type"]), ("ERROR", &json!("room-error")));
    event.1["message"].as_str().expect("a message").to_owned()
}

#[test]
fn calls_of_the_client() {
    let room = || "r".to_owned();
    for (name, argument, call) in [
        (
            "ROOM_JOIN",
            json!({ "roomName": "r", "roomType": "mesh" }),
            join("r"),
        ),
        (
            "ROOM_JOIN",
            json!({ "roomName": "r", "roomType": "sfu" }),
            RoomCall::Join {
                room: room(),
                kind: RoomKind::Sfu,
            },
        ),
        ("ROOM_LEAVE", json!({ "roomName": "r" }), leave("r")),
        (
            "ROOM_GET_USERS",
            json!({ "roomName": "r", "type": "media" }),
            RoomCall::Members {
                room: room(),
                carries: Carries::Media,
            },
        ),
        (
            "ROOM_SEND_DATA",
            json!({ "roomName": "r", "data": [1] }),
            data("r", json!([1])),
        ),
        (
            "ROOM_SEND_DATA",
            json!({ "roomName": "r" }),
            data("r", Value::Null),
        ),
        (
            "ROOM_GET_LOGS",
            json!({ "roomName": "r" }),
            RoomCall::Log { room: room() },
        ),
        (
            "SFU_GET_OFFER",
            json!({ "roomName": "r" }),
            RoomCall::Sfu { room: room() },
        ),
        (
            "SFU_ANSWER",
            json!({ "roomName": "r", "answer": {} }),
            RoomCall::Sfu { room: room() },
        ),
        (
            "SFU_CANDIDATE",
            json!({ "roomName": "r" }),
            RoomCall::Sfu { room: room() },
        ),
    ] {
        assert_eq!(
            parse(name, Some(&argument)),
            Ok(ClientMessage::Room(call)),
            "{name}"
        );
        let fault = parse(name, Some(&json!({ "roomType": "mesh", "type": "data" })));
        assert_eq!(fault.expect_err(name).to_string(), "roomName is missing");
    }
}

#[test]
fn two_meet_talk_and_part() {
    let mut rooms = Rooms::new();
    assert_eq!(
        rooms.handle(NOW, "alice", join("r")),
        [emit(
            &["alice"],
            "ROOM_USER_JOIN",
            json!({ "roomName": "r", "src": "alice" })
        )]
    );
    let joined = json!({ "roomName": "r", "src": "bob" });
    assert_eq!(
        rooms.handle(NOW + 1, "bob", join("r")),
        [emit(&["alice", "bob"], "ROOM_USER_JOIN", joined.clone())]
    );
    // If bob joins once more, only bob receives the event.
    assert_eq!(
        rooms.handle(NOW + 2, "bob", join("r")),
        [emit(&["bob"], "ROOM_USER_JOIN", joined)]
    );
    let users = RoomCall::Members {
        room: "r".to_owned(),
        carries: Carries::Media,
    };
    let list = json!({ "roomName": "r", "type": "media", "userList": ["alice", "bob"] });
    assert_eq!(
        rooms.handle(NOW, "bob", users),
        [emit(&["bob"], "ROOM_USERS", list)]
    );
    let said = json!({ "roomName": "r", "src": "bob", "data": { "a": 1 } });
    assert_eq!(
        rooms.handle(NOW + 3, "bob", data("r", json!({ "a": 1 }))),
        [emit(&["alice"], "ROOM_DATA", said.clone())]
    );
    let log = RoomCall::Log {
        room: "r".to_owned(),
    };
    let emits = rooms.handle(NOW, "alice", log);
    let (name, argument) = &emits[0].event;
    assert_eq!(
        (*name, emits[0].to.as_slice()),
        ("ROOM_LOGS", &["alice".to_owned()][..])
    );
    let entries = argument["log"].as_array().expect("a list");
    let entries = entries.iter().map(|it| it.as_str().expect("text"));
    let entries: Vec<Value> = entries
        .map(|it| serde_json::from_str(it).expect("JSON"))
        .collect();
    assert_eq!(entries.len(), 3);
    assert_eq!(
        entries[2],
        json!({ "messageType": "ROOM_DATA", "message": said, "timestamp": NOW + 3 })
    );
    assert_eq!(
        rooms.handle(NOW, "bob", leave("r")),
        [emit(
            &["alice"],
            "ROOM_USER_LEAVE",
            json!({ "roomName": "r", "src": "bob" })
        )]
    );
    assert_eq!(rooms.handle(NOW, "bob", leave("r")), []);
    assert_eq!(
        rooms.handle(NOW, "alice", data("r", json!(1))),
        [],
        "nobody hears it"
    );
    assert_eq!(rooms.handle(NOW, "alice", leave("r")), []);
    assert_eq!(rooms.members("r"), [""; 0]);
}

#[test]
fn who_goes_leaves_every_room() {
    let mut rooms = Rooms::new();
    for room in ["a", "b", "c"] {
        rooms.handle(NOW, "alice", join(room));
    }
    rooms.handle(NOW, "bob", join("a"));
    rooms.handle(NOW, "bob", join("c"));
    let left = |room| {
        emit(
            &["bob"],
            "ROOM_USER_LEAVE",
            json!({ "roomName": room, "src": "alice" }),
        )
    };
    assert_eq!(rooms.leave_all(NOW, "alice"), [left("a"), left("c")]);
    assert_eq!(rooms.leave_all(NOW, "alice"), []);
    assert_eq!(rooms.members("b").len(), 0);
    assert_eq!(rooms.members("c"), ["bob"]);
}

#[test]
fn a_room_is_for_those_in_it() {
    let mut rooms = Rooms::new();
    rooms.handle(NOW, "alice", join("r"));
    let room = || "r".to_owned();
    for call in [
        data("r", json!(1)),
        RoomCall::Log { room: room() },
        RoomCall::Members {
            room: room(),
            carries: Carries::Data,
        },
    ] {
        assert_eq!(
            refusal(&mut rooms, "mallory", call),
            "you are not in this room"
        );
    }
    for call in [
        RoomCall::Sfu { room: room() },
        RoomCall::Join {
            room: room(),
            kind: RoomKind::Sfu,
        },
    ] {
        let message = refusal(&mut rooms, "alice", call);
        assert_eq!(
            message,
            "there are no SFU rooms here; join with the mode 'mesh'"
        );
    }
}

#[test]
fn rooms_are_bounded() {
    let mut rooms = Rooms::new();
    for number in 0..limits::ROOMS_PER_PEER {
        rooms.handle(NOW, "alice", join(&number.to_string()));
    }
    assert_eq!(
        refusal(&mut rooms, "alice", join("x")),
        "you are in too many rooms"
    );
    let again = rooms.handle(NOW, "alice", join("0"));
    assert_eq!(again[0].event.0, "ROOM_USER_JOIN");
    for number in 1..limits::ROOM_MEMBERS {
        rooms.handle(NOW, &format!("p{number}"), join("0"));
    }
    assert_eq!(rooms.members("0").len(), limits::ROOM_MEMBERS);
    assert_eq!(refusal(&mut rooms, "bob", join("0")), "the room is full");
    for number in limits::ROOMS_PER_PEER..limits::ROOMS {
        rooms.handle(NOW, &format!("q{number}"), join(&number.to_string()));
    }
    assert_eq!(
        refusal(&mut rooms, "bob", join("x")),
        "there are too many rooms"
    );
    // A room that exists accepts more members, and when one room ends another one can begin.
    assert_eq!(rooms.handle(NOW, "bob", join("1")).len(), 1);
    rooms.leave_all(NOW, "q5");
    assert_eq!(rooms.handle(NOW, "bob", join("x")).len(), 1);
    assert_eq!(rooms.members("x"), ["bob"]);
}

#[test]
fn a_log_forgets_what_is_oldest() {
    let mut rooms = Rooms::new();
    rooms.handle(NOW, "alice", join("r"));
    let long = "\"".repeat(limits::ROOM_DATA / 2 - 10);
    for number in 0..10 {
        rooms.handle(NOW, "alice", data("r", json!([number, long])));
    }
    let log = RoomCall::Log {
        room: "r".to_owned(),
    };
    let emits = rooms.handle(NOW, "alice", log);
    let argument = &emits[0].event.1;
    let entries = argument["log"].as_array().expect("a list");
    let bytes: usize = entries
        .iter()
        .map(|it| it.as_str().map_or(0, str::len))
        .sum();
    assert!(!entries.is_empty() && bytes <= limits::ROOM_LOG, "{bytes}");
    assert!(argument.to_string().len() <= limits::SOCKET_IO_QUEUE / 4 + 100);
    let last = entries.last().and_then(Value::as_str).expect("text");
    assert!(last.contains("[9,"), "{}", &last[..100]);
}
