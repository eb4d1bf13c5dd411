//! A network of a test's own: addresses beyond loopback, and groups, that lead nowhere else.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Its process holds it.
pub struct Network(Child);

impl Network {
    /// `setup`: what a shell does in it first. `None`: this user may not make one.
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

    /// What this thread opens and starts from now on is in it.
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
