//! The bodies about data connections.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::fields::{Object, Reader, given};
use super::{Faults, needed, peer_id};
use crate::api::skyway::FieldError;
use crate::api::skyway::ids::{Id, Kind};
use crate::limits;
use crate::payload::{Dialect, Serialization};

/// `POST /data/connections`: a connection to another peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectOptions {
    /// The id of the peer that owns the connection.
    pub peer_id: String,
    /// The token of that peer.
    pub token: String,
    /// The id of the other peer.
    pub target_id: String,
    /// The source of the messages to the other peer.
    pub params: Feed,
    /// The channel.
    pub options: DataOptions,
    /// The address to which messages of the other peer are sent; none if messages are not sent on.
    pub redirect_params: Option<SocketAddr>,
}

impl ConnectOptions {
    /// Reads a body.
    pub fn parse(body: &[u8]) -> Result<Self, Faults> {
        Reader::read(body, |reader, object| {
            reader.require(object, "peer_id");
            let own_id = peer_id(reader, object, "peer_id").unwrap_or_default();
            let token = needed(reader, object, "token", limits::FACADE_NAME);
            reader.require(object, "target_id");
            Self {
                peer_id: own_id,
                token,
                target_id: peer_id(reader, object, "target_id").unwrap_or_default(),
                params: Feed::read(reader, object, PARAMS),
                options: DataOptions::read(reader, object),
                redirect_params: redirect(reader, object),
            }
        })
    }
}

/// `PUT /data/connections/{data_connection_id}`: fields that are absent stay as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionChange {
    /// The new source of the messages to the other peer.
    pub feed_params: Feed,
    /// The new address for messages of the other peer.
    pub redirect_params: Option<SocketAddr>,
}

impl ConnectionChange {
    /// Reads a body.
    pub fn parse(body: &[u8]) -> Result<Self, Faults> {
        Reader::read(body, |reader, object| Self {
            feed_params: Feed::read(reader, object, FEED_PARAMS),
            redirect_params: redirect(reader, object),
        })
    }
}

/// The source and form of the messages to the other peer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Feed {
    /// The source. `None`: a connection that only receives, or no change.
    pub source: Option<Source>,
    /// Whether messages are written and read as the serialization says, instead of leaving bytes unchanged as
    /// SkyWay's gateway does. An extension of this gateway; `None` if absent.
    pub transcode: Option<bool>,
}

/// The source of a connection's messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A port, as `POST /data` opens it.
    Data(Id),
    /// An endpoint of the configuration, by its name; in both directions, as for a channel of that label. An
    /// extension of this gateway.
    Endpoint(String),
}

impl Feed {
    fn read(reader: &mut Reader, object: Object<'_>, names: [&'static str; 4]) -> Self {
        let [params, data_id, endpoint, transcode] = names;
        let inner = reader.object(object, params);
        let has_both = given(inner, data_id).is_some() && given(inner, endpoint).is_some();
        if has_both {
            reader.fault(endpoint, "cannot stand beside data_id");
        }
        let port = reader.text(inner, data_id, usize::MAX).and_then(|text| {
            let id = Id::parse(Kind::Data, &text);
            if id.is_none() {
                reader.fault(data_id, "is not an id as POST /data gives it");
            }
            id
        });
        let name = reader.text(inner, endpoint, limits::LABEL);
        if name.as_deref() == Some("") {
            reader.fault(endpoint, "is empty");
        }
        let source = match (port, name) {
            (Some(id), _) => Some(Source::Data(id)),
            (None, Some(name)) => Some(Source::Endpoint(name)),
            (None, None) => None,
        };
        Self {
            source,
            transcode: reader.boolean(inner, transcode),
        }
    }
}

/// `options` of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataOptions {
    /// The metadata for the other peer.
    pub metadata: Option<String>,
    /// The announced serialization of messages; BINARY by default.
    pub serialization: Serialization,
    /// The channel's label; generated if absent. An extension of this gateway.
    pub label: Option<String>,
    /// The properties of the channel.
    pub dc_init: DcInit,
}

impl DataOptions {
    fn read(reader: &mut Reader, object: Object<'_>) -> Self {
        let inner = reader.object(object, "options");
        let label = reader.free_text(inner, "options.label", limits::LABEL_AND_PROTOCOL);
        if label.as_deref() == Some(crate::names::CONTROL_LABEL) {
            reader.fault("options.label", "is reserved for the control channel");
        }
        let dc_init = DcInit::read(reader, inner);
        let long = label.as_ref().map_or(0, String::len) + dc_init.protocol.len();
        if long > limits::LABEL_AND_PROTOCOL {
            let longest = limits::LABEL_AND_PROTOCOL;
            let message = format!("and the label may have {longest} bytes together at most");
            reader.fault("options.dcInit.protocol", message);
        }
        Self {
            metadata: reader.free_text(inner, "options.metadata", limits::FACADE_METADATA),
            serialization: serialization(reader, inner),
            label,
            dc_init,
        }
    }
}

fn serialization(reader: &mut Reader, options: Object<'_>) -> Serialization {
    let field = "options.serialization";
    let name = reader.text(options, field, usize::MAX);
    let Some(name) = name else {
        return Serialization::SkyWayBinary;
    };
    Serialization::parse(Dialect::SkyWay, &name).unwrap_or_else(|_| {
        reader.fault(field, "must be BINARY, BINARY_UTF8, JSON or NONE");
        Serialization::SkyWayBinary
    })
}

