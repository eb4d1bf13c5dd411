//! Mesh rooms: their members, so that they can call each other, and their messages to all members. The calls
//! themselves go from peer to peer like any other. SFU rooms, where a server mixes, are refused.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::{Event, error};
use crate::limits;
use crate::signaling::fields::kind;
use crate::signaling::message::Carries;

/// A client's request about a room.
#[derive(Debug, Clone, PartialEq)]
pub enum RoomCall {
    /// Joins a room.
    Join {
        /// The name of the room.
        room: String,
        /// The wanted kind of the room.
        kind: RoomKind,
    },
    /// Leaves a room.
    Leave {
        /// The name of the room.
        room: String,
    },
    /// Asks for the members of a room.
    Members {
        /// The name of the room.
        room: String,
        /// The kind of connection that the client will make; repeated in the answer.
        carries: Carries,
    },
    /// Sends data to all other members.
    Data {
        /// The name of the room.
        room: String,
        /// The data: any JSON.
        data: Value,
    },
    /// Asks for the log of a room.
    Log {
        /// The name of the room.
        room: String,
    },
    /// A request that only SFU rooms support.
    Sfu {
        /// The name of the room.
        room: String,
    },
}

/// How the peers in a room are connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomKind {
    /// Each peer is connected to each other one.
    Mesh,
    /// Each peer is connected to a server.
    Sfu,
}

/// An event for several clients.
#[derive(Debug, Clone, PartialEq)]
pub struct Emit {
    /// The names of the receivers.
    pub to: Vec<String>,
    /// The event.
    pub event: Event,
}

/// All rooms. Their contents are bounded by [`limits`].
#[derive(Debug, Default)]
pub struct Rooms {
    rooms: BTreeMap<String, Room>,
}

#[derive(Debug, Default)]
struct Room {
    /// The members in the order in which they joined.
    members: Vec<String>,
    /// The entries of the log, each as JSON.
    log: VecDeque<String>,
    /// The size of the log in bytes.
    logged: usize,
}

impl Rooms {
    /// Returns an empty set of rooms.
    pub fn new() -> Self {
        Self::default()
    }

    /// Handles a client's request, and returns the events for its receivers; a refusal goes to the client
    /// itself. The time is in milliseconds since 1970, as pages have it.
    pub fn handle(&mut self, now_unix_ms: u64, from: &str, call: RoomCall) -> Vec<Emit> {
        let handled = match call {
            RoomCall::Join {
                room,
                kind: RoomKind::Mesh,
            } => self.join(now_unix_ms, from, room),
            RoomCall::Join {
                kind: RoomKind::Sfu,
                ..
            }
            | RoomCall::Sfu { .. } => Err(RoomRefusal::Sfu),
            // Leaving twice is no error.
            RoomCall::Leave { room } => Ok(self.leave(now_unix_ms, from, &room)),
            RoomCall::Members { room, carries } => self.members_for(from, &room, carries),
            RoomCall::Data { room, data } => self.data(now_unix_ms, from, &room, data),
            RoomCall::Log { room } => self.log(from, &room),
        };
        match handled {
            Ok(emit) => emit.into_iter().collect(),
            Err(refusal) => vec![Emit {
                to: vec![from.to_owned()],
                event: error("room-error", refusal.message()),
            }],
        }
    }

    /// Removes a peer from all rooms.
    pub fn leave_all(&mut self, now_unix_ms: u64, peer: &str) -> Vec<Emit> {
        let is_in = |room: &Room| room.has(peer);
        let names = self.rooms.iter().filter(|(_, room)| is_in(room));
        let names: Vec<String> = names.map(|(name, _)| name.clone()).collect();
        names
            .iter()
            .filter_map(|name| self.leave(now_unix_ms, peer, name))
            .collect()
    }

    /// Returns the members of this room, in the order in which they joined.
    pub fn members(&self, room: &str) -> &[String] {
        self.rooms.get(room).map_or(&[], |room| &room.members)
    }

