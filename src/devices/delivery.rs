//! Messages of peers on their way to devices, and the life of their routes.
//!
//! A message is offered to its device at once, and waits on its route if the device has no room. Waiting
//! routes are served in turns of equal bytes (deficit round robin), and no later message of the same device
//! overtakes them.

use std::time::Duration;

use super::route::Route;
use super::transcode::Transcoder;
use super::waiting::Offered;
use super::{ChannelFault, Devices, TimerKey};
use crate::channel::ChannelKey;
use crate::drops::Direction;
use crate::endpoint::{Count, DropReason, Message};
use crate::ids::{EndpointId, RouteId, SessionId};
use crate::limits;
use crate::payload::{Decoded, Payload, Serialization};
use crate::sources::Context;

/// How long a slow device has for the messages that a peer sent before it closed its channel. After that the
/// messages count as stale.
const LINGER: Duration = Duration::from_secs(60);

/// The properties of a channel that is to be bound to an endpoint.
#[derive(Debug)]
pub(crate) struct Bind {
    pub(crate) session: SessionId,
    pub(crate) channel: ChannelKey,
    /// The SCTP stream id.
    pub(crate) stream: u16,
    pub(crate) label: String,
    /// Whether the channel fails when one of its messages is lost.
    pub(crate) reliable: bool,
    /// Whether the session's token allows writing.
    pub(crate) may_write: bool,
    pub(crate) endpoint: EndpointId,
    /// How messages are encoded. `None`: their bytes go unchanged.
    pub(crate) serialization: Option<Serialization>,
    /// Whether messages to the peer go in text frames, whatever the endpoint's configuration says.
    pub(crate) as_text: bool,
}

/// The result of decoding a frame.
enum Received {
    Message(bool, Vec<u8>),
    Nothing,
    Close,
}

impl Devices {
    /// Binds a channel to an endpoint, or to a new connection of the endpoint for this channel alone.
    pub(crate) fn bind(&mut self, cx: &mut Context<'_>, bind: Bind) -> RouteId {
        let endpoint = self.device_for_channel(cx, bind.endpoint);
        let (session, channel) = (bind.session, (bind.stream, bind.label));
        let window = self.flow.table.bounds.route_queue;
        let mut route = Route::new(
            session,
            bind.channel,
            channel,
            endpoint,
            bind.reliable,
            window,
        );
        route.may_write = bind.may_write;
        route.as_text = bind.as_text;
        route.transcoder = bind.serialization.and_then(Transcoder::new);
        let id = self.flow.table.routes.insert(route);
        if let Some(device) = self.flow.table.endpoints.get_mut(endpoint) {
            device.routes.push(id);
            device.endpoint.attach(cx.now, id);
        }
        if let Some(share) = self.flow.table.shares.get_mut(&session) {
            share.routes.push(id);
        }
        self.flow.tell_lease(session, endpoint);
        self.flow.extend_credit(id);
        self.flow.table.touch(session);
        self.flow.after_endpoint(cx, endpoint);
        id
    }

    /// Ends a route whose channel is closed, or is being closed by us. Messages that still wait are dropped
    /// and counted.
    pub(crate) fn unbind(&mut self, cx: &mut Context<'_>, id: RouteId) {
        self.flow.remove_route(cx, id, DropReason::Closed);
    }

    /// Delivers a message of a peer.
    pub(crate) fn handle_message(
        &mut self,
        cx: &mut Context<'_>,
        id: RouteId,
        binary: bool,
        data: Vec<u8>,
    ) {
        match self.flow.table.routes.get(id) {
            Some(route) if route.transcoder.is_none() => self.deliver(cx, id, binary, data),
            Some(_) => self.decode(cx, id, binary, &data),
            None => self.count_unbound(data.len()),
        }
    }

    /// Decodes a frame with its channel's serialization, and delivers the message that the frame completes.
    fn decode(&mut self, cx: &mut Context<'_>, id: RouteId, binary: bool, data: &[u8]) {
        let route = self.flow.table.routes.get_mut(id);
        let Some(mut transcoder) = route.and_then(|route| route.transcoder.take()) else {
            return;
        };
        let before = transcoder.held();
        let received = match transcoder.decode(binary, data) {
            Ok(Some(Decoded::Payload(Payload::Text(text)))) => {
                Received::Message(false, text.as_bytes().to_vec())
            }
            Ok(Some(Decoded::Payload(Payload::Bytes(bytes)))) => {
                Received::Message(true, bytes.to_vec())
            }
            Ok(Some(Decoded::Close)) => Received::Close,
            Ok(None) => Received::Nothing,
            Err(error) => {
                log::debug!("a message is not encoded as its offer says: {error}");
                self.flow
                    .drop_from_peer(id, DropReason::BadFrame, Count::one(data.len()));
                Received::Nothing
            }
        };
        let after = transcoder.held();
        // Update the sum before the delivery, because the delivery may end the route, which subtracts the
        // route's held bytes from the sum.
        self.flow.table.held = self.flow.table.held + after - before;
        if let Some(route) = self.flow.table.routes.get_mut(id) {
            route.transcoder = Some(transcoder);
        }
        match received {
            Received::Message(binary, data) => self.deliver_in_pieces(cx, id, binary, data),
            Received::Close => {
                let detail = "the page wants it to be closed";
                self.flow.fail_channel(id, ChannelFault::ByPeer, detail);
            }
            Received::Nothing => {}
        }
        if self.flow.table.held > limits::PAYLOAD_TOTAL && after > before {
            self.flow
                .drop_from_peer(id, DropReason::Overflow, Count::one(after));
            let detail = "all channels together have too many messages that are not whole yet";
            self.flow
                .fail_channel(id, ChannelFault::Dropped(DropReason::Overflow), detail);
        }
    }

