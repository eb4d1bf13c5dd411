//! A minimal HTTP client. The tests spell out the requests byte for byte.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::daemon::SOON;

/// The time limit, which is longer than any limit of the daemon that a test waits for.
const PATIENCE: Duration = SOON;

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Returns a header's value. The name may be in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter();
        all.find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }
}

pub struct Http {
    pub stream: TcpStream,
    buffer: Vec<u8>,
}

impl Http {
    pub fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        stream.set_write_timeout(Some(PATIENCE)).expect("a limit");
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).expect("it reads");
        self
    }

    /// Returns the next answer to any request except HEAD.
    pub fn answer(&mut self) -> Answer {
        let mut answer = self.head();
        let chunked = answer.header("Transfer-Encoding").is_some();
        if chunked {
            while let Some(chunk) = self.chunk() {
                answer.body.extend(chunk);
            }
        } else if let Some(length) = answer.header("Content-Length") {
            let length = length.parse().expect("a number");
            answer.body = self.take(length);
        } else if answer.status >= 200 && answer.status != 204 {
            while self.fill().expect("readable") {}
            answer.body = std::mem::take(&mut self.buffer);
        }
        answer
    }

    /// Returns the head of the next answer, and leaves a body unread.
    pub fn head(&mut self) -> Answer {
        let text = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                let head = self.buffer.drain(..at + 4).collect();
                break String::from_utf8(head).expect("a head is text");
            }
            let shown = String::from_utf8_lossy(&self.buffer).into_owned();
            assert!(
                self.fill().expect("an answer in time"),
                "closed before an answer: {shown:?}"
            );
        };
        let mut lines = text.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1))
            .expect("a status line");
        let headers = lines.filter_map(|line| line.split_once(": "));
        Answer {
            status: status.parse().expect("a number"),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body: Vec::new(),
        }
    }

    /// Returns one chunk of a chunked body, or `None` at its end.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.line();
        let size = usize::from_str_radix(&line, 16).unwrap_or_else(|_| panic!("a size: {line:?}"));
        let mut chunk = self.take(size + 2);
        assert!(chunk.ends_with(b"\r\n"), "a chunk ends with its line");
        chunk.truncate(size);
        (size > 0).then_some(chunk)
    }

    fn line(&mut self) -> String {
        loop {
            if let Some(at) = find(&self.buffer, b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..at + 2).collect();
                return String::from_utf8_lossy(&line[..at]).into_owned();
            }
            assert!(self.fill().expect("a line in time"), "closed within a line");
        }
    }

    fn take(&mut self, n: usize) -> Vec<u8> {
        while self.buffer.len() < n {
            assert!(self.fill().expect("a body in time"), "closed within a body");
        }
        self.buffer.drain(..n).collect()
    }

    /// Returns whether the daemon has closed the connection, so that nothing more arrives.
    pub fn is_closed(&mut self) -> bool {
        match self.fill() {
            Ok(more) => !more,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    fn fill(&mut self) -> io::Result<bool> {
        let mut piece = [0; 4096];
        let n = self.stream.read(&mut piece)?;
        self.buffer.extend_from_slice(&piece[..n]);
        Ok(n > 0)
    }
}

/// Sends one request on a new connection. `lines` are additional header lines.
pub fn request(addr: SocketAddr, method: &str, path: &str, lines: &str, body: &str) -> Answer {
    let host = if lines.contains("Host:") {
        String::new()
    } else {
        format!("Host: {addr}\r\n")
    };
    let length = match (method, body.len()) {
        ("GET" | "HEAD" | "OPTIONS" | "DELETE", 0) => String::new(),
        (_, n) => format!("Content-Length: {n}\r\n"),
    };
    let mut http = Http::connect(addr);
    let text =
        format!("{method} {path} HTTP/1.1\r\n{host}{lines}{length}Connection: close\r\n\r\n{body}");
    http.send(text);
    if method == "HEAD" {
        http.head()
    } else {
        http.answer()
    }
}

pub fn get(addr: SocketAddr, path: &str) -> Answer {
    request(addr, "GET", path, "", "")
}

pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
