//! The floor of the benchmark: str0m with its defaults behind one socket and one thread, a receive and a send
//! per datagram, sessions asked in turn. What thingway adds, it adds to this; what it saves, it saves from this.
//!
//! `bare_str0m HTTP_PORT [UDP_BIND UDP_REMOTE]` answers `POST /sessions`. Channels do what their label says: `echo`,
//! `sink`, `source` as in docs/config.md, `udp` both ways to a program.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::too_many_lines,
    reason = "a tool of the benchmark: it has the real clock, and ends when something is wrong"
)]

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use str0m::change::SdpOffer;
use str0m::channel::ChannelId;
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};

/// Deadlines are kept to this.
const TICK: Duration = Duration::from_millis(10);

struct Channel {
    id: ChannelId,
    label: String,
    /// Answers that did not fit.
    answers: VecDeque<(bool, Vec<u8>)>,
    owed: (usize, usize),
    counted: usize,
}

struct Session {
    rtc: Rtc,
    deadline: Instant,
    channels: Vec<Channel>,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let address = |at: usize| -> Option<SocketAddr> { words.get(at)?.parse().ok() };
    let port: u16 = words
        .first()
        .and_then(|word| word.parse().ok())
        .expect("HTTP_PORT");
    let device = address(1).map(|bind| {
        let socket = UdpSocket::bind(bind).expect("UDP_BIND");
        socket
            .connect(address(2).expect("UDP_REMOTE"))
            .expect("connected");
        socket.set_nonblocking(true).expect("non-blocking");
        socket
    });
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    // With one socket the receive itself waits; with two there has to be a poll.
    if device.is_none() {
        socket.set_read_timeout(Some(TICK)).expect("a time-out");
    } else {
        socket.set_nonblocking(true).expect("non-blocking");
    }
    let local = socket.local_addr().expect("an address");
    let (made, sessions) = channel();
    std::thread::spawn(move || listen(port, local, &made));
    serve(&socket, device.as_ref(), local, &sessions);
}

/// Offers, one after the other.
fn listen(port: u16, local: SocketAddr, made: &Sender<Rtc>) {
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("HTTP_PORT is free");
    println!("listening on http://127.0.0.1:{port}/");
    let knock = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for stream in listener.incoming().flatten() {
        if let Some(rtc) = answer(stream, local) {
            drop(made.send(rtc));
            // So that it is seen at once.
            drop(knock.send_to(b"!", local));
        }
    }
}

fn answer(mut stream: TcpStream, local: SocketAddr) -> Option<Rtc> {
    // A browser opens connections that it may need later, and says nothing on them.
    stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .ok()?;
    let mut text = Vec::new();
    let mut buffer = [0; 16 * 1024];
    let body = loop {
        let n = stream.read(&mut buffer).ok()?;
        text.extend_from_slice(buffer.get(..n)?);
        let so_far = String::from_utf8_lossy(&text);
        let (head, body) = so_far.split_once("\r\n\r\n").unwrap_or_default();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().ok())?
        });
        if length.is_some_and(|length| body.len() >= length) {
            break body.to_owned();
        }
        if n == 0 {
            return None;
        }
    };
    let mut rtc = Rtc::new(Instant::now());
    rtc.add_local_candidate(Candidate::host(local, "udp").ok()?);
    let offer = SdpOffer::from_sdp_string(&body).ok()?;
    let answer = rtc.sdp_api().accept_offer(offer).ok()?.to_sdp_string();
    let length = answer.len();
    let head = format!(
        "HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all((head + &answer).as_bytes()).ok()?;
    Some(rtc)
}

