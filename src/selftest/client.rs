//! The peer of the self-test: str0m as the offerer, on a real socket.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use str0m::change::SdpAnswer;
use str0m::channel::{ChannelConfig, ChannelId};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};

use super::request::{LIMIT, clock, request_text};

pub(super) struct Client {
    rtc: Rtc,
    socket: UdpSocket,
    local: SocketAddr,
    /// The open channels, by label.
    open: BTreeMap<String, ChannelId>,
    received: Vec<Vec<u8>>,
    timeout: Instant,
    is_over: bool,
}

/// Returns the text of an error of another library.
fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Client {
    /// Connects, and opens channels with these labels.
    pub(super) fn connect(gateway: SocketAddr, labels: &[&str]) -> Result<Self, String> {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).map_err(said)?;
        let local = socket.local_addr().map_err(said)?;
        let mut rtc = Rtc::builder().clear_codecs().build(clock());
        rtc.add_local_candidate(Candidate::host(local, "udp").map_err(said)?);
        let mut api = rtc.sdp_api();
        for label in labels {
            api.add_channel_with_config(ChannelConfig {
                label: (*label).to_owned(),
                ..Default::default()
            });
        }
        let (offer, pending) = api.apply().ok_or("nothing to offer")?;
        let offer = offer.to_sdp_string();
        let request = format!(
            "POST /sessions HTTP/1.1\r\nHost: {gateway}\r\nContent-Type: application/sdp\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n{offer}",
            offer.len()
        );
        let answer = request_text(gateway, &request)?;
        let (_, sdp) = answer
            .split_once("\r\n\r\n")
            .ok_or("an answer without a body")?;
        let answer = SdpAnswer::from_sdp_string(sdp).map_err(said)?;
        rtc.sdp_api().accept_answer(pending, answer).map_err(said)?;
        Ok(Self {
            rtc,
            socket,
            local,
            open: BTreeMap::new(),
            received: Vec::new(),
            timeout: clock(),
            is_over: false,
        })
    }

    /// Sends a message on the first channel, and waits until it is echoed.
    pub(super) fn echo(&mut self, message: &[u8]) -> Result<(), String> {
        self.until("no channel has opened", |client| !client.open.is_empty())?;
        let id = self.open.values().next().copied();
        let channel = id.and_then(|id| self.rtc.channel(id));
        let written = channel.ok_or("the channel is gone")?.write(true, message);
        written.map_err(said)?;
        let before = self.received.len();
        self.until("nothing came back", |client| client.received.len() > before)?;
        if self.received.last().is_some_and(|last| last == message) {
            Ok(())
        } else {
            Err("something else came back".to_owned())
        }
    }

    /// Waits until a condition is true. After the time limit the error says `otherwise`.
    pub(super) fn until(
        &mut self,
        otherwise: &str,
        done: impl Fn(&Self) -> bool,
    ) -> Result<(), String> {
        let end = clock() + LIMIT;
        loop {
            self.drain()?;
            if done(self) {
                return Ok(());
            }
            if clock() > end {
                return Err(otherwise.to_owned());
            }
            self.receive()?;
        }
    }

    fn receive(&mut self) -> Result<(), String> {
        let wait = self.timeout.saturating_duration_since(clock());
        let wait = wait.clamp(Duration::from_millis(1), Duration::from_millis(100));
        self.socket.set_read_timeout(Some(wait)).map_err(said)?;
        let mut datagram = [0; 2048];
        let now;
        let input = match self.socket.recv_from(&mut datagram) {
            Ok((length, from)) => {
                now = clock();
                let bytes = datagram.get(..length).unwrap_or_default();
                let receive = Receive::new(Protocol::Udp, from, self.local, bytes);
                Input::Receive(now, receive.map_err(said)?)
            }
            Err(_) => Input::Timeout(clock()),
        };
        self.rtc.handle_input(input).map_err(said)
    }

    fn drain(&mut self) -> Result<(), String> {
        self.is_over |= !self.rtc.is_alive();
        while !self.is_over {
            match self.rtc.poll_output().map_err(said)? {
                Output::Timeout(at) => {
                    self.timeout = at;
                    break;
                }
                Output::Transmit(transmit) => {
                    let sent = self
                        .socket
                        .send_to(&transmit.contents, transmit.destination);
                    sent.map_err(said)?;
                }
                Output::Event(Event::ChannelOpen(id, label)) => {
                    self.open.insert(label, id);
                }
                Output::Event(Event::ChannelData(data)) => self.received.push(data.data),
                Output::Event(Event::ChannelClose(_) | Event::Closed) => self.is_over = true,
                Output::Event(_) => {}
            }
        }
        Ok(())
    }
}
