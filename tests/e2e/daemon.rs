//! One process of thingway, with a folder of its own, ended when the test ends.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::http;

/// A machine with two cores runs all tests at once; nothing here should take a tenth of it.
pub const SOON: Duration = Duration::from_secs(20);

/// A folder that goes when the test is over.
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

    /// Where the daemon keeps its identity.
    pub fn pem(&self) -> PathBuf {
        self.join("state/thingway/dtls.pem")
    }

    /// The program, with nothing from this environment but the folder.
    pub fn program(&self) -> Command {
        self.alone(Command::new(env!("CARGO_BIN_EXE_thingway")))
    }

    /// The program as a tracee: the process is the daemon, what it calls is written to a file.
    /// `-D` makes the tracer a grandchild, so that signals and the exit code are the daemon's.
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

/// A daemon that listens.
pub struct Daemon {
    child: Child,
    /// Where its HTTP is.
    pub addr: SocketAddr,
    stderr: Arc<Mutex<String>>,
    /// Declared last: it goes after the process.
    pub folder: Arc<Folder>,
}

impl Daemon {
    /// A daemon in a new folder.
    pub fn start(config: &str) -> Self {
        Self::start_in(
            Arc::new(Folder::new()),
            config,
            &["--listen", "127.0.0.1:0"],
        )
    }

    /// A daemon in a folder that may have been another's.
    pub fn start_in(folder: Arc<Folder>, config: &str, arguments: &[&str]) -> Self {
        let config = folder.write("config.toml", config);
        let mut command = folder.program();
        command.arg("--config").arg(config).args(arguments);
        Self::run(folder, command)
    }

    /// A daemon started by a command of the test's own making.
    pub fn run(folder: Arc<Folder>, mut command: Command) -> Self {
        command.stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let stderr = Arc::new(Mutex::new(String::new()));
        let (pipe, text) = (child.stderr.take().expect("a pipe"), Arc::clone(&stderr));
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let mut text = text.lock().expect("nobody panics here");
                text.push_str(&line);
                text.push('\n');
            }
        });
        let mut daemon = Self {
            child,
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

    /// What it has logged.
    pub fn log(&self) -> String {
        self.stderr.lock().expect("nobody panics there").clone()
    }

    pub fn get(&self, path: &str) -> Value {
        let answer = http::get(self.addr, path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        serde_json::from_slice(&answer.body).expect("JSON")
    }

    /// Waits until it is so, or fails.
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

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a process of ours");
    }

    /// Its end, if that comes within the limit.
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

    /// Clock ticks (10 ms) of a core that it has used.
    pub fn ticks(&self) -> u64 {
        let stat = self.proc("stat");
        // proc(5): the second field is a name in parentheses; utime and stime are 14 and 15.
        let (_, rest) = stat.rsplit_once(") ").expect("a name");
        rest.split(' ')
            .skip(11)
            .take(2)
            .map(|n| n.parse::<u64>().expect("a number"))
            .sum()
    }

    /// Resident memory in KiB.
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

    /// Open file descriptors.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid()))
            .expect("its descriptors")
            .count()
    }

    /// Its lock files, if it was killed: its number will be somebody else's one day.
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

impl Drop for Daemon {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("---- log of the daemon ----\n{}", self.log());
        }
        let _ended_before = self.child.kill();
        let _reaped = self.child.wait();
        self.forget_locks();
    }
}