    fn join(&mut self, now: u64, from: &str, name: String) -> Result<Option<Emit>, RoomRefusal> {
        let mine = self.rooms.values().filter(|room| room.has(from)).count();
        let is_member = self.rooms.get(&name).is_some_and(|room| room.has(from));
        if !is_member {
            if mine >= limits::ROOMS_PER_PEER {
                return Err(RoomRefusal::TooManyRooms);
            }
            if !self.rooms.contains_key(&name) && self.rooms.len() >= limits::ROOMS {
                return Err(RoomRefusal::NoMoreRooms);
            }
            if self.members(&name).len() >= limits::ROOM_MEMBERS {
                return Err(RoomRefusal::Full);
            }
        }
        let event = ("ROOM_USER_JOIN", json!({ "roomName": name, "src": from }));
        let room = self.rooms.entry(name).or_default();
        if is_member {
            // The client waits for the confirmation that it has joined.
            return Ok(room.tell(|member| member == from, event));
        }
        room.members.push(from.to_owned());
        room.write_down(now, &event);
        Ok(room.tell(|_| true, event))
    }

    fn leave(&mut self, now: u64, from: &str, name: &str) -> Option<Emit> {
        let room = self.rooms.get_mut(name).filter(|room| room.has(from))?;
        room.members.retain(|member| member != from);
        if room.members.is_empty() {
            self.rooms.remove(name);
            return None;
        }
        let event = ("ROOM_USER_LEAVE", json!({ "roomName": name, "src": from }));
        room.write_down(now, &event);
        room.tell(|_| true, event)
    }

    fn members_for(
        &mut self,
        from: &str,
        name: &str,
        carries: Carries,
    ) -> Result<Option<Emit>, RoomRefusal> {
        let room = self.room_of(from, name)?;
        let argument = json!({
            "roomName": name,
            "type": kind(carries),
            "userList": room.members,
        });
        Ok(room.tell(|member| member == from, ("ROOM_USERS", argument)))
    }

    fn data(
        &mut self,
        now: u64,
        from: &str,
        name: &str,
        data: Value,
    ) -> Result<Option<Emit>, RoomRefusal> {
        let room = self.room_of(from, name)?;
        let argument = json!({ "roomName": name, "src": from, "data": data });
        let event = ("ROOM_DATA", argument);
        room.write_down(now, &event);
        Ok(room.tell(|member| member != from, event))
    }

    fn log(&mut self, from: &str, name: &str) -> Result<Option<Emit>, RoomRefusal> {
        let room = self.room_of(from, name)?;
        let argument = json!({ "roomName": name, "log": room.log });
        Ok(room.tell(|member| member == from, ("ROOM_LOGS", argument)))
    }

    /// Returns a room if the client is a member of it.
    fn room_of(&mut self, from: &str, name: &str) -> Result<&mut Room, RoomRefusal> {
        let room = self.rooms.get_mut(name).filter(|room| room.has(from));
        room.ok_or(RoomRefusal::NotIn)
    }
}

impl Room {
    fn has(&self, peer: &str) -> bool {
        self.members.iter().any(|member| member == peer)
    }

    /// Returns an event for the selected members; `None` if none is selected.
    fn tell(&self, whom: impl Fn(&str) -> bool, event: Event) -> Option<Emit> {
        let to = self.members.iter().filter(|member| whom(member));
        let to: Vec<String> = to.cloned().collect();
        (!to.is_empty()).then_some(Emit { to, event })
    }

    /// Adds an event to the log, and drops the oldest entries beyond the bound.
    fn write_down(&mut self, now_unix_ms: u64, (name, argument): &Event) {
        let entry = json!({
            "messageType": name,
            "message": argument,
            "timestamp": now_unix_ms,
        });
        let entry = entry.to_string();
        self.logged += entry.len();
        self.log.push_back(entry);
        while self.logged > limits::ROOM_LOG {
            let Some(oldest) = self.log.pop_front() else {
                break;
            };
            self.logged -= oldest.len();
        }
    }
}

/// The reason why a client's request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RoomRefusal {
    Sfu,
    NotIn,
    Full,
    TooManyRooms,
    NoMoreRooms,
}

impl RoomRefusal {
    fn message(self) -> &'static str {
        match self {
            Self::Sfu => "there are no SFU rooms here; join with the mode 'mesh'",
            Self::NotIn => "you are not in this room",
            Self::Full => "the room is full",
            Self::TooManyRooms => "you are in too many rooms",
            Self::NoMoreRooms => "there are too many rooms",
        }
    }
}
