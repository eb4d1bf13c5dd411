//! The open sources, by the index of their id.

use std::time::Instant;

use mio::{Interest, Token};

use super::{DeviceListener, EventLoop, Io, Slot};
use crate::ids::SourceId;
use crate::io::failure;
use crate::io::stream::Stream;
use crate::io::tty::Tty;

impl EventLoop {
    pub(super) fn tty(&mut self, id: SourceId) -> Option<&Tty> {
        match self.slot(id) {
            Some(Slot {
                io: Io::Stream(Stream::Tty(tty)),
                ..
            }) => Some(tty),
            Some(_) | None => None,
        }
    }

    /// Registers a source for reading and writing, once for its whole life. Returns false if this failed,
    /// which was then reported.
    pub(super) fn insert(
        &mut self,
        now: Instant,
        id: SourceId,
        mut io: Io,
        connecting: bool,
    ) -> bool {
        let (token, both) = (Token(id.index()), Interest::READABLE | Interest::WRITABLE);
        let registry = self.poll.registry();
        let registered = match &mut io {
            Io::Listener(listener) => registry.register(listener, token, Interest::READABLE),
            Io::ControlSocket(listener, _) => {
                registry.register(listener, token, Interest::READABLE)
            }
            Io::DeviceListener(DeviceListener::Tcp(listener)) => {
                registry.register(listener, token, Interest::READABLE)
            }
            Io::DeviceListener(DeviceListener::Unix(listener, _)) => {
                registry.register(listener, token, Interest::READABLE)
            }
            Io::Stream(stream) => stream.register(registry, token, both),
            Io::Capture(_) => Ok(()),
            // Datagrams that cannot be sent at once are dropped, so the loop never waits for room.
            Io::Udp(udp) => registry.register(&mut udp.socket, token, Interest::READABLE),
        };
        if let Err(error) = registered {
            self.gateway
                .handle_failed(now, id, &failure("epoll", &error));
            return false;
        }
        if self.slots.len() <= id.index() {
            self.slots.resize_with(id.index() + 1, || None);
        }
        if let Some(place) = self.slots.get_mut(id.index()) {
            // Bytes may have arrived before the registration, so the source counts as readable; a first look
            // costs one call.
            *place = Some(Slot {
                id,
                io,
                readable: true,
                queued: true,
                write_blocked: false,
                broken: None,
                connecting,
            });
            self.ready.push_back(id);
        }
        true
    }

    pub(super) fn close(&mut self, id: SourceId) {
        if let Some(place) = self.slots.get_mut(id.index())
            && place.as_ref().is_some_and(|slot| slot.id == id)
        {
            // Closing the descriptor ends its registration.
            let mut slot = place.take();
            if let Some(Io::Stream(Stream::Tty(tty))) = slot.as_mut().map(|slot| &mut slot.io)
                && let Some(path) = tty.let_go()
            {
                self.manager.forget(&path);
            }
        }
    }

    pub(super) fn slot(&mut self, id: SourceId) -> Option<&mut Slot> {
        self.slots
            .get_mut(id.index())?
            .as_mut()
            .filter(|slot| slot.id == id)
    }

    pub(super) fn drained(&mut self, id: SourceId) {
        if let Some(slot) = self.slot(id) {
            slot.readable = false;
        }
    }

    pub(super) fn again(&mut self, id: SourceId) {
        if let Some(slot) = self.slot(id)
            && !std::mem::replace(&mut slot.queued, true)
        {
            self.ready.push_back(id);
        }
    }
}
