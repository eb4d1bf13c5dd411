//! Messages in parts: what all channels together may hold.

use std::collections::BTreeMap;

use super::*;
use crate::config::Config;
use crate::endpoint::DropReason;
use crate::gateway::routes::Route;
use crate::gateway::transcode::Transcoder;
use crate::payload::{Bounds, Codec, Frame, Payload as Written, Serialization};
use crate::session::crypto::Identity;
use crate::util::slab::Id;

const PAGE: Serialization = Serialization::PeerJsBinary;

/// A gateway with one route whose page writes as PeerJS does.
fn gateway() -> (Gateway, RouteId) {
    let identity = Identity::generate().expect("an identity");
    let now = Instant::now();
    let mut gateway = Gateway::new(now, Config::default(), identity, Vec::new(), [7; 32]);
    let endpoint = gateway.routing.endpoint_names.values().next().copied();
    let (id, channel) = (Id::from_bits(0), (1, "demo".to_owned()));
    let endpoint = endpoint.expect("the demo device");
    let mut route = Route::new(Id::from_bits(0), id, channel, endpoint, true, 256 * 1024);
    route.transcoder = Transcoder::new(PAGE);
    let id = gateway.routing.routes.insert(route);
    (gateway, id)
}

/// The first part of a message of two parts.
fn first_part() -> Vec<u8> {
    let mut frames = Vec::new();
    let mut codec = Codec::new(PAGE, Bounds::default());
    let mut keep = |frame: Frame<'_>| {
        if let Frame::Binary(bytes) = frame {
            frames.push(bytes.to_vec());
        }
    };
    let message = vec![7; 30_000];
    codec
        .encode(Written::Bytes(&message), &mut keep)
        .expect("it can be written");
    assert_eq!(frames.len(), 2);
    frames.swap_remove(0)
}

fn drops(gateway: &Gateway, route: RouteId) -> BTreeMap<DropReason, u64> {
    let route = gateway.routing.routes.get(route).expect("it is open");
    let drops = route.drops.iter();
    drops
        .map(|((_, reason), count)| (reason, count.bytes))
        .collect()
}

#[test]
fn unfinished_messages_of_all_channels_have_one_bound() {
    let now = Instant::now();
    let part = first_part();
    let (mut gateway, route) = gateway();
    // Other channels hold all but a little.
    gateway.routing.held = limits::PAYLOAD_TOTAL - 20_000;
    gateway.receive(now, route, true, part.clone());
    assert_eq!(drops(&gateway, route), BTreeMap::new(), "it fits");
    let one = gateway.routing.held - (limits::PAYLOAD_TOTAL - 20_000);
    assert!((16_000..20_000).contains(&one), "{one}");

    let (mut gateway, route) = self::gateway();
    gateway.routing.held = limits::PAYLOAD_TOTAL - 10_000;
    gateway.receive(now, route, true, part);
    let overflow = BTreeMap::from([(DropReason::Overflow, one as u64)]);
    assert_eq!(drops(&gateway, route), overflow);
}
