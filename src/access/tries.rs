//! Failed tries, per address: whoever guesses has to wait.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use crate::util::rate_limit::RateLimit;

/// Failures that are forgiven at once, and how often one more is.
const BURST: u32 = 10;
const FORGIVEN_EVERY: Duration = Duration::from_secs(6);
/// Addresses that are remembered. Beyond it the one that was seen longest ago is forgotten.
const MAX_ADDRESSES: usize = 1024;
/// How often an address may be named in the log.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Who has failed how often.
#[derive(Debug, Default)]
pub struct Tries {
    addresses: HashMap<IpAddr, Address>,
}

#[derive(Debug)]
struct Address {
    failures: u32,
    /// When the failures were last counted down.
    since: Instant,
    seen: Instant,
    /// For the log: guesses, and everything else that is refused.
    guesses: RateLimit,
    refusals: RateLimit,
}

/// Somebody with an IPv6 address has 2^64 of them.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            let mut octets = v6.octets();
            octets.iter_mut().skip(8).for_each(|octet| *octet = 0);
            IpAddr::V6(Ipv6Addr::from(octets))
        }
    }
}

impl Address {
    fn forgive(&mut self, now: Instant) {
        while self.failures > 0 && now >= self.since + FORGIVEN_EVERY {
            self.failures -= 1;
            self.since += FORGIVEN_EVERY;
        }
        if self.failures == 0 {
            self.since = now;
        }
    }
}

impl Tries {
    /// Whether an address may try; else how long it has to wait.
    pub fn check(&mut self, now: Instant, address: IpAddr) -> Result<(), Duration> {
        let Some(known) = self.addresses.get_mut(&network_of(address)) else {
            return Ok(());
        };
        known.forgive(now);
        known.seen = now;
        if known.failures < BURST {
            return Ok(());
        }
        Err((known.since + FORGIVEN_EVERY).saturating_duration_since(now))
    }

    /// Something of an address was refused. `Some`: say so in the log, and how many before it were
    /// not told.
    pub fn note(&mut self, now: Instant, address: IpAddr) -> Option<u32> {
        self.entry(now, address).refusals.pass(now)
    }

    /// A try has failed. `Some`: say so in the log, and how many before it were not told.
    pub fn fail(&mut self, now: Instant, address: IpAddr) -> Option<u32> {
        let known = self.entry(now, address);
        known.forgive(now);
        known.failures = (known.failures + 1).min(BURST);
        known.guesses.pass(now)
    }

    fn entry(&mut self, now: Instant, address: IpAddr) -> &mut Address {
        let key = network_of(address);
        if !self.addresses.contains_key(&key) && self.addresses.len() >= MAX_ADDRESSES {
            let oldest = self.addresses.iter().min_by_key(|(_, known)| known.seen);
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                self.addresses.remove(&oldest);
            }
        }
        let known = self.addresses.entry(key).or_insert_with(|| Address {
            failures: 0,
            since: now,
            seen: now,
            guesses: RateLimit::new(1, LOG_INTERVAL),
            refusals: RateLimit::new(1, LOG_INTERVAL),
        });
        known.seen = now;
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_often_waits_and_nobody_else_does() {
        let now = Instant::now();
        let mut tries = Tries::default();
        let guesser: IpAddr = "192.0.2.1".parse().unwrap();
        let other: IpAddr = "192.0.2.2".parse().unwrap();
        let told = (0..BURST)
            .filter(|_| tries.fail(now, guesser).is_some())
            .count();
        assert_eq!(told, 1, "the log has one line");
        assert_eq!(tries.check(now, guesser), Err(FORGIVEN_EVERY));
        assert_eq!(
            tries.check(now, "::ffff:192.0.2.1".parse().unwrap()),
            Err(FORGIVEN_EVERY)
        );
        assert_eq!(tries.check(now, other), Ok(()));
        let later = now + FORGIVEN_EVERY;
        assert_eq!(tries.check(later, guesser), Ok(()), "one more");
        tries.fail(later, guesser);
        assert!(tries.check(later, guesser).is_err());
        assert_eq!(tries.check(later + 20 * FORGIVEN_EVERY, guesser), Ok(()));
    }

    #[test]
    fn a_whole_ipv6_network_is_one_and_memory_is_bounded() {
        let now = Instant::now();
        let mut tries = Tries::default();
        for n in 0..u16::try_from(BURST).unwrap() {
            tries.fail(now, Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n).into());
        }
        assert!(tries.check(now, "2001:db8::ffff".parse().unwrap()).is_err());
        assert!(tries.check(now, "2001:db8:0:1::1".parse().unwrap()).is_ok());
        for n in 0..5000_u32 {
            tries.fail(now + Duration::from_millis(n.into()), IpAddr::V4(n.into()));
        }
        assert_eq!(tries.addresses.len(), MAX_ADDRESSES);
    }
}
