//! `thingway selftest`: tests whether this build works on this machine. The command is for people who build
//! for boards, and reports line by line: ciphers against published vectors, a tty's speed, the real loop with
//! a real session over loopback, and a panic that ends only its own session.

mod client;
mod crypto;
mod line;
mod request;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::config::Config;
use crate::gateway::Gateway;
use crate::io::config_files::ConfigFiles;
use crate::io::event_loop::EventLoop;
use crate::io::systemd::Inherited;
use crate::session::crypto::Identity;
use crate::sources::Exit;
use client::Client;
use request::{LIMIT, clock, request_text};

/// The label of the channel at which a session is made to panic.
const FAULT: &str = "selftest-fault";

/// The result of one step, or the reason why it failed.
type Outcome = Result<String, String>;

/// Runs all steps, and writes a line for each. Returns false if a step has failed.
pub(crate) fn run(out: &mut dyn Write) -> io::Result<bool> {
    // The panic of the test is intended, and the output below reports it.
    std::panic::set_hook(Box::new(|_| {}));
    writeln!(
        out,
        "thingway {} on {} {}, {} bits",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS,
        usize::BITS
    )?;
    let mut is_good = true;
    let mut step = |out: &mut dyn Write, name: &str, run: &mut dyn FnMut() -> Outcome| {
        let began = clock();
        let (word, said) = match run() {
            Ok(said) => ("ok    ", said),
            Err(why) => {
                is_good = false;
                ("FAILED", why)
            }
        };
        let took = began.elapsed().as_millis();
        writeln!(out, "{word} {name}: {said} ({took} ms)")
    };
    for (name, check) in crypto::CHECKS {
        step(out, name, &mut || {
            check().map(|()| "as published".to_owned())
        })?;
    }
    step(out, "a tty", &mut line::speeds)?;
    let mut daemon = None;
    step(out, "the loop", &mut || {
        let started = Daemon::start()?;
        let said = format!("listens on {}", started.addr);
        daemon = Some(started);
        Ok(said)
    })?;
    if let Some(daemon) = daemon {
        let mut first = None;
        step(out, "a session", &mut || {
            let mut client = Client::connect(daemon.addr, &["echo"])?;
            client.echo(b"over DTLS and SCTP")?;
            first = Some(client);
            Ok("connects, and a message comes back".to_owned())
        })?;
        step(out, "a panic", &mut || daemon.panics_alone(first.as_mut()))?;
        step(out, "the end", &mut || daemon.stop())?;
    }
    Ok(is_good)
}

/// The real loop in its own thread.
struct Daemon {
    addr: SocketAddr,
    thread: std::cell::Cell<Option<JoinHandle<Result<Exit, String>>>>,
}

impl Daemon {
    fn start() -> Result<Self, String> {
        // Find a free port. The loop gets the listener itself, so that no other program can take the port in
        // between.
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(|e| e.to_string())?;
        let addr = listener.local_addr().map_err(|e| e.to_string())?;
        let inherited = Inherited::of_listener(addr, listener).map_err(|e| e.to_string())?;
        let text = format!(
            "[http]\nlisten = [\"{addr}\"]\n[[endpoint]]\nname = \"echo\"\nkind = \"echo\"\n"
        );
        let thread = thread::spawn(move || -> Result<Exit, String> {
            let config = Config::parse(&text).map_err(|faults| format!("{faults:?}"))?;
            let identity = Identity::generate().map_err(|error| error.to_string())?;
            let mut gateway = Gateway::new(clock(), config, identity, Vec::new(), [1; 32]);
            gateway.panic_at_label(FAULT);
            EventLoop::new(gateway, ConfigFiles::default(), inherited)
                .and_then(EventLoop::run)
                .map_err(|error| error.to_string())
        });
        let daemon = Self {
            addr,
            thread: Some(thread).into(),
        };
        let end = clock() + LIMIT;
        while daemon.get("/readyz").is_err() {
            if clock() > end {
                return Err("is not ready".to_owned());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(daemon)
    }

    fn get(&self, path: &str) -> Result<String, String> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.addr
        );
        request_text(self.addr, &request)
    }

    fn panics_alone(&self, other: Option<&mut Client>) -> Outcome {
        let other = other.ok_or("there was no session before")?;
        let mut client = Client::connect(self.addr, &[FAULT])?;
        let wanted = [
            "thingway_sessions_panicked_total 1\n",
            "thingway_sessions 1\n",
        ];
        client.until("it is not counted, or has cost another session", |_| {
            let metrics = self.get("/metrics").unwrap_or_default();
            wanted.iter().all(|line| metrics.contains(line))
        })?;
        other.echo(b"still here")?;
        Ok("costs its own session and no other, and is counted".to_owned())
    }

    fn stop(&self) -> Outcome {
        use rustix::process::{Signal, getpid, kill_process};
        kill_process(getpid(), Signal::TERM).map_err(|error| error.to_string())?;
        let thread = self.thread.take().ok_or("it has ended already")?;
        match thread.join() {
            Ok(Ok(Exit::Done)) => Ok("told to stop, it stops".to_owned()),
            Ok(Ok(Exit::Failed(why))) => Err(why.detail),
            Ok(Err(why)) => Err(why),
            Err(_) => Err("the loop has panicked".to_owned()),
        }
    }
}
