//! What all steps use: the clock, the time limit, and a request over HTTP.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The time limit of a step, because an emulator is 20 times slower than the emulated machine.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

/// Returns the time now.
pub(super) fn clock() -> Instant {
    Instant::now()
}

/// Sends one request on its own connection. Returns the response if it is a success.
pub(super) fn request_text(addr: SocketAddr, request: &str) -> Result<String, String> {
    let said = |error: io::Error| error.to_string();
    let mut stream = TcpStream::connect(addr).map_err(said)?;
    stream.set_read_timeout(Some(LIMIT)).map_err(said)?;
    stream.write_all(request.as_bytes()).map_err(said)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(said)?;
    if answer.starts_with("HTTP/1.1 2") {
        Ok(answer)
    } else {
        let line = answer.lines().next().unwrap_or_default();
        Err(format!("answered {line:?}"))
    }
}
