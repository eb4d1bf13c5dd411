//! The baseline: str0m alone, with a peer that it answers. What it allocates for a message, nobody above it can save.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::change::SdpOffer;
use str0m::channel::{ChannelConfig, ChannelId};
use str0m::net::{Protocol, Receive, Transmit};
use str0m::{Candidate, Event, Input, Output, Rtc};

use crate::counter::allocations;
use crate::peer::Peer;

pub struct Bare {
    rtc: Rtc,
    pub peer: Peer,
    pub now: Instant,
    deadline: Instant,
    out: Vec<Transmit>,
    channel: Option<ChannelId>,
    /// Messages go back to their sender.
    echo: bool,
    pub received: usize,
    pub count: u64,
}

const US: &str = "192.0.2.1:5000";
const PEER: &str = "198.51.100.1:6000";

impl Bare {
    /// Connected, with one channel open.
    pub fn connect(channel: ChannelConfig, echo: bool) -> Self {
        let now = Instant::now();
        let label = channel.label.clone();
        let (mut peer, offer) = Peer::offer(now, address(PEER), &[channel]);
        let mut rtc = Rtc::builder().clear_codecs().build(now);
        rtc.add_local_candidate(Candidate::host(address(US), "udp").expect("a candidate"));
        let offer = SdpOffer::from_sdp_string(&offer).expect("an offer");
        let answer = rtc.sdp_api().accept_offer(offer).expect("an answer");
        peer.answer(now, &answer.to_sdp_string());
        let mut made = Self {
            rtc,
            peer,
            now,
            deadline: now,
            out: Vec::with_capacity(1 << 12),
            channel: None,
            echo,
            received: 0,
            count: 0,
        };
        for _ in 0..2_000 {
            made.turn();
            if made.peer.channels[&label].open && made.channel.is_some() {
                return made;
            }
        }
        panic!("not connected");
    }

    /// A millisecond: what the peer sent goes in, what comes out goes to the peer.
    pub fn turn(&mut self) {
        self.now += Duration::from_millis(1);
        let sent: VecDeque<_> = self.peer.out.drain(..).collect();
        let Self { rtc, now, .. } = self;
        let (now, due) = (*now, self.deadline <= *now);
        let mut inputs = Vec::with_capacity(sent.len());
        for (_, bytes) in &sent {
            if let Ok(receive) = Receive::new(Protocol::Udp, address(PEER), address(US), bytes) {
                inputs.push(receive);
            }
        }
        let (out, channel, received) = (&mut self.out, &mut self.channel, &mut self.received);
        let (deadline, echo) = (&mut self.deadline, self.echo);
        self.count += allocations(&mut || {
            for receive in inputs.drain(..) {
                rtc.handle_input(Input::Receive(now, receive))
                    .expect("good input");
                *deadline = drain(rtc, out, channel, received, echo);
            }
            if due {
                rtc.handle_input(Input::Timeout(now)).expect("good input");
                *deadline = drain(rtc, out, channel, received, echo);
            }
        });
        self.deliver();
    }

    /// Messages to the peer, as a device would send them.
    pub fn send(&mut self, bytes: &[u8]) {
        let (rtc, out, channel) = (&mut self.rtc, &mut self.out, &mut self.channel);
        let (deadline, received) = (&mut self.deadline, &mut self.received);
        self.count += allocations(&mut || {
            let mut open = rtc.channel(channel.expect("open")).expect("open");
            assert!(open.write(true, bytes).expect("written"));
            *deadline = drain(rtc, out, channel, received, false);
        });
        self.deliver();
    }

    fn deliver(&mut self) {
        for transmit in self.out.drain(..) {
            self.peer
                .handle_datagram(self.now, address(US), &transmit.contents);
        }
        if self.peer.timeout <= self.now {
            self.peer.handle_timeout(self.now);
        }
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn drain(
    rtc: &mut Rtc,
    out: &mut Vec<Transmit>,
    channel: &mut Option<ChannelId>,
    received: &mut usize,
    echo: bool,
) -> Instant {
    loop {
        match rtc.poll_output().expect("output") {
            Output::Timeout(at) => return at,
            Output::Transmit(transmit) => out.push(transmit),
            Output::Event(Event::ChannelOpen(id, _)) => *channel = Some(id),
            Output::Event(Event::ChannelData(data)) => {
                *received += 1;
                if echo && let Some(mut open) = rtc.channel(data.id) {
                    assert!(open.write(data.binary, &data.data).expect("written"));
                }
            }
            Output::Event(_) => {}
        }
    }
}
