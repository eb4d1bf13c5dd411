//! Offers over HTTP, some at a time, each on a connection of its own.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

/// How many requests are under way at a time: as many as come when a page is opened everywhere at once, but fewer than
/// any server's limit of connections.
const LANES: usize = 8;

/// The answer for a viewer.
pub(crate) struct Answered {
    pub(crate) at: usize,
    /// Without one, what went wrong.
    pub(crate) answer: Result<String, String>,
}

/// The threads that ask.
pub(crate) struct Whep {
    offers: Sender<(usize, String)>,
}

impl Whep {
    /// Starts the threads. `hand` gets the answers.
    pub(crate) fn start(
        url: &str,
        only: IpAddr,
        hand: impl Fn(Answered) + Clone + Send + 'static,
    ) -> Self {
        let url = url.strip_prefix("http://").expect("http://HOST:PORT/PATH");
        let (host, path) = url.split_once('/').expect("a path");
        let (offers, waiting) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..LANES {
            let (host, path) = (host.to_owned(), path.to_owned());
            let (waiting, hand) = (Arc::clone(&waiting), hand.clone());
            std::thread::spawn(move || {
                while let Some((at, offer)) = next(&waiting) {
                    let answer = ask(&host, &path, &offer);
                    let answer = answer.map(|answer| keep_candidates(&answer, only));
                    hand(Answered { at, answer });
                }
            });
        }
        Self { offers }
    }

    /// Asks for a viewer.
    pub(crate) fn post(&self, at: usize, offer: String) {
        self.offers.send((at, offer)).expect("the lanes are there");
    }
}

fn next(waiting: &Mutex<Receiver<(usize, String)>>) -> Option<(usize, String)> {
    waiting.lock().expect("no panic").recv().ok()
}

fn ask(host: &str, path: &str, offer: &str) -> Result<String, String> {
    let said = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect(host).map_err(said)?;
    let head = format!(
        "POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/sdp\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n",
        offer.len()
    );
    stream.write_all((head + offer).as_bytes()).map_err(said)?;
    let mut text = String::new();
    stream.read_to_string(&mut text).map_err(said)?;
    match text.split_once("\r\n\r\n") {
        Some((head, body)) if head.contains(" 201 ") => Ok(body.to_owned()),
        _ => Err(text),
    }
}

/// Removes the candidates with other addresses, so that all servers are reached by the same path.
fn keep_candidates(answer: &str, only: IpAddr) -> String {
    let only = format!(" {only} ");
    answer
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("a=candidate:") || line.contains(&only))
        .collect()
}