    /// Delivers a message that a page had split into parts. A byte stream has no message boundaries, so a
    /// message longer than a channel carries at once goes to it in pieces.
    fn deliver_in_pieces(
        &mut self,
        cx: &mut Context<'_>,
        id: RouteId,
        binary: bool,
        data: Vec<u8>,
    ) {
        let route = self.flow.table.routes.get(id);
        let device = route.and_then(|route| self.flow.table.endpoints.get(route.endpoint));
        let is_stream = device.is_some_and(|device| device.endpoint.is_stream());
        if !is_stream || data.len() <= limits::MAX_MESSAGE {
            return self.deliver(cx, id, binary, data);
        }
        for piece in data.chunks(limits::MAX_MESSAGE) {
            self.deliver(cx, id, binary, piece.to_vec());
        }
    }

    /// Delivers a peer's message to its endpoint, or keeps it on the route.
    fn deliver(&mut self, cx: &mut Context<'_>, id: RouteId, binary: bool, data: Vec<u8>) {
        let Some(route) = self.flow.table.routes.get_mut(id) else {
            return;
        };
        let (session, endpoint, count) = (route.session, route.endpoint, Count::one(data.len()));
        let is_giant = data.len() > limits::MAX_MESSAGE;
        let refused = if is_giant {
            Some(DropReason::TooLarge)
        } else if self.flow.is_draining {
            Some(DropReason::Closed)
        } else if route.is_discarded() {
            Some(DropReason::Discarded)
        } else if !route.may_write {
            Some(DropReason::Forbidden)
        } else {
            None
        };
        route.from_peer.add(count);
        // Charge the token's rate only for messages that the checks above have not refused.
        let offered = if let Some(reason) = refused {
            Offered::Refused(reason)
        } else if let Err(reason) = self.flow.table.check_writer(session, endpoint) {
            Offered::Refused(reason)
        } else if !self.may_send(cx, session) {
            Offered::Refused(DropReason::RateLimited)
        } else if self.flow.table.must_wait(endpoint, id) {
            Offered::Full
        } else {
            let bytes = data.as_slice();
            self.flow
                .table
                .offer(cx, id, endpoint, Message { binary, bytes })
        };
        if matches!(offered, Offered::Taken | Offered::Full) {
            self.flow.note_writer(cx, session, endpoint);
        }
        match offered {
            Offered::Taken => {}
            Offered::Full
                if self.flow.table.may_keep(session, data.len())
                    && self.flow.table.keep(id, binary, data) =>
            {
                // The message may wait only because scripts must first check how far they are.
                if self.flow.table.has_scripts(endpoint) {
                    self.flow.offer_waiting(cx, endpoint);
                }
            }
            Offered::Full => {
                self.flow.drop_from_peer(id, DropReason::Overflow, count);
                let detail = "more was sent than the device takes; keep to the credit";
                return self.flow.fail_reliable(id, DropReason::Overflow, detail);
            }
            Offered::Refused(reason) => {
                self.flow.drop_from_peer(id, reason, count);
                if is_giant {
                    let detail = format!("a message has at most {} bytes", limits::MAX_MESSAGE);
                    return self.flow.fail_reliable(id, reason, detail);
                }
            }
        }
        self.flow.extend_credit(id);
        self.flow.after_delivery(cx, endpoint);
        // The endpoint may have produced a reply.
        self.flow.table.touch(session);
    }

    /// Returns whether a session's token allows one more message now.
    fn may_send(&mut self, cx: &Context<'_>, session: SessionId) -> bool {
        let rate = self
            .flow
            .table
            .shares
            .get(&session)
            .and_then(|share| share.rate.as_ref());
        rate.is_none_or(|(token, limit)| self.rates.take(cx.now, token, *limit))
    }

    /// Forgets the rate of a token that was revoked.
    pub(crate) fn forget_rate(&mut self, token: &str) {
        self.rates.forget(token);
    }

    /// Delivers what a peer sent before it closed a channel, then ends the route. Closing a channel sends
    /// everything first (W3C), and a printer must get its last page. A session that ends gets no such
    /// delivery.
    pub(crate) fn deliver_then_unbind(&mut self, cx: &mut Context<'_>, id: RouteId) {
        let Some(route) = self.flow.table.routes.get(id) else {
            return;
        };
        let endpoint = route.endpoint;
        self.flow.offer_waiting(cx, endpoint);
        match self.flow.table.routes.get_mut(id) {
            Some(route) if !route.is_empty() => {
                route.lingers = true;
                let session = route.session;
                self.flow.detach(cx, id);
                self.flow
                    .timers
                    .set(TimerKey::Linger(id), Some(cx.now + LINGER));
                self.flow.linger(cx, session, id);
            }
            Some(_) | None => self.flow.remove_route(cx, id, DropReason::Closed),
        }
    }

    /// Counts a message on a channel that is not bound yet, or not bound any more.
    pub(crate) fn count_unbound(&mut self, bytes: usize) {
        let (direction, reason) = (Direction::FromPeer, DropReason::Closed);
        self.flow
            .table
            .counted
            .drops
            .add(direction, reason, Count::one(bytes));
    }
}