fn serve(socket: &UdpSocket, device: Option<&UdpSocket>, local: SocketAddr, made: &Receiver<Rtc>) {
    let mut sessions: Vec<Session> = Vec::new();
    let mut buffer = vec![0; 2_000];
    loop {
        if let Some(device) = device {
            wait(socket, device);
            while let Ok(n) = device.recv(&mut buffer) {
                let message = buffer.get(..n).unwrap_or_default();
                for session in &mut sessions {
                    for channel in session
                        .channels
                        .iter()
                        .filter(|channel| channel.label == "udp")
                    {
                        if let Some(mut open) = session.rtc.channel(channel.id) {
                            drop(open.write(true, message));
                        }
                    }
                    drain(session, socket, Some(device));
                }
            }
        }
        loop {
            let received = socket.recv_from(&mut buffer);
            while let Ok(rtc) = made.try_recv() {
                let mut session = Session {
                    rtc,
                    deadline: Instant::now(),
                    channels: Vec::new(),
                };
                drain(&mut session, socket, device);
                sessions.push(session);
            }
            match received {
                Ok((n, from)) => {
                    let now = Instant::now();
                    let contents = buffer.get(..n).unwrap_or_default();
                    let Ok(receive) = Receive::new(Protocol::Udp, from, local, contents) else {
                        continue;
                    };
                    let input = Input::Receive(now, receive);
                    if let Some(session) = sessions
                        .iter_mut()
                        .find(|session| session.rtc.accepts(&input))
                    {
                        drop(session.rtc.handle_input(input));
                        drain(session, socket, device);
                    }
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    break;
                }
                Err(_) => {}
            }
            if device.is_none() {
                break;
            }
        }
        let now = Instant::now();
        for session in sessions
            .iter_mut()
            .filter(|session| session.deadline <= now)
        {
            drop(session.rtc.handle_input(Input::Timeout(now)));
            drain(session, socket, device);
        }
        sessions.retain(|session| session.rtc.is_alive());
    }
}

fn wait(socket: &UdpSocket, device: &UdpSocket) {
    let mut fds = [
        PollFd::new(socket, PollFlags::IN),
        PollFd::new(device, PollFlags::IN),
    ];
    let timeout = Timespec {
        tv_sec: 0,
        tv_nsec: 10_000_000,
    };
    poll(&mut fds, Some(&timeout)).expect("a poll");
}

fn drain(session: &mut Session, socket: &UdpSocket, device: Option<&UdpSocket>) {
    loop {
        match session.rtc.poll_output() {
            Ok(Output::Transmit(transmit)) => {
                drop(socket.send_to(&transmit.contents, transmit.destination));
            }
            Ok(Output::Event(event)) => handle(session, event, device),
            Ok(Output::Timeout(at)) => {
                session.deadline = at;
                if !write(session) {
                    return;
                }
            }
            Err(_) => return session.rtc.disconnect(),
        }
    }
}

fn handle(session: &mut Session, event: Event, device: Option<&UdpSocket>) {
    match event {
        Event::ChannelOpen(id, label) => {
            if let Some(mut open) = session.rtc.channel(id) {
                open.set_buffered_amount_low_threshold(64 * 1024);
            }
            session.channels.push(Channel {
                id,
                label,
                answers: VecDeque::new(),
                owed: (0, 0),
                counted: 0,
            });
        }
        Event::ChannelData(data) => {
            let Some(channel) = session
                .channels
                .iter_mut()
                .find(|channel| channel.id == data.id)
            else {
                return;
            };
            let text = std::str::from_utf8(&data.data).unwrap_or_default();
            match channel.label.as_str() {
                "udp" => drop(device.map(|device| device.send(&data.data))),
                "sink" if !data.binary && text == "end" => {
                    channel
                        .answers
                        .push_back((false, format!("done:{}", channel.counted).into_bytes()));
                    channel.counted = 0;
                }
                "sink" => channel.counted += data.data.len(),
                "source" => {
                    let mut numbers = text.split(' ').skip(1).filter_map(|word| word.parse().ok());
                    channel.owed = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
                }
                _ => channel.answers.push_back((data.binary, data.data)),
            }
        }
        _ => {}
    }
}

/// Whether anything was written, so that str0m has to be drained again.
fn write(session: &mut Session) -> bool {
    let mut written = false;
    for channel in &mut session.channels {
        let Some(mut open) = session.rtc.channel(channel.id) else {
            continue;
        };
        while let Some((binary, bytes)) = channel.answers.front() {
            if !open.write(*binary, bytes).unwrap_or(true) {
                break;
            }
            channel.answers.pop_front();
            written = true;
        }
        let (size, count) = &mut channel.owed;
        let bytes = vec![1; if *count > 0 { *size } else { 0 }];
        while *count > 0 && open.write(true, &bytes).unwrap_or(false) {
            *count -= 1;
            written = true;
        }
    }
    written
}
