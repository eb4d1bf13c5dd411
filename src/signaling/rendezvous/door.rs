//! Admission to the hub, and delays for clients that guess keys. The rules themselves are in
//! `signaling::door`.

use std::time::Instant;

use crate::access::UnixTime;
use crate::access::locality::Locality;
use crate::access::tries::{Guess, Tries};
use crate::config::KeyConfig;
use crate::signaling::door::{self as rules, Admitted, Application, NotAdmitted};

/// A door that checks clients against keys, and delays clients that guess.
#[derive(Debug, Default)]
pub(crate) struct Door {
    tries: Tries,
    failed: u64,
}

impl Door {
    /// Returns the end of an application's credential in seconds since 1970, if it has one, or the reason for
    /// refusing the application.
    pub(crate) fn admit(
        &mut self,
        now: Instant,
        time: UnixTime,
        keys: &[KeyConfig],
        locality: Locality,
        application: Application<'_>,
    ) -> Result<Option<UnixTime>, NotAdmitted> {
        let admitted = rules::check(keys, locality, application, time);
        self.count_guess(now, locality, admitted)
    }

    /// Checks whether an application may see which peers exist.
    pub(crate) fn admit_reader(
        &mut self,
        now: Instant,
        time: UnixTime,
        keys: &[KeyConfig],
        locality: Locality,
        application: Application<'_>,
    ) -> Result<(), NotAdmitted> {
        let checked = match rules::check(keys, locality, application, time) {
            // A client that only asks has no id yet, so it has guessed nothing.
            Err(NotAdmitted::Peer | NotAdmitted::Credential(_)) => Ok(Admitted::default()),
            other => other,
        };
        self.count_guess(now, locality, checked).map(|_| ())
    }

    /// Returns how many keys and credentials were wrong.
    pub(crate) fn failed(&self) -> u64 {
        self.failed
    }

    /// Counts the refusal of a client beyond this machine as a guess, and refuses clients that guess too
    /// often.
    fn count_guess(
        &mut self,
        now: Instant,
        locality: Locality,
        admitted: Result<Admitted, NotAdmitted>,
    ) -> Result<Option<UnixTime>, NotAdmitted> {
        let Some(remote) = locality.remote() else {
            return admitted.map(|admitted| admitted.until);
        };
        // Check the delay before this attempt is counted, so that the attempt that exceeds the bound still
        // gets its own reason.
        let has_to_wait = self.tries.check(now, remote, Guess::Key).is_err();
        match admitted {
            // Refuse guessable keys only, so that a guessing neighbour at the same address does not lock out
            // clients with unguessable keys.
            Ok(Admitted {
                is_guessable: true, ..
            }) if has_to_wait => Err(NotAdmitted::Key(
                "too many wrong keys came from this address: wait a minute",
            )),
            Ok(admitted) => Ok(admitted.until),
            Err(why) => {
                self.failed += 1;
                if let Some(untold) = self.tries.fail(now, remote, Guess::Key) {
                    let what = "an unknown key or a wrong credential";
                    log::warn!("{remote}: refused: {what} ({untold} more before)");
                }
                Err(why)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::signaling::door::PageOrigin;

    const LONG: &str = "3f0c2b1a-0000-4000-8000-1234567890ab";

    fn keys() -> Vec<KeyConfig> {
        let config = format!(
            "[[skyway.key]]\nkey = \"short\"\npeers = [\"page-*\"]\n[[skyway.key]]\nkey = \"{LONG}\"\n"
        );
        Config::parse(&config).expect("good").hub.skyway_keys
    }

    fn ask(door: &mut Door, now: Instant, key: &str, peer: &str) -> bool {
        let origin = PageOrigin::default();
        let application = Application {
            key,
            domain: None,
            origin: &origin,
            peer: Some(peer),
            credential: None,
        };
        let locality = Locality::Network("192.0.2.9".parse().expect("an address"));
        door.admit(now, 0, &keys(), locality, application).is_ok()
    }

    #[test]
    fn wrong_keys_shut_out_what_can_be_guessed_and_nothing_else() {
        let (mut door, now) = (Door::default(), Instant::now());
        assert!(ask(&mut door, now, "short", "page-1"));
        for n in 0..10 {
            assert!(!ask(&mut door, now, &format!("wrong{n}"), "page-1"));
        }
        assert_eq!(door.failed(), 10);
        assert!(!ask(&mut door, now, "short", "page-1"), "a guess, perhaps");
        assert!(ask(&mut door, now, LONG, "any"));
        assert_eq!(
            door.failed(),
            10,
            "a client that has to wait was not counted"
        );
    }

    #[test]
    fn a_client_that_only_looks_has_guessed_nothing() {
        let (mut door, now) = (Door::default(), Instant::now());
        let origin = PageOrigin::default();
        let application = |key| Application {
            key,
            domain: None,
            origin: &origin,
            peer: None,
            credential: None,
        };
        let locality = Locality::Network("192.0.2.9".parse().expect("an address"));
        for _ in 0..20 {
            let answer = door.admit_reader(now, 0, &keys(), locality, application("short"));
            assert_eq!(answer, Ok(()));
        }
        let answer = door.admit_reader(now, 0, &keys(), locality, application("wrong"));
        assert!(answer.is_err());
        assert_eq!(door.failed(), 1);
        let here = door.admit_reader(now, 0, &keys(), Locality::Local, application("wrong"));
        assert!(here.is_err());
        assert_eq!(door.failed(), 1, "on this machine nothing is counted");
    }
}
