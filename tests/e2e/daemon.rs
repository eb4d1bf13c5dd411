//! One process of thingway with its own folder, ended with its test.

use std::cell::Cell;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::http;

/// The time limit of every wait. On any machine, however busy, the awaited event happens earlier; the limit
/// only ends a hang.
pub const SOON: Duration = Duration::from_secs(120);
/// How long a daemon may drain at the end of a test before it is told a second time to stop.
const DRAIN: Duration = Duration::from_millis(400);

/// Words in the log that no test ignores, because a panic leaves them there.
const BUGS: [&str; 4] = [
    "panicked at",
    "ended by a bug",
    "met a bug",
    "a bug at its end",
];

/// A folder that is removed with the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("thingway-e2e-{}-{n}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the path of the daemon's identity.
    pub fn pem(&self) -> PathBuf {
        self.join("state/thingway/dtls.pem")
    }

    /// Returns the program with the folder as its only environment.
    pub fn program(&self) -> Command {
        self.alone(Command::new(env!("CARGO_BIN_EXE_thingway")))
    }

    /// Returns the program as a tracee: the process is the daemon, and its system calls are written to a
    /// file. `-D` makes the tracer a grandchild, so that signals and the exit code are the daemon's.
    pub fn traced(&self, options: &[&str], trace: &Path) -> Command {
        let mut command = Command::new("strace");
        command
            .args(["-D", "-f", "-ttt", "-v", "-s", "0"])
            .args(options)
            .arg("-o")
            .arg(trace)
            .arg(env!("CARGO_BIN_EXE_thingway"));
        self.alone(command)
    }

    fn alone(&self, mut command: Command) -> Command {
        command
            .env_clear()
            .env("XDG_STATE_HOME", self.join("state"))
            // The control socket must not be that of another daemon of this user.
            .env("XDG_RUNTIME_DIR", self.join("user"))
            .stdin(Stdio::null());
        command
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.join(name);
        fs::write(&path, text).expect("a file");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

/// The log of a daemon. The log is read each time a test looks at it, so that a line written before an answer
/// is available with the answer. In between a thread reads it, so that the pipe never fills up.
struct Log {
    pipe: ChildStderr,
    bytes: Vec<u8>,
    has_ended: bool,
}

impl Log {
    fn read(pipe: ChildStderr) -> Arc<Mutex<Self>> {
        rustix::io::ioctl_fionbio(&pipe, true).expect("it never blocks");
        let log = Arc::new(Mutex::new(Self {
            pipe,
            bytes: Vec::new(),
            has_ended: false,
        }));
        let theirs = Arc::downgrade(&log);
        thread::spawn(move || {
            while let Some(log) = theirs.upgrade() {
                let mut log = log.lock().expect("the lock is not poisoned");
                log.fetch();
                if log.has_ended {
                    return;
                }
                drop(log);
                thread::sleep(Duration::from_millis(5));
            }
        });
        log
    }

    fn fetch(&mut self) {
        let mut piece = [0; 16 * 1024];
        loop {
            match self.pipe.read(&mut piece) {
                Ok(0) => break self.has_ended = true,
                Ok(n) => self.bytes.extend_from_slice(&piece[..n]),
                Err(_) => break,
            }
        }
    }

    fn text(&mut self) -> String {
        self.fetch();
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// Returns a port of this test run, for TCP and UDP, for tests that must know the port before the daemon has
/// it. The port is below those that the system assigns itself, so no other daemon gets it in between. Each
/// `test` has a different port.
pub fn own_port(test: u16) -> u16 {
    let run = (std::process::id() % 1_000) as u16;
    let is_free = |port: &u16| {
        TcpListener::bind(("0.0.0.0", *port)).is_ok() && UdpSocket::bind(("0.0.0.0", *port)).is_ok()
    };
    let mut ports = [10_000, 20_000]
        .map(|first| first + run * 10 + test)
        .into_iter();
    ports.find(is_free).expect("a free port")
}

/// A running daemon that listens.
pub struct Daemon {
    child: Child,
    /// Whether the test has killed the daemon.
    was_killed: Cell<bool>,
    /// The address of the daemon's HTTP listener.
    pub addr: SocketAddr,
    stderr: Arc<Mutex<Log>>,
    /// The folder, declared last because it must be removed after the process.
    pub folder: Arc<Folder>,
}

impl Daemon {
    /// Starts a daemon in a new folder.
    pub fn start(config: &str) -> Self {
        Self::start_in(
            Arc::new(Folder::new()),
            config,
            &["--listen", "127.0.0.1:0"],
        )
    }

    /// Starts a daemon in a folder that another daemon may have used.
    pub fn start_in(folder: Arc<Folder>, config: &str, arguments: &[&str]) -> Self {
        let config = folder.write("config.toml", config);
        let mut command = folder.program();
        command.arg("--config").arg(config).args(arguments);
        Self::run(folder, command)
    }

    /// Starts a daemon with a command that the test has made.
    pub fn run(folder: Arc<Folder>, mut command: Command) -> Self {
        command.stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let stderr = Log::read(child.stderr.take().expect("a pipe"));
        let mut daemon = Self {
            child,
            was_killed: Cell::new(false),
            addr: ([127, 0, 0, 1], 0).into(),
            stderr,
            folder,
        };
        daemon.addr = daemon.wait_for_address();
        daemon.until("ready", |d| http::get(d.addr, "/readyz").status == 200);
        daemon
    }

    fn wait_for_address(&mut self) -> SocketAddr {
        let end = Instant::now() + SOON;
        loop {
            let log = self.log();
            let found = log
                .split_once("listening on http://")
                .and_then(|(_, rest)| rest.split_once('/'));
            if let Some((addr, _)) = found {
                return addr.parse().expect("an address");
            }
            if let Some(status) = self.child.try_wait().expect("a child") {
                panic!("the daemon ended with {status}:\n{}", self.log());
            }
            assert!(Instant::now() < end, "no address in the log:\n{log}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Returns the log so far.
    pub fn log(&self) -> String {
        self.stderr.lock().expect("the lock is not poisoned").text()
    }

    pub fn get(&self, path: &str) -> Value {
        let answer = http::get(self.addr, path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        serde_json::from_slice(&answer.body).expect("JSON")
    }

    /// Waits until a condition is true, or fails.
    pub fn until(&self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + SOON;
        while !done(self) {
            assert!(Instant::now() < end, "not within {SOON:?}: {what}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal. A test sends SIGKILL only if the daemon shall not end in order.
    pub fn signal(&self, signal: Signal) {
        if signal == Signal::KILL {
            self.was_killed.set(true);
        }
        kill_process(Pid::from_child(&self.child), signal).expect("a process of ours");
    }

    /// Returns the exit status if the daemon ends within the limit.
    pub fn ended_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + limit;
        loop {
            let status = self.child.try_wait().expect("a child");
            if status.is_some() || Instant::now() >= end {
                return status;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    // ---- what the kernel knows of it ----

    /// Returns how often the process has given up the processor voluntarily, that is, waited in `poll`.
    pub fn wakes(&self) -> u64 {
        let status = self.proc("status");
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.expect("a line").trim().parse().expect("a number")
    }

    /// Returns the resident memory in KiB.
    pub fn resident(&self) -> u64 {
        let status = self.proc("status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("a line");
        line.trim()
            .trim_end_matches(" kB")
            .trim()
            .parse()
            .expect("a number")
    }

    /// Returns the number of open file descriptors.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid()))
            .expect("its descriptors")
            .count()
    }

    /// Removes the lock files of a killed daemon, because another process will have its number one day. A
    /// daemon that ends in order leaves no lock files, and other daemons must not find theirs touched.
    fn forget_locks(&self) {
        for entry in fs::read_dir("/run/lock").into_iter().flatten().flatten() {
            let is_lock = entry.file_name().to_string_lossy().starts_with("LCK..");
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            if is_lock && text.trim() == self.pid().to_string() {
                let _gone = fs::remove_file(entry.path());
            }
        }
    }

    fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.pid())).expect("proc")
    }
}

impl Daemon {
    /// Tells the daemon to stop, and then once more. Returns how it ended, if it ended without being killed.
    fn stop(&mut self) -> Option<ExitStatus> {
        for limit in [DRAIN, SOON] {
            let ended = self.ended_within(Duration::ZERO);
            if ended.is_some() {
                return ended;
            }
            // The daemon may end in between.
            let _gone = kill_process(Pid::from_child(&self.child), Signal::TERM);
            let ended = self.ended_within(limit);
            if ended.is_some() {
                return ended;
            }
        }
        None
    }

    /// Returns how many sessions have ended by a panic, if the metrics are available.
    fn panicked(&self) -> Option<u64> {
        let limit = Duration::from_secs(5);
        let mut stream = TcpStream::connect_timeout(&self.addr, limit).ok()?;
        stream.set_read_timeout(Some(limit)).ok()?;
        let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let name = "thingway_sessions_panicked_total ";
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.parse().ok())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("---- log of the daemon ----\n{}", self.log());
            let _ended_before = self.child.kill();
            let _reaped = self.child.wait();
            return self.forget_locks();
        }
        let panicked = if self.was_killed.get() {
            None
        } else {
            self.panicked()
        };
        let ended = self.stop();
        let _ended_before = self.child.kill();
        let _reaped = self.child.wait();
        if ended.is_none() || self.was_killed.get() {
            self.forget_locks();
        }
        let log = self.log();
        assert!(
            self.was_killed.get() || ended.and_then(|status| status.code()) == Some(0),
            "told to stop it ended with {ended:?}:\n{log}"
        );
        assert_eq!(panicked.unwrap_or(0), 0, "sessions have panicked:\n{log}");
        let bug = BUGS.iter().find(|bug| log.contains(**bug));
        assert_eq!(bug, None, "in the log:\n{log}");
    }
}
