//! The service manager, if one listens. The daemon reports when it is ready, its status, and that the loop
//! still runs, and the service manager keeps ttys open over a restart (`sd_notify(3)`,
//! `sd_watchdog_enabled(3)`).

mod inherited;

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use super::plain;
use crate::gateway::Gateway;
pub(crate) use inherited::Inherited;
use inherited::tty_name;

/// Returns whether a service manager has started this process and listens.
pub(crate) fn is_service() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// The connection to the service manager, and what was reported.
#[derive(Debug)]
pub(super) struct Manager {
    /// Whether a service manager listens.
    is_there: bool,
    phase: Phase,
    /// [`Gateway::revision`] when the status was last reported.
    told: Option<u64>,
    watchdog: Option<Watchdog>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Starting,
    Running,
    Stopping,
}

#[derive(Debug)]
struct Watchdog {
    every: Duration,
    next: Instant,
}

impl Watchdog {
    /// Returns a watchdog that is fed twice as often as required, because one message may be late. `None`:
    /// there is no limit.
    fn new(now: Instant, limit: Duration) -> Option<Self> {
        (!limit.is_zero()).then_some(Self {
            every: limit / 2,
            next: now,
        })
    }
}

impl Manager {
    /// Looks for a service manager in the environment.
    pub(super) fn find(now: Instant) -> Self {
        let is_there = is_service();
        let watchdog = sd_notify::watchdog_enabled()
            .filter(|_| is_there)
            .and_then(|limit| Watchdog::new(now, limit));
        Self {
            is_there,
            phase: Phase::Starting,
            told: None,
            watchdog,
        }
    }

    /// Reports to the service manager, once per turn. The loop itself calls this, so a loop that hangs feeds
    /// no watchdog. Returns true if the daemon has just become ready.
    pub(super) fn turn(&mut self, now: Instant, gateway: &Gateway) -> bool {
        let mut words = Vec::new();
        let was_starting = self.phase == Phase::Starting;
        if was_starting && gateway.is_ready() {
            self.phase = Phase::Running;
            words.push(NotifyState::Ready);
        } else if self.phase != Phase::Stopping && gateway.is_draining() {
            self.phase = Phase::Stopping;
            words.push(NotifyState::Stopping);
        }
        let became_ready = was_starting && self.phase == Phase::Running;
        if !self.is_there {
            return became_ready;
        }
        if let Some(watchdog) = self.watchdog.as_mut().filter(|dog| dog.next <= now) {
            watchdog.next = now + watchdog.every;
            words.push(NotifyState::Watchdog);
        }
        let news = gateway.revision();
        let status = if self.phase == Phase::Running && self.told.replace(news) != Some(news) {
            gateway.status()
        } else {
            String::new()
        };
        if !status.is_empty() {
            words.push(NotifyState::Status(&status));
        }
        if !words.is_empty() {
            self.tell(&words);
        }
        became_ready
    }

    /// Returns when [`Self::turn`] must be called at the latest.
    pub(super) fn next(&self) -> Option<Instant> {
        self.watchdog.as_ref().map(|watchdog| watchdog.next)
    }

    /// Reports that the configuration is being read again (`Type=notify-reload`).
    pub(super) fn reloading(&mut self) {
        // While the daemon starts or stops, another state is in force.
        if self.phase != Phase::Running {
            return;
        }
        match NotifyState::monotonic_usec_now() {
            Ok(time) => self.tell(&[NotifyState::Reloading, time]),
            Err(error) => log::debug!("CLOCK_MONOTONIC: {}", plain(&error)),
        }
    }

    /// Reports that the configuration was read.
    pub(super) fn reloaded(&mut self) {
        if self.phase == Phase::Running {
            self.tell(&[NotifyState::Ready]);
        }
    }

    /// Reports why the daemon ends, to be seen in `systemctl status`.
    pub(super) fn failed(&mut self, why: &str) {
        // A line break would begin another assignment.
        let line = why.lines().next().unwrap_or_default();
        self.tell(&[NotifyState::Status(line)]);
    }

    /// Asks the service manager to keep a tty open over a restart: a line that is closed hangs up, which
    /// resets many boards. Returns false if the tty is not kept.
    pub(super) fn keep(&mut self, path: &Path, tty: &impl AsFd) -> bool {
        let Some(name) = tty_name(path).filter(|_| self.is_there) else {
            return false;
        };
        let words = [NotifyState::FdStore, NotifyState::FdName(&name)];
        let kept = sd_notify::notify_with_fds(&words, &[tty.as_fd()]);
        self.look_at(kept)
    }

    /// Releases a tty that is closed on purpose.
    pub(super) fn forget(&mut self, path: &Path) {
        if let Some(name) = tty_name(path) {
            self.forget_named(&name);
        }
    }

    /// Releases a tty by the name under which it was kept.
    pub(super) fn forget_named(&mut self, name: &str) {
        self.tell(&[NotifyState::FdStoreRemove, NotifyState::FdName(name)]);
    }

    fn tell(&mut self, words: &[NotifyState<'_>]) {
        if self.is_there {
            let told = sd_notify::notify(words);
            self.look_at(told);
        }
    }

    /// Returns whether the service manager was reached. If not, warns once and sends no more.
    fn look_at(&mut self, told: io::Result<()>) -> bool {
        if let Err(error) = &told {
            let socket = std::env::var("NOTIFY_SOCKET").unwrap_or_default();
            log::warn!(
                "the service manager ({socket}) cannot be told: {}",
                plain(error)
            );
            self.is_there = false;
        }
        told.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::session::crypto::Identity;

    #[test]
    fn the_watchdog_is_fed_twice_as_often_as_it_must_be() {
        let now = Instant::now();
        let identity = Identity::generate().expect("an identity");
        let gateway = Gateway::new(now, Config::default(), identity, Vec::new(), [7; 32]);
        let mut manager = Manager {
            // The messages themselves are tested with a real socket.
            is_there: false,
            phase: Phase::Running,
            told: None,
            watchdog: Watchdog::new(now, Duration::from_millis(600)),
        };
        assert_eq!(manager.next(), Some(now));
        manager.is_there = true;
        manager.turn(now, &gateway);
        assert_eq!(manager.next(), Some(now + Duration::from_millis(300)));
        let early = now + Duration::from_millis(299);
        manager.turn(early, &gateway);
        assert_eq!(manager.next(), Some(now + Duration::from_millis(300)));
        let late = now + Duration::from_millis(350);
        manager.turn(late, &gateway);
        assert_eq!(manager.next(), Some(late + Duration::from_millis(300)));
        assert!(Watchdog::new(now, Duration::ZERO).is_none());
    }
}
