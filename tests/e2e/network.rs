//! A network for one test, with addresses and groups beyond loopback, and no connection to any other network.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The process that keeps the network alive.
pub struct Network(Child);

impl Network {
    /// Makes a network, in which a shell first runs `setup`. Returns `None` if this user may not make one.
    pub fn new(setup: &str) -> Option<Self> {
        let groups = "ip route add 224.0.0.0/4 dev lo";
        let script = format!("ip link set lo up && {groups} && {setup} && echo up && exec cat");
        let mut child = Command::new("unshare")
            .args(["--net", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut line = String::new();
        let out = child.stdout.take().expect("a pipe");
        let network = Self(child);
        BufReader::new(out).read_line(&mut line).ok()?;
        (line == "up\n").then_some(network)
    }

    /// Moves this thread, with everything it opens and starts from now on, into the network.
    pub fn enter(&self) {
        let file = fs::File::open(format!("/proc/{}/ns/net", self.0.id())).expect("its network");
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).expect("allowed");
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ended_before = self.0.kill();
        let _reaped = self.0.wait();
    }
}
