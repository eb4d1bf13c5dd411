//! The program behind UDP in the benchmark: sends at a rate, or counts what comes.
//!
//! `udp_peer send FROM TO RATE COUNT SIZE` sends RATE datagrams a second, a thousandth of them each millisecond, and
//! prints how many the kernel took. `udp_peer count BIND` prints the number so far for each line on standard input.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a tool of the benchmark: it has the real clock, and ends when something is wrong"
)]

use std::io::BufRead;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["send", from, to, rate, count, size] => {
            let number = |word: &str| word.parse::<u64>().expect("a number");
            send(from, to, number(rate), number(count), number(size));
        }
        ["count", bind] => count(bind),
        _ => panic!("udp_peer send FROM TO RATE COUNT SIZE | udp_peer count BIND"),
    }
}

fn send(from: &str, to: &str, rate: u64, count: u64, size: u64) {
    let socket = UdpSocket::bind(from).expect("FROM");
    socket.connect(to).expect("TO");
    let message = vec![7; usize::try_from(size).expect("a size")];
    let began = Instant::now();
    let (mut tried, mut sent) = (0, 0);
    while tried < count {
        let due = u64::try_from(began.elapsed().as_micros()).expect("a time") * rate / 1_000_000;
        while tried < due.min(count) {
            tried += 1;
            sent += u64::from(socket.send(&message).is_ok());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    println!("{sent}");
}

fn count(bind: &str) {
    let socket = UdpSocket::bind(bind).expect("BIND");
    rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 4 << 20).expect("a buffer");
    let counted = Arc::new(AtomicU64::new(0));
    let total = Arc::clone(&counted);
    std::thread::spawn(move || {
        let mut buffer = [0; 65_536];
        while socket.recv(&mut buffer).is_ok() {
            total.fetch_add(1, Ordering::Relaxed);
        }
    });
    for _ in std::io::stdin().lock().lines() {
        println!("{}", counted.load(Ordering::Relaxed));
    }
}
