//! WebSockets of dialects.

use std::time::Duration;

use super::Connections;
use super::connection::Connection;
use crate::connection::Full;
use crate::ids::SocketId;
use crate::sources::Context;

impl Connections {
    /// Sends a text frame, whole or not at all.
    pub(crate) fn send(
        &mut self,
        cx: &mut Context<'_>,
        socket: SocketId,
        text: &str,
    ) -> Result<(), Full> {
        let connection = self.list.get_mut(socket.0);
        let Some(socket_connection) = connection.and_then(Connection::socket_mut) else {
            return Ok(());
        };
        socket_connection.send_text(cx.now, text)?;
        self.schedule(cx, socket.0);
        Ok(())
    }

    /// Closes a WebSocket with a code (RFC 6455 §7.4.1) and a reason.
    pub(crate) fn close(&mut self, cx: &mut Context<'_>, socket: SocketId, code: u16, why: &str) {
        let connection = self.list.get_mut(socket.0);
        if let Some(socket_connection) = connection.and_then(Connection::socket_mut) {
            socket_connection.close(cx.now, code, why);
            self.schedule(cx, socket.0);
        }
    }

    /// Pings a WebSocket, and closes it unless it answers within this time.
    pub(crate) fn probe(&mut self, cx: &mut Context<'_>, socket: SocketId, within: Duration) {
        let connection = self.list.get_mut(socket.0);
        if let Some(socket_connection) = connection.and_then(Connection::socket_mut) {
            socket_connection.probe(cx.now, within);
            self.schedule(cx, socket.0);
        }
    }
}
