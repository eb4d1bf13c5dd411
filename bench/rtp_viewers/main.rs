//! The viewers of the benchmark of media, all in one process and one thread, so that they are not what limits a row.
//!
//! `rtp_viewers URL COUNT [DECRYPTING [BIND]]`: each posts an offer to URL as WHEP says, and connects with ICE and DTLS
//! like any peer. Packets are then counted by their headers, which SRTP leaves readable, and only the first DECRYPTING
//! viewers decrypt, to learn how old a packet was when it came (bench/rtp_source.rs has put its time into it). BIND is the address of
//! the sockets, 127.0.0.1 by default; of the other side's candidates those with this address are used.
//!
//! It prints a line of JSON when all are connected, one for each line on standard input, and ends with that input.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a tool of the benchmark: it has the real clock, and ends when something is wrong"
)]

mod arrivals;
mod counts;
mod viewer;
mod whep;

use std::io::BufRead;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token, Waker};

use viewer::{Buffers, Viewer};
use whep::{Answered, Whep};

/// The token of what other threads say; viewers have their place in the list.
const WORDS: Token = Token(usize::MAX);
/// How exactly deadlines of ICE and DTLS are kept.
const TICK: Duration = Duration::from_millis(10);
/// A connection that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// What other threads say.
enum Word {
    Answered(Answered),
    Asked,
    Ended,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let word = |at: usize| words.get(at).map(String::as_str);
    let number = |at: usize| word(at).map(|word| word.parse::<usize>().expect("a number"));
    let url = word(0).expect("URL COUNT [DECRYPTING [BIND]]");
    let count = number(1).expect("COUNT");
    let decrypting = number(2).unwrap_or(0);
    let bind: IpAddr = word(3)
        .unwrap_or("127.0.0.1")
        .parse()
        .expect("BIND is an address");

    let poll = Poll::new().expect("a poll");
    let waker = Arc::new(Waker::new(poll.registry(), WORDS).expect("a waker"));
    let (say, heard) = channel();
    let whep = Whep::start(url, bind, {
        let (say, waker) = (say.clone(), Arc::clone(&waker));
        move |answered| {
            drop(say.send(Word::Answered(answered)));
            waker.wake().expect("awake");
        }
    });
    std::thread::spawn(move || {
        for _ in std::io::stdin().lock().lines().map_while(Result::ok) {
            drop(say.send(Word::Asked));
            waker.wake().expect("awake");
        }
        drop(say.send(Word::Ended));
        waker.wake().expect("awake");
    });

    let began = Instant::now();
    let mut viewers = Vec::with_capacity(count);
    for at in 0..count {
        let mut viewer = Viewer::new(bind, at < decrypting);
        viewer.register(poll.registry(), Token(at));
        whep.post(at, viewer.take_offer());
        viewers.push(viewer);
    }
    run(poll, &mut viewers, &heard, began);
}

fn run(mut poll: Poll, viewers: &mut [Viewer], heard: &Receiver<Word>, began: Instant) {
    let mut events = Events::with_capacity(1_024);
    let mut buffers = Buffers::new();
    let mut all_connected = false;
    let mut next_tick = began;
    loop {
        let wait = next_tick.saturating_duration_since(Instant::now());
        drop(poll.poll(&mut events, Some(wait)));
        for event in &events {
            if let Some(viewer) = viewers.get_mut(event.token().0) {
                viewer.receive(&mut buffers);
            }
        }
        for word in heard.try_iter() {
            match word {
                Word::Answered(Answered { at, answer }) => {
                    let answer = answer.unwrap_or_else(|error| panic!("no session: {error}"));
                    viewers[at].accept(&answer);
                }
                Word::Asked => println!("{}", counts::summary(viewers)),
                Word::Ended => return,
            }
        }
        let now = Instant::now();
        if now < next_tick {
            continue;
        }
        next_tick = now + TICK;
        for viewer in viewers.iter_mut() {
            viewer.handle_timeout(now);
        }
        if !all_connected && viewers.iter().all(Viewer::is_connected) {
            all_connected = true;
            println!("{{\"connected_ms\":{}}}", began.elapsed().as_millis());
        }
        assert!(
            all_connected || began.elapsed() < PATIENCE,
            "{} of {} viewers are connected",
            viewers.iter().filter(|it| it.is_connected()).count(),
            viewers.len()
        );
    }
}
