//! Failed tries, per address and kind of secret. A client that guesses must wait.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use crate::util::rate_limit::RateLimit;

/// How many failures are allowed at once, and the time after which one more is allowed.
const BURST: u32 = 10;
const FORGIVEN_EVERY: Duration = Duration::from_secs(6);
/// How many addresses are remembered. Beyond this number the least recently seen address is forgotten.
const MAX_ADDRESSES: usize = 1024;
/// How often at most an address is named in the log.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The kind of secret that a client has guessed. Wrong secrets of one kind do not block the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guess {
    /// A token, a ticket or a share.
    Token,
    /// A key of the hub, or its credential.
    Key,
}

/// The failures of all addresses.
#[derive(Debug, Default)]
pub struct Tries {
    addresses: HashMap<IpAddr, Address>,
}

#[derive(Debug)]
struct Address {
    tokens: Failures,
    keys: Failures,
    seen: Instant,
    /// The limits of log lines: one for guesses, one for all other refusals.
    guesses: RateLimit,
    refusals: RateLimit,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    /// When the failures were last reduced.
    since: Instant,
}

/// Returns the network that counts as one address, because one client with IPv6 has 2^64 addresses.
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

impl Failures {
    fn forgive(&mut self, now: Instant) {
        while self.count > 0 && now >= self.since + FORGIVEN_EVERY {
            self.count -= 1;
            self.since += FORGIVEN_EVERY;
        }
        if self.count == 0 {
            self.since = now;
        }
    }
}

impl Address {
    fn failures(&mut self, guess: Guess) -> &mut Failures {
        match guess {
            Guess::Token => &mut self.tokens,
            Guess::Key => &mut self.keys,
        }
    }
}

impl Tries {
    /// Returns an error with the remaining wait if an address may not try now.
    pub fn check(&mut self, now: Instant, address: IpAddr, guess: Guess) -> Result<(), Duration> {
        let Some(known) = self.addresses.get_mut(&network_of(address)) else {
            return Ok(());
        };
        known.seen = now;
        let failures = known.failures(guess);
        failures.forgive(now);
        if failures.count < BURST {
            return Ok(());
        }
        Err((failures.since + FORGIVEN_EVERY).saturating_duration_since(now))
    }

    /// Notes a refusal for an address. Returns `Some` if the refusal should be logged, with the number of
    /// refusals before it that were not logged.
    pub fn note(&mut self, now: Instant, address: IpAddr) -> Option<u32> {
        self.entry(now, address).refusals.pass(now)
    }

    /// Notes a failed try. Returns `Some` if the failure should be logged, with the number of failures before
    /// it that were not logged.
    pub fn fail(&mut self, now: Instant, address: IpAddr, guess: Guess) -> Option<u32> {
        let known = self.entry(now, address);
        let failures = known.failures(guess);
        failures.forgive(now);
        failures.count = (failures.count + 1).min(BURST);
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
            tokens: Failures {
                count: 0,
                since: now,
            },
            keys: Failures {
                count: 0,
                since: now,
            },
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

    const TOKEN: Guess = Guess::Token;

    #[test]
    fn who_fails_often_waits_and_nobody_else_does() {
        let now = Instant::now();
        let mut tries = Tries::default();
        let guesser: IpAddr = "192.0.2.1".parse().unwrap();
        let other: IpAddr = "192.0.2.2".parse().unwrap();
        let told = (0..BURST)
            .filter(|_| tries.fail(now, guesser, TOKEN).is_some())
            .count();
        assert_eq!(told, 1, "the log has one line");
        assert_eq!(tries.check(now, guesser, TOKEN), Err(FORGIVEN_EVERY));
        assert_eq!(
            tries.check(now, "::ffff:192.0.2.1".parse().unwrap(), TOKEN),
            Err(FORGIVEN_EVERY)
        );
        assert_eq!(tries.check(now, other, TOKEN), Ok(()));
        let later = now + FORGIVEN_EVERY;
        assert_eq!(tries.check(later, guesser, TOKEN), Ok(()), "one more");
        tries.fail(later, guesser, TOKEN);
        assert!(tries.check(later, guesser, TOKEN).is_err());
        assert_eq!(
            tries.check(later + 20 * FORGIVEN_EVERY, guesser, TOKEN),
            Ok(())
        );
    }

    #[test]
    fn a_whole_ipv6_network_is_one_and_memory_is_bounded() {
        let now = Instant::now();
        let mut tries = Tries::default();
        for n in 0..u16::try_from(BURST).unwrap() {
            tries.fail(
                now,
                Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n).into(),
                TOKEN,
            );
        }
        assert!(
            tries
                .check(now, "2001:db8::ffff".parse().unwrap(), TOKEN)
                .is_err()
        );
        assert!(
            tries
                .check(now, "2001:db8:0:1::1".parse().unwrap(), TOKEN)
                .is_ok()
        );
        for n in 0..5000_u32 {
            tries.fail(
                now + Duration::from_millis(n.into()),
                IpAddr::V4(n.into()),
                TOKEN,
            );
        }
        assert_eq!(tries.addresses.len(), MAX_ADDRESSES);
    }

    #[test]
    fn wrong_tokens_shut_out_no_keys() {
        let now = Instant::now();
        let mut tries = Tries::default();
        let shared: IpAddr = "192.0.2.1".parse().unwrap();
        for _ in 0..BURST {
            tries.fail(now, shared, Guess::Token);
        }
        assert!(tries.check(now, shared, Guess::Token).is_err());
        assert_eq!(tries.check(now, shared, Guess::Key), Ok(()));
    }
}