/// `dcInit`: the members of W3C's `RTCDataChannelInit` of WebRTC (§6.1). Its `priority` is read and ignored
/// because the layers below have no queues by priority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DcInit {
    /// Whether messages arrive in the order in which they were sent.
    pub ordered: bool,
    /// Whether lost messages are sent again.
    pub reliability: Reliability,
    /// The subprotocol.
    pub protocol: String,
    /// The stream, if both sides open the channel by themselves; 65,535 is none.
    pub negotiated: Option<u16>,
}

/// The effort for delivering a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reliability {
    /// A message is sent again until it arrives.
    #[default]
    Full,
    /// A message is given up after so many milliseconds.
    LifeTime(u16),
    /// A message is sent again so many times.
    Retransmits(u16),
}

impl DcInit {
    fn read(reader: &mut Reader, options: Object<'_>) -> Self {
        let inner = reader.object(options, "options.dcInit");
        let priority = given(inner, "options.dcInit.priority");
        let is_whole =
            |it: &serde_json::Value| it.as_f64().is_some_and(|number| number.fract() == 0.0);
        if priority.is_some_and(|it| !it.is_string() && !is_whole(it)) {
            reader.fault(
                "options.dcInit.priority",
                "must be a string or a whole number",
            );
        }
        let protocol = "options.dcInit.protocol";
        Self {
            ordered: reader
                .boolean(inner, "options.dcInit.ordered")
                .unwrap_or(true),
            reliability: Reliability::read(reader, inner),
            protocol: reader
                .text(inner, protocol, limits::LABEL_AND_PROTOCOL)
                .unwrap_or_default(),
            negotiated: stream(reader, inner),
        }
    }
}

impl Reliability {
    fn read(reader: &mut Reader, dc_init: Object<'_>) -> Self {
        let (life_time, retransmits) = (
            "options.dcInit.maxPacketLifeTime",
            "options.dcInit.maxRetransmits",
        );
        if given(dc_init, life_time).is_some() && given(dc_init, retransmits).is_some() {
            reader.fault(retransmits, "cannot stand beside maxPacketLifeTime");
        }
        let milliseconds = reader.number(dc_init, life_time, 0..=u16::MAX);
        let times = reader.number(dc_init, retransmits, 0..=u16::MAX);
        match (milliseconds, times) {
            (Some(milliseconds), _) => Self::LifeTime(milliseconds),
            (None, Some(times)) => Self::Retransmits(times),
            (None, None) => Self::Full,
        }
    }
}

/// Returns the stream of a negotiated channel. Without `negotiated` the `id` is ignored (W3C).
fn stream(reader: &mut Reader, dc_init: Object<'_>) -> Option<u16> {
    let field = "options.dcInit.id";
    let negotiated = reader.boolean(dc_init, "options.dcInit.negotiated");
    let id = reader.number(dc_init, field, 0..=65_534);
    if negotiated != Some(true) {
        return None;
    }
    reader.require(dc_init, field);
    id
}

/// Returns the address for received messages; `None` also for an empty object, which some programs send.
fn redirect(reader: &mut Reader, object: Object<'_>) -> Option<SocketAddr> {
    let (v4, v6, port) = (
        "redirect_params.ip_v4",
        "redirect_params.ip_v6",
        "redirect_params.port",
    );
    let inner = reader.object(object, "redirect_params");
    if [v4, v6, port].iter().all(|it| given(inner, it).is_none()) {
        let is_known = |name: &String| ["ip_v4", "ip_v6", "port"].contains(&name.as_str());
        if inner.is_some_and(|inner| !inner.is_empty() && !inner.keys().any(is_known)) {
            reader.fault("redirect_params", "has neither ip_v4, ip_v6 nor port");
        }
        return None;
    }
    reader.require(inner, port);
    let port = reader.number(inner, port, 1..=u16::MAX);
    let ip = if given(inner, v4).is_some() {
        let text = reader.text(inner, v4, usize::MAX)?;
        let ip = text.parse::<Ipv4Addr>();
        ip.map(IpAddr::V4)
            .map_err(|_| FieldError::new(v4, "is not an IPv4 address"))
    } else if given(inner, v6).is_some() {
        let text = reader.text(inner, v6, usize::MAX)?;
        let ip = text.parse::<Ipv6Addr>();
        // Unwrap IPv4-mapped IPv6 addresses, so that a comparison with networks sees one form.
        ip.map(|ip| ip.to_canonical())
            .map_err(|_| FieldError::new(v6, "is not an IPv6 address"))
    } else {
        Err(FieldError::new(v4, "ip_v4 or ip_v6 is needed"))
    };
    match ip {
        Ok(ip) => Some(SocketAddr::new(ip, port?)),
        Err(fault) => {
            reader.fault(fault.field, fault.message);
            None
        }
    }
}

/// The names in [`ConnectOptions`].
const PARAMS: [&str; 4] = [
    "params",
    "params.data_id",
    "params.endpoint",
    "params.transcode",
];

/// The names in [`ConnectionChange`].
const FEED_PARAMS: [&str; 4] = [
    "feed_params",
    "feed_params.data_id",
    "feed_params.endpoint",
    "feed_params.transcode",
];
